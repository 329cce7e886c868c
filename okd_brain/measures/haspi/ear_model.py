"""A model of the normal-hearing ear, from sound to nerve firing rates.

The auditory periphery of HASPI (Kates, "An auditory model for intelligibility
and quality predictions", POMA 19, 2013; Kates and Arehart, "The Hearing-Aid
Speech Perception Index (HASPI)", Speech Communication 65, 2014): middle ear,
32 gammatone filters which widen with level, dynamic compression by the outer
hair cells, and adaptation of the inner hair cells. The constants are those of
Kates's program, read in pyclarity, for an audiogram of 0 dB hearing loss.

Sounds are at 24 kHz and in units of the hearing threshold: an RMS of 1 is
0 dB SPL. One band of a whole utterance is processed at a time, which stays
in the cache of one core.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, lfilter, upfirdn

from okd_brain.measures.haspi.alignment import LagFinder, shifted

SAMPLE_RATE = 24000
BANDS = 32
BAND_RANGE_HZ = (80.0, 8000.0)

# Auditory filters, Moore and Glasberg 1983.
EAR_Q = 9.26449
NARROWEST_HZ = 24.7
BANDWIDTH_OF_GAMMATONE = 1.019  # parameter b, in ERB
WIDENING_DB_SPL = (50.0, 100.0)  # level in a band, normal to widest filter

# Compression, between two levels in dB SPL, increases with the band.
COMPRESSED_DB_SPL = (30.0, 100.0)
COMPRESSION_RATIOS = (1.25, 3.5)
COMPRESSOR_LOWPASS_HZ = 800.0

# Adaptation: overshoot at an onset, fast and slow time constants.
OVERSHOOT = 2.0
FAST_SECONDS = 0.002
SLOW_SECONDS = 0.060

# Firing rates: a lowpass at 320 Hz, Hann, empirically 0.7 / 320 s long.
SMOOTHING = 52
DECIMATION = 9

MAX_LAG = 2400  # 100 ms


class EarReference:
    """Firing rates of a reference, and of signals that are compared with it.

    Arguments
    ---------
    reference : np.ndarray [samples]
        Sound at 24 kHz, RMS of 1 is 0 dB SPL, more than 0.1 s long.
    align : bool
        Whether other signals are aligned with the reference in each band.
    """

    def __init__(self, reference, *, align):
        self._aligners = []
        poles = np.empty(BANDS)
        firing = np.empty((BANDS, len(reference)))
        sound = _middle_ear(reference)
        for number, band in enumerate(_bands()):
            vibration, poles[number] = _vibration(sound, band)
            firing[number] = _firing(vibration)
            if align:
                finder = LagFinder(
                    vibration, earliest=1 - MAX_LAG, latest=MAX_LAG
                )
                self._aligners.append(finder)
        self._delays = _delays(poles)
        self.rates = np.stack(list(map(_smoothed, firing, self._delays)))

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        kept = [self.rates, *self._aligners]
        return sum(part.nbytes for part in kept)

    def rates_of(self, sound):
        """Firing rates of another signal.

        Arguments
        ---------
        sound : np.ndarray [samples]
            As long as the reference, same rate and unit.

        Returns
        -------
        np.ndarray [32, ceil(samples / 9)]
            Excitation in dB above threshold, at 2667 Hz.
        """
        sound = _middle_ear(sound)
        rates = np.empty_like(self.rates)
        for number, band in enumerate(_bands()):
            vibration, _ = _vibration(sound, band)
            if self._aligners:
                lag = self._aligners[number].lag_of(vibration)
                vibration = shifted(vibration, lag)
            firing = _firing(vibration)
            rates[number] = _smoothed(firing, self._delays[number])
        return rates


class _Band(NamedTuple):
    centre_hz: float
    width_hz: float  # of the filter at low levels
    widest: float  # at high levels, relative to that
    expansion: float  # exponent of the gain as a function of power, negative


@lru_cache(maxsize=1)
def _bands():
    """The 32 bands, evenly spaced on the ERB scale."""
    corner_hz = EAR_Q * NARROWEST_HZ
    low, high = np.log(np.array(BAND_RANGE_HZ) + corner_hz)
    centre_hz = np.exp(np.linspace(low, high, BANDS)) - corner_hz
    # Without outer hair cells the ear is linear and its filters are widest;
    # loss is the gain in dB that soft sounds are then without.
    slope = 1 - 1 / np.linspace(*COMPRESSION_RATIOS, BANDS)
    loss = np.ptp(COMPRESSED_DB_SPL) * slope
    widest = 1 + loss / 50 + 2 * (loss / 50) ** 6
    width_hz = NARROWEST_HZ + centre_hz / EAR_Q
    return list(map(_Band, centre_hz, width_hz, widest, -slope / 2))


def _middle_ear(sound):
    """Lowpass at 5 kHz and highpass at 350 Hz."""
    sound = lfilter(*butter(1, 5000, fs=SAMPLE_RATE), sound)
    return lfilter(*butter(2, 350, "high", fs=SAMPLE_RATE), sound)


def _vibration(sound, band):
    """Envelope of one band after compression, and the pole of its filter."""
    baseband = _demodulated(sound, band.centre_hz)
    control = _gammatone_power(baseband, _pole(band, band.widest))
    level_db = 10 * np.log10(max(control.mean(), 1e-30))
    width = np.interp(level_db, WIDENING_DB_SPL, (1.0, band.widest))
    pole = _pole(band, width)
    envelope = np.sqrt(_gammatone_power(baseband, pole))
    low, high = (10 ** (level / 10) for level in COMPRESSED_DB_SPL)
    gain = (np.clip(control, low, high) / low) ** band.expansion
    return lfilter(*_compressor_lowpass(), gain) * envelope, pole


@lru_cache(maxsize=1)
def _compressor_lowpass():
    return butter(1, COMPRESSOR_LOWPASS_HZ, fs=SAMPLE_RATE)


def _demodulated(sound, centre_hz):
    """Sound with a frequency moved to 0. [samples, real and imaginary]"""
    step = -2j * np.pi * centre_hz / SAMPLE_RATE
    block = 512  # e^(a + b) = e^a e^b, 512 + samples / 512 exponentials
    coarse = np.exp(step * np.arange(0, len(sound), block))
    carrier = np.outer(coarse, np.exp(step * np.arange(block))).ravel()
    return (sound * carrier[: len(sound)]).view(np.float64).reshape(-1, 2)


def _pole(band, width):
    """The fourfold pole of the gammatone filter at a relative width."""
    width_hz = width * BANDWIDTH_OF_GAMMATONE * band.width_hz
    return np.exp(-2 * np.pi * width_hz / SAMPLE_RATE)


def _gammatone_power(baseband, pole):
    """Squared envelope at the output of a 4th-order gammatone filter.

    Impulse-invariant form of Cooke's filter at baseband.
    """
    zeros = np.array([1, 4 * pole, 4 * pole**2])
    gain = 2 * (1 - pole) ** 4 / (1 + 2 * pole) ** 2
    poles = [1, -4 * pole, 6 * pole**2, -4 * pole**3, pole**4]
    filtered = lfilter(gain * zeros, poles, baseband, axis=0)
    return filtered[:, 0] ** 2 + filtered[:, 1] ** 2


@lru_cache(maxsize=1)
def _adaptation():
    """Filter with which the inner hair cells adapt, (b, a).

    An electrical circuit: the input feeds, through r1, a capacitor for the
    fast and, through r2, one for the slow adaptation, which leaks through r3.
    The rate is the current through r1. Backward differences of the two
    voltages v make the recursion v[n] = m v[n - 1] + d x[n].
    """
    r1 = 1 / OVERSHOOT
    r2 = r3 = 0.5 * (1 - r1)
    fast = FAST_SECONDS * SAMPLE_RATE * (r1 + r2)  # r1 r2 c1 / T
    slow = SLOW_SECONDS * SAMPLE_RATE * r2 / (r1 + r2)  # r2 r3 c2 / T
    system = np.array([[r1 + r2 + fast, -r1], [-r3, r2 + r3 + slow]])
    inverse = np.linalg.inv(system)
    m, d = inverse * [fast, slow], inverse[:, 0] * r2
    denominator = np.array([1, -np.trace(m), np.linalg.det(m)])
    voltage = np.array([d[0], m[0, 1] * d[1] - m[1, 1] * d[0], 0])
    return (denominator - voltage) / r1, denominator


def _firing(vibration):
    """Rate of the inner hair cells, in dB above threshold, from 0 up."""
    excitation_db = 20 * np.log10(np.maximum(vibration, 1))
    return np.maximum(lfilter(*_adaptation(), excitation_db), 0)


def _delays(poles):
    """Samples to wait in each band for the slowest one.

    Group delay at the centre frequency, that is of the baseband filter at 0:
    a double zero at -2 times the pole, a fourfold pole.
    """
    group_delay = 4 * poles / (1 + 2 * poles) + 4 * poles / (1 - poles)
    group_delay = np.rint(group_delay).astype(int)
    return group_delay.max() - group_delay


def _smoothed(firing, delay):
    """Delays one band, smooths it, and keeps every 9th sample."""
    count = -(-len(firing) // DECIMATION)
    kept = firing[: len(firing) - delay]
    # The filter's centre, 26, is its output 3 * 9 = 27 with one more zero.
    padded = np.concatenate([np.zeros(delay + 1), kept])
    return upfirdn(_smoother(), padded, down=DECIMATION)[3 : 3 + count]


@lru_cache(maxsize=1)
def _smoother():
    """Hann window without its zeros; the sum is 1. [52]"""
    window = np.hanning(SMOOTHING + 2)[1:-1]
    return window / window.sum()

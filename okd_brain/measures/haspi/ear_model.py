"""A model of the normal-hearing ear, from sound to nerve firing rates.

The auditory periphery of HASPI (Kates, "An auditory model for intelligibility
and quality predictions", POMA 19, 2013; Kates and Arehart, "The Hearing-Aid
Speech Perception Index (HASPI)", Speech Communication 65, 2014): middle ear,
32 gammatone filters which widen with level, dynamic compression by the outer
hair cells, and adaptation of the inner hair cells. The constants are those of
Kates's program, read in pyclarity, for an audiogram of 0 dB hearing loss.

Sounds are at 24 kHz and in units of the hearing threshold: an RMS of 1 is
0 dB SPL. One band of a whole utterance is processed at a time, which stays
in the cache of one core. Signals come to the ear through ``at_24_khz``, and
``LagFinder`` tells how much later one of them is than another.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy

INPUT_SAMPLE_RATE = 16000
LEVEL_DB_SPL = 65.0  # of conversational speech
UP, DOWN = 3, 2  # 16 to 24 kHz
MIN_SECONDS = 0.25  # of signals

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
    reference : numpy.ndarray
        [samples], sound at 24 kHz, RMS of 1 is 0 dB SPL, more than 0.1 s long.
    align : bool
        Whether other signals are aligned with the reference in each band.
    """

    def __init__(self, reference, *, align):
        self._aligners = []
        poles = np.empty(BANDS)
        firing = np.empty((BANDS, len(reference)))
        sound = _middle_ear(reference)
        for number, band in enumerate(bands()):
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
        """Return the firing rates of another signal, [32, ceil(samples / 9)].

        The signal is as long as the reference, at the same rate and in the same
        unit. The rates are excitation in dB above threshold, at 2667 Hz.
        """
        sound = _middle_ear(sound)
        rates = np.empty_like(self.rates)
        for number, band in enumerate(bands()):
            vibration, _ = _vibration(sound, band)
            if self._aligners:
                lag = self._aligners[number].lag_of(vibration)
                vibration = shifted(vibration, lag)
            firing = _firing(vibration)
            rates[number] = _smoothed(firing, self._delays[number])
        return rates


class Band(NamedTuple):
    """One of the ear's auditory filters."""

    centre_hz: float
    width_hz: float  # of the filter at low levels
    widest: float  # at high levels, relative to that
    expansion: float  # exponent of the gain as a function of power, negative


@lru_cache(maxsize=1)
def bands():
    """Return the 32 bands, evenly spaced on the ERB scale."""
    corner_hz = EAR_Q * NARROWEST_HZ
    low, high = np.log(np.array(BAND_RANGE_HZ) + corner_hz)
    centre_hz = np.exp(np.linspace(low, high, BANDS)) - corner_hz
    # Without outer hair cells the ear is linear and its filters are widest;
    # loss is the gain in dB that soft sounds then miss.
    slope = 1 - 1 / np.linspace(*COMPRESSION_RATIOS, BANDS)
    loss = np.ptp(COMPRESSED_DB_SPL) * slope
    widest = 1 + loss / 50 + 2 * (loss / 50) ** 6
    width_hz = NARROWEST_HZ + centre_hz / EAR_Q
    return list(map(Band, centre_hz, width_hz, widest, -slope / 2))


def _middle_ear(sound):
    """Filter with a lowpass at 5 kHz and a highpass at 350 Hz."""
    sound = scipy.signal.lfilter(
        *scipy.signal.butter(1, 5000, fs=SAMPLE_RATE), sound
    )
    return scipy.signal.lfilter(
        *scipy.signal.butter(2, 350, "high", fs=SAMPLE_RATE), sound
    )


def _vibration(sound, band):
    """Return a band's compressed envelope, and the pole of its filter."""
    baseband = _demodulated(sound, band.centre_hz)
    control = _gammatone_power(baseband, _pole(band, band.widest))
    level_db = 10 * np.log10(max(control.mean(), 1e-30))
    width = np.interp(level_db, WIDENING_DB_SPL, (1.0, band.widest))
    pole = _pole(band, width)
    envelope = np.sqrt(_gammatone_power(baseband, pole))
    low, high = (10 ** (level / 10) for level in COMPRESSED_DB_SPL)
    gain = (np.clip(control, low, high) / low) ** band.expansion
    return scipy.signal.lfilter(*compressor_lowpass(), gain) * envelope, pole


@lru_cache(maxsize=1)
def compressor_lowpass():
    """Return the filter (b, a) that smooths the gain of the compression."""
    return scipy.signal.butter(1, COMPRESSOR_LOWPASS_HZ, fs=SAMPLE_RATE)


def _demodulated(sound, centre_hz):
    """Move a frequency of a sound to 0, [samples, real and imaginary]."""
    step = -2j * np.pi * centre_hz / SAMPLE_RATE
    block = 512  # e^(a + b) = e^a e^b, 512 + samples / 512 exponentials
    coarse = np.exp(step * np.arange(0, len(sound), block))
    carrier = np.outer(coarse, np.exp(step * np.arange(block))).ravel()
    return (sound * carrier[: len(sound)]).view(np.float64).reshape(-1, 2)


def _pole(band, width):
    """Return the fourfold pole of the gammatone filter at a relative width."""
    width_hz = width * BANDWIDTH_OF_GAMMATONE * band.width_hz
    return np.exp(-2 * np.pi * width_hz / SAMPLE_RATE)


def _gammatone_power(baseband, pole):
    """Return the squared envelope behind a 4th-order gammatone filter.

    Impulse-invariant form of Cooke's filter at baseband.
    """
    zeros = np.array([1, 4 * pole, 4 * pole**2])
    gain = 2 * (1 - pole) ** 4 / (1 + 2 * pole) ** 2
    poles = [1, -4 * pole, 6 * pole**2, -4 * pole**3, pole**4]
    filtered = scipy.signal.lfilter(gain * zeros, poles, baseband, axis=0)
    return filtered[:, 0] ** 2 + filtered[:, 1] ** 2


@lru_cache(maxsize=1)
def adaptation():
    """Return the filter (b, a) with which the inner hair cells adapt.

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
    """Return the inner hair cells' rate in dB above threshold, at least 0."""
    excitation_db = 20 * np.log10(np.maximum(vibration, 1))
    return np.maximum(scipy.signal.lfilter(*adaptation(), excitation_db), 0)


def _delays(poles):
    """Return how many samples each band waits for the slowest one.

    The group delay at the centre frequency is that of the baseband filter at 0:
    a double zero at -2 times the pole, a fourfold pole.
    """
    group_delay = 4 * poles / (1 + 2 * poles) + 4 * poles / (1 - poles)
    group_delay = np.rint(group_delay).astype(int)
    return group_delay.max() - group_delay


def _smoothed(firing, delay):
    """Delay one band, smooth it, and keep every 9th sample."""
    count = -(-len(firing) // DECIMATION)
    kept = firing[: len(firing) - delay]
    # The filter's centre, 26, is its output 3 * 9 = 27 with one more zero.
    padded = np.concatenate([np.zeros(delay + 1), kept])
    return scipy.signal.upfirdn(smoother(), padded, down=DECIMATION)[
        3 : 3 + count
    ]


@lru_cache(maxsize=1)
def smoother():
    """Return a Hann window without its zeros, [52], whose sum is 1."""
    window = np.hanning(SMOOTHING + 2)[1:-1]
    return window / window.sum()


# --- signals on their way to the ear ------------------------------------------


def rms(signal):
    """Return the root mean square of a signal."""
    return float(np.sqrt(np.mean(signal**2)))


def at_24_khz(signal, *, lowpass):
    """Resample from 16 kHz and keep the RMS level, [ceil(1.5 * samples)].

    ``lowpass`` is the window of the interpolation filter, or the filter at
    48 kHz, as ``scipy.signal.resample_poly`` takes it.

    >>> tone = np.sqrt(2) * np.sin(2 * np.pi / 160 * np.arange(16000))
    >>> sound = at_24_khz(tone, lowpass=("kaiser", 5.0))
    >>> len(sound), round(rms(sound), 6)
    (24000, 1.0)
    """
    sound = scipy.signal.resample_poly(signal, UP, DOWN, window=lowpass)
    level = rms(sound)
    return sound * (rms(signal) / level) if level > 0 else sound


class LagFinder:
    """Find the lag of signals behind one reference.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples]; its spectrum is kept.
    earliest : int
        Lowest lag to search, in samples; negative. A signal that comes too
        late has a negative lag.
    latest : int
        Highest lag to search, at least 0.

    Example
    -------
    >>> click = np.eye(1, 100, 50)[0]
    >>> finder = LagFinder(click, earliest=-10, latest=10)
    >>> late = shifted(click, 7)
    >>> finder.lag_of(late)
    -7
    >>> np.array_equal(shifted(late, -7), click)
    True
    """

    def __init__(self, reference, *, earliest, latest):
        assert -len(reference) < earliest < 0 <= latest < len(reference)
        self._lags = (earliest, latest)
        # Long enough that no lag in the range wraps around.
        reach = max(-earliest, latest)
        self._size = scipy.fft.next_fast_len(len(reference) + reach, real=True)
        self._spectrum = scipy.fft.rfft(reference, self._size)

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        return self._spectrum.nbytes

    def lag_of(self, signal, *, either_sign=False):
        """Return by how many samples to shift a signal to match the reference.

        The signal is as long as the reference; with ``either_sign`` it may be
        inverted. Of equally good lags this is the earliest.
        """
        spectrum = self._spectrum * scipy.fft.rfft(signal, self._size).conj()
        circular = scipy.fft.irfft(spectrum, self._size)
        earliest, latest = self._lags
        correlation = np.concatenate(
            [circular[earliest:], circular[: latest + 1]]
        )
        if either_sign:
            correlation = np.abs(correlation)
        return int(np.argmax(correlation)) + earliest


def shifted(signal, lag):
    """Return a signal ``lag`` samples later, silent where it is unknown.

    >>> shifted(np.array([1, 2, 3]), 1), shifted(np.array([1, 2, 3]), -2)
    (array([0, 1, 2]), array([3, 0, 0]))
    """
    moved = np.zeros_like(signal)
    kept = max(0, len(signal) - abs(lag))
    if lag > 0:
        moved[len(signal) - kept :] = signal[:kept]
    else:
        moved[:kept] = signal[len(signal) - kept :]
    return moved

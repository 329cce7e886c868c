"""How well the modulations of speech survive, at ten modulation rates.

The second half of HASPI v2 (Kates and Arehart, Speech Communication 131,
2021): the spectrum over the auditory bands is described by cepstral
coefficients, each a signal in time; they are split into modulation bands, in
which reference and degraded signal are correlated.
"""

import numpy as np
import scipy

# Of the firing rates, as Kates's program takes it; 24 kHz / 9 is 2667 Hz.
SAMPLE_RATE = 2560.0
AUDIBLE_DB = 2.5  # loudness below which the reference counts as silent
CEPSTRA = np.arange(1, 6)  # shapes of the spectrum; 0 is its sum, not used

RATES_HZ = np.array([2.0, 6, 10, 16, 25, 40, 64, 100, 160, 256])
LONGEST_SECONDS = 0.24  # filters for 2 and 6 Hz; then as many periods as 10 Hz
LONGEST_FRAMES = int(LONGEST_SECONDS * SAMPLE_RATE)

NO_POWER = 1e-30  # a modulation without this much has correlation 0


def check_audible(seconds, *, name):
    """Refuse a reference with less to hear than the longest filter takes."""
    if seconds < LONGEST_SECONDS:
        raise ValueError(
            f"{name} needs {LONGEST_SECONDS} s of audible speech; the reference"
            f" has {seconds:.3f} s"
        )


class ModulationReference:
    """Modulations of a reference, with which others are correlated.

    Arguments
    ---------
    rates : numpy.ndarray
        [bands, frames], firing rates in dB above threshold.
    name : str
        Name of the measure, for the message.

    Raises
    ------
    ValueError
        If less than 0.24 s is audible.
    """

    def __init__(self, rates, *, name):
        loudness = 20 * np.log10((10 ** (rates / 20)).mean(axis=0))
        self._audible = np.flatnonzero(loudness > AUDIBLE_DB)
        check_audible(len(self._audible) / SAMPLE_RATE, name=name)
        modulations = self._modulations(rates)
        power = (modulations**2).sum(axis=-1, keepdims=True)
        self._unit = np.where(
            power < NO_POWER, 0, modulations / np.sqrt(power + NO_POWER)
        )

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        return self._audible.nbytes + self._unit.nbytes

    def correlations(self, rates):
        """Correlate the modulations of a signal's firing rates, [bands, frames].

        The result, [10], is the magnitude of the correlation at each rate,
        averaged over the cepstral coefficients: from 0 to 1, and 0 for a steady
        signal.
        """
        modulations = self._modulations(rates)
        power = (modulations**2).sum(axis=-1)
        shared = np.abs((modulations * self._unit).sum(axis=-1))
        correlation = np.zeros_like(power)
        np.divide(
            shared, np.sqrt(power), out=correlation, where=power >= NO_POWER
        )
        return correlation.mean(axis=0)

    def _modulations(self, rates):
        """Return filtered cepstra of the audible frames, [5, 10, frames]."""
        bands, _ = rates.shape
        angle = np.pi * np.arange(bands) / (bands - 1)
        basis = np.cos(CEPSTRA[:, None] * angle)
        basis /= np.sqrt((basis**2).sum(axis=1, keepdims=True))
        cepstra = _centred(basis @ rates[:, self._audible])
        return _centred(_modulation_bands(cepstra))


def _centred(signals):
    return signals - signals.mean(axis=-1, keepdims=True)


def _modulation_bands(signals):
    """Split signals into ten bands, [..., frames] to [..., 10, frames]."""
    frames = signals.shape[-1]
    size = scipy.fft.next_fast_len(frames + LONGEST_FRAMES, real=True)
    spectra = scipy.fft.rfft(signals, size)[..., None, :] * responses(size)
    return scipy.fft.irfft(spectra, size)[..., :frames]


def responses(size):
    """Return the responses of the modulation filters, [10, size // 2 + 1].

    Kates demodulates, applies a Hann window as lowpass, and modulates again.
    That is one filter, the window times twice a cosine; it is even in time,
    so the response is real.
    """
    filters = np.zeros((len(RATES_HZ), size))
    seconds = LONGEST_SECONDS * np.minimum(1, RATES_HZ[2] / RATES_HZ)
    for row, rate, length in zip(filters, RATES_HZ, seconds, strict=True):
        half = int(length * SAMPLE_RATE / 2)
        window = np.hanning(2 * half + 1)
        window /= window.sum()
        time = np.arange(-half, half + 1)
        if rate > RATES_HZ[0]:  # the lowest band is the lowpass itself
            window *= 2 * np.cos(2 * np.pi * rate / SAMPLE_RATE * time)
        row[time] = window  # negative times wrap to the end
    return scipy.fft.rfft(filters).real

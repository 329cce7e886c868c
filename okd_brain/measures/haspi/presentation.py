"""How signals reach the ear model: at 24 kHz, at a sound pressure level."""

import numpy as np
from scipy.signal import resample_poly

SAMPLE_RATE = 16000
LEVEL_DB_SPL = 65.0  # of conversational speech
UP, DOWN = 3, 2  # 16 to 24 kHz


def rms(signal):
    """Root of the mean square.

    Arguments
    ---------
    signal : np.ndarray [samples]

    Returns
    -------
    float
    """
    return float(np.sqrt(np.mean(signal**2)))


def at_24_khz(signal, *, lowpass):
    """Resamples from 16 kHz and keeps the RMS level.

    Arguments
    ---------
    signal : np.ndarray [samples]
    lowpass : tuple or np.ndarray
        Window of the interpolation filter, or the filter at 48 kHz, as
        ``scipy.signal.resample_poly`` takes it.

    Returns
    -------
    np.ndarray [ceil(1.5 * samples)]

    Example
    -------
    >>> tone = np.sqrt(2) * np.sin(2 * np.pi / 160 * np.arange(16000))
    >>> sound = at_24_khz(tone, lowpass=("kaiser", 5.0))
    >>> len(sound), round(rms(sound), 6)
    (24000, 1.0)
    """
    sound = resample_poly(signal, UP, DOWN, window=lowpass)
    level = rms(sound)
    return sound * (rms(signal) / level) if level > 0 else sound

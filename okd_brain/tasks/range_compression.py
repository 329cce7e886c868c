"""Dynamic range compression, the second half of SSDRC: soft sounds louder.

Consonants and ends of words are soft and drown first.  At equal power, every dB
that vowels lose is theirs.

T.-C. Zorila, V. Kandia and Y. Stylianou, Interspeech 2012, section 2.2, after
B. Blesser, "Audio dynamic range compression for minimum perceived distortion",
IEEE Trans. Audio Electroacoust. 17(1), 1969.  "Paper" and "sample" below mean
what they mean in ``spectral_shaping``; the paper gives its input-output
envelope characteristic as a picture only.
"""

import numpy as np
from scipy.fft import next_fast_len
from scipy.ndimage import uniform_filter1d
from scipy.signal import hilbert

SMOOTHING = 133  # samples; the period of a male voice, 8.3 ms (paper)
STEP = 64  # samples, 4 ms at 16 kHz: the envelope's own rate (ours)
RELEASE = 0.15  # of the last value is left after one step: 2.1 ms (paper: 2 ms)
REFERENCE = 0.3  # 0 dB of the characteristic, of the largest envelope (paper)

# The characteristic: levels in dB that come out for those that go in, straight
# between these points and of constant gain outside (the largest envelope is at
# 10.5 dB).  Fitted to the sample.
INPUT_DB = (-24.0, -12.0, 12.0)
OUTPUT_DB = (-9.0, -1.5, 0.0)
GAIN_DB = np.subtract(OUTPUT_DB, INPUT_DB)


def compress_range(speech):
    """Return speech whose envelope varies less.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples], float64, 16 kHz, not silent.  It is not modified.

    Returns
    -------
    numpy.ndarray
        [samples], float64: gains from -12 to 15 dB.
    """
    smooth = envelope(speech)
    held = _released(smooth[::STEP]) / (REFERENCE * smooth.max())
    lowest = 10 ** (INPUT_DB[0] / 20)
    level_db = 20 * np.log10(np.maximum(held, lowest))
    gain = 10 ** (np.interp(level_db, INPUT_DB, GAIN_DB) / 20)
    samples = np.arange(len(speech))
    return speech * np.interp(samples, samples[::STEP], gain)


def envelope(signal):
    """Return the envelope, the smoothed magnitude of the analytic signal.

    Arguments
    ---------
    signal : numpy.ndarray
        [samples], float64, 16 kHz.

    Returns
    -------
    numpy.ndarray
        [samples], not negative.

    Example
    -------
    >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> round(float(envelope(tone)[8000]), 3)
    0.5
    """
    analytic = hilbert(signal, next_fast_len(len(signal)))[: len(signal)]
    return uniform_filter1d(np.abs(analytic), SMOOTHING, mode="constant")


def _released(levels):
    """Return levels that rise at once and fall with the release time.

    The paper's attack, a coefficient of 0.0001, is no memory at all.
    """
    held = levels.tolist()  # a loop over numbers is faster than over an array
    for now in range(1, len(held)):
        fading = RELEASE * held[now - 1] + (1 - RELEASE) * held[now]
        held[now] = max(held[now], fading)
    return np.array(held)

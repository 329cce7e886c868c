"""The auditory spectrogram that SIIB compares.

Log power in gammatone bands, without the pauses of the reference, and with
what the ear masks after a sound. See ``okd_brain.measures.siib`` for sources.
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal.windows import hann

SAMPLE_RATE = 16000
FRAME = 400  # 25 ms
HOP = 200
FRAMES_PER_SECOND = SAMPLE_RATE / HOP
ACTIVE_RANGE_DB = 40.0  # below the loudest frames; what is softer is a pause
LOUDEST = 0.999  # rank of the frame that counts as the loudest

BANDS = 28
BAND_RANGE_HZ = (100.0, 6500.0)
# Equivalent rectangular bandwidth of a 4th-order gammatone filter in units of
# its parameter b (Patterson et al. 1992): pi 6! 2^-6 / 3!^2.
BANDWIDTH_OF_GAMMATONE = np.pi * 720 / 64 / 36
SKIRT = 1e-3  # magnitude, relative to the peak, under which a filter is 0

MASKING_FRAMES = 16  # 200 ms, Rhebergen et al. 2006


@lru_cache(maxsize=1)
def _window():
    return hann(FRAME, sym=False)


@lru_cache(maxsize=1)
def _filterbank():
    """Power responses of gammatone filters, evenly spaced in ERB. [201, 28]"""
    erb_rate = 21.4 * np.log10(1 + 0.00437 * np.array(BAND_RANGE_HZ))
    spaced = np.linspace(*erb_rate, BANDS)
    centre_hz = (10 ** (spaced / 21.4) - 1) / 0.00437
    # Glasberg and Moore 1990.
    width_hz = 24.7 * (1 + 0.00437 * centre_hz) / BANDWIDTH_OF_GAMMATONE
    frequency_hz = np.arange(FRAME // 2 + 1)[:, None] * SAMPLE_RATE / FRAME
    distance = (frequency_hz - centre_hz) / width_hz
    magnitude = (1 + distance**2) ** -2.0
    magnitude[magnitude < SKIRT * magnitude.max(axis=0)] = 0.0
    return magnitude**2


def _frames(signal):
    """Windowed frames; one that ends with the signal is left out. [T, 400]"""
    return sliding_window_view(signal[:-1], FRAME)[::HOP] * _window()


def active_frames(reference):
    """Which frames are not a pause.

    Arguments
    ---------
    reference : np.ndarray [samples]
        Clean speech.

    Returns
    -------
    np.ndarray [frames], bool
    """
    power = (_frames(reference) ** 2).mean(axis=1)
    level_db = 10 * np.log10(power + np.finfo(float).eps)
    loudest = np.sort(level_db)[round(LOUDEST * len(level_db)) - 1]
    return level_db > loudest - ACTIVE_RANGE_DB


def log_power(signal, active):
    """Log power in the bands.

    Arguments
    ---------
    signal : np.ndarray [samples]
        On a scale on which the reference has unit variance.
    active : np.ndarray
        Index of the frames to take.

    Returns
    -------
    np.ndarray [frames, 28]
        In nats.
    """
    spectrum = rfft(_frames(signal)[active])
    power = (spectrum.real**2 + spectrum.imag**2) @ _filterbank()
    return np.log(power + np.finfo(float).eps)


def masked(log_power, floor):
    """What is left audible by the sound of the last 200 ms.

    A masker's threshold falls with the logarithm of time, from its own level
    to the floor, the reference's minimum. Two rules of the authors' program:
    the first frames have no masker that would lift them to the floor, and the
    last one is at the floor.

    Arguments
    ---------
    log_power : np.ndarray [frames, 28]
        In nats.
    floor : np.ndarray [28]
        Likewise.

    Returns
    -------
    np.ndarray [frames, 28]
        Not below the sound itself.
    """
    audible = np.full_like(log_power, -np.inf)
    audible[-1] = floor
    decay = np.log(np.arange(1, MASKING_FRAMES + 1)) / np.log(MASKING_FRAMES)
    for delay, fallen in enumerate(decay):
        masker = log_power[: -1 - delay]
        threshold = masker + fallen * (floor - masker)
        np.maximum(audible[delay:-1], threshold, out=audible[delay:-1])
    return audible

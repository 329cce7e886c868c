"""Short frames of a signal and what is linear in their power spectra.

WSS needs the energies of 25 critical bands and LLR needs 17 lags of the
autocorrelation. Both are linear in the power spectrum of the windowed frame,
hence one matrix product gives both. Spectra are made for ``BLOCK_FRAMES``
frames at a time, which stays in the cache of one core; the arrays of a whole
utterance do not, and take twice as long.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from okd_brain.measures.critical_bands import BANDS, band_filters

SAMPLE_RATE = 16000
FRAME = 480  # 30 ms
HOP = 120  # a quarter of the frame
FFT_SIZE = 1024  # next power of two above twice the frame
# 12 frames x 513 bins x 42 features stay under the 2^18 products from which on
# OpenBLAS starts threads. They gain nothing here, wait for each other on a busy
# machine (48 ms instead of 2 ms), and let the last bit depend on their number.
BLOCK_FRAMES = 12

LPC_ORDER = 16  # of LLR above 10 kHz sample rate
BAND_ENERGY_FLOOR = 1e-10  # absolute: WSS depends on the level below -60 dB
SILENCE = np.finfo(np.float64).eps  # composite.m: data + eps


class FrameSpectra(NamedTuple):
    """What WSS and LLR need of one signal.

    Arguments
    ---------
    band_db : np.ndarray [25, frames]
        Energies of the critical bands, at least -100 dB.
    autocorrelation : np.ndarray [17, frames]
        Lags 0 to 16.
    constant : np.ndarray [frames]
        True where all samples are equal.
    """

    band_db: np.ndarray
    autocorrelation: np.ndarray
    constant: np.ndarray


def frame_count(samples):
    """Number of frames; the authors' code leaves the last full one out.

    Arguments
    ---------
    samples : int

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is none.

    Example
    -------
    >>> frame_count(16000)
    129
    """
    count = int(samples / HOP - FRAME / HOP)
    if count < 1:
        raise ValueError(
            f"WSS, LLR and segmental SNR need at least {FRAME + HOP} samples"
            f" (one frame); got {samples}"
        )
    return count


@lru_cache(maxsize=1)
def window():
    """Hann window without its zeros at both ends. [480]"""
    time = np.arange(1, FRAME + 1) / (FRAME + 1)
    return 0.5 * (1 - np.cos(2 * np.pi * time))


@lru_cache(maxsize=1)
def _spectrum_maps():
    """Matrix from a power spectrum to band energies and lags. [513, 42]

    The lags are an inverse real DFT, exact (not circular) since frame and
    largest lag together are shorter than the FFT.
    """
    bins = FFT_SIZE // 2
    bands = band_filters(bins, SAMPLE_RATE / 2)
    bands = np.pad(bands, ((0, 0), (0, 1)))  # the Nyquist bin is not used
    lag = np.arange(LPC_ORDER + 1)[:, None]
    cosine = np.cos(2 * np.pi * lag * np.arange(bins + 1) / FFT_SIZE)
    cosine[:, 1:-1] *= 2  # the negative frequencies
    return np.concatenate([bands, cosine / FFT_SIZE]).T


def frame_spectra(signal):
    """Band energies and autocorrelation of every windowed frame.

    Arguments
    ---------
    signal : np.ndarray [samples]
        float64, full scale 1, 16 kHz.

    Returns
    -------
    FrameSpectra

    Raises
    ------
    ValueError
        If the signal is too short for one frame.
    """
    count = frame_count(len(signal))
    # Far below the last bit of sound, but gives a silent frame an energy.
    frames = sliding_window_view(signal + SILENCE, FRAME)[::HOP][:count]
    features = np.empty((len(frames), _spectrum_maps().shape[1]))
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        spectrum = rfft(frames[block] * window(), FFT_SIZE)
        power = spectrum.real**2 + spectrum.imag**2
        features[block] = power @ _spectrum_maps()
    # Bands and lags first: what follows runs along the frames.
    features = np.ascontiguousarray(features.T)
    energy = np.maximum(features[:BANDS], BAND_ENERGY_FLOOR)
    return FrameSpectra(
        band_db=10 * np.log10(energy),
        autocorrelation=features[BANDS:],
        constant=_constant_frames(signal),
    )


def _constant_frames(signal):
    """Which frames hold one value only, silence included. [frames]"""
    hops = signal[: len(signal) // HOP * HOP].reshape(-1, HOP)
    quarters = FRAME // HOP
    highest = sliding_window_view(hops.max(axis=1), quarters).max(axis=1)
    lowest = sliding_window_view(hops.min(axis=1), quarters).min(axis=1)
    return (highest == lowest)[: frame_count(len(signal))]


def frame_energy(signal):
    """Energy of every windowed frame.

    A frame is four hops, so each hop is weighted once for each of the four
    places that it takes in a frame.

    Arguments
    ---------
    signal : np.ndarray [samples]
        float64.

    Returns
    -------
    np.ndarray [frames]
    """
    hops = len(signal) // HOP
    squares = signal[: hops * HOP].reshape(hops, HOP) ** 2
    quarters = (window() ** 2).reshape(-1, HOP)
    weighted = np.einsum("hn,qn->qh", squares, quarters)
    count = frame_count(len(signal))
    return sum(row[q : q + count] for q, row in enumerate(weighted))

"""Weighted spectral slope, log-likelihood ratio and segmental SNR of speech.

The three distances from which, with PESQ, the composite scores CSIG, CBAK and
COVL are made (Hu and Loizou, "Evaluation of objective quality measures for
speech enhancement", IEEE TASLP 16(1), 2008). The definition is that of the
MetricGAN-OKD authors' code, so that numbers are comparable with the paper's,
with two deviations, both towards Loizou's own ``composite.m``:

* The log-likelihood ratio is computed in float64. In float32 it is off by up
  to 0.96 in a frame, and on real speech it can take the logarithm of a
  negative number.
* Digitally silent frames are penalised. ``composite.m`` adds the float64
  epsilon to both signals, which gives a silent frame the predictor of a
  constant. Without it, such a frame has no log-likelihood ratio and counts as
  perfect, so that a generator gains by muting frames.

WSS needs the energies of 25 critical bands and LLR needs 17 lags of the
autocorrelation. Both are linear in the power spectrum of a windowed frame, so
one matrix product gives both. Everything that depends on the reference alone
is kept in ``CompositeReference``, which can score any number of degraded
signals.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view

SAMPLE_RATE = 16000
FRAME = 480  # 30 ms
HOP = 120  # a quarter of the frame
FFT_SIZE = 1024  # next power of two above twice the frame
# Spectra are made for a few frames at a time, which stay in the cache of one
# core; the arrays of a whole utterance do not, and take twice as long.
# 12 frames x 513 bins x 42 features stay under the 2^18 products from which on
# OpenBLAS starts threads. They gain nothing here, wait for each other on a busy
# machine (48 ms instead of 2 ms), and let the last bit depend on their number.
BLOCK_FRAMES = 12

# Critical bands of Loizou's wss.m (Speech Enhancement, 2007).
BAND_CENTRE_HZ = np.array(
    [50.0, 120.0, 190.0, 260.0, 330.0, 400.0, 470.0, 540.0, 617.372]
    + [703.378, 798.717, 904.128, 1020.38, 1148.30, 1288.72, 1442.54]
    + [1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04]
    + [3276.17, 3597.63]
)
BAND_WIDTH_HZ = np.array(
    [70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 77.3724, 86.0056, 95.3398]
    + [105.411, 116.256, 127.914, 140.423, 153.823, 168.154, 183.457]
    + [199.776, 217.153, 235.631, 255.255, 276.072, 298.126, 321.465]
    + [346.136]
)
BANDS = len(BAND_CENTRE_HZ)
BAND_CUTOFF = np.exp(-30.0 / (2 * 2.303))  # filter taps under -30 dB are 0
BAND_ENERGY_FLOOR = 1e-10  # absolute: WSS depends on the level below -60 dB
GLOBAL_PEAK_DB = 20.0  # Klatt's weight of the distance to the largest band
LOCAL_PEAK_DB = 1.0  # Klatt's weight of the distance to the nearest peak

LPC_ORDER = 16  # of LLR above 10 kHz sample rate
SILENCE = np.finfo(np.float64).eps  # composite.m: data + eps
KEPT_FRACTION = 0.95  # of the frames, the best ones, in WSS and LLR

SEGMENTAL_SNR_RANGE_DB = (-10.0, 35.0)
SEGMENTAL_SNR_EPS = 1e-10


class CompositeDistances(NamedTuple):
    """The three distances of one pair of signals.

    Arguments
    ---------
    wss : float
        Weighted spectral slope distance, >= 0; 0 is a perfect match.
    llr : float
        Log-likelihood ratio, >= 0; 0 is a perfect match.
    segsnr_db : float
        Segmental SNR in dB, within [-10, 35]; 35 is a perfect match.
    """

    wss: float
    llr: float
    segsnr_db: float


class CompositeReference:
    """The reference's half of WSS, LLR and segmental SNR, computed once.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], clean speech at 16 kHz, full scale 1, at least 600 samples.
        Neither silent nor constant. It is not modified.

    Raises
    ------
    ValueError
        If the signal is too short for one frame.

    Example
    -------
    >>> time = np.arange(16000) / 16000
    >>> clean = np.sin(2 * np.pi * 200 * time) * (1 + np.sin(20 * time))
    >>> halves = CompositeReference(clean)
    >>> perfect = halves.distances(clean)
    >>> perfect.wss, round(perfect.llr, 9), perfect.segsnr_db
    (0.0, 0.0, 35.0)
    """

    def __init__(self, reference):
        reference = np.asarray(reference, dtype=np.float64)
        spectra = frame_spectra(reference)
        self.samples = len(reference)
        self._slopes = band_slopes(spectra.band_db)
        self._autocorrelation = spectra.autocorrelation
        self._rounding = np.finfo(np.float64).eps * spectra.autocorrelation[0]
        own_error = prediction_error(
            predictors(spectra), spectra.autocorrelation
        )
        self._log_own_error = np.log(np.maximum(own_error, self._rounding))
        self._centred = reference - reference.mean()
        self._peak = np.abs(self._centred).max()
        self._signal_energy = frame_energy(self._centred)

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        arrays = (*self._slopes, self._autocorrelation, self._rounding)
        arrays += (self._log_own_error, self._centred, self._signal_energy)
        return sum(array.nbytes for array in arrays)

    def distances(self, degraded):
        """Compare one degraded signal with the reference.

        Arguments
        ---------
        degraded : numpy.ndarray
            [samples], as long as the reference, same rate; not constant, since
            the segmental SNR matches the peaks. It is not modified.

        Returns
        -------
        CompositeDistances
        """
        degraded = np.asarray(degraded, dtype=np.float64)
        assert degraded.shape == (self.samples,), degraded.shape
        spectra = frame_spectra(degraded)
        return CompositeDistances(
            wss=_trimmed_mean(self._wss(spectra.band_db)),
            llr=_trimmed_mean(self._llr(predictors(spectra))),
            segsnr_db=float(self._segmental_snr_db(degraded).mean()),
        )

    def _wss(self, band_db):
        """Return Klatt's weighted squared differences of slopes, per frame."""
        ours, theirs = self._slopes, band_slopes(band_db)
        weight = ours.weight + theirs.weight
        difference = weight * (ours.slope - theirs.slope) ** 2
        return difference.sum(axis=0) / weight.sum(axis=0)

    def _llr(self, predictors):
        """Return the log ratio of two prediction errors, per frame.

        Both are errors on the reference: of the degraded frame's predictor and
        of its own. They are bounded by what rounding leaves of a difference of
        terms as large as the energy; below that, their sign has no meaning.
        """
        error = prediction_error(predictors, self._autocorrelation)
        return np.log(np.maximum(error, self._rounding)) - self._log_own_error

    def _segmental_snr_db(self, degraded):
        """Return the SNR per frame, after removing DC and matching peaks."""
        centred = degraded - degraded.mean()
        centred *= self._peak / np.abs(centred).max()
        noise_energy = frame_energy(self._centred - centred)
        ratio = self._signal_energy / (noise_energy + SEGMENTAL_SNR_EPS)
        snr_db = 10 * np.log10(ratio + SEGMENTAL_SNR_EPS)
        return np.clip(snr_db, *SEGMENTAL_SNR_RANGE_DB)


def _trimmed_mean(per_frame):
    """Average the best 95 % of the frames (Python's round: half to even)."""
    kept = round(len(per_frame) * KEPT_FRACTION)
    return float(np.sort(per_frame)[:kept].mean())


# --- frames ------------------------------------------------------------------


class FrameSpectra(NamedTuple):
    """What WSS and LLR need of one signal."""

    band_db: np.ndarray  # [25, frames], energies, at least -100 dB
    autocorrelation: np.ndarray  # [17, frames], lags 0 to 16
    constant: np.ndarray  # [frames], True where all samples are equal


def frame_count(samples):
    """Return the number of frames; as in the authors' code, not the last one.

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
    """Return a Hann window without its zeros at both ends, [480]."""
    time = np.arange(1, FRAME + 1) / (FRAME + 1)
    return 0.5 * (1 - np.cos(2 * np.pi * time))


def frame_spectra(signal):
    """Return the ``FrameSpectra`` of a signal, [samples], float64 at 16 kHz."""
    count = frame_count(len(signal))
    # Far below the last bit of sound, but gives a silent frame an energy.
    frames = sliding_window_view(signal + SILENCE, FRAME)[::HOP][:count]
    features = np.empty((len(frames), _spectrum_maps().shape[1]))
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        spectrum = scipy.fft.rfft(frames[block] * window(), FFT_SIZE)
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


@lru_cache(maxsize=1)
def _spectrum_maps():
    """Map a power spectrum to band energies and lags, [513, 42].

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


def _constant_frames(signal):
    """Return which frames hold one value only, such as silence."""
    hops = signal[: len(signal) // HOP * HOP].reshape(-1, HOP)
    quarters = FRAME // HOP
    highest = sliding_window_view(hops.max(axis=1), quarters).max(axis=1)
    lowest = sliding_window_view(hops.min(axis=1), quarters).min(axis=1)
    return (highest == lowest)[: frame_count(len(signal))]


def frame_energy(signal):
    """Return the energy of every windowed frame, [frames].

    A frame is four hops, so each hop is weighted once for each of the four
    places that it takes in a frame.
    """
    hops = len(signal) // HOP
    squares = signal[: hops * HOP].reshape(hops, HOP) ** 2
    quarters = (window() ** 2).reshape(-1, HOP)
    weighted = np.einsum("hn,qn->qh", squares, quarters)
    count = frame_count(len(signal))
    return sum(row[q : q + count] for q, row in enumerate(weighted))


# --- WSS: critical bands and Klatt's weights ---------------------------------


class BandSlopes(NamedTuple):
    """The half of WSS that one signal gives."""

    slope: np.ndarray  # [24, frames], in dB, from one band to the next
    weight: np.ndarray  # [24, frames], in (0, 1], large near spectral peaks


def band_filters(bins, highest_hz):
    """Return Gaussian filters of equal sum over a power spectrum, [25, bins].

    ``bins`` is the number of frequencies below the highest one.
    """
    bins_per_hz = bins / highest_hz
    centre = np.floor(BAND_CENTRE_HZ * bins_per_hz)[:, None]
    width = (BAND_WIDTH_HZ * bins_per_hz)[:, None]
    gain = np.log(BAND_WIDTH_HZ[0] / BAND_WIDTH_HZ)[:, None]
    filters = np.exp(-11 * ((np.arange(bins) - centre) / width) ** 2 + gain)
    filters[filters <= BAND_CUTOFF] = 0.0
    return filters


def band_slopes(band_db):
    """Return the ``BandSlopes`` of band levels in dB, [25, frames].

    D. H. Klatt, "Prediction of perceived phonetic distance from critical-band
    spectra", ICASSP 1982, in the form of Loizou's wss.m.
    """
    bands = len(band_db)
    level, slope = band_db[:-1], np.diff(band_db, axis=0)
    # The nearest peak of a rising band is where the rise ends, of a falling
    # band where the fall begins. As in wss.m, a rise ends at the last band
    # that still rises: one before the true peak.
    index = np.arange(bands - 1)[:, None]
    rise_end = np.where(slope > 0, bands - 1, index)[::-1]
    rise_end = np.minimum.accumulate(rise_end, axis=0)[::-1] - 1
    fall_start = np.where(slope > 0, index, -1)
    fall_start = np.maximum.accumulate(fall_start, axis=0) + 1
    nearest = np.where(slope > 0, rise_end, fall_start)
    peak = np.take_along_axis(band_db, nearest, axis=0)
    weight = GLOBAL_PEAK_DB / (GLOBAL_PEAK_DB + band_db.max(axis=0) - level)
    weight *= LOCAL_PEAK_DB / (LOCAL_PEAK_DB + peak - level)
    return BandSlopes(slope, weight)


# --- LLR: linear prediction of many frames at once ---------------------------


def predictors(spectra):
    """Return prediction-error filters 1, a1, ... a16, [17, frames].

    By the Levinson-Durbin recursion, from the ``FrameSpectra`` of a signal.
    """
    autocorrelation = spectra.autocorrelation
    filters = np.zeros_like(autocorrelation)
    filters[0] = 1.0
    error = autocorrelation[0].copy()
    for order in range(1, LPC_ORDER + 1):
        recent = autocorrelation[order:0:-1]
        reflection = -(filters[:order] * recent).sum(axis=0) / error
        filters[1 : order + 1] += reflection * filters[:order][::-1]
        error *= 1 - reflection**2
    filters[:, spectra.constant] = constant_predictor()[:, None]
    return filters


@lru_cache(maxsize=1)
def constant_predictor():
    """Return the prediction-error filter of a constant frame, [17].

    The windowed frame is the window. Its prediction error is 2e-11 of its
    energy, so from the autocorrelation the recursion finds the coefficients
    to 1 % only. Least squares on the samples has the square root of that
    condition number.
    """
    delays = range(1, LPC_ORDER + 1)
    target = np.pad(window(), (0, LPC_ORDER))
    past = np.stack([np.roll(target, delay) for delay in delays], axis=1)
    coefficients, *_ = np.linalg.lstsq(past, -target, rcond=None)
    return np.concatenate([[1.0], coefficients])


def prediction_error(filters, autocorrelation):
    """Return the energy that is left of frames after filtering, [frames].

    The quadratic form of the filter with the Toeplitz matrix of the
    autocorrelation is the product of both autocorrelations. Both arguments are
    [17, frames].
    """
    error = (filters**2).sum(axis=0) * autocorrelation[0]
    for lag in range(1, LPC_ORDER + 1):
        product = (filters[lag:] * filters[:-lag]).sum(axis=0)
        error += 2 * product * autocorrelation[lag]
    return error

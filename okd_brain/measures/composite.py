"""Weighted spectral slope, log-likelihood ratio and segmental SNR of speech.

The three distances from which, with PESQ, the composite scores CSIG, CBAK and
COVL are made (Hu and Loizou, "Evaluation of objective quality measures for
speech enhancement", IEEE TASLP 16(1), 2008). The definition is the one of
the MetricGAN-OKD authors' code, so that numbers are comparable with the
paper's, with two deviations, both towards Loizou's own ``composite.m``:

* the log-likelihood ratio is computed in float64. In float32 it is off by up
  to 0.96 in a frame, and on real speech it can take the logarithm of a
  negative number;
* a digitally silent frame costs. ``composite.m`` adds the float64 epsilon to
  both signals, which gives a silent frame the predictor of a constant; without
  it such a frame has no log-likelihood ratio and counts as perfect, so that a
  generator gains by muting frames.

Everything that depends on the reference alone is kept in
``CompositeReference``, which can score any number of degraded signals.
"""

from typing import NamedTuple

import numpy as np

from okd_brain.measures.critical_bands import band_slopes
from okd_brain.measures.frames import frame_energy, frame_spectra
from okd_brain.measures.linear_prediction import prediction_error, predictors

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
    reference : np.ndarray [samples]
        Clean speech at 16 kHz, full scale 1, at least 630 samples. Neither
        silent nor constant. It is not modified.

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
        """Compares one degraded signal with the reference.

        Arguments
        ---------
        degraded : np.ndarray [samples]
            As long as the reference, same rate; not constant, since the
            segmental SNR matches the peaks. It is not modified.

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
        """Klatt's distance per frame: weighted squared slope differences."""
        ours, theirs = self._slopes, band_slopes(band_db)
        weight = ours.weight + theirs.weight
        difference = weight * (ours.slope - theirs.slope) ** 2
        return difference.sum(axis=0) / weight.sum(axis=0)

    def _llr(self, predictors):
        """log of how much worse the degraded frame's predictor predicts the
        reference than the reference's own, per frame.

        Both errors are bounded by what rounding leaves of a difference of
        terms as large as the energy: below, their sign has no meaning.
        """
        error = prediction_error(predictors, self._autocorrelation)
        return np.log(np.maximum(error, self._rounding)) - self._log_own_error

    def _segmental_snr_db(self, degraded):
        """Segmental SNR per frame, after removing DC and matching peaks."""
        centred = degraded - degraded.mean()
        centred *= self._peak / np.abs(centred).max()
        noise_energy = frame_energy(self._centred - centred)
        ratio = self._signal_energy / (noise_energy + SEGMENTAL_SNR_EPS)
        snr_db = 10 * np.log10(ratio + SEGMENTAL_SNR_EPS)
        return np.clip(snr_db, *SEGMENTAL_SNR_RANGE_DB)


def _trimmed_mean(per_frame):
    """Mean of the best 95 % of the frames (Python's round: half to even)."""
    kept = round(len(per_frame) * KEPT_FRACTION)
    return float(np.sort(per_frame)[:kept].mean())

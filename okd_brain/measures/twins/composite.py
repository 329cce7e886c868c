"""Differentiable LLR, WSS and segmental SNR, and CSIG, CBAK and COVL of them.

The distances follow ``okd_brain.measures.composite`` step by step on padded
batches and equal it to rounding. The composite scores are those of
``okd_brain.measures.scores`` with the PESQ of ``PESQTwin``.

Two gradients are kept where the metric has none:

* A composite score outside of 1 to 5 is clamped in value only: speech that is
  too noisy for the scale still learns what would be better.
* The segmental SNR of a frame below -10 dB is clamped in value, but
  ``SEGSNR_LEAK`` of its gradient remains. Most pauses are there until their
  noise is within 10 dB of the reference's own.

They are computed in float64 whatever the input. What linear prediction leaves
of a frame is down to 1e-9 of its energy, which float32 cannot tell from
nothing. Devices without float64 (Apple's MPS) cannot run these twins.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from okd_brain.measures.composite import (
    BAND_ENERGY_FLOOR,
    FFT_SIZE,
    FRAME,
    GLOBAL_PEAK_DB,
    HOP,
    KEPT_FRACTION,
    LOCAL_PEAK_DB,
    LPC_ORDER,
    SAMPLE_RATE,
    SEGMENTAL_SNR_EPS,
    SEGMENTAL_SNR_RANGE_DB,
    SILENCE,
    band_filters,
    constant_predictor,
    frame_count,
    window,
)
from okd_brain.measures.scores import OPINION_RANGE
from okd_brain.measures.twins.base import (
    ALL,
    Prepared,
    Twin,
    centred,
    power_spectrum,
    valid_mask,
)
from okd_brain.measures.twins.pesq import PESQTwin

SEGSNR_LEAK = 0.1
PEAK_FLOOR = 1e-3  # of the reference's peak: silence is not amplified to it
# Of the energy, added to the autocorrelation's first lag: the frame of a pure
# tone has a matrix that is singular within rounding.
RIDGE = 1e-14


class CompositeHalf(NamedTuple):
    """The reference's half of a batch's distances.

    What the score does not contain is None.

    Arguments
    ---------
    valid : torch.Tensor
        [items, frames], bool: frames that are not padding.
    pesq : Prepared
    slope, weight : torch.Tensor
        [items, frames, 24], of the critical bands, in dB and Klatt's.
    lags : torch.Tensor
        [items, frames, 17], autocorrelation.
    log_own_error : torch.Tensor
        [items, frames], what the reference's own predictor leaves of it.
    centred : torch.Tensor
        [items, samples], the reference without its mean.
    energy : torch.Tensor
        [items, frames], of the frames of ``centred``.
    """

    valid: torch.Tensor
    pesq: Prepared | None = None
    slope: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    lags: torch.Tensor | None = None
    log_own_error: torch.Tensor | None = None
    centred: torch.Tensor | None = None
    energy: torch.Tensor | None = None


class CompositeTwin(Twin):
    """Score a weighted sum of PESQ, LLR, WSS and segmental SNR.

    Its subclasses say which one: by ``constant`` and ``weights``, the name of a
    distance to its weight (Hu and Loizou 2008).

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.
    """

    constant = 0.0
    weights = {}
    floor, best = OPINION_RANGE

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__(sample_rate)
        self.pesq = PESQTwin(sample_rate) if "pesq" in self.weights else None

    def half_of(self, reference, lengths):
        """Return the reference's half, and which items have a score."""
        counts = torch.tensor(
            [frame_count(length) for length in lengths.tolist()],
            device=lengths.device,
        )
        half = {"valid": valid_mask(counts, int(counts.max()))}
        if "pesq" in self.weights:
            half["pesq"] = self.pesq.prepare(reference, lengths)
        if self.weights.keys() & {"wss", "llr"}:
            spectra = _spectra(reference, half["valid"])
            half["slope"], half["weight"] = _band_slopes(spectra.band_db)
            if "llr" in self.weights:
                half["lags"] = lags = spectra.lags
                error = _prediction_error(_predictors(spectra), lags)
                error = torch.maximum(error, _rounding(lags))
                half["log_own_error"] = error.log()
        if "segsnr" in self.weights:
            half["centred"] = signal = centred(reference.double(), lengths)
            half["energy"] = _frame_energy(signal, half["valid"])
        return CompositeHalf(**half), ALL

    def compare(self, half, degraded, lengths):
        """Return the scores, [items]; see ``Twin``."""
        return self.combine(self.distances(half, degraded, lengths))

    def combine(self, distances):
        """Return the scores, [items], of what ``distances`` has found."""
        score = self.constant + sum(
            weight * distances[name] for name, weight in self.weights.items()
        )
        return _clamped(score, self.floor, self.best)

    def distances(self, half, degraded, lengths):
        """Compare a batch with its reference.

        Arguments
        ---------
        half : CompositeHalf
        degraded : torch.Tensor
            [items, samples], 0 behind the lengths.
        lengths : torch.Tensor
            [items], int.

        Returns
        -------
        dict from str to torch.Tensor
            [items] each: those of "pesq", "wss", "llr" and "segsnr" (in dB)
            that the score contains; see ``CompositeDistances``.
        """
        found, valid = {}, half.valid
        if "pesq" in self.weights:
            found["pesq"] = self.pesq.score(half.pesq, degraded)
        if self.weights.keys() & {"wss", "llr"}:
            spectra = _spectra(degraded, valid)
            found["wss"] = _trimmed_mean(_wss(half, spectra), valid)
            if "llr" in self.weights:
                found["llr"] = _trimmed_mean(_llr(half, spectra), valid)
        if "segsnr" in self.weights:
            segsnr = _segmental_snr_db(half, degraded, lengths)
            segsnr = torch.where(valid, segsnr, 0.0)
            found["segsnr"] = segsnr.sum(1) / valid.sum(1)
        return found


class CSIGTwin(CompositeTwin):
    """Score the opinion of the speech signal alone, 1 to 5.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> time = torch.arange(16000) / 16000
    >>> clean = (torch.sin(1500 * time) * torch.sin(20 * time))[None]
    >>> CSIGTwin()(clean, clean).item()
    5.0
    """

    name = "CSIG"
    constant = 3.093
    weights = {"pesq": 0.603, "llr": -1.029, "wss": -0.009}


class CBAKTwin(CompositeTwin):
    """Score the opinion of the background noise, 1 to 5."""

    name = "CBAK"
    constant = 1.634
    weights = {"pesq": 0.478, "wss": -0.007, "segsnr": 0.063}


class COVLTwin(CompositeTwin):
    """Score the opinion of the overall quality, 1 to 5."""

    name = "COVL"
    constant = 1.594
    weights = {"pesq": 0.805, "llr": -0.512, "wss": -0.007}


class MeanOpinionTwin(CompositeTwin):
    """Score the mean of several opinions, 1 to 5.

    The distances that they share are computed once.

    Arguments
    ---------
    opinions : list of CompositeTwin
        Such as ``CSIGTwin``; the best and the worst score of all are 5 and 1.
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> time = torch.arange(16000) / 16000
    >>> clean = (torch.sin(1500 * time) * torch.sin(20 * time))[None]
    >>> MeanOpinionTwin([CSIGTwin(), COVLTwin()])(clean, clean).item()
    5.0
    """

    def __init__(self, opinions, sample_rate=SAMPLE_RATE):
        self.weights = {
            name: weight
            for opinion in opinions
            for name, weight in opinion.weights.items()
        }
        super().__init__(sample_rate)
        self.name = "mean of " + ", ".join(one.name for one in opinions)
        self.opinions = torch.nn.ModuleList(opinions)

    def combine(self, distances):
        """Return the mean, [items], each opinion clamped by itself."""
        scores = [opinion.combine(distances) for opinion in self.opinions]
        return torch.stack(scores).mean(dim=0)


class SegSNRTwin(CompositeTwin):
    """Score the segmental SNR in dB, -10 to 35."""

    name = "segmental SNR"
    weights = {"segsnr": 1.0}
    floor, best = SEGMENTAL_SNR_RANGE_DB


class _Spectra(NamedTuple):
    """What WSS and LLR need of a batch; see ``frames.FrameSpectra``."""

    band_db: torch.Tensor  # [batch, frames, 25]
    lags: torch.Tensor  # [batch, frames, 17]
    constant: torch.Tensor  # [batch, frames]


def _frames(signals, valid):
    """Cut signals into frames, [items, frames, 480], in float64."""
    samples = FRAME + HOP * (valid.shape[1] - 1)
    return signals[:, :samples].double().unfold(1, FRAME, HOP)


def _spectra(signals, valid):
    frames = _frames(signals, valid) + SILENCE
    bands, cosines, taper = _maps(signals.device)
    power = power_spectrum(frames * taper, FFT_SIZE)
    energy = (power @ bands).clamp(min=BAND_ENERGY_FLOOR)
    frames = frames.detach()
    constant = frames.amax(-1) == frames.amin(-1)
    return _Spectra(10 * energy.log10(), power @ cosines, constant)


@lru_cache(maxsize=4)
def _maps(device):
    """Return matrices from power to bands and to lags, and the window."""
    bins = FFT_SIZE // 2
    bands = np.pad(band_filters(bins, SAMPLE_RATE / 2), ((0, 0), (0, 1)))
    lag = np.arange(LPC_ORDER + 1)[:, None]
    cosines = np.cos(2 * np.pi * lag * np.arange(bins + 1) / FFT_SIZE)
    cosines[:, 1:-1] *= 2  # the negative frequencies
    maps = (bands.T, cosines.T / FFT_SIZE, window())
    return tuple(torch.from_numpy(values.copy()).to(device) for values in maps)


def _band_slopes(band_db):
    """Return slopes and Klatt's weights; see ``critical_bands``."""
    level, slope = band_db[..., :-1], band_db.diff(dim=-1)
    bands = slope.shape[-1]
    index = torch.arange(bands, device=slope.device)
    rises = slope > 0
    rise_end = torch.where(rises, bands, index).flip(-1)
    rise_end = rise_end.cummin(-1).values.flip(-1) - 1
    fall_start = torch.where(rises, index, -1).cummax(-1).values + 1
    peak = band_db.gather(-1, torch.where(rises, rise_end, fall_start))
    highest = band_db.amax(-1, keepdim=True)
    weight = GLOBAL_PEAK_DB / (GLOBAL_PEAK_DB + highest - level)
    return slope, weight * LOCAL_PEAK_DB / (LOCAL_PEAK_DB + peak - level)


def _wss(half, spectra):
    """Weigh squared differences of slopes; return ``[batch, frames]``."""
    slope, weight = _band_slopes(spectra.band_db)
    weight = weight + half.weight
    difference = weight * (slope - half.slope).square()
    return difference.sum(-1) / weight.sum(-1)


def _predictors(spectra):
    """Return prediction-error filters, ``[batch, frames, 17]``.

    Solves the normal equations, whose solution the recursion of the metric
    finds: one call with one gradient in place of sixteen dependent steps.
    """
    lags = spectra.lags
    matrix = _toeplitz(lags[..., :-1])
    size = matrix.shape[-1]
    unit = torch.eye(size, dtype=lags.dtype, device=lags.device)
    constant = spectra.constant[..., None]
    ridge = (RIDGE * lags[..., :1])[..., None] * unit
    matrix = torch.where(constant[..., None], unit, matrix + ridge)
    filters = torch.linalg.solve_ex(matrix, -lags[..., 1:, None])[0][..., 0]
    filters = torch.cat([torch.ones_like(filters[..., :1]), filters], -1)
    fixed = torch.from_numpy(constant_predictor()).to(filters)
    return torch.where(constant, fixed, filters)


def _toeplitz(lags):
    """Return symmetric matrices of equal diagonals, ``[..., n, n]``."""
    index = torch.arange(lags.shape[-1], device=lags.device)
    return lags[..., (index[:, None] - index).abs()]


def _prediction_error(filters, lags):
    """Return what filtering leaves of the energy, ``[batch, frames]``."""
    product = _toeplitz(lags) @ filters[..., None]
    return (filters * product[..., 0]).sum(-1)


def _rounding(lags):
    """Return the bound below which an error is rounding alone."""
    return torch.finfo(lags.dtype).eps * lags[..., 0]


def _llr(half, spectra):
    """Return the log of the errors' quotient, ``[batch, frames]``."""
    error = _prediction_error(_predictors(spectra), half.lags)
    error = torch.maximum(error, _rounding(half.lags))
    return error.log() - half.log_own_error


def _segmental_snr_db(half, degraded, lengths):
    """Return the SNR of frames at equal peaks, ``[batch, frames]``."""
    lowest, highest = SEGMENTAL_SNR_RANGE_DB
    signal = centred(degraded.double(), lengths)
    peak, own_peak = (
        wave.abs().amax(1, keepdim=True) for wave in (half.centred, signal)
    )
    own_peak = torch.maximum(own_peak, PEAK_FLOOR * peak)
    noise = half.centred - signal * (peak / own_peak)
    noise = _frame_energy(noise, half.valid) + SEGMENTAL_SNR_EPS
    snr_db = 10 * (half.energy / noise + SEGMENTAL_SNR_EPS).log10()
    kept = SEGSNR_LEAK * (snr_db - snr_db.detach())
    kept = torch.where(snr_db < lowest, kept, 0.0)
    return snr_db.clamp(lowest, highest) + kept


def _frame_energy(signals, valid):
    """Return the energy of windowed frames, ``[batch, frames]``."""
    return _frames(signals.square(), valid) @ _maps(signals.device)[2].square()


def _trimmed_mean(per_frame, valid):
    """Return the mean of the best 95 % of the frames, ``[batch]``."""
    # As the metric, half to even.
    kept = (valid.sum(1).double() * KEPT_FRACTION).round()
    ordered = torch.where(valid, per_frame, torch.inf).sort(1).values
    best = valid_mask(kept, valid.shape[1])
    total = torch.where(best, ordered, 0.0).sum(1)
    return total / best.sum(1)


def _clamped(values, lowest, highest):
    """Clamp in value only; the gradient passes."""
    outside = (values < lowest) | (values > highest)
    kept = torch.where(outside, values - values.detach(), 0.0)
    return values.clamp(lowest, highest) + kept

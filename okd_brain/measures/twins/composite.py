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
from okd_brain.measures.twins.padded import (
    check_batch,
    check_degraded,
    check_rate,
    read_lengths,
    valid_mask,
)
from okd_brain.measures.twins.pesq import MIN_SAMPLES, PESQReference, PESQTwin

# Constant and weights of each score (Hu and Loizou 2008; scores.py).
WEIGHTS = {
    "csig": (3.093, {"pesq": 0.603, "llr": -1.029, "wss": -0.009}),
    "cbak": (1.634, {"pesq": 0.478, "wss": -0.007, "segsnr": 0.063}),
    "covl": (1.594, {"pesq": 0.805, "llr": -0.512, "wss": -0.007}),
    "segsnr": (0.0, {"segsnr": 1.0}),
}
OPINIONS = ("csig", "cbak", "covl")

SEGSNR_LEAK = 0.1
PEAK_FLOOR = 1e-3  # of the reference's peak: silence is not amplified to it
# Of the energy, added to the autocorrelation's first lag: the frame of a pure
# tone has a matrix that is singular within rounding.
RIDGE = 1e-14


class CompositeReference(NamedTuple):
    """The reference's half of a batch's distances.

    What no score asks for is None.

    Arguments
    ---------
    lengths : list of int
        ``[batch]``, in samples.
    valid : torch.Tensor
        ``[batch, frames]``, bool: frames that are not padding.
    pesq : PESQReference
    slope, weight : torch.Tensor
        ``[batch, frames, 24]``, of the critical bands, in dB and Klatt's.
    lags : torch.Tensor
        ``[batch, frames, 17]``, autocorrelation.
    log_own_error : torch.Tensor
        ``[batch, frames]``, what the reference's own predictor leaves of it.
    centred : torch.Tensor
        ``[batch, samples]``, the reference without its mean.
    energy : torch.Tensor
        ``[batch, frames]``, of the frames of ``centred``.
    """

    lengths: list
    valid: torch.Tensor
    pesq: PESQReference | None
    slope: torch.Tensor | None
    weight: torch.Tensor | None
    lags: torch.Tensor | None
    log_own_error: torch.Tensor | None
    centred: torch.Tensor
    energy: torch.Tensor


class CompositeTwin(torch.nn.Module):
    """Score degraded speech with several composite scores at the cost of one.

    Arguments
    ---------
    names : tuple of str
        Of the scores, among "csig", "cbak", "covl" and "segsnr".
    sample_rate : int
        16000, in Hz.

    Raises
    ------
    ValueError
        If the sample rate is another.

    Example
    -------
    >>> time = torch.arange(16000) / 16000
    >>> clean = (torch.sin(1500 * time) * torch.sin(20 * time))[None]
    >>> scores = CompositeTwin()(clean, clean)
    >>> {name: round(float(score), 2) for name, score in scores.items()}
    {'csig': 5.0, 'cbak': 5.0, 'covl': 5.0}
    """

    def __init__(self, names=OPINIONS, sample_rate=SAMPLE_RATE):
        super().__init__()
        check_rate("CompositeTwin", sample_rate)
        self.names = tuple(names)
        self.parts = {part for name in names for part in WEIGHTS[name][1]}
        self.pesq = PESQTwin(sample_rate) if "pesq" in self.parts else None
        self.min_samples = MIN_SAMPLES if self.pesq else FRAME + HOP

    def forward(self, reference, degraded, lengths=None):
        """Score a batch.

        Arguments
        ---------
        reference : torch.Tensor
            ``[batch, samples]``, clean speech at 16 kHz, full scale 1.
        degraded : torch.Tensor
            ``[batch, samples]``, aligned with the reference.
        lengths : torch.Tensor or list of int or None
            ``[batch]``, in samples, at least 0.25 s each; None if no item is
            padded.

        Returns
        -------
        dict from str to torch.Tensor
            ``[batch]`` each: opinions within [1, 5], segmental SNR in dB
            within [-10, 35]; differentiable with respect to ``degraded``.

        Raises
        ------
        ValueError
            If shapes or lengths do not fit.
        """
        return self.score(self.prepare(reference, lengths), degraded)

    @torch.no_grad()
    def prepare(self, reference, lengths=None):
        """Compute what depends on the reference alone.

        Arguments
        ---------
        reference : torch.Tensor
            ``[batch, samples]``
        lengths : torch.Tensor or list of int or None
            ``[batch]``, in samples.

        Returns
        -------
        CompositeReference

        Raises
        ------
        ValueError
            If shapes or lengths do not fit.
        """
        check_batch(reference, "reference")
        lengths = read_lengths(reference, lengths, self.min_samples)
        prepared = self.pesq and self.pesq.prepare(reference, lengths)
        counts = [frame_count(length) for length in lengths]
        valid = valid_mask(counts, max(counts), reference.device)
        slope = weight = lags = log_own_error = None
        with torch.autocast(reference.device.type, enabled=False):
            if self.parts & {"wss", "llr"}:
                spectra = _spectra(reference, lengths, valid)
                slope, weight = _band_slopes(spectra.band_db)
            if "llr" in self.parts:
                lags = spectra.lags
                error = _prediction_error(_predictors(spectra), lags)
                log_own_error = torch.maximum(error, _rounding(lags)).log()
            centred = _centred(reference, lengths)
            return CompositeReference(
                lengths,
                valid,
                prepared,
                slope,
                weight,
                lags,
                log_own_error,
                centred,
                _frame_energy(centred, valid),
            )

    def score(self, prepared, degraded):
        """Score a batch against a prepared reference.

        Arguments
        ---------
        prepared : CompositeReference
        degraded : torch.Tensor
            ``[batch, samples]``, of the reference's shape.

        Returns
        -------
        dict from str to torch.Tensor
            ``[batch]`` each.

        Raises
        ------
        ValueError
            If the shape does not fit.
        """
        check_degraded(degraded, prepared.lengths)
        parts = self.distances(prepared, degraded)
        if self.pesq:
            parts["pesq"] = self.pesq.score(prepared.pesq, degraded)
        scores = {}
        for name in self.names:
            constant, weights = WEIGHTS[name]
            score = sum(
                (weight * parts[part] for part, weight in weights.items()),
                start=constant,
            )
            if name in OPINIONS:
                score = _clamped(score, *OPINION_RANGE)
            scores[name] = score
        return scores

    def distances(self, prepared, degraded):
        """Compare a batch with its reference without PESQ.

        Arguments
        ---------
        prepared : CompositeReference
        degraded : torch.Tensor
            ``[batch, samples]``

        Returns
        -------
        dict from str to torch.Tensor
            ``[batch]`` each: those of "wss", "llr" and "segsnr" (in dB) that
            the scores contain; see ``CompositeDistances``.
        """
        found = {}
        valid = prepared.valid
        with torch.autocast(degraded.device.type, enabled=False):
            if self.parts & {"wss", "llr"}:
                spectra = _spectra(degraded, prepared.lengths, valid)
            if "wss" in self.parts:
                wss = _wss(prepared, spectra)
                found["wss"] = _trimmed_mean(wss, valid)
            if "llr" in self.parts:
                llr = _llr(prepared, spectra)
                found["llr"] = _trimmed_mean(llr, valid)
            if "segsnr" in self.parts:
                segsnr = _segmental_snr_db(prepared, degraded)
                segsnr = torch.where(valid, segsnr, 0.0)
                found["segsnr"] = segsnr.sum(1) / valid.sum(1)
        exact = degraded.dtype == torch.float64
        kind = torch.float64 if exact else torch.float32
        return {name: part.to(kind) for name, part in found.items()}


class _OneScore(torch.nn.Module):
    """One score of a ``CompositeTwin``.

    Arguments
    ---------
    sample_rate : int
        16000, in Hz.
    """

    name = ""

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__()
        self.composite = CompositeTwin((self.name,), sample_rate)

    def forward(self, reference, degraded, lengths=None):
        """Score a batch as ``CompositeTwin.forward``; return ``[batch]``."""
        return self.composite(reference, degraded, lengths)[self.name]

    def prepare(self, reference, lengths=None):
        """Compute what depends on the reference alone."""
        return self.composite.prepare(reference, lengths)

    def score(self, prepared, degraded):
        """Score a batch against a prepared reference; return ``[batch]``."""
        return self.composite.score(prepared, degraded)[self.name]


class CSIGTwin(_OneScore):
    """Score the opinion of the speech signal alone, 1 to 5."""

    name = "csig"


class CBAKTwin(_OneScore):
    """Score the opinion of the background noise, 1 to 5."""

    name = "cbak"


class COVLTwin(_OneScore):
    """Score the opinion of the overall quality, 1 to 5."""

    name = "covl"


class SegSNRTwin(_OneScore):
    """Score the segmental SNR in dB, -10 to 35."""

    name = "segsnr"


class _Spectra(NamedTuple):
    """What WSS and LLR need of a batch; see ``frames.FrameSpectra``."""

    band_db: torch.Tensor  # [batch, frames, 25]
    lags: torch.Tensor  # [batch, frames, 17]
    constant: torch.Tensor  # [batch, frames]


def _spectra(signals, lengths, valid):
    samples = FRAME + HOP * (valid.shape[1] - 1)
    signals = _unpadded(signals.double(), lengths)[:, :samples]
    frames = (signals + SILENCE).unfold(1, FRAME, HOP)
    bands, cosines, taper = _maps(signals.device)
    spectrum = torch.fft.rfft(frames * taper, FFT_SIZE)
    power = spectrum.real.square() + spectrum.imag.square()
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


def _wss(prepared, spectra):
    """Weigh squared differences of slopes; return ``[batch, frames]``."""
    slope, weight = _band_slopes(spectra.band_db)
    weight = weight + prepared.weight
    difference = weight * (slope - prepared.slope).square()
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


def _llr(prepared, spectra):
    """Return the log of the errors' quotient, ``[batch, frames]``."""
    error = _prediction_error(_predictors(spectra), prepared.lags)
    error = torch.maximum(error, _rounding(prepared.lags))
    return error.log() - prepared.log_own_error


def _segmental_snr_db(prepared, degraded):
    """Return the SNR of frames at equal peaks, ``[batch, frames]``."""
    lowest, highest = SEGMENTAL_SNR_RANGE_DB
    centred = _centred(degraded, prepared.lengths)
    peak = prepared.centred.abs().amax(1, keepdim=True)
    own_peak = centred.abs().amax(1, keepdim=True)
    own_peak = torch.maximum(own_peak, PEAK_FLOOR * peak)
    noise = prepared.centred - centred * (peak / own_peak.clamp(min=1e-30))
    noise = _frame_energy(noise, prepared.valid) + SEGMENTAL_SNR_EPS
    ratio = prepared.energy / noise + SEGMENTAL_SNR_EPS
    snr_db = 10 * ratio.log10()
    kept = SEGSNR_LEAK * (snr_db - snr_db.detach())
    kept = torch.where(snr_db < lowest, kept, 0.0)
    return snr_db.clamp(lowest, highest) + kept


def _frame_energy(signals, valid):
    """Return the energy of windowed frames, ``[batch, frames]``."""
    samples = FRAME + HOP * (valid.shape[1] - 1)
    squares = signals[:, :samples].square().unfold(1, FRAME, HOP)
    return squares @ _maps(signals.device)[2].square()


def _centred(signals, lengths):
    """Return signals without mean and padding, in float64."""
    signals = _unpadded(signals.double(), lengths)
    count = torch.tensor(lengths, device=signals.device)[:, None]
    mean = signals.sum(1, keepdim=True) / count
    return _unpadded(signals - mean, lengths)


def _unpadded(signals, lengths):
    """Return signals that are zero from their lengths on."""
    valid = valid_mask(lengths, signals.shape[1], signals.device)
    return torch.where(valid, signals, 0.0)


def _trimmed_mean(per_frame, valid):
    """Return the mean of the best 95 % of the frames, ``[batch]``."""
    counts = valid.sum(1).tolist()
    kept = [round(count * KEPT_FRACTION) for count in counts]
    ordered = torch.where(valid, per_frame, torch.inf).sort(1).values
    best = valid_mask(kept, valid.shape[1], valid.device)
    total = torch.where(best, ordered, 0.0).sum(1)
    return total / best.sum(1)


def _clamped(values, lowest, highest):
    """Clamp in value only; the gradient passes."""
    outside = (values < lowest) | (values > highest)
    kept = torch.where(outside, values - values.detach(), 0.0)
    return values.clamp(lowest, highest) + kept

"""A differentiable scale-invariant SDR, and what a batch for a twin must be."""

import torch
from torch import nn

from okd_brain.measures.checks import SILENCE_PEAK
from okd_brain.measures.scores import WORST_DB

SAMPLE_RATE = 16000
# Two equal signals differ by rounding, and have no finite ratio otherwise.
BEST_DB = 100.0


class SISDRTwin(nn.Module):
    """Score waves as ``okd_brain.measures.distortion.si_sdr_db`` does.

    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?",
    ICASSP 2019, eq. 3 and 4, on signals without their means.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Raises
    ------
    ValueError
        If the rate is another one.

    Example
    -------
    >>> clean = torch.tensor([[1.0, -1, 1, -1]])
    >>> noise = torch.tensor([[1.0, 1, -1, -1]])
    >>> round(SISDRTwin()(clean, 5 * clean + 0.5 * noise).item(), 3)
    20.0
    """

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__()
        check_sample_rate(sample_rate, name="SI-SDR")

    def forward(self, reference, degraded, lengths=None):
        """Return the ratio of each utterance.

        Arguments
        ---------
        reference, degraded : torch.Tensor
            [batch, samples], floating point; see ``read_batch``.
        lengths : torch.Tensor, optional
            [batch], int, valid samples of each.

        Returns
        -------
        torch.Tensor
            [batch], dB within [-30, 100]. A silent or constant signal, in
            either role, has -30, without a gradient.

        Raises
        ------
        ValueError
            If the shapes do not fit or a reference is not finite.
        """
        batch = read_batch(reference, degraded, lengths, name="SI-SDR")
        reference, degraded, valid = batch
        with torch.autocast(degraded.device.type, enabled=False):
            silent = is_silent(reference, valid) | is_silent(degraded, valid)
            reference = _unit(reference, valid)
            degraded = _unit(degraded, valid)
            shared = (reference * degraded).sum(dim=1, keepdim=True)
            distortion = (degraded - shared * reference).square().sum(dim=1)
            target = shared[:, 0].square()
            # Both are parts of an energy of 1. The bounds come before the
            # logarithm, which has no slope at 0.
            ratio = target / (distortion + 10 ** (-BEST_DB / 10))
            ratio = ratio.clamp(min=10 ** (WORST_DB / 10))
            ratio_db = 10 * torch.log10(ratio)
            return torch.where(silent, WORST_DB, ratio_db)


def _unit(signal, valid):
    """Return signals without their means and with an energy of 1."""
    mean = signal.sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True)
    signal = (signal - mean) * valid
    # Twice, so that squares of soft signals do not underflow.
    signal = signal / signal.detach().abs().amax(dim=1, keepdim=True).clamp(
        min=SILENCE_PEAK
    )
    energy = signal.square().sum(dim=1, keepdim=True)
    return signal * energy.clamp(min=1e-12).rsqrt()


def check_sample_rate(sample_rate, *, name):
    """Reject every rate except 16 kHz.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    name : str
        Of the measure, for the message.

    Raises
    ------
    ValueError
        If it is not 16000 Hz.
    """
    if sample_rate != SAMPLE_RATE:
        raise ValueError(
            f"{name}'s twin needs {SAMPLE_RATE} Hz; got {sample_rate} Hz"
        )


def read_batch(reference, degraded, lengths, *, name):
    """Bring a batch for a twin into its form, if it has one.

    Arguments
    ---------
    reference, degraded : torch.Tensor
        [batch, samples], floating point, full scale 1. Only the latter gets a
        gradient. Half precision becomes float32; float64 stays.
    lengths : torch.Tensor or None
        [batch], int, valid samples of each utterance; None if all are full.
        What is behind them has no effect, whatever it is.
    name : str
        Of the measure, for the messages.

    Returns
    -------
    reference, degraded : torch.Tensor
        [batch, samples], of one type, 0 behind the valid samples.
    valid : torch.Tensor
        [batch, samples], bool.

    Raises
    ------
    ValueError
        With the shape that was found and the rule that it breaks; if a
        reference is not finite. A degraded signal that is not has no score
        (NaN).
    """
    for role, signal in (("reference", reference), ("degraded", degraded)):
        if signal.ndim != 2 or not signal.is_floating_point():
            raise ValueError(
                f"{name}'s twin needs a {role} of [batch, samples], floating"
                f" point; got {list(signal.shape)} of {signal.dtype}"
            )
    if reference.shape != degraded.shape:
        raise ValueError(
            f"{name}'s twin needs reference and degraded of one shape; got"
            f" {list(reference.shape)} and {list(degraded.shape)}"
        )
    count, samples = degraded.shape
    if lengths is None:
        lengths = torch.full((count,), samples)
    if lengths.shape != (count,) or lengths.is_floating_point():
        raise ValueError(
            f"{name}'s twin needs lengths of [{count}], int, in samples; got"
            f" {list(lengths.shape)} of {lengths.dtype}"
        )
    if ((lengths < 1) | (lengths > samples)).any():
        raise ValueError(
            f"{name}'s twin needs lengths from 1 to {samples} samples; got"
            f" {lengths.tolist()}"
        )
    index = torch.arange(samples, device=degraded.device)
    valid = index < lengths.to(degraded.device)[:, None]
    dtype = torch.promote_types(degraded.dtype, torch.float32)
    reference, degraded = (
        torch.where(valid, signal.to(degraded.device, dtype), 0)
        for signal in (reference.detach(), degraded)
    )
    finite = reference.isfinite().all(dim=1)
    if not finite.all():
        items = torch.nonzero(~finite)[:, 0].tolist()
        raise ValueError(
            f"{name}'s twin needs references without NaN and infinity; items"
            f" {items} of the batch have some"
        )
    return reference, degraded, valid


def is_silent(signal, valid):
    """Find the utterances that are silent or constant.

    Arguments
    ---------
    signal : torch.Tensor
        [batch, samples].
    valid : torch.Tensor
        [batch, samples], bool.

    Returns
    -------
    torch.Tensor
        [batch], bool; see ``okd_brain.measures.silence.is_constant``.
    """
    signal = signal.detach()
    high = torch.where(valid, signal, -torch.inf).amax(dim=1)
    low = torch.where(valid, signal, torch.inf).amin(dim=1)
    return high - low <= 2 * SILENCE_PEAK

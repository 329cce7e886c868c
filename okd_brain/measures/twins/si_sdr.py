"""A differentiable scale-invariant SDR."""

from okd_brain.measures.checks import SILENCE_PEAK
from okd_brain.measures.scores import WORST_DB
from okd_brain.measures.twins.base import ALL, Twin, centred

# Two equal signals differ by rounding, and have no finite ratio otherwise.
BEST_DB = 100.0


class SISDRTwin(Twin):
    """Score waves as ``okd_brain.measures.scores.si_sdr`` does.

    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?",
    ICASSP 2019, eq. 3 and 4, on signals without their means. Scores are in dB
    within [-30, 100].

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> import torch
    >>> clean = torch.tensor([[1.0, -1, 1, -1]]).repeat(1, 1000)
    >>> noise = torch.tensor([[1.0, 1, -1, -1]]).repeat(1, 1000)
    >>> round(SISDRTwin()(clean, 5 * clean + 0.5 * noise).item(), 3)
    20.0
    """

    name = "SI-SDR"
    floor, best = WORST_DB, BEST_DB

    def half_of(self, reference, lengths):
        """Return the reference's half, and which items have a score."""
        return _unit(reference, lengths), ALL

    def compare(self, reference, degraded, lengths):
        """Return the scores, [items]; see ``Twin``."""
        degraded = _unit(degraded, lengths)
        shared = (reference * degraded).sum(dim=1, keepdim=True)
        distortion = (degraded - shared * reference).square().sum(dim=1)
        target = shared[:, 0].square()
        # Both are parts of an energy of 1. The bounds come before the
        # logarithm, which has no slope at 0.
        ratio = target / (distortion + 10 ** (-BEST_DB / 10))
        return 10 * ratio.clamp(min=10 ** (WORST_DB / 10)).log10()


def _unit(signals, lengths):
    """Return signals without their means and with an energy of 1."""
    signals = centred(signals, lengths)
    # Twice, so that squares of soft signals do not underflow.
    peak = signals.detach().abs().amax(dim=1, keepdim=True)
    signals = signals / peak.clamp(min=SILENCE_PEAK)
    energy = signals.square().sum(dim=1, keepdim=True)
    return signals * energy.clamp(min=1e-12).rsqrt()

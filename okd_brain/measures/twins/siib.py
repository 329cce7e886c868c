"""A differentiable SIIB^Gauss.

Van Kuyk, Kleijn and Hendriks, IEEE SPL 25(1), 2018 and IEEE/ACM TASLP 26(11),
2018; see ``okd_brain.measures.siib``. What depends on the reference alone,
active frames, masking floor and uncorrelated components, is that module's
``SIIBReference``; the degraded signal goes through the same steps in torch.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from okd_brain.measures import siib as spectrum
from okd_brain.measures.siib import (
    BITS_PER_NAT_OF_COMPONENT,
    MIN_ACTIVE_FRAMES,
    MIN_SECONDS,
    PERFECT,
    PRODUCTION_CORRELATION,
    STACK,
    SIIBReference,
)
from okd_brain.measures.twins.base import (
    SAMPLE_RATE,
    KeptHalves,
    Twin,
    power_spectrum,
)

NO_POWER = 1e-12  # of a component, in nats squared


class SIIBTwin(Twin):
    """Score waves as ``okd_brain.measures.siib.siib`` does, to 1e-4 of it.

    Scores are bits per second within [0, 1335.76]: 0, without a gradient, where
    the degraded signal is masked throughout, and where the reference is shorter
    than 1 s or has less than 0.5 s of speech. Halves of references are kept,
    the last ones used, up to 256 MB.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.
    tile_seconds : float, optional
        See ``SIIBReference``.

    Example
    -------
    >>> _ = torch.manual_seed(0)
    >>> clean = torch.randn(1, 16000)
    >>> round(SIIBTwin()(clean, clean).item(), 1)
    1335.8
    """

    name = "SIIB"
    best = PERFECT
    min_seconds = MIN_SECONDS

    def __init__(self, sample_rate=SAMPLE_RATE, tile_seconds=None):
        super().__init__(sample_rate)
        decay = np.log(np.arange(1, spectrum.MASKING_FRAMES + 1))
        self._decay = (decay / np.log(spectrum.MASKING_FRAMES)).tolist()
        self._keep(_bank=spectrum.filterbank(), _window=spectrum.window())
        self._halves = KeptHalves(partial(_Half.of, tile_seconds=tile_seconds))

    def half_of(self, reference, lengths):
        """Return the reference's half, and which items have a score."""
        return self._halves.of(reference, lengths)

    def compare(self, halves, degraded, lengths):
        """Return the scores, [items]; see ``Twin``."""
        counts = [len(half.active) for half in halves]
        counts = torch.tensor(counts, device=degraded.device)[:, None]
        scale, tiles, active, floor, basis, components, varies = (
            pad_sequence(parts, batch_first=True)
            for parts in zip(*halves, strict=True)
        )

        played = _tiled(degraded * scale, tiles, lengths)
        levels = self._log_power(played, active)
        index = torch.arange(levels.shape[1], device=levels.device)
        valid = (index < counts)[..., None]
        is_masked = (levels <= floor[:, None]) | ~valid
        spectra = self._masked(levels, floor)
        last = (index == counts - 1)[..., None]
        spectra = torch.where(last, floor[:, None], spectra)
        # Without the mean of each band, and without what is padding.
        mean = (spectra * valid).sum(dim=1, keepdim=True) / counts[..., None]
        spectra = (spectra - mean) * valid
        stacks = spectra.unfold(1, STACK, 1)[:, : components.shape[1]]
        found = torch.bmm(stacks.flatten(2), basis)
        found = found * (index[: found.shape[1]] < counts - STACK)[..., None]
        shared = _joined((found * components).sum(dim=1), varies)
        power = _joined(found.square().sum(dim=1), varies)
        determination = shared.square() / power.clamp(min=NO_POWER)
        nats = torch.log1p(-(PRODUCTION_CORRELATION**2) * determination)
        dimensions = _joined(torch.ones_like(nats[:, :-1]), varies)
        bits = -BITS_PER_NAT_OF_COMPONENT * (dimensions * nats).sum(dim=1)
        return torch.where(is_masked.all(dim=2).all(dim=1), 0, bits)

    def _log_power(self, signal, active):
        """Return log power in the bands, in nats.

        [batch, active, 28]
        """
        hops = signal.shape[1] // spectrum.HOP
        blocks = signal[:, : hops * spectrum.HOP]
        blocks = blocks.unflatten(1, (hops, spectrum.HOP))
        item = torch.arange(len(signal), device=signal.device)[:, None]
        frames = torch.cat([blocks[item, active], blocks[item, active + 1]], 2)
        frames = frames * self._window.to(signal.dtype)
        power = power_spectrum(frames, frames.shape[2])
        power = power @ self._bank.to(signal.dtype)
        return (power + np.finfo(float).eps).log()

    def _masked(self, levels, floor):
        """Lift levels to what masks them; see ``auditory_spectrum.masked``."""
        audible = levels
        for delay, fallen in enumerate(self._decay[1:], start=1):
            masker = levels[:, :-delay]
            threshold = torch.lerp(masker, floor[:, None], fallen)
            threshold = torch.maximum(audible[:, delay:], threshold)
            audible = torch.cat([audible[:, :delay], threshold], dim=1)
        return audible


class _Half(NamedTuple):
    """What is needed of a reference, on its device and in its type."""

    scale: torch.Tensor  # [1]
    tiles: torch.Tensor  # [1], int
    active: torch.Tensor  # [frames], indices
    floor: torch.Tensor  # [28], nats
    basis: torch.Tensor  # [420, 420]
    components: torch.Tensor  # [frames - 15, 420]
    varies: torch.Tensor  # [420], bool

    @classmethod
    def of(cls, signal, tile_seconds=None):
        """Make the half of a reference; None if the metric rejects it."""
        reference = signal.cpu().numpy().astype(np.float64)
        active = spectrum.active_frames(reference / reference.std())
        if active.sum() < MIN_ACTIVE_FRAMES:
            return None
        half = SIIBReference(reference, tile_seconds=tile_seconds)
        numbers = (half.scale, half.floor, half.basis, half.components)
        scale, floor, basis, components = (
            torch.from_numpy(np.atleast_1d(part)).to(signal) for part in numbers
        )
        tiles, active, varies = (
            torch.from_numpy(np.atleast_1d(part)).to(signal.device)
            for part in (half.tiles, half.active, half.varies)
        )
        return cls(scale, tiles, active, floor, basis, components, varies)


def _tiled(waves, tiles, lengths):
    """Repeat each wave without its padding; [batch, samples], padded anew."""
    if (tiles == 1).all():
        return waves
    return pad_sequence(
        [
            wave[:length].tile(count)
            for wave, count, length in zip(
                waves, tiles.flatten().tolist(), lengths.tolist(), strict=True
            )
        ],
        batch_first=True,
    )


def _joined(values, varies):
    """Return values per dimension with those of the steady ones summed up.

    Arguments
    ---------
    values : torch.Tensor
        [batch, 420].
    varies : torch.Tensor
        [batch, 420], bool.

    Returns
    -------
    torch.Tensor
        [batch, 421]; the sum is the last one, 0 in the place of its parts.
    """
    rest = (values * ~varies).sum(dim=1, keepdim=True)
    return torch.cat([values * varies, rest], dim=1)

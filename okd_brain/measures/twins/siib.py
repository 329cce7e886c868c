"""A differentiable SIIB^Gauss.

Van Kuyk, Kleijn and Hendriks, IEEE SPL 25(1), 2018 and IEEE/ACM TASLP 26(11),
2018; see ``okd_brain.measures.siib``. What depends on the reference alone,
active frames, masking floor and uncorrelated components, is that module's
``SIIBReference``; the degraded signal goes through the same steps in torch.
"""

import hashlib
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from okd_brain.measures import auditory_spectrum as spectrum
from okd_brain.measures.siib import (
    BITS_PER_NAT_OF_COMPONENT,
    MIN_ACTIVE_FRAMES,
    MIN_SECONDS,
    PRODUCTION_CORRELATION,
    STACK,
    SIIBReference,
)
from okd_brain.measures.silence import is_constant
from okd_brain.measures.twins.si_sdr import (
    SAMPLE_RATE,
    check_sample_rate,
    is_silent,
    read_batch,
)

CACHE_BYTES = 256e6  # 200 to 250 references of 3 s, 40 ms of work each
NO_POWER = 1e-12  # of a component, in nats squared


class SIIBTwin(nn.Module):
    """Score waves as ``okd_brain.measures.siib.siib`` does, to 1e-4 of it.

    Halves of references are kept, the last ones used, up to 256 MB.

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
    >>> _ = torch.manual_seed(0)
    >>> clean = torch.randn(1, 16000)
    >>> round(SIIBTwin()(clean, clean).item(), 1)
    1335.8
    """

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__()
        check_sample_rate(sample_rate, name="SIIB")
        decay = np.log(np.arange(1, spectrum.MASKING_FRAMES + 1))
        self._decay = (decay / np.log(spectrum.MASKING_FRAMES)).tolist()
        bank = torch.from_numpy(spectrum._filterbank())
        window = torch.from_numpy(spectrum._window())
        self.register_buffer("_bank", bank, persistent=False)
        self.register_buffer("_window", window, persistent=False)
        self._halves = OrderedDict()  # digest -> _Half or None, oldest first
        self._nbytes = 0

    def forward(self, reference, degraded, lengths=None):
        """Return the score of each utterance.

        Arguments
        ---------
        reference, degraded : torch.Tensor
            [batch, samples], floating point; see ``si_sdr.read_batch``.
        lengths : torch.Tensor, optional
            [batch], int, valid samples of each.

        Returns
        -------
        torch.Tensor
            [batch], bits per second within [0, 1335.76]. 0, without a
            gradient, where a signal is silent or constant, where the degraded
            one is masked throughout, and where the reference is shorter than
            1 s or has less than 0.5 s of speech.

        Raises
        ------
        ValueError
            If the shapes do not fit or a reference is not finite.
        """
        batch = read_batch(reference, degraded, lengths, name="SIIB")
        reference, degraded, valid = batch
        with torch.autocast(degraded.device.type, enabled=False):
            samples = valid.sum(dim=1).tolist()
            halves = [
                self._half(signal[:count])
                for signal, count in zip(
                    reference.cpu().numpy(), samples, strict=True
                )
            ]
            scored = [i for i, half in enumerate(halves) if half is not None]
            scores = degraded.sum(dim=1) * 0
            if not scored:
                return scores
            item = torch.tensor(scored, device=degraded.device)
            silent = is_silent(degraded[item], valid[item])
            bits = self._bits(degraded[item], [halves[i] for i in scored])
            bits = torch.where(silent, 0, bits)
            return scores.index_put((item,), bits)

    def _half(self, reference):
        """Return what is needed of a reference, or None if it has no score."""
        key = hashlib.blake2b(reference.tobytes(), digest_size=16).digest()
        if key in self._halves:
            self._halves.move_to_end(key)
            return self._halves[key]
        half = _Half.of(reference)
        if half is not None:
            self._halves[key] = half
            self._nbytes += half.nbytes
        while self._nbytes > CACHE_BYTES:
            _, oldest = self._halves.popitem(last=False)
            self._nbytes -= oldest.nbytes
        return half

    def _bits(self, degraded, halves):
        """Score signals, each against the half of its reference."""

        def stacked(arrays):
            arrays = [torch.from_numpy(array) for array in arrays]
            arrays = nn.utils.rnn.pad_sequence(arrays, batch_first=True)
            return arrays.to(degraded.device, degraded.dtype)

        counts = [len(half.active) for half in halves]
        counts = torch.tensor(counts, device=degraded.device)[:, None]
        scale = stacked([half.scale for half in halves])
        floor = stacked([half.floor for half in halves])
        active = stacked([half.active for half in halves]).long()
        basis = stacked([half.basis for half in halves])
        components = stacked([half.components for half in halves])
        varies = stacked([half.varies for half in halves]).bool()

        levels = self._log_power(degraded * scale, active)
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
        """Return log power in the bands, in nats. [batch, active, 28]"""
        hops = signal.shape[1] // spectrum.HOP
        blocks = signal[:, : hops * spectrum.HOP]
        blocks = blocks.unflatten(1, (hops, spectrum.HOP))
        item = torch.arange(len(signal), device=signal.device)[:, None]
        frames = torch.cat([blocks[item, active], blocks[item, active + 1]], 2)
        bins = torch.fft.rfft(frames * self._window.to(signal.dtype))
        power = bins.real.square() + bins.imag.square()
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
    """What is needed of a reference, float32 except the scale."""

    scale: np.ndarray  # [1]
    active: np.ndarray  # [frames], indices
    floor: np.ndarray  # [28], nats
    basis: np.ndarray  # [420, 420]
    components: np.ndarray  # [frames - 15, 420]
    varies: np.ndarray  # [420], bool

    @classmethod
    def of(cls, reference):
        """Make the half of a reference; None if the metric rejects it."""
        too_short = len(reference) < MIN_SECONDS * SAMPLE_RATE
        if too_short or is_constant(reference):
            return None
        signal = reference.astype(np.float64)
        active = spectrum.active_frames(signal / signal.std())
        if active.sum() < MIN_ACTIVE_FRAMES:
            return None
        half = SIIBReference(signal)
        return cls(
            np.array([half._scale]),
            half._active,
            half._floor.astype(np.float32),
            half._basis.astype(np.float32),
            half._components.astype(np.float32),
            half._varies,
        )

    @property
    def nbytes(self):
        """Size in bytes."""
        return sum(array.nbytes for array in self)


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

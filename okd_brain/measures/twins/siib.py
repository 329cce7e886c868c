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

from okd_brain.measures import siib as spectrum
from okd_brain.measures.checks import is_constant
from okd_brain.measures.siib import (
    BITS_PER_NAT_OF_COMPONENT,
    MIN_ACTIVE_FRAMES,
    MIN_SECONDS,
    PRODUCTION_CORRELATION,
    STACK,
    SIIBReference,
)
from okd_brain.measures.twins.si_sdr import (
    SAMPLE_RATE,
    check_sample_rate,
    is_silent,
    read_batch,
)

CACHE_BYTES = 256e6  # 250 references of 3 s, 20 to 40 ms of work each
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
        self._halves = HalvesCache(_Half.of)

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
            halves = self._halves.of(reference, valid.sum(dim=1))
            scored = [i for i, half in enumerate(halves) if half is not None]
            scores = degraded.sum(dim=1) * 0
            if not scored:
                return scores
            item = torch.tensor(scored, device=degraded.device)
            silent = is_silent(degraded[item], valid[item])
            bits = self._bits(degraded[item], [halves[i] for i in scored])
            bits = torch.where(silent, 0, bits)
            return scores.index_put((item,), bits)

    def _bits(self, degraded, halves):
        """Score signals, each against the half of its reference."""
        counts = [len(half.active) for half in halves]
        counts = torch.tensor(counts, device=degraded.device)[:, None]
        scale, active, floor, basis, components, varies = (
            nn.utils.rnn.pad_sequence(parts, batch_first=True)
            for parts in zip(*halves, strict=True)
        )

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
        """Return log power in the bands, in nats.

        [batch, active, 28]
        """
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
    """What is needed of a reference, on its device and in its type."""

    scale: torch.Tensor  # [1]
    active: torch.Tensor  # [frames], indices
    floor: torch.Tensor  # [28], nats
    basis: torch.Tensor  # [420, 420]
    components: torch.Tensor  # [frames - 15, 420]
    varies: torch.Tensor  # [420], bool

    @classmethod
    def of(cls, signal):
        """Make the half of a reference; None if the metric rejects it."""
        reference = signal.cpu().numpy().astype(np.float64)
        too_short = len(reference) < MIN_SECONDS * SAMPLE_RATE
        if too_short or is_constant(reference):
            return None
        active = spectrum.active_frames(reference / reference.std())
        if active.sum() < MIN_ACTIVE_FRAMES:
            return None
        half = SIIBReference(reference)
        numbers = (half._scale, half._floor, half._basis, half._components)
        scale, floor, basis, components = (
            torch.from_numpy(np.atleast_1d(part)).to(signal) for part in numbers
        )
        active, varies = (
            torch.from_numpy(part).to(signal.device)
            for part in (half._active, half._varies)
        )
        return cls(scale, active, floor, basis, components, varies)


class HalvesCache:
    """Keeps what twins need of references, as long as these were used lately.

    Arguments
    ---------
    make : callable
        From a reference, a torch.Tensor of [samples], to a tuple of tensors,
        or to None if it has no score.

    Example
    -------
    >>> halves = HalvesCache(lambda signal: (signal.square().sum(),))
    >>> waves, samples = torch.ones(2, 5), torch.tensor([5, 5])
    >>> first, second = halves.of(waves, samples)
    >>> first is second
    True
    """

    def __init__(self, make):
        self._make = make
        self._kept = OrderedDict()  # key -> half or None, oldest first
        self._nbytes = 0

    def of(self, references, samples):
        """Return the half of each reference.

        It is made of the reference without its padding, so that it does not
        depend on when it was made.

        Arguments
        ---------
        references : torch.Tensor
            [batch, samples].
        samples : torch.Tensor
            [batch], int, how many are valid.

        Returns
        -------
        list of (tuple or None)
        """
        halves = []
        signals = zip(
            references, references.cpu().numpy(), samples.tolist(), strict=True
        )
        for signal, values, count in signals:
            content = values[:count].tobytes()
            digest = hashlib.blake2b(content, digest_size=16).digest()
            key = digest, signal.device, signal.dtype
            if key not in self._kept:
                with torch.no_grad():
                    self._kept[key] = self._make(signal[:count])
                self._nbytes += _nbytes(self._kept[key])
            self._kept.move_to_end(key)
            halves.append(self._kept[key])
            while self._nbytes > CACHE_BYTES:
                _, oldest = self._kept.popitem(last=False)
                self._nbytes -= _nbytes(oldest)
        return halves


def _nbytes(half):
    """Return the size of a half in bytes; some, too, for its place."""
    return 200 + sum(part.nbytes for part in half or ())


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

"""What all twins share: how a batch is read and which items have a score.

The rules, the same for every twin:

* What is behind an item's length has no effect, whatever it is, and neither
  have the other items of the batch.
* An item has the metric's worst score, without a gradient, where the metric
  gives it (the degraded signal is silent or constant) and where the metric has
  no score (the reference is silent, constant, too short, or has too little
  speech). A pause that a random excerpt has hit is no reason to stop training.
* A degraded signal with NaN or infinity has the score NaN. A reference with
  such a sample is a mistake in the data and raises an error.
* The gradient is bounded: changing a stretch of 32 ms by a fraction of itself
  counts as at most ``STEEPEST`` times that fraction of the metric's range. For
  speech it stays under 10 times; where the metric follows rounding, as LLR does
  in pure tones and ESTOI in a constant, it would reach 10^4 to 10^5.
* Scores are computed in float32, in float64 where the degraded signals are
  float64, whatever autocast says.
"""

import hashlib
from collections import OrderedDict
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from okd_brain.measures.checks import SILENCE_PEAK

SAMPLE_RATE = 16000
ALL = slice(None)  # of the items have a score
STRETCH = 512  # samples
STEEPEST = 30.0
CACHE_BYTES = 256e6  # 250 references of 3 s, 20 to 40 ms of work each


class Prepared(NamedTuple):
    """A batch's references, ready to score what was made of them.

    Arguments
    ---------
    shape : torch.Size
        [batch, samples], of the batch.
    items : torch.Tensor
        [items], int, which of the batch have a score.
    reference : torch.Tensor
        [items, samples], 0 behind the lengths.
    lengths : torch.Tensor
        [items], int, valid samples.
    half : object
        What the twin needs of them.
    """

    shape: torch.Size
    items: torch.Tensor
    reference: torch.Tensor
    lengths: torch.Tensor
    half: Any


class Twin(torch.nn.Module):
    """Score batches of waves differentiably; base of all twins.

    ``twin(reference, degraded, lengths)`` is what a generator's loss calls.
    Where several signals have the same reference, ``score`` compares each of
    them with what ``prepare`` has made of it once.

    A twin implements ``half_of`` and ``compare``, which get only items that are
    long enough and not silent, and has four attributes: ``name``, in messages;
    ``floor`` and ``best``, the metric's range; ``min_seconds``, the length of
    the shortest signal with a score.

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
    >>> class Loudness(Twin):
    ...     name, floor, best = "loudness", -60.0, 0.0
    ...     def half_of(self, reference, lengths):
    ...         return reference.square().sum(dim=1), ALL
    ...     def compare(self, half, degraded, lengths):
    ...         return -10 * (degraded.square().sum(dim=1) / half).log10().abs()
    >>> clean = torch.sin(torch.arange(8000.0)).repeat(3, 1)
    >>> degraded = clean * torch.tensor([[1.0], [0.1], [0.0]])
    >>> Loudness()(clean, degraded, [8000, 4000, 8000]).tolist()
    [-0.0, -20.0, -60.0]
    """

    name = ""
    floor, best = 0.0, 1.0
    min_seconds = 0.25

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__()
        if sample_rate != SAMPLE_RATE:
            raise ValueError(
                f"{self.name}'s twin needs {SAMPLE_RATE} Hz; got"
                f" {sample_rate} Hz"
            )

    def forward(self, reference, degraded, lengths=None):
        """Return the score of each utterance.

        Arguments
        ---------
        reference : torch.Tensor
            [batch, samples], floating point, full scale 1; gets no gradient.
        degraded : torch.Tensor
            [batch, samples], likewise, aligned with the reference.
        lengths : torch.Tensor or list of int or None
            [batch], valid samples of each; None if all are full.

        Returns
        -------
        torch.Tensor
            [batch], on the metric's scale.

        Raises
        ------
        ValueError
            With the rule that the batch breaks and what was found.
        """
        for role, signal in (("reference", reference), ("degraded", degraded)):
            self._check_waves(signal, role)
        reference = reference.to(degraded.device, _precision(degraded))
        return self.score(self.prepare(reference, lengths), degraded)

    @torch.no_grad()
    def prepare(self, reference, lengths=None):
        """Compute what depends on the references alone.

        Arguments
        ---------
        reference : torch.Tensor
            [batch, samples], on the device where the rest is to be computed.
        lengths : torch.Tensor or list of int or None
            [batch], valid samples of each; None if all are full.

        Returns
        -------
        Prepared
            In the precision of the references, at least float32.

        Raises
        ------
        ValueError
            With the rule that the batch breaks and what was found.
        """
        self._check_waves(reference, "reference")
        lengths = self._read_lengths(lengths, reference)
        shape = reference.shape
        reference = unpadded(reference.to(_precision(reference)), lengths)
        self._check_finite(reference)
        has_score = lengths >= self.min_seconds * SAMPLE_RATE
        has_score &= ~_is_silent(reference, lengths)
        items, half = torch.nonzero(has_score)[:, 0], None
        if len(items):
            with torch.autocast(reference.device.type, enabled=False):
                half, kept = self.half_of(reference[items], lengths[items])
            items = items[kept]
        return Prepared(shape, items, reference[items], lengths[items], half)

    def score(self, prepared, degraded):
        """Score a batch against prepared references.

        Arguments
        ---------
        prepared : Prepared
        degraded : torch.Tensor
            [batch, samples], of the references' shape.

        Returns
        -------
        torch.Tensor
            [batch], in the precision of what is prepared.

        Raises
        ------
        ValueError
            If the shape is another one.
        """
        self._check_waves(degraded, "degraded")
        if degraded.shape != prepared.shape:
            raise ValueError(
                f"{self.name}'s twin needs reference and degraded of one shape;"
                f" got {list(prepared.shape)} and {list(degraded.shape)}"
            )
        _, items, reference, lengths, half = prepared
        degraded = degraded.to(reference.dtype)
        # Of nothing: a batch without any score has a gradient, too.
        worst = self.floor + degraded[:, :0].sum(dim=1)
        if not len(items):
            return worst
        waves = unpadded(degraded[items], lengths)
        silent = _is_silent(waves, lengths)
        # A perfect signal stands in: near silence, slopes have no bound.
        waves = torch.where(silent[:, None], reference, waves)
        with torch.autocast(degraded.device.type, enabled=False):
            scores = self.compare(half, waves, lengths).to(degraded.dtype)
        _bound_gradient(scores, waves, STEEPEST * (self.best - self.floor))
        scores = torch.where(silent, self.floor, scores)
        return worst.index_put((items,), scores)

    def half_of(self, reference, lengths):
        """Compute the reference's half of the scores.

        Gets references, [items, samples], 0 behind the lengths, [items], int.
        Gives what ``compare`` needs of the items that have a score, and the
        index of these items, ``ALL`` if all have one.
        """
        raise NotImplementedError

    def compare(self, half, degraded, lengths):
        """Score against the reference's half.

        Gets what ``half_of`` gave, degraded signals of the same items, [items,
        samples], 0 behind the lengths, and the lengths. Gives scores, [items].
        """
        raise NotImplementedError

    def _keep(self, **constants):
        """Register arrays as buffers that are no part of a checkpoint."""
        for name, values in constants.items():
            values = torch.as_tensor(values, dtype=torch.float64)
            self.register_buffer(name, values, persistent=False)

    def _check_waves(self, signal, role):
        if signal.ndim != 2 or not signal.is_floating_point():
            raise ValueError(
                f"{self.name}'s twin needs a {role} of [batch, samples],"
                f" floating point; got {list(signal.shape)} of {signal.dtype}"
            )

    def _read_lengths(self, lengths, reference):
        """Return lengths as a tensor, [batch], int64."""
        count, samples = reference.shape
        if lengths is None:
            lengths = [samples] * count
        lengths = torch.as_tensor(lengths, device=reference.device)
        if lengths.shape != (count,) or lengths.dtype.is_floating_point:
            raise ValueError(
                f"{self.name}'s twin needs lengths of [{count}], int, in"
                f" samples; got {list(lengths.shape)} of {lengths.dtype}"
            )
        if ((lengths < 1) | (lengths > samples)).any():
            raise ValueError(
                f"{self.name}'s twin needs lengths from 1 to {samples} samples;"
                f" got {lengths.tolist()}"
            )
        return lengths.long()

    def _check_finite(self, reference):
        finite = reference.isfinite().all(dim=1)
        if not finite.all():
            items = torch.nonzero(~finite)[:, 0].tolist()
            raise ValueError(
                f"{self.name}'s twin needs references without NaN and infinity;"
                f" items {items} of the batch have some"
            )


def _precision(signal):
    return torch.promote_types(signal.dtype, torch.float32)


class _PowerSpectrum(torch.autograd.Function):
    """See ``power_spectrum``."""

    @staticmethod
    def forward(ctx, frames, fft_size):
        spectrum = torch.fft.rfft(frames, fft_size)
        ctx.save_for_backward(spectrum)
        ctx.sizes = frames.shape[-1], fft_size
        return spectrum.real.square() + spectrum.imag.square()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (spectrum,) = ctx.saved_tensors
        samples, fft_size = ctx.sizes
        spectrum = spectrum * gradient
        # The inverse transform counts all other bins twice.
        spectrum[..., 0] *= 2
        spectrum[..., -1] *= 2
        signal = torch.fft.irfft(spectrum, fft_size, norm="forward")
        return signal[..., :samples], None


def power_spectrum(frames, fft_size):
    """Return squared magnitudes of the spectra of real frames.

    The gradient is one real transform; PyTorch's own of ``rfft`` is a complex
    one of twice the size. It has no gradient itself.

    Arguments
    ---------
    frames : torch.Tensor
        [..., samples], no more samples than the transform has.
    fft_size : int
        Even.

    Returns
    -------
    torch.Tensor
        [..., fft_size // 2 + 1].

    Example
    -------
    >>> power_spectrum(torch.ones(4), 4).tolist()
    [16.0, 0.0, 0.0]
    """
    return _PowerSpectrum.apply(frames, fft_size)


def valid_mask(lengths, size):
    """Mark what is not padding.

    Arguments
    ---------
    lengths : torch.Tensor
        [batch], int.
    size : int
        Of the padded axis.

    Returns
    -------
    torch.Tensor
        [batch, size], bool.

    Example
    -------
    >>> valid_mask(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def unpadded(signals, lengths):
    """Return signals, [batch, samples], that are 0 behind their lengths."""
    return torch.where(valid_mask(lengths, signals.shape[1]), signals, 0)


def centred(signals, lengths):
    """Return signals, [batch, samples], without mean and padding."""
    mean = signals.sum(dim=1, keepdim=True) / lengths[:, None]
    return unpadded(signals - mean, lengths)


def _is_silent(signals, lengths):
    """Return which signals are silent or constant; see ``is_constant``."""
    valid, signals = valid_mask(lengths, signals.shape[1]), signals.detach()
    high = torch.where(valid, signals, -torch.inf).amax(dim=1)
    low = torch.where(valid, signals, torch.inf).amin(dim=1)
    return high - low <= 2 * SILENCE_PEAK


def _bound_gradient(scores, waves, most):
    """Bound the gradient of scores, stretch by stretch of the waves.

    The scores, [items], depend on the waves, [items, samples], by at most
    ``most`` per relative change of a stretch.
    """
    if not (waves.requires_grad and scores.requires_grad):
        return
    stretches, slope = _stretches(waves.detach()), []

    def keep_slope(gradient):
        slope[:] = [gradient.abs()]  # of the loss: the bound is the score's

    def bounded(gradient):
        found = _stretches(gradient)
        limit = most * slope[0].to(found)[:, None]
        effect = found.norm(dim=2) * stretches.norm(dim=2)
        share = torch.where(effect > limit, limit / effect, 1)
        found = found * share[..., None]
        return found.flatten(1)[:, : gradient.shape[1]]

    scores.register_hook(keep_slope)
    waves.register_hook(bounded)


def _stretches(signals):
    """Cut signals into stretches, [items, stretches, 512], the last padded."""
    missing = -signals.shape[1] % STRETCH
    return pad(signals, (0, missing)).unflatten(1, (-1, STRETCH))


class KeptHalves:
    """Keep what is costly to make of references, as long as it is in use.

    Arguments
    ---------
    make : callable
        From a reference, a torch.Tensor of [samples], to a tuple of tensors,
        or to None if it has no score.

    Example
    -------
    >>> kept_halves = KeptHalves(lambda signal: (signal.square().sum(),))
    >>> halves, kept = kept_halves.of(torch.ones(2, 5), torch.tensor([5, 5]))
    >>> halves[0] is halves[1], kept.tolist()
    (True, [0, 1])
    """

    def __init__(self, make):
        self._make = make
        self._kept = OrderedDict()  # key -> half or None, oldest first
        self._nbytes = 0

    def of(self, references, lengths):
        """Return the halves of references, made without their padding.

        Arguments
        ---------
        references : torch.Tensor
            [items, samples].
        lengths : torch.Tensor
            [items], int.

        Returns
        -------
        halves : list of tuple
            Of the references that have a score.
        kept : torch.Tensor
            Which these are, int.
        """
        values = references.cpu().numpy()
        halves = [
            self._of(references[item, :length], values[item, :length])
            for item, length in enumerate(lengths.tolist())
        ]
        kept = [item for item, half in enumerate(halves) if half is not None]
        index = torch.tensor(kept, dtype=torch.long, device=references.device)
        return [halves[item] for item in kept], index

    def _of(self, signal, values):
        digest = hashlib.blake2b(values.tobytes(), digest_size=16).digest()
        key = digest, signal.device, signal.dtype
        if key not in self._kept:
            self._kept[key] = self._make(signal)
            self._nbytes += _nbytes(self._kept[key])
        self._kept.move_to_end(key)
        half = self._kept[key]
        while self._nbytes > CACHE_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._nbytes -= _nbytes(oldest)
        return half


def _nbytes(half):
    """Return the size of a half in bytes; some, too, for its place."""
    return 200 + sum(part.nbytes for part in half or ())

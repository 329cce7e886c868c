"""Differentiable STOI and ESTOI.

Taal, Hendriks, Heusdens and Jensen, IEEE TASLP 19(7), 2011; extended: Jensen
and Taal, IEEE/ACM TASLP 24(11), 2016. As pystoi computes them: with its
resampling filter, its bands, and its way of closing the gaps that the silent
frames of the reference leave.
"""

import numpy as np
import torch
from pystoi.stoi import BETA, DYN_RANGE, FS, N_FRAME, NFFT, OBM
from pystoi.stoi import N as SEGMENT
from pystoi.utils import resample_oct
from torch.nn import functional

from okd_brain.measures.checks import SILENCE_PEAK
from okd_brain.measures.twins.base import SAMPLE_RATE, Twin, power_spectrum

HOP = N_FRAME // 2
UP, DOWN = 5, 8  # 16 to 10 kHz
TAPS_BEFORE, TAPS_AFTER = 58, 65  # of the filter, around a block's first sample
# What varies by less than this beside its own size, in energy, counts as
# steady. pystoi adds noise there; float32's rounding is a millionth of it.
STEADY = 1e-8
NO_POWER = 1e-12  # of a band of a signal with a peak of 1


class STOITwin(Twin):
    """Score waves as pystoi does, to about 1e-5.

    Scores are within [-1, 1]: 0, without a gradient, where fewer than 31 frames
    (0.4 s) of the reference are within 40 dB of its loudest one.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> _ = torch.manual_seed(0)
    >>> clean = torch.randn(1, 16000)
    >>> noisy = clean + torch.randn(1, 16000)
    >>> twin = STOITwin()
    >>> round(twin(clean, clean).item(), 3), twin(clean, noisy).item() < 0.8
    (1.0, True)
    """

    name = "STOI"
    min_seconds = 0.4

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__(sample_rate)
        window = np.hanning(N_FRAME + 2)[1:-1]
        self._keep(_resampler=_resampler(), _window=window, _bands=OBM.T)

    def half_of(self, reference, lengths):
        """Return the reference's half, and which items have a score."""
        frames = self._frames(_levelled(reference))
        order, active = _active(frames, -(-lengths * UP // DOWN))
        # The last frame is left out, as in pystoi.
        segments = active - SEGMENT
        kept = torch.nonzero(segments >= 1)[:, 0]
        if not len(kept):
            return None, kept
        order, segments = order[kept], segments[kept]
        signal = _closed(frames[kept], order)
        return (self._segments(signal), order, segments), kept

    def compare(self, half, degraded, lengths):
        """Return the scores, [items]; see ``Twin``."""
        reference, order, segments = half
        frames = self._frames(_levelled(degraded))
        degraded = self._segments(_closed(frames, order))
        scores = self._compared(reference, degraded)
        index = torch.arange(scores.shape[1], device=scores.device)
        scores = scores.masked_fill(index >= segments[:, None], 0)
        return scores.sum(dim=1) / segments

    def _frames(self, signal):
        """Return windowed frames at 10 kHz.

        [batch, frames, 2, 128]

        One that ends with the signal is left out; the last dimensions are the
        two halves of a frame.
        """
        blocks = -(-signal.shape[1] // DOWN)
        padding = (TAPS_BEFORE, (blocks + 1) * DOWN + TAPS_AFTER)
        padded = functional.pad(signal, padding)
        kernel = self._resampler.to(signal.dtype)[:, None]
        signal = functional.conv1d(padded[:, None], kernel, stride=DOWN)
        signal = signal.transpose(1, 2).flatten(1)
        # At least one frame, so that what is too short needs no other path.
        halves = max(2, -(-signal.shape[1] // HOP))
        padding = (0, halves * HOP - signal.shape[1])
        halves = functional.pad(signal, padding).unflatten(1, (halves, HOP))
        frames = torch.stack([halves[:, :-1], halves[:, 1:]], dim=2)
        return frames * self._window.to(signal.dtype).view(2, HOP)

    def _segments(self, signal):
        """Return band magnitudes of all runs of 30 frames.

        [batch, hops, 128] to [batch, segments, 15, 30]
        """
        frames = torch.cat([signal[:, :-1], signal[:, 1:]], dim=2)
        power = power_spectrum(frames * self._window.to(signal.dtype), NFFT)
        power = power @ self._bands.to(signal.dtype)
        # The root has a slope at 0, and silence is silent.
        magnitudes = (power + NO_POWER).sqrt() - NO_POWER**0.5
        return magnitudes.unfold(1, SEGMENT, 1)

    def _compared(self, reference, degraded):
        """Correlate the bands of each segment.

        Arguments
        ---------
        reference : torch.Tensor
            [batch, segments, 15, 30], magnitudes.
        degraded : torch.Tensor
            [batch, segments, 15, 30], likewise.

        Returns
        -------
        torch.Tensor
            [batch, segments].
        """
        gain = _energy(reference) / _energy(degraded)
        limit = reference * (1 + 10 ** (-BETA / 20))
        degraded = torch.minimum(degraded * gain.sqrt(), limit)
        product = _normalised(reference, -1) * _normalised(degraded, -1)
        return product.sum(dim=-1).mean(dim=-1)


class ESTOITwin(STOITwin):
    """Score waves as pystoi's extended STOI does, to about 1e-4.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> _ = torch.manual_seed(0)
    >>> clean = torch.randn(1, 16000)
    >>> round(ESTOITwin()(clean, clean).item(), 3)
    1.0
    """

    name = "ESTOI"

    def _compared(self, reference, degraded):
        reference, degraded = (
            _normalised(_normalised(signal, -1), -2)
            for signal in (reference, degraded)
        )
        return (reference * degraded).sum(dim=(-2, -1)) / SEGMENT


def _resampler():
    """Return pystoi's filter from 16 to 10 kHz by phase of the output.

    [5, 123]

    A block of 8 samples becomes one of 5. What an impulse in each place of a
    block leaves is column by column the filter, backwards.
    """
    blocks = TAPS_AFTER // DOWN + 1
    filters = np.zeros((UP, 2 * blocks * DOWN))
    for place in range(DOWN):
        impulse = np.zeros(2 * blocks * DOWN)
        impulse[blocks * DOWN + place] = 1
        left = resample_oct(impulse, FS, SAMPLE_RATE).reshape(-1, UP)
        filters[:, place::DOWN] = left[::-1].T
    # Block b of the input reaches block k of the output by taps of b - k.
    first = (blocks - 1) * DOWN
    return filters[:, first - TAPS_BEFORE : first + TAPS_AFTER]


def _levelled(signal):
    """Return signals with a peak of 1; the scores do not depend on it."""
    peak = signal.detach().abs().amax(dim=1, keepdim=True)
    return signal / peak.clamp(min=SILENCE_PEAK)


def _active(frames, samples):
    """Find the frames of the reference that are not silent.

    Arguments
    ---------
    frames : torch.Tensor
        [batch, frames, 2, 128].
    samples : torch.Tensor
        [batch], int, valid samples at 10 kHz.

    Returns
    -------
    order : torch.Tensor
        [batch, most active frames of an item], their indices, then others.
    active : torch.Tensor
        [batch], how many there are.
    """
    start = HOP * torch.arange(frames.shape[1], device=frames.device)
    valid = start < (samples - N_FRAME)[:, None]
    energy = frames.square().sum(dim=(2, 3)) * valid
    loudest = energy.amax(dim=1, keepdim=True)
    is_active = valid & (energy > loudest * 10 ** (-DYN_RANGE / 10))
    order = is_active.byte().argsort(dim=1, descending=True, stable=True)
    active = is_active.sum(dim=1)
    return order[:, : int(active.max())], active


def _closed(frames, order):
    """Return the active frames overlapped and added, in hops.

    Arguments
    ---------
    frames : torch.Tensor
        [batch, frames, 2, 128], windowed.
    order : torch.Tensor
        [batch, active], which to take.

    Returns
    -------
    torch.Tensor
        [batch, active, 128]; the tail of the last frame is left out.
    """
    item = torch.arange(len(frames), device=frames.device)[:, None]
    frames = frames[item, order]
    return frames[:, :, 0] + functional.pad(frames[:, :-1, 1], (0, 0, 1, 0))


def _energy(signal):
    return signal.square().sum(dim=-1, keepdim=True) + NO_POWER


def _normalised(signal, dim):
    """Return signals without their means and with unit norm along a dimension.

    What is steady becomes 0, and not rounding noise of unit norm.
    """
    energy = signal.square().sum(dim=dim, keepdim=True)
    signal = signal - signal.mean(dim=dim, keepdim=True)
    varying = signal.square().sum(dim=dim, keepdim=True)
    return signal * (varying + STEADY * energy + NO_POWER).rsqrt()

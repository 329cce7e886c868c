"""Waves of any sample rate, channel count and length, changed in segments.

The networks hear one channel at 16 kHz and, in training, seconds of it. Here a
wave is cut into segments of 30 s that overlap by 2 s; each channel of each is
resampled to 16 kHz, changed, and resampled back; in the overlap one segment
fades into the next. So the memory needed does not grow with the length.
Whatever the sample rate, nothing above 8 kHz comes back.
"""

import numpy as np
import torch

from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE, WINDOW_MS

SEGMENT_SECONDS = 30  # twice VoiceBank's longest utterance
# Both even: segments then start a multiple of 2 s apart, which is 125 hops, so
# that their frames are those of a single pass over the whole wave.
OVERLAP_SECONDS = 2
MIN_SECONDS = WINDOW_MS / 1000  # one analysis window


def enhanced_segments(
    generator, enhance, read, sample_rate, *, segment_seconds=SEGMENT_SECONDS
):
    """Change a wave of any length piece by piece.

    Arguments
    ---------
    generator : torch.nn.Module
        In evaluation mode, on any device.
    enhance : callable
        ``enhance(wave, channel, start)`` returns what the generator makes of a
        segment of one channel: [1, samples] float32 at 16 kHz on the
        generator's device, the number of the channel, and the sample (at 16
        kHz) of the whole wave that the segment starts with.
    read : callable
        ``read(count)`` returns the next [count, channels] samples as a float
        array of full scale 1; fewer at the end, and none after it.
    sample_rate : int
        Rate of the wave in Hz.
    segment_seconds : int
        Length of a segment, even, at least 4.

    Yields
    ------
    numpy.ndarray
        [samples, channels], float32; altogether as long as what was read.

    Raises
    ------
    ValueError
        If the wave is shorter than 32 ms or not finite, the result is not
        finite, the generator is in training mode, or ``segment_seconds`` is
        none of these lengths.
    """
    if segment_seconds % 2 or segment_seconds < 2 * OVERLAP_SECONDS:
        raise ValueError(
            "segment_seconds must be even and at least "
            f"{2 * OVERLAP_SECONDS}; got {segment_seconds}."
        )
    if generator.training:
        raise ValueError(
            "The generator is in training mode, where dropout makes its output "
            "random. Call its eval() first."
        )
    device = next(generator.parameters()).device
    overlap = OVERLAP_SECONDS * sample_rate
    step = segment_seconds * sample_rate - overlap
    # Raised cosine: a segment's first and last samples, which lack context,
    # hardly count, and the two weights add up to one.
    phase = np.pi * (np.arange(overlap)[:, None] + 0.5) / overlap
    fade_in = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    segment = finite(read(overlap + step), 0, sample_rate)
    if len(segment) < MIN_SECONDS * sample_rate:
        raise ValueError(
            f"A wave must last at least {1000 * MIN_SECONDS:.0f} ms; got "
            f"{len(segment)} samples, "
            f"{1000 * len(segment) / sample_rate:.1f} ms."
        )
    start, held_back = 0, None
    while True:
        following = finite(read(step), start + len(segment), sample_rate)
        enhanced = _enhance(enhance, segment, start, sample_rate, device)
        if held_back is not None:
            enhanced[:overlap] *= fade_in
            enhanced[:overlap] += (1 - fade_in) * held_back
        if len(following) == 0:
            yield enhanced
            return
        yield enhanced[:step]
        held_back = enhanced[step:]
        segment = np.concatenate([segment[step:], following])
        start += step


def finite(samples, first, sample_rate):
    """Return samples as float32, all of them finite.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples, channels], float.
    first : int
        Number of the first of them in the whole wave.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        [samples, channels], float32.

    Raises
    ------
    ValueError
        If one is not, with its time in the wave.
    """
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if bad.size:
        raise ValueError(
            "A wave must be finite; the sample at "
            f"{(first + bad[0]) / sample_rate:.3f} s is not."
        )
    return np.asarray(samples, dtype=np.float32)


@torch.inference_mode()
def _enhance(enhance, segment, start, sample_rate, device):
    """Change [samples, channels] in one pass, channel by channel."""
    enhanced = np.empty_like(segment)
    start = start * SAMPLE_RATE // sample_rate
    for channel, samples in enumerate(segment.T):
        wave = torch.from_numpy(resample(samples, sample_rate, SAMPLE_RATE))
        wave = wave.contiguous().to(device)[None]
        wave = enhance(wave, channel, start)[0].cpu().numpy()
        back = resample(wave, SAMPLE_RATE, sample_rate)
        enhanced[:, channel] = back[: len(segment)]
    if not np.isfinite(enhanced).all():
        raise ValueError(
            "The enhanced wave is not finite. The level of what goes in must "
            f"be near full scale 1; its peak is {np.abs(segment).max():.3g}."
        )
    return enhanced


def samples_of(wave):
    """Return a wave in memory as an array of samples and channels.

    Arguments
    ---------
    wave : torch.Tensor
        [samples] or [channels, samples], float.

    Returns
    -------
    numpy.ndarray
        [samples, channels].

    Raises
    ------
    ValueError
        If the wave is none of these.
    """
    if wave.ndim not in (1, 2) or not wave.is_floating_point():
        raise ValueError(
            "A wave is a float tensor of [samples] or [channels, samples]; "
            f"got {wave.dtype} of shape {tuple(wave.shape)}."
        )
    return torch.atleast_2d(wave).T.detach().cpu().numpy()


def wave_of(blocks, shape):
    """Join blocks to a wave in memory; undoes ``samples_of``.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        [samples, channels] each.
    shape : torch.Size
        [samples] or [channels, samples], of all of them.

    Returns
    -------
    torch.Tensor
        Of that shape, on the CPU.

    Example
    -------
    >>> wave = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> wave_of([samples_of(wave)], wave.shape).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return torch.from_numpy(np.concatenate(list(blocks)).T.copy()).reshape(
        shape
    )


def reader(samples):
    """Return a ``read`` that gives an array piece by piece.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples, channels].

    Returns
    -------
    callable
        See ``enhanced_segments``.

    Example
    -------
    >>> read = reader(np.zeros((5, 1)))
    >>> [len(read(count)) for count in (3, 3, 3)]
    [3, 2, 0]
    """
    position = 0

    def read(count):
        nonlocal position
        start, position = position, position + count
        return samples[start:position]

    return read


def energy_of(samples):
    """Return the sum of squares of each channel.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples, channels].

    Returns
    -------
    numpy.ndarray
        [channels], float64.

    Example
    -------
    >>> energy_of(np.array([[1.0, 3.0], [2.0, 4.0]])).tolist()
    [5.0, 25.0]
    """
    return np.square(samples, dtype=np.float64).sum(axis=0)

"""Waves of any sample rate, channel count and length, enhanced in segments.

The networks hear one channel at 16 kHz and, in training, a few seconds of it. Here
a wave is cut into segments of 30 s that overlap by 2 s; each channel of each
segment is resampled to 16 kHz, enhanced and resampled back; in the overlap one
segment fades into the next. So memory does not grow with the length. At any sample
rate, everything above 8 kHz is lost.
"""

import numpy as np
import soundfile
import torch

from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE, WINDOW_MS

SEGMENT_SECONDS = 30  # twice VoiceBank's longest utterance
# Both even: segments then start a multiple of 2 s apart, which is 125 hops, so
# that their frames are those of a single pass over the whole wave.
OVERLAP_SECONDS = 2
MIN_SECONDS = WINDOW_MS / 1000  # one analysis window


def enhanced_segments(
    generator, enhance, read, sample_rate, segment_seconds=SEGMENT_SECONDS
):
    """Enhance a wave of any length piece by piece.

    Arguments
    ---------
    generator : torch.nn.Module
        In evaluation mode, on any device.
    enhance : callable
        ``enhance(wave, channel, start)`` returns an enhanced segment of one
        channel, [1, samples]. ``wave`` is the segment, [1, samples] float32 at
        16 kHz on the generator's device, ``channel`` the number of its channel,
        and ``start`` the number of its first sample (at 16 kHz) in the whole
        wave.
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
        [samples, channels], float32; together as long as what was read.

    Raises
    ------
    ValueError
        If the wave is shorter than 32 ms or not finite, the result is not
        finite, the generator is in training mode, or ``segment_seconds`` is odd
        or less than 4.
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
    # Raised cosine: the first and last samples of a segment, which lack context,
    # get hardly any weight, and the two weights add up to one.
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


@torch.inference_mode()
def _enhance(enhance, segment, start, sample_rate, device):
    """Enhance [samples, channels] in one pass, channel by channel."""
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
            "The enhanced wave is not finite. The level of the input must be "
            f"near full scale 1; its peak is {np.abs(segment).max():.3g}."
        )
    return enhanced


def finite(samples, first, sample_rate):
    """Return samples as float32, or raise if one of them is not finite.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples, channels], float.
    first : int
        Number of the first sample in the whole wave, for the message.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        [samples, channels], float32.

    Raises
    ------
    ValueError
        With the time of the first sample that is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if bad.size:
        raise ValueError(
            "A wave must be finite; the sample at "
            f"{(first + bad[0]) / sample_rate:.3f} s is not."
        )
    return np.asarray(samples, dtype=np.float32)


# What is read, and what comes back


def opened(source):
    """Open an audio file, or raise a ValueError that names it.

    Arguments
    ---------
    source : str or Path
        Any file that libsndfile reads.

    Returns
    -------
    soundfile.SoundFile

    Raises
    ------
    ValueError
        If it cannot be read as audio.
    """
    try:
        return soundfile.SoundFile(source)
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: a ".raw" file, whose layout would have to be given.
        raise ValueError(
            f"{source}: not audio that can be read: {error}"
        ) from error


def reader(samples):
    """Return a ``read`` for ``enhanced_segments`` of [samples, channels]."""
    position = 0

    def read(count):
        nonlocal position
        start, position = position, position + count
        return samples[start:position]

    return read


def samples_of(wave):
    """Return a wave in memory as [samples, channels].

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
        If the wave has another shape or is not float.
    """
    if wave.ndim not in (1, 2) or not wave.is_floating_point():
        raise ValueError(
            "A wave is a float tensor of [samples] or [channels, samples]; "
            f"got {wave.dtype} of shape {tuple(wave.shape)}."
        )
    return torch.atleast_2d(wave).T.detach().cpu().numpy()


def wave_of(blocks, shape):
    """Join blocks of [samples, channels] to a wave of the shape it had."""
    joined = np.concatenate(list(blocks))
    return torch.from_numpy(joined.T.copy()).reshape(shape)


def energy_of(samples):
    """Return the sum of squares of each channel of [samples, channels]."""
    return np.square(samples, dtype=np.float64).sum(axis=0)

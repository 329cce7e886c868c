"""Waves of any sample rate, channel count and length, enhanced in segments.

The networks hear one channel at 16 kHz and, in training, a few seconds of it. Here
a wave is cut into segments of 30 s that overlap by 2 s; each channel of each
segment is resampled to 16 kHz, enhanced and resampled back; in the overlap one
segment fades into the next. So memory does not grow with the length. At any sample
rate, everything above 8 kHz is lost.
"""

import numpy as np
import torch

from okd_brain.audio import MAX_PEAK
from okd_brain.messages import UserError, check_share
from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE, WINDOW_MS

SEGMENT_SECONDS = 30  # twice VoiceBank's longest utterance
# Both even: segments then start a multiple of 2 s apart, which is 125 hops, so
# that their frames are those of a single pass over the whole wave.
OVERLAP_SECONDS = 2
MIN_SECONDS = WINDOW_MS / 1000  # one analysis window


def enhanced_segments(
    generator,
    enhance,
    read,
    sample_rate,
    segment_seconds=SEGMENT_SECONDS,
    dry=0.0,
):
    """Enhance a wave of any length piece by piece.

    Arguments
    ---------
    generator : torch.nn.Module or None
        In evaluation mode, on any device; None where no network enhances.
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
    dry : float
        Share of the wave itself in the result, from 0 to 1.

    Yields
    ------
    numpy.ndarray
        [samples, channels], float32; together as long as what was read.

    Raises
    ------
    UserError
        If the wave is shorter than 32 ms, not finite or far beyond full scale,
        the result is not finite, the generator is in training mode,
        ``segment_seconds`` is odd or less than 4, or ``dry`` is not a share.
    """
    check_share("dry", dry)
    if segment_seconds % 2 or segment_seconds < 2 * OVERLAP_SECONDS:
        raise UserError(
            "segment_seconds must be even and at least "
            f"{2 * OVERLAP_SECONDS}; got {segment_seconds}."
        )
    if generator is not None and generator.training:
        raise UserError(
            "The generator is in training mode, where dropout makes its output "
            "random. Call its eval() first."
        )
    device = "cpu" if generator is None else next(generator.parameters()).device
    overlap = OVERLAP_SECONDS * sample_rate
    step = segment_seconds * sample_rate - overlap
    # Raised cosine: the first and last samples of a segment, which lack context,
    # get hardly any weight, and the two weights add up to one.
    phase = np.pi * (np.arange(overlap)[:, None] + 0.5) / overlap
    fade_in = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    segment = checked(read(overlap + step), 0, sample_rate)
    if len(segment) < MIN_SECONDS * sample_rate:
        raise UserError(
            f"A wave must last at least {1000 * MIN_SECONDS:.0f} ms; got "
            f"{len(segment)} samples, "
            f"{1000 * len(segment) / sample_rate:.1f} ms."
        )
    start, held_back = 0, None
    while True:
        following = checked(read(step), start + len(segment), sample_rate)
        enhanced = _enhance(enhance, segment, start, sample_rate, device)
        if dry:
            enhanced *= 1 - np.float32(dry)
            enhanced += np.float32(dry) * segment
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
        wave = resample(samples, sample_rate, SAMPLE_RATE)
        wave = torch.from_numpy(np.ascontiguousarray(wave)).to(device)[None]
        wave = enhance(wave, channel, start)[0].cpu().numpy()
        back = resample(wave, SAMPLE_RATE, sample_rate)
        enhanced[:, channel] = back[: len(segment)]
    if not np.isfinite(enhanced).all():
        raise UserError(
            "The enhanced wave is not finite. The level of the input must be "
            f"near full scale 1; its peak is {np.abs(segment).max():.3g}."
        )
    return enhanced


def checked(samples, first, sample_rate):
    """Return samples as float32, or raise if one of them cannot be meant.

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
    UserError
        With the time of the first sample that is not finite, or that exceeds
        ``audio.MAX_PEAK``.
    """
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if bad.size:
        raise UserError(
            "A wave must be finite; the sample at "
            f"{(first + bad[0]) / sample_rate:.3f} s is not."
        )
    bad = np.flatnonzero((np.abs(samples) > MAX_PEAK).any(axis=1))
    if bad.size:
        raise UserError(
            f"A wave has full scale 1 and must be within {MAX_PEAK:g}; the sample "
            f"at {(first + bad[0]) / sample_rate:.3f} s is "
            f"{np.abs(samples[bad[0]]).max():.5g}. Divide 16-bit integers by "
            "32768."
        )
    return np.asarray(samples, dtype=np.float32)


# Waves in memory


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
    wave : torch.Tensor or numpy.ndarray
        Float, of one channel, [samples]; or of several, each kind as its own
        libraries have it: a tensor as torchaudio, [channels, samples], an array as
        soundfile, [samples, channels].

    Returns
    -------
    numpy.ndarray
        [samples, channels].

    Raises
    ------
    UserError
        If the wave is neither, has another shape or is not float.
    """
    if isinstance(wave, torch.Tensor):
        kind, layout = "tensor", "[channels, samples]"
        is_float = wave.is_floating_point()
    elif isinstance(wave, np.ndarray):
        kind, layout = "NumPy array", "[samples, channels]"
        is_float = np.issubdtype(wave.dtype, np.floating)
    else:
        raise UserError(
            "A wave is a torch.Tensor or a numpy.ndarray; got "
            f"{type(wave).__name__}. soundfile.read reads a file into an array."
        )
    if wave.ndim not in (1, 2) or not is_float:
        raise UserError(
            f"A wave is a float {kind} of [samples] or {layout}; got "
            f"{wave.dtype} of shape {tuple(wave.shape)}."
        )
    if kind == "tensor":
        samples = torch.atleast_2d(wave).T.detach().cpu().numpy()
    else:
        samples = wave if wave.ndim == 2 else wave[:, None]
    count, channels = samples.shape
    if 0 < count < channels:
        raise UserError(
            f"A {kind} of several channels is {layout}; one of shape "
            f"{tuple(wave.shape)} would have {channels} channels of {count} "
            "samples. Transpose it."
        )
    return samples


def wave_like(samples, wave):
    """Return [samples, channels] in the kind and shape of a wave in memory.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples, channels], float32.
    wave : torch.Tensor or numpy.ndarray
        As for ``samples_of``.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        Float32; a tensor lies on the CPU.
    """
    if isinstance(wave, np.ndarray):
        return samples.reshape(wave.shape)
    return torch.from_numpy(samples.T.copy()).reshape(wave.shape)


def energy_of(samples):
    """Return the sum of squares of each channel of [samples, channels]."""
    return np.square(samples, dtype=np.float64).sum(axis=0)

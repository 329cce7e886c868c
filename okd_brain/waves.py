"""Enhancement of waves of any sample rate, channel count and length.

The generators hear one channel at 16 kHz and, in training, seconds of it.  Here
a wave is cut into segments of 30 s that overlap by 2 s; each channel of each is
resampled to 16 kHz, goes through the task as in training, and is resampled
back; in the overlap one segment fades into the next.  So the memory needed does
not grow with the length.  What fits in one segment is enhanced in one pass; what
is longer differs from one pass by less than -30 dB (the tests hold it to that).
Whatever the sample rate, nothing above 8 kHz comes back.
"""

import numpy as np
import torch

from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE, WINDOW_MS
from okd_brain.tasks import SpeechEnhancement

SEGMENT_SECONDS = 30  # twice VoiceBank's longest utterance
# Both even: segments then start a multiple of 2 s apart, which is 125 hops, so
# that their frames are those of a single pass over the whole wave.
OVERLAP_SECONDS = 2
MIN_SECONDS = WINDOW_MS / 1000  # one analysis window


def enhance_wave(
    generator, wave, sample_rate, *, segment_seconds=SEGMENT_SECONDS
):
    """Enhance a wave in memory.

    Arguments
    ---------
    generator : torch.nn.Module
        Mask estimator of ``okd_brain.generators`` in evaluation mode, on any
        device.
    wave : torch.Tensor
        [samples] or [channels, samples], float, full scale 1, at least 32 ms.
    sample_rate : int
        Its rate in Hz.
    segment_seconds : int
        Length of a segment, even, at least 4.

    Returns
    -------
    torch.Tensor
        Float32, on the CPU, as many channels and samples as ``wave`` and at its
        rate.  Peaks may exceed 1.

    Raises
    ------
    ValueError
        If the wave is not float, too short or not finite, or if the generator
        is in training mode.

    Example
    -------
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> generator = CausalLSTMGenerator().eval()
    >>> enhance_wave(generator, torch.randn(2, 44100), 44100).shape
    torch.Size([2, 44100])
    """
    if wave.ndim not in (1, 2) or not wave.is_floating_point():
        raise ValueError(
            "A wave is a float tensor of [samples] or [channels, samples]; "
            f"got {wave.dtype} of shape {tuple(wave.shape)}."
        )
    samples = torch.atleast_2d(wave).T.detach().cpu().numpy()
    position = 0

    def read(count):
        nonlocal position
        start, position = position, position + count
        return samples[start:position]

    blocks = enhanced_blocks(
        generator, read, sample_rate, segment_seconds=segment_seconds
    )
    enhanced = np.concatenate(list(blocks))
    return torch.from_numpy(enhanced.T.copy()).reshape(wave.shape)


def enhanced_blocks(
    generator, read, sample_rate, *, segment_seconds=SEGMENT_SECONDS
):
    """Enhance a wave of any length piece by piece.

    Arguments
    ---------
    generator : torch.nn.Module
        As in ``enhance_wave``.
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
        As ``enhance_wave``.
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
    task = SpeechEnhancement()
    overlap = OVERLAP_SECONDS * sample_rate
    step = segment_seconds * sample_rate - overlap
    # Raised cosine: a segment's first and last samples, which lack context,
    # hardly count, and the two weights add up to one.
    phase = np.pi * (np.arange(overlap)[:, None] + 0.5) / overlap
    fade_in = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    noisy = _checked(read(overlap + step), 0, sample_rate)
    if len(noisy) < MIN_SECONDS * sample_rate:
        raise ValueError(
            f"A wave must last at least {1000 * MIN_SECONDS:.0f} ms; got "
            f"{len(noisy)} samples, {1000 * len(noisy) / sample_rate:.1f} ms."
        )
    samples_read = len(noisy)
    held_back = None
    while True:
        following = _checked(read(step), samples_read, sample_rate)
        samples_read += len(following)
        enhanced = _enhance_segment(task, generator, noisy, sample_rate)
        if held_back is not None:
            enhanced[:overlap] *= fade_in
            enhanced[:overlap] += (1 - fade_in) * held_back
        if len(following) == 0:
            yield enhanced
            return
        yield enhanced[:step]
        held_back = enhanced[step:]
        noisy = np.concatenate([noisy[step:], following])


def _checked(samples, first, sample_rate):
    """Return samples as float32 if all are finite; the first is number first."""
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if bad.size:
        raise ValueError(
            "A wave must be finite; the sample at "
            f"{(first + bad[0]) / sample_rate:.3f} s is not."
        )
    return np.asarray(samples, dtype=np.float32)


@torch.inference_mode()
def _enhance_segment(task, generator, noisy, sample_rate):
    """Enhance [samples, channels] in one pass, channel by channel."""
    device = next(generator.parameters()).device
    enhanced = np.empty_like(noisy)
    for channel, samples in enumerate(noisy.T):
        wave = torch.from_numpy(resample(samples, sample_rate, SAMPLE_RATE))
        wave = wave.contiguous().to(device)[None]
        inputs = task.analyse(wave, torch.ones(1, device=device))
        wave = task.enhance(generator, inputs).wave[0].cpu().numpy()
        back = resample(wave, SAMPLE_RATE, sample_rate)
        enhanced[:, channel] = back[: len(noisy)]
    if not np.isfinite(enhanced).all():
        raise ValueError(
            "The enhanced wave is not finite. The level of the noisy one must "
            f"be near full scale 1; its peak is {np.abs(noisy).max():.3g}."
        )
    return enhanced

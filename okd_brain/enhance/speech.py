"""Speech enhancement of waves of any sample rate, channel count and length.

Each channel goes through the task as in training, in segments (``segments``). A
wave that fits in one segment is enhanced in one pass; a longer one differs from a
single pass by less than -30 dB (the tests hold it to that).
"""

import numpy as np
import torch

from okd_brain.audio import check_rate
from okd_brain.enhance.segments import (
    SEGMENT_SECONDS,
    enhanced_segments,
    reader,
    samples_of,
    wave_like,
)
from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.tasks import SpeechEnhancement


def enhance_wave(
    generator,
    wave,
    sample_rate,
    *,
    segment_seconds=SEGMENT_SECONDS,
    dry=0.0,
):
    """Enhance a wave in memory.

    Arguments
    ---------
    generator : torch.nn.Module
        Mask estimator of ``okd_brain.generators`` in evaluation mode, on any
        device.
    wave : torch.Tensor or numpy.ndarray
        Float, full scale 1, at least 32 ms: a tensor of [samples] or [channels,
        samples], or an array of [samples] or [samples, channels], as soundfile
        reads it.
    sample_rate : int
        Its rate in Hz.
    segment_seconds : int
        Length of a segment, even, at least 4.
    dry : float
        Share of the input in the output, from 0 to 1: some noise stays, and with
        it what was above 8 kHz and what the network has taken from the speech.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        What ``wave`` is, float32, on the CPU, with its shape and rate. Peaks may
        exceed 1.

    Raises
    ------
    UserError
        If the wave is of another kind or shape, not float, too short, not finite
        or far beyond full scale, if its rate is not a whole number of Hz from
        1,000 to 768,000, or if the generator is in training mode or made
        for listening enhancement.

    Example
    -------
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> generator = CausalLSTMGenerator().eval()
    >>> enhance_wave(generator, torch.randn(2, 44100), 44100).shape
    torch.Size([2, 44100])
    >>> stereo = np.zeros((8000, 2))  # as soundfile.read returns it
    >>> enhance_wave(generator, stereo, 8000).shape
    (8000, 2)
    """
    check_rate(sample_rate)
    blocks = enhanced_blocks(
        generator, reader(samples_of(wave)), sample_rate, segment_seconds, dry
    )
    return wave_like(np.concatenate(list(blocks)), wave)


def enhanced_blocks(
    generator, read, sample_rate, segment_seconds=SEGMENT_SECONDS, dry=0.0
):
    """Enhance a wave of any length piece by piece.

    Arguments
    ---------
    generator : torch.nn.Module
        As for ``enhance_wave``.
    read : callable
        See ``segments.enhanced_segments``.
    sample_rate : int
        Rate of the wave in Hz.
    segment_seconds : int
        As for ``enhance_wave``.
    dry : float
        As for ``enhance_wave``.

    Returns
    -------
    iterator of numpy.ndarray
        [samples, channels], float32; together as long as what was read.

    Raises
    ------
    UserError
        As ``enhance_wave``.
    """
    check_speech_generator(generator)
    task = SpeechEnhancement()

    def enhance(wave, channel, start):
        inputs = task.analyse(wave, torch.ones(1, device=wave.device))
        return task.enhance(generator, inputs).wave

    return enhanced_segments(
        generator, enhance, read, sample_rate, segment_seconds, dry
    )


def check_speech_generator(generator):
    """Refuse what is not a generator of speech enhancement.

    Arguments
    ---------
    generator : object
        What a caller gives as one.

    Raises
    ------
    UserError
        Saying what it is, and what takes it.
    """
    if isinstance(generator, BandGainGenerator):
        raise UserError(
            "This generator is for listening enhancement: it makes speech "
            "clearer in a known noise, and removes none. See "
            "okd_brain.enhance_listening, or okd-enhance --task le."
        )
    if not isinstance(generator, torch.nn.Module):
        raise UserError(
            "A generator is a torch.nn.Module, as okd_brain.load_generator "
            f"returns; got {type(generator).__name__}. okd_brain.Enhancer takes "
            "names and folders of models."
        )

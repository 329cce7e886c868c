"""Listening enhancement of speech of any rate, channel count and length.

Each channel goes through the task as in training, in segments (``segments``). It is
brought to -25 dBFS, the level that the networks are trained at, and back; the noise
gets the same gain, so that the ratio of the two is that of the files.

If a generator keeps the power of an utterance, each segment keeps its own, so that
the loudness of one sentence relative to another does not depend on the noise. What
fades and filters do to the power is corrected over the whole wave.
"""

from dataclasses import dataclass

import numpy as np
import torch

from okd_brain.audio import check_rate
from okd_brain.enhance.noise import ListenerNoise
from okd_brain.enhance.segments import (
    SEGMENT_SECONDS,
    checked,
    energy_of,
    enhanced_segments,
    reader,
    samples_of,
    wave_like,
)
from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.resampling import resample
from okd_brain.signals import LEVEL_DBFS, SAMPLE_RATE
from okd_brain.tasks import ListeningEnhancement, power_ratio
from okd_brain.tasks.ssdrc import ssdrc


def enhance_listening(
    generator,
    speech,
    sample_rate,
    noise,
    noise_rate,
    *,
    equal_power="utterance",
    segment_seconds=SEGMENT_SECONDS,
):
    """Make speech in memory clearer in a noise, without more power.

    Arguments
    ---------
    generator : BandGainGenerator
        In evaluation mode, on any device.
    speech : torch.Tensor or numpy.ndarray
        Float, full scale 1, at least 32 ms: a tensor of [samples] or [channels,
        samples], or an array of [samples] or [samples, channels], as soundfile
        reads it.
    sample_rate : int
        Its rate in Hz.
    noise : torch.Tensor or numpy.ndarray
        One channel, float, on the scale of the speech: the noise around the
        listener. It is repeated if shorter than the speech, and cut if longer.
    noise_rate : int
        Its rate in Hz.
    equal_power : str
        What keeps its power: the "utterance" or each "frame", as the generator
        was trained (``export.task_of`` tells).
    segment_seconds : int
        Length of a segment, even, at least 4.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        What ``speech`` is, float32, on the CPU, with its shape and rate, without
        the noise. Each channel has the power of the speech ("utterance"), or frame by
        frame that of the speech from 47 Hz to 8 kHz. Peaks may exceed 1.

    Raises
    ------
    UserError
        If speech or noise is not float, not finite or silent, the speech is too
        short, the noise has several channels, or the generator is of another kind
        or in training mode.

    Example
    -------
    >>> generator = BandGainGenerator().eval()
    >>> speech, noise = torch.randn(2, 44100), torch.randn(9000)
    >>> enhanced = enhance_listening(generator, speech, 44100, noise, 8000)
    >>> enhanced.shape
    torch.Size([2, 44100])
    >>> ratio = (enhanced**2).sum(dim=1) / (speech**2).sum(dim=1)
    >>> [round(x, 4) for x in ratio.tolist()]
    [1.0, 1.0]
    """
    check_rate(sample_rate)
    check_rate(noise_rate)
    samples, around = samples_of(speech), samples_of(noise)
    if around.shape[1] != 1:
        raise UserError(
            f"Noise is a wave of one channel, [samples]; got shape "
            f"{tuple(noise.shape)}."
        )
    around = checked(around, 0, noise_rate)[:, 0]
    measured = measure(reader(samples), sample_rate)
    blocks = speech_blocks(
        generator,
        reader(samples),
        measured,
        ListenerNoise(resample(around, noise_rate, SAMPLE_RATE)),
        equal_power=equal_power,
        segment_seconds=segment_seconds,
    )
    enhanced = np.concatenate(list(blocks))
    if equal_power == "utterance":
        ratio = power_ratio(measured.energy, energy_of(enhanced))
        enhanced *= np.sqrt(ratio).astype(np.float32)
    return wave_like(enhanced, speech)


@dataclass(frozen=True)
class MeasuredSpeech:
    """Properties of speech that are needed before it can be enhanced.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    samples : int
        Number of samples of each channel.
    energy : numpy.ndarray
        [channels], sum of squares.
    loudest : numpy.ndarray
        [samples, channels], the 30 s block with the most energy.
    """

    sample_rate: int
    samples: int
    energy: np.ndarray
    loudest: np.ndarray

    @property
    def power(self):
        """Mean square of each channel, [channels]."""
        return self.energy / self.samples


def measure(read, sample_rate):
    """Read speech once and measure it.

    Arguments
    ---------
    read : callable
        See ``segments.enhanced_segments``.
    sample_rate : int
        Rate of the speech in Hz.

    Returns
    -------
    MeasuredSpeech

    Raises
    ------
    UserError
        If all samples are zero, or one is not finite.
    """
    samples, energy, loudest, most = 0, 0.0, None, 0.0
    while len(block := read(SEGMENT_SECONDS * sample_rate)):
        block = checked(block, samples, sample_rate)
        own = energy_of(block)
        samples, energy = samples + len(block), energy + own
        if own.sum() > most:
            loudest, most = block, own.sum()
    if loudest is None:
        raise UserError(
            f"The speech holds nothing but zeros in its {samples} samples: it "
            "has no level that could be kept."
        )
    return MeasuredSpeech(sample_rate, samples, energy, loudest)


def speech_blocks(
    generator,
    read,
    speech,
    noise,
    *,
    snr_db=None,
    equal_power="utterance",
    segment_seconds=SEGMENT_SECONDS,
):
    """Make speech of any length clearer in a noise, piece by piece.

    Arguments
    ---------
    generator : BandGainGenerator
        As for ``enhance_listening``.
    read : callable
        See ``segments.enhanced_segments``.
    speech : MeasuredSpeech
        From ``measure``, of everything that ``read`` will return.
    noise : ListenerNoise
        The noise around the listener.
    snr_db : float, optional
        Ratio of speech to noise in each channel, in dB over the whole wave; by
        default, that of the given levels.
    equal_power : str
        As for ``enhance_listening``.
    segment_seconds : int
        As for ``enhance_listening``.

    Returns
    -------
    iterator of numpy.ndarray
        [samples, channels], float32; together as long as what was read.

    Raises
    ------
    UserError
        As ``enhance_listening``; also if ``snr_db`` is given and the noise is silent
        for as long as the speech lasts.
    """
    if not isinstance(generator, BandGainGenerator):
        raise UserError(
            "Listening enhancement needs a generator of band gains "
            "(BandGainGenerator), such as those of recipes/LE; got "
            f"{type(generator).__name__}."
        )
    task = ListeningEnhancement(equal_power=equal_power)
    # A silent channel beside others stays silent.
    power = np.where(speech.power > 0, speech.power, 1.0)
    gains = np.sqrt(10 ** (LEVEL_DBFS / 10) / power)
    noise_gains = gains
    if snr_db is not None:
        noise_gains = gains * _noise_gains(speech, noise, power, snr_db)

    def enhance(wave, channel, start):
        around = noise.stretch(start, wave.shape[1]) * noise_gains[channel]
        around = torch.from_numpy(around.astype(np.float32)).to(wave.device)
        gain = float(gains[channel])
        lengths = torch.ones(1, device=wave.device)
        inputs = task.analyse(gain * wave, around[None], lengths)
        return task.enhance(generator, inputs).wave / gain

    return enhanced_segments(
        generator, enhance, read, speech.sample_rate, segment_seconds
    )


def ssdrc_blocks(read, speech, segment_seconds=SEGMENT_SECONDS):
    """Make speech of any length clearer by SSDRC, piece by piece.

    Arguments
    ---------
    read : callable
        See ``segments.enhanced_segments``.
    speech : MeasuredSpeech
        From ``measure``, of everything that ``read`` will return.
    segment_seconds : int
        As for ``enhance_listening``.

    Returns
    -------
    iterator of numpy.ndarray
        [samples, channels], float32; together as long as what was read.
    """

    def enhance(wave, channel, start):
        samples = wave[0].numpy()
        if np.ptp(samples) == 0:  # silence has no shape
            return wave
        return torch.from_numpy(ssdrc(samples, SAMPLE_RATE))[None]

    return enhanced_segments(
        None, enhance, read, speech.sample_rate, segment_seconds
    )


def _noise_gains(speech, noise, power, snr_db):
    """Return the gain of the noise, [channels], that sets a ratio in dB."""
    count = -(-speech.samples * SAMPLE_RATE // speech.sample_rate)
    noise_power = noise.power(count)
    if noise_power == 0:
        raise UserError(
            f"The noise is silent for the {count / SAMPLE_RATE:.3f} s that the "
            "speech lasts: no ratio in dB can be set."
        )
    return np.sqrt(power / (noise_power * 10 ** (snr_db / 10)))

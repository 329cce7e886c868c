"""The noise around a listener, for as long as the speech lasts."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from okd_brain.enhance.file_conversion import opened
from okd_brain.enhance.noise_levels import NoiseLevels
from okd_brain.enhance.segments import SEGMENT_SECONDS, finite
from okd_brain.noises import speech_shaped
from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE


@dataclass(frozen=True)
class ListenerNoise:
    """Noise that goes on as long as one listens: repeated from its beginning.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples], float, 16 kHz, full scale 1.
    levels : NoiseLevels, optional
        What its level follows; the RMS of ``samples`` is 1 then.

    Raises
    ------
    ValueError
        If there is nothing but zeros in it.

    Example
    -------
    >>> noise = ListenerNoise(np.array([0.1, 0.2, 0.3]))
    >>> noise.stretch(1, 4).tolist()
    [0.2, 0.3, 0.1, 0.2]
    """

    samples: np.ndarray
    levels: NoiseLevels | None = None

    def __post_init__(self):
        if not self.samples.any():
            raise ValueError(
                "the noise holds nothing but zeros; the networks need to hear "
                "what surrounds the listener."
            )

    def following(self, levels):
        """Return this noise at other levels, relative to its RMS as a whole.

        Arguments
        ---------
        levels : NoiseLevels
            Over time, counted from the beginning of the speech.

        Returns
        -------
        ListenerNoise
        """
        rms = np.sqrt(np.mean(np.square(self.samples, dtype=np.float64)))
        return replace(self, samples=self.samples / rms, levels=levels)

    def stretch(self, start, count):
        """Return some of it.

        Arguments
        ---------
        start, count : int
            Its first sample, counted from the beginning of the speech at 16
            kHz, and how many.

        Returns
        -------
        numpy.ndarray
            [count].
        """
        turns = np.arange(start, start + count)
        noise = self.samples[turns % len(self.samples)]
        if self.levels is None:
            return noise
        return noise * self.levels.amplitude(turns / SAMPLE_RATE)

    def power(self, count):
        """Return the mean square of its first samples.

        Arguments
        ---------
        count : int
            How many, at 16 kHz.

        Returns
        -------
        float
        """
        energy, block = 0.0, SEGMENT_SECONDS * SAMPLE_RATE
        for start in range(0, count, block):
            noise = self.stretch(start, min(block, count - start))
            energy += np.square(noise, dtype=np.float64).sum()
        return energy / count


def read_listener_noise(path):
    """Read a recording of noise.

    It is held in memory at 16 kHz: 64 kB per second.

    Arguments
    ---------
    path : str or Path
        Any file of one channel that libsndfile reads, at any rate.

    Returns
    -------
    ListenerNoise
        At the level that it has in the file.

    Raises
    ------
    ValueError
        If there is no such file, or it has several channels, samples that are
        not finite, or no sound.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: there is no such file.")
    with opened(path) as sound:
        if sound.channels != 1:
            raise ValueError(
                f"{path}: has {sound.channels} channels, but noise must have "
                "one: their mean would be softer than what a listener hears. "
                "Choose one, as in: sox noise.wav left.wav remix 1"
            )
        try:
            samples = sound.read(dtype="float32", always_2d=True)
            samples = finite(samples, 0, sound.samplerate)[:, 0]
            return ListenerNoise(
                resample(samples, sound.samplerate, SAMPLE_RATE)
            )
        except (ValueError, soundfile.SoundFileError) as error:
            raise ValueError(f"{path}: {error}") from error


def noise_shaped_like(speech, sample_rate):
    """Make steady noise with the long-term spectrum of speech.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples, channels], not all zeros.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    ListenerNoise
        30 s that repeat without a seam, always the same for the same speech.
    """
    channels = [resample(c, sample_rate, SAMPLE_RATE) for c in speech.T]
    rng = np.random.default_rng(0)
    return ListenerNoise(
        speech_shaped(SEGMENT_SECONDS * SAMPLE_RATE, rng, channels)
    )

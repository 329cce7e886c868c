"""The noise around a listener: a recording, an estimate of its level, or both."""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from speechbrain.utils.logger import get_logger

from okd_brain.audio import AudioFile, printable
from okd_brain.enhance.segments import SEGMENT_SECONDS, checked
from okd_brain.messages import UserError
from okd_brain.noises import speech_shaped
from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

COLUMNS = ("seconds", "dbfs")
# 45 dB above speech at -25 dBFS; a larger number is a sound pressure level.
MAX_DBFS = 20.0


@dataclass(frozen=True)
class NoiseLevels:
    """Levels at some times, with straight lines in dB between them.

    The first level holds before its time, the last one after it.

    Attributes
    ----------
    seconds : numpy.ndarray
        [times], ascending.
    dbfs : numpy.ndarray
        [times], RMS in dB relative to full scale 1.

    Example
    -------
    >>> levels = NoiseLevels(np.array([0.0, 2.0]), np.array([-40.0, -20.0]))
    >>> levels.amplitude(np.array([0, 1, 2, 3])).round(4).tolist()
    [0.01, 0.0316, 0.1, 0.1]
    """

    seconds: np.ndarray
    dbfs: np.ndarray

    def amplitude(self, seconds):
        """Return the RMS, full scale 1, at times in seconds, [samples]."""
        return 10 ** (np.interp(seconds, self.seconds, self.dbfs) / 20)


@dataclass(frozen=True)
class ListenerNoise:
    """Noise that lasts as long as the speech: repeated from its beginning.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples], float, 16 kHz, full scale 1.
    levels : NoiseLevels, optional
        Levels over time, which ``samples`` of RMS 1 are brought to.

    Raises
    ------
    UserError
        If all samples are zero.

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
            raise UserError(
                "the noise holds nothing but zeros; the networks need to hear "
                "what surrounds the listener."
            )

    def following(self, levels):
        """Return this noise with its RMS as a whole brought to other levels.

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
        """Return ``count`` samples from sample ``start`` on.

        Arguments
        ---------
        start : int
            First sample at 16 kHz, counted from the beginning of the speech.
        count : int
            Number of samples.

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
        """Return the mean square of the first ``count`` samples at 16 kHz."""
        energy, block = 0.0, SEGMENT_SECONDS * SAMPLE_RATE
        for start in range(0, count, block):
            noise = self.stretch(start, min(block, count - start))
            energy += np.square(noise, dtype=np.float64).sum()
        return energy / count


def read_listener_noise(path):
    """Read a recording of noise; it is held in memory at 16 kHz, 64 kB/s.

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
    UserError
        If the file does not exist, is not audio, has several channels, samples
        that are not finite or far beyond full scale, or nothing but zeros.
    """
    with AudioFile(path) as sound:
        if sound.channels != 1:
            raise UserError(
                f"{path}: has {sound.channels} channels, but noise must have "
                "one: their mean would be softer than what a listener hears. "
                "Choose one, as in: sox noise.wav left.wav remix 1"
            )
        samples = np.concatenate([np.zeros((0, 1), "f4"), *sound.read_blocks()])
        if defect := sound.defect():
            logger.warning(f"{printable(path)}: {defect}; used as it is.")
    try:
        samples = checked(samples, 0, sound.samplerate)[:, 0]
        return ListenerNoise(resample(samples, sound.samplerate, SAMPLE_RATE))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


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


def read_noise_levels(path):
    r"""Read levels of noise from a CSV file.

    Arguments
    ---------
    path : str or Path
        Each line has a time in seconds and a level in dBFS (RMS, full scale 1);
        times ascend. A first line ``seconds,dbfs`` and empty lines are skipped.

    Returns
    -------
    NoiseLevels

    Raises
    ------
    UserError
        If the file cannot be read or has no level, or a line is not of this
        kind.

    Example
    -------
    >>> path = getfixture("tmp_path") / "levels.csv"
    >>> length = path.write_text("seconds,dbfs\n0,-40\n2.5,-20\n")
    >>> read_noise_levels(path)
    NoiseLevels(seconds=array([0. , 2.5]), dbfs=array([-40., -20.]))
    """
    try:
        text = Path(path).read_text("utf-8-sig")  # as spreadsheets write it
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"{path}: cannot be read as levels of noise: {error}"
        ) from error
    points = []
    # Not numpy.loadtxt, which does not say on which line of the file it fails.
    rows = csv.reader(text.splitlines())
    try:
        for row in rows:
            cells = tuple(cell.strip() for cell in row)
            if any(cells) and (points or cells != COLUMNS):
                points.append(_point(cells, points))
    except (csv.Error, UserError) as error:
        where = f"{path}, line {rows.line_num}"
        raise UserError(f"{where}: {error}") from None
    if not points:
        raise UserError(
            f"{path}: holds no level; each line is a time in seconds and a "
            "level in dBFS, as in 0.5,-30"
        )
    return NoiseLevels(*np.array(points).T)


def _point(cells, before):
    """Return the time and level of a line that follows others."""
    try:
        seconds, dbfs = map(float, cells)
    except ValueError:  # text, or another number of cells
        seconds = dbfs = math.nan
    if not (math.isfinite(seconds) and math.isfinite(dbfs)):
        raise UserError(
            f"'{','.join(cells)}' is not a time in seconds and a level in "
            "dBFS, as in 0.5,-30"
        )
    if before and seconds <= before[-1][0]:
        raise UserError(
            f"times must ascend, but {seconds:g} s comes after "
            f"{before[-1][0]:g} s."
        )
    if dbfs > MAX_DBFS:
        raise UserError(
            f"{dbfs:g} dBFS is louder than any noise can be in a file. Levels "
            f"are RMS relative to full scale, up to {MAX_DBFS:g} dBFS; is this "
            "a sound pressure level?"
        )
    return seconds, dbfs

"""Rules that a recording, or a pair of them, must meet before anything trains on it.

A bad pair seldom stops a training run: the network learns from it. A 48 kHz file
read as 16 kHz, a clean file that is silent or a partner that is too short shows
up days later as a poor score, if at all. So every pair is read once before the
first epoch, and all files that break a rule are named in one report.
"""

from dataclasses import dataclass

import numpy as np

from okd_brain.audio import read_audio
from okd_brain.messages import UserError
from okd_brain.signals import HOP_MS, MIN_FRAMES

MIN_SECONDS = (MIN_FRAMES - 1) * HOP_MS / 1000
"""Shortest recording in seconds: 0.256 s make 17 STFT frames, the receptive field
of the discriminator; PESQ asks for 0.25 s."""

LENGTH_TOLERANCE_SECONDS = HOP_MS / 1000
"""Largest difference in length within a pair, in seconds: one STFT hop, 16 ms.
Resamplers and tools that round to whole blocks leave such a tail, which shifts
nothing by a frame. More than that is another recording."""

SILENCE_DBFS = -70.0
"""A file at or below this RMS level about its mean, in dB relative to full
scale, is silent. Speech is 30 dB above it; the rounding of a 16-bit file, 28 dB
below it."""


@dataclass(frozen=True)
class Violation:
    """One rule that one file breaks.

    Attributes
    ----------
    file : str
        Path of the file.
    rule : str
        What was found and what would be accepted.
    """

    file: str
    rule: str


def read_checked(path, *, sample_rate, average=False):
    """Read a file and check every rule that needs no partner.

    Arguments
    ---------
    path : str or Path
        Audio file, in any format that soundfile reads.
    sample_rate : int
        Rate in Hz that the file must have.
    average : bool
        Accept several channels, and return their mean.

    Returns
    -------
    samples : numpy.ndarray or None
        [samples], float32, full scale 1; None if the file cannot be used as
        one channel at that rate.
    violations : list of Violation
        In a fixed order; empty for a good file.
    """
    try:
        samples, found_rate, defect = read_audio(path)
    except UserError as error:
        rule = str(error).removeprefix(f"{path}: ").rstrip(".")
        return None, [Violation(str(path), rule)]
    rules = [defect] if defect else []
    shortest = round(MIN_SECONDS * found_rate)
    channels = samples.shape[1]
    if average and channels > 1:
        samples, channels = samples.mean(axis=1, keepdims=True), 1
    usable = found_rate == sample_rate and channels == 1
    if found_rate != sample_rate:
        rules.append(
            f"has a sample rate of {found_rate} Hz, must be {sample_rate} Hz"
        )
    if channels != 1:
        rules.append(f"has {channels} channels, must have 1 (mono)")
    if len(samples) < shortest:
        rules.append(
            f"has {len(samples)} samples, must have at least {shortest} "
            f"({MIN_SECONDS:.3f} s, {MIN_FRAMES} STFT frames)"
        )
    level = level_dbfs(samples)
    if np.isnan(level):
        rules.append(
            "must not hold NaN or infinite samples, has "
            f"{np.count_nonzero(~np.isfinite(samples))} of them"
        )
    elif samples.size and level <= SILENCE_DBFS:
        rules.append(
            f"is silent: level {level:.1f} dBFS, must be above "
            f"{SILENCE_DBFS:.0f} dBFS"
        )
    violations = [Violation(str(path), rule) for rule in rules]
    return samples[:, 0] if usable else None, violations


def read_checked_pair(*, reference, degraded, sample_rate):
    """Read a pair, check every rule and cut both files to the shorter of them.

    Arguments
    ---------
    reference : str or Path
        The clean file.
    degraded : str or Path
        The noisy file.
    sample_rate : int
        Rate in Hz that both must have.

    Returns
    -------
    reference, degraded : numpy.ndarray or None
        [samples], float32, equally long; None for a file that cannot be used.
    violations : list of Violation
        Empty for a good pair.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    >>> import soundfile
    >>> for name, samples in (("clean", noise), ("noisy", noise[:-300])):
    ...     soundfile.write(folder / f"{name}.wav", samples, 16000)
    >>> _, _, violations = read_checked_pair(
    ...     reference=folder / "clean.wav",
    ...     degraded=folder / "noisy.wav",
    ...     sample_rate=16000,
    ... )
    >>> violations[0].rule.split(":")[0]
    'is 300 samples shorter than its clean partner, at most 256 are accepted'
    """
    clean, violations = read_checked(reference, sample_rate=sample_rate)
    noisy, noisy_violations = read_checked(degraded, sample_rate=sample_rate)
    violations = violations + noisy_violations
    if clean is None or noisy is None:
        return clean, noisy, violations
    tolerance = round(LENGTH_TOLERANCE_SECONDS * sample_rate)
    difference = len(noisy) - len(clean)
    if abs(difference) > tolerance:
        relation = "longer" if difference > 0 else "shorter"
        violations.append(
            Violation(
                str(degraded),
                f"is {abs(difference)} samples {relation} than its clean "
                f"partner, at most {tolerance} are accepted: {len(noisy)} "
                f"against {len(clean)} of {reference}",
            )
        )
    length = min(len(clean), len(noisy))
    return clean[:length], noisy[:length], violations


def level_dbfs(samples):
    """Return the RMS level about the mean, since an offset is not sound.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples], full scale 1.

    Returns
    -------
    float
        In dB relative to full scale; -inf for silence, NaN where a sample is
        not finite.
    """
    if not samples.size:
        return -np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        return 20 * np.log10(np.std(samples, dtype=np.float64))

"""Rules that a recording, or a pair of them, must meet before anything trains on it.

A bad pair seldom stops a training run: the network learns from it. A 48 kHz file
read as 16 kHz, a clean file that is silent or a partner that is too short shows
up days later as a poor score, if at all. So every pair is read once before the
first epoch, and all files that break a rule are named in one report.
"""

import os
from dataclasses import dataclass

import numpy as np
import soundfile

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


def read_checked(path, *, sample_rate):
    """Read a file and check every rule that needs no partner.

    Arguments
    ---------
    path : str or Path
        Audio file, in any format that soundfile reads.
    sample_rate : int
        Rate in Hz that the file must have.

    Returns
    -------
    samples : numpy.ndarray or None
        [samples], float32, full scale 1; None if the file cannot be used as
        one channel at that rate.
    violations : list of Violation
        In a fixed order; empty for a good file.
    """
    path = str(path)
    try:
        truncation = _truncation(path)
        samples, found_rate = soundfile.read(
            path, dtype="float32", always_2d=True
        )
    except (OSError, soundfile.SoundFileError) as error:
        return None, [Violation(path, f"cannot be read: {error}")]
    rules = [truncation] if truncation else []
    shortest = round(MIN_SECONDS * found_rate)
    finite = np.isfinite(samples)
    channels = samples.shape[1]
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
    if not finite.all():
        rules.append(
            "must not hold NaN or infinite samples, has "
            f"{np.count_nonzero(~finite)} of them"
        )
    elif samples.size and level_dbfs(samples) <= SILENCE_DBFS:
        rules.append(
            f"is silent: level {level_dbfs(samples):.1f} dBFS, must be above "
            f"{SILENCE_DBFS:.0f} dBFS"
        )
    violations = [Violation(path, rule) for rule in rules]
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
        In dB relative to full scale; -inf for silence.
    """
    deviation = float(np.std(samples, dtype=np.float64))
    return 20 * np.log10(deviation) if deviation > 0 else float("-inf")


def _truncation(path):
    """Return what is missing if a WAV file is shorter than its header says.

    libsndfile reads such a file without complaint. Programs that write to a pipe
    leave the size open (0 or almost 4 GiB), which is not a defect.
    """
    found = os.path.getsize(path)
    with open(path, "rb") as stream:
        header = stream.read(8)
    announced = int.from_bytes(header[4:8], "little") + 8
    left_open = announced == 8 or announced >= 0x7FFFF000
    # A missing pad byte at the very end is common and harmless.
    if header[:4] != b"RIFF" or left_open or found >= announced - 1:
        return None
    return (
        f"is truncated: its header announces {announced} bytes, "
        f"the file has {found}"
    )

"""Recordings of the 720 Harvard sentences, and which sentence is in which split.

The sentences: IEEE Recommended Practice for Speech Quality Measurements, 1969.
Two talkers, of whom one may be absent, each in a folder of its name:

* ``male``: Hurricane natural speech corpus, University of Edinburgh,
  https://datashare.ed.ac.uk/handle/10283/3239, ``harvard_001.wav`` ...
* ``female``: Harvard speech corpus, University of Salford,
  https://doi.org/10.17866/rd.salford.7862465, the end-pointed files.
"""

import re
from pathlib import PurePosixPath

import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain.corpora.audio_folders import Utterance
from okd_brain.corpora.checks import Violation

logger = get_logger(__name__)

TALKERS = ("female", "male")
SENTENCES = 720
LAST_SENTENCE = {"train": 600, "valid": 660, "test": 720}  # the authors' split
PADDED_SECONDS = (
    5.0  # Salford's archive: 720 files as cut, 720 filled up to 5 s
)


def is_harvard(data_folder):
    """Tell whether a folder has a talker's folder of Harvard sentences."""
    return any((data_folder / talker).is_dir() for talker in TALKERS)


def find_sentences(data_folder, listing):
    """Find one recording of each sentence of each talker.

    Arguments
    ---------
    data_folder : Path
        With the folders ``male`` and ``female``, or one of them; what lies
        below them may be nested, and what lies beside them is ignored.
    listing : iterable of str
        Paths of its audio files.  The last three digits of a name are the
        number of the sentence.  Salford's padded copies, which last 5 s or have
        "pad" in their path, are ignored, which is logged.

    Returns
    -------
    utterances : list of Utterance
        Named like ``male_001``; sorted.
    violations : list of Violation
        Names without number, sentences that are there twice or not at all.
    """
    utterances, violations = [], []
    for talker in TALKERS:
        if not (data_folder / talker).is_dir():
            logger.info("%s has no folder %s", data_folder, talker)
            continue
        paths = sorted(p for p in listing if p.startswith(f"{talker}/"))
        cut = [path for path in paths if not _is_padded(data_folder, path)]
        if len(cut) < len(paths):
            logger.info(
                "%s: %d padded copies are ignored",
                data_folder / talker,
                len(paths) - len(cut),
            )
        numbered, bad = _number(data_folder, cut)
        violations += bad
        missing = set(range(1, SENTENCES + 1)) - set(numbered)
        if missing:
            rule = (
                f"lacks sentence {ranges(missing)}, must have 1-{SENTENCES} "
                f"({len(paths) - len(cut)} padded copies do not count)"
            )
            violations.append(Violation(str(data_folder / talker), rule))
        utterances += [
            Utterance(path, f"{talker}_{number:03d}", talker, _split(number))
            for number, path in sorted(numbered.items())
        ]
    return utterances, violations


def ranges(numbers):
    """Return whole numbers as text, runs of them shortened.

    Arguments
    ---------
    numbers : iterable of int
        None of them twice.

    Returns
    -------
    str

    Example
    -------
    >>> ranges([7, 3, 1, 2])
    '1-3, 7'
    """
    runs = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in runs
    )


def _split(number):
    """Return the split of a sentence."""
    return next(s for s, last in LAST_SENTENCE.items() if number <= last)


def _is_padded(data_folder, path):
    """Tell whether a file is one of those that Salford filled up with zeros."""
    if "pad" in path.lower():
        return True
    try:
        seconds = soundfile.info(data_folder / path).duration
    except (OSError, soundfile.SoundFileError):
        return False  # what it is instead is said when it is read
    return abs(seconds - PADDED_SECONDS) < 1e-3


def _number(data_folder, paths):
    """Return sentence number -> path, and the files that have no place in it."""
    numbered, violations = {}, []
    for path in paths:
        digits = re.search(r"\d{3}$", PurePosixPath(path).stem)
        number = int(digits.group()) if digits else 0
        if not 1 <= number <= SENTENCES:
            rule = (
                "must be named with the number of its sentence at the end, 001 "
                f"to {SENTENCES}, like harvard_001.wav"
            )
        elif number in numbered:
            rule = f"is sentence {number} once more, after {numbered[number]}"
        else:
            numbered[number] = path
            continue
        violations.append(Violation(str(data_folder / path), rule))
    return numbered, violations

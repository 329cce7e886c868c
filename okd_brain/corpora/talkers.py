"""Who speaks in a folder of clean speech, and in which split."""

import math
import re
from collections import Counter
from pathlib import PurePosixPath

from okd_brain.corpora.audio_folders import one_word
from okd_brain.corpora.splits import SPLITS, known_speakers

HELD_OUT_SHARE = 1 / 12  # to validate, and to test: Harvard's 60 of 720


def talker_of(path):
    """Return who speaks: the sub-folder, else the first part of the name.

    Arguments
    ---------
    path : str
        Relative to the folder of speech.

    Returns
    -------
    str
        The first folder of the path; without one, what the name has before its
        first ``-`` or ``_``; with underscores for blanks.

    Example
    -------
    >>> [talker_of(path) for path in ("anna/a_1.wav", "p225_001.wav", "84-1.wav")]
    ['anna', 'p225', '84']
    """
    first, *rest = PurePosixPath(path).parts
    name = first if rest else re.split("[-_]", PurePosixPath(path).stem)[0]
    return one_word(name)


def split_by_talker(files, *, valid_talkers=None, test_talkers=None):
    """Divide a folder of speech: no talker is in two splits.

    Arguments
    ---------
    files : dict
        Path -> talker (`talker_of`).
    valid_talkers, test_talkers : list of str, optional
        Who validates and who tests.  Default: the first talkers by name until
        they have a twelfth of the files test, the next validate likewise.  With
        fewer than three talkers there is nobody to hold out: of each talker's
        files by name the last twelfth tests (at least one file), the one
        before it validates.

    Returns
    -------
    dict
        "train", "valid" and "test" to sorted paths.

    Raises
    ------
    ValueError
        If a named talker is not there, is named for two splits, or a split is
        left without files.

    Example
    -------
    >>> split_by_talker({f"a_{n}.wav": "a" for n in range(4)})
    {'train': ['a_0.wav', 'a_1.wav'], 'valid': ['a_2.wav'], 'test': ['a_3.wav']}
    """
    talkers = set(files.values())
    if len(talkers) < 3 and valid_talkers is None and test_talkers is None:
        splits = _split_each_talker(files)
    else:
        split_of = _split_talkers(files, valid_talkers, test_talkers)
        splits = {split: [] for split in SPLITS}
        for path in sorted(files):
            splits[split_of[files[path]]].append(path)
    empty = [split for split in SPLITS if not splits[split]]
    if empty:
        raise ValueError(
            f"no speech is left for {' and '.join(empty)}: there are "
            f"{len(files)} files of {len(talkers)} talkers "
            f"({', '.join(sorted(talkers))}); needed are three files, and where "
            "talkers are named with valid_talkers or test_talkers, others that "
            "train"
        )
    return splits


def _split_talkers(files, valid_talkers, test_talkers):
    """Return talker -> split."""
    wanted = {"test": test_talkers, "valid": valid_talkers}
    split_of = {}
    for split, talkers in wanted.items():
        if talkers is None:
            continue
        named = known_speakers(talkers, files.values(), f"{split}_talkers")
        for talker in named:
            if split_of.setdefault(talker, split) != split:
                raise ValueError(
                    f"{talker} is among both test_talkers and valid_talkers"
                )
    counts = Counter(files.values())
    for split, talkers in wanted.items():
        if talkers is None:
            held_out = 0
            for talker in sorted(set(counts) - set(split_of)):
                if held_out >= HELD_OUT_SHARE * len(files):
                    break
                split_of[talker] = split
                held_out += counts[talker]
    return {talker: split_of.get(talker, "train") for talker in counts}


def _split_each_talker(files):
    """Divide the files of every talker in the order of their names."""
    splits = {split: [] for split in SPLITS}
    for talker in sorted(set(files.values())):
        paths = sorted(path for path in files if files[path] == talker)
        held_out = math.ceil(HELD_OUT_SHARE * len(paths))
        end = len(paths) - 2 * held_out
        splits["train"] += paths[: max(end, 0)]
        splits["valid"] += paths[max(end, 0) : -held_out]
        splits["test"] += paths[-held_out:]
    return splits

"""Who trains, who validates and who tests: no speaker does two of these.

Corpora of pairs come with a test set; their training speakers are divided. A
folder of clean speech is divided into all three splits.
"""

import math
import re
from collections import Counter
from pathlib import PurePosixPath

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.manifests import manifest_entry
from okd_brain.messages import UserError

logger = get_logger(__name__)

SPLITS = ("train", "valid", "test")
MIN_VALID_SHARE = 0.05  # of the training utterances
MIN_VALID_UTTERANCES = 20  # the mean of fewer PESQ scores is mostly chance
HELD_OUT_SHARE = 1 / 12  # to validate, and to test: Harvard's 60 of 720


def choose_speakers(speakers):
    """Return the training speakers that validate unless the user names others.

    Arguments
    ---------
    speakers : iterable of str
        The speaker of every training utterance.

    Returns
    -------
    list of str
        The first speakers by name, until they have 5 % of the utterances and at
        least 20 of them.

    Example
    -------
    >>> choose_speakers(["anna"] * 15 + ["bert"] * 15 + ["carl"] * 300)
    ['anna', 'bert']
    """
    counts = Counter(speakers)
    wanted = max(MIN_VALID_UTTERANCES, MIN_VALID_SHARE * counts.total())
    return _first_speakers(counts, wanted)


def known_speakers(wanted, speakers, option="valid_speakers"):
    """Check the speakers that a user names against those of the corpus.

    Arguments
    ---------
    wanted : list of str
        Speakers; numbers stand for their digits.
    speakers : iterable of str
        The speaker of every utterance that may be chosen.
    option : str
        What names them, for messages.

    Returns
    -------
    list of str
        Sorted, without repeats.

    Raises
    ------
    ValueError
        If it is not a list, is empty, or names a speaker that is not there.
    """
    if not isinstance(wanted, (list, tuple)) or not wanted:
        raise UserError(
            f"{option} is {wanted!r}, must be a list of at least one of the "
            "speakers, such as [p226, p287]"
        )
    wanted = {str(speaker) for speaker in wanted}
    there = set(speakers)
    if wanted - there:
        raise UserError(
            f"{option} names {', '.join(sorted(wanted - there))}, but the corpus "
            f"has only {', '.join(sorted(there)) or 'no speaker at all'} (a "
            "speaker is the part of the file name before its first underscore, "
            "in a folder of speech its sub-folder if it has one)"
        )
    return sorted(wanted)


def split_pairs(good, valid_speakers):
    """Divide the training utterances into those that train and validate.

    Arguments
    ---------
    good : list of (FilePair, int)
        Pairs and their length in samples at 16 kHz.
    valid_speakers : list of str
        Who validates.

    Returns
    -------
    dict
        "train", "valid" and "test" to the content of its manifest.

    Raises
    ------
    ValueError
        If a split has no utterance.
    """
    splits = {split: {} for split in SPLITS}
    speakers = {split: set() for split in SPLITS}
    for pair, samples in good:
        split = pair.split
        if split == "train" and pair.speaker in valid_speakers:
            split = "valid"
        speakers[split].add(pair.speaker)
        splits[split][pair.utterance] = manifest_entry(
            clean=pair.clean,
            noisy=pair.noisy,
            samples=samples,
            speaker=pair.speaker,
        )
    empty = [split for split in SPLITS if not splits[split]]
    if empty:
        raise UserError(
            f"no utterance is left for {' and '.join(empty)}: the corpus has "
            f"{len(splits['test'])} good test utterances and "
            f"{len(splits['train']) + len(splits['valid'])} good training "
            f"utterances, {len(splits['valid'])} of them by the validation "
            f"speakers ({', '.join(valid_speakers)}); choose these with "
            "valid_speakers"
        )
    heard = speakers["test"] & (speakers["train"] | speakers["valid"])
    if heard:
        logger.warning(
            "Test speakers that are also heard in training: %s",
            ", ".join(sorted(heard)),
        )
    return splits


def speaker_of(path):
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
    >>> [speaker_of(path) for path in ("anna/a_1.wav", "p225_001.wav", "84-1.wav")]
    ['anna', 'p225', '84']
    """
    first, *rest = PurePosixPath(path).parts
    name = first if rest else re.split("[-_]", PurePosixPath(path).stem)[0]
    return one_word(name)


def one_word(text):
    """Return text with underscores for blanks, which separate columns of logs."""
    return "_".join(text.split())


def split_by_speaker(files, *, valid_speakers=None, test_speakers=None):
    """Divide a folder of speech: no speaker is in two splits.

    Arguments
    ---------
    files : dict
        Path -> speaker (`speaker_of`).
    valid_speakers : list of str, optional
        Who validates; default: after those that test, the next speakers by name
        until they have a twelfth of the files.
    test_speakers : list of str, optional
        Who tests; default: the first speakers by name, likewise. With fewer than
        three speakers there is nobody to hold out: of each speaker's files by
        name the last twelfth tests (at least one file), and the one before it
        validates.

    Returns
    -------
    dict
        "train", "valid" and "test" to sorted paths.

    Raises
    ------
    ValueError
        If a named speaker is not there or is named for two splits, or a split
        is left without files.

    Example
    -------
    >>> split_by_speaker({f"a_{n}.wav": "a" for n in range(4)})
    {'train': ['a_0.wav', 'a_1.wav'], 'valid': ['a_2.wav'], 'test': ['a_3.wav']}
    """
    speakers = set(files.values())
    if len(speakers) < 3 and valid_speakers is None and test_speakers is None:
        splits = _split_each_speaker(files)
    else:
        split_of = _split_speakers(files, valid_speakers, test_speakers)
        splits = {split: [] for split in SPLITS}
        for path in sorted(files):
            splits[split_of.get(files[path], "train")].append(path)
    empty = [split for split in SPLITS if not splits[split]]
    if empty:
        raise UserError(
            f"no speech is left for {' and '.join(empty)}: there are "
            f"{len(files)} files of {len(speakers)} speakers "
            f"({', '.join(sorted(speakers))}); provide at least three files, and "
            "leave at least one speaker for training"
        )
    return splits


def _split_speakers(files, valid_speakers, test_speakers):
    """Return held-out speaker -> split."""
    wanted = {"test": test_speakers, "valid": valid_speakers}
    split_of = {}
    for split, speakers in wanted.items():
        if speakers is None:
            continue
        for speaker in known_speakers(
            speakers, files.values(), f"{split}_speakers"
        ):
            if split_of.setdefault(speaker, split) != split:
                raise UserError(
                    f"{speaker} is among both test_speakers and valid_speakers"
                )
    for split, speakers in wanted.items():
        if speakers is None:
            free = Counter(s for s in files.values() if s not in split_of)
            chosen = _first_speakers(free, HELD_OUT_SHARE * len(files))
            split_of |= dict.fromkeys(chosen, split)
    return split_of


def _first_speakers(counts, wanted):
    """Return speakers by name until they have so many files."""
    chosen, files = [], 0
    for speaker in sorted(counts):
        if files >= wanted:
            break
        chosen.append(speaker)
        files += counts[speaker]
    return chosen


def _split_each_speaker(files):
    """Divide the files of every speaker in the order of their names."""
    splits = {split: [] for split in SPLITS}
    for speaker in sorted(set(files.values())):
        paths = sorted(path for path in files if files[path] == speaker)
        held_out = math.ceil(HELD_OUT_SHARE * len(paths))
        end = max(len(paths) - 2 * held_out, 0)
        splits["train"] += paths[:end]
        splits["valid"] += paths[end:-held_out]
        splits["test"] += paths[-held_out:]
    return splits

"""Who trains, who validates and who tests: no speaker does two of these.

Corpora of pairs come with a test set; their training speakers are divided. A
folder of clean speech is divided into all three splits, as it was published or
by speaker. Where too few speakers are known for that, files are divided, which
is said.
"""

import math
import re
from collections import Counter
from pathlib import PurePosixPath

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.layouts import UNKNOWN_SPEAKER, one_word
from okd_brain.corpora.manifests import manifest_entry
from okd_brain.messages import UserError, counted, listed

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
        least 20 of them; one speaker is always left.

    Example
    -------
    >>> choose_speakers(["anna"] * 15 + ["bert"] * 15 + ["carl"] * 300)
    ['anna', 'bert']
    """
    counts = Counter(speakers)
    wanted = max(MIN_VALID_UTTERANCES, MIN_VALID_SHARE * counts.total())
    return _first_speakers(counts, wanted, leave=1)


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
    wanted = {one_word(str(speaker)) for speaker in wanted}
    there = set(speakers)
    if wanted - there:
        known = listed(sorted(there), 50) or "no speaker at all"
        raise UserError(
            f"{option} names {', '.join(sorted(wanted - there))}, but the corpus "
            f"has only {known} (a speaker is the first sub-folder, or the part "
            "of the file name before its first underscore; published corpora "
            "are read as they are meant)"
        )
    return sorted(wanted)


def split_pairs(good, valid_speakers):
    """Divide the training utterances into those that train and validate.

    Arguments
    ---------
    good : list of (FilePair, int)
        Pairs and their length in samples at 16 kHz.
    valid_speakers : list of str
        Who validates; None: nobody of the only speaker that there is, but the
        last twelfth of the files by name.

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
    training = [pair for pair, _ in good if pair.split == "train"]
    validating = {p for p in training if p.speaker in (valid_speakers or ())}
    if valid_speakers is None:
        held_out = math.ceil(HELD_OUT_SHARE * len(training))
        validating = set(training[-held_out:]) if held_out else set()
    for pair, samples in good:
        split = "valid" if pair in validating else pair.split
        speakers[split].add(pair.speaker)
        splits[split][pair.utterance] = manifest_entry(
            clean=pair.clean,
            noisy=pair.noisy,
            samples=samples,
            speaker=pair.speaker,
        )
    empty = [split for split in SPLITS if not splits[split]]
    if empty:
        heard = sorted(speakers["train"] | speakers["valid"])
        advice = "choose these with valid_speakers"
        if len(heard) < 2:
            advice = (
                "with a single training speaker leave valid_speakers out, and "
                "the last twelfth of at least two files validates"
            )
        raise UserError(
            f"no utterance is left for {' and '.join(empty)}: the corpus has "
            f"{counted(len(splits['test']), 'good test utterance')} and "
            f"{counted(len(training), 'good training utterance')} of "
            f"{counted(len(heard), 'speaker')}, "
            f"{len(splits['valid'])} of them by the validation speakers "
            f"({listed(valid_speakers or ['none'])}); {advice}"
        )
    heard = speakers["test"] & (speakers["train"] | speakers["valid"])
    if UNKNOWN_SPEAKER in heard:
        logger.warning(
            "File names do not say who speaks: a speaker may be heard in "
            "training and in the test"
        )
    if heard := heard - {UNKNOWN_SPEAKER}:
        logger.warning(
            "Test speakers that are also heard in training: %s",
            listed(sorted(heard)),
        )
    if valid_speakers is None:
        logger.warning(
            "One speaker or none is known (%s), so that files are divided: the "
            "last twelfth by name validates",
            *speakers["train"],
        )
    return splits


def speaker_of(path):
    """Return who speaks, where nothing more is known than the path.

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


def split_by_speaker(
    files,
    *,
    valid_speakers=None,
    test_speakers=None,
    published=None,
    called="speakers",
):
    """Divide a folder of speech: no speaker is in two splits.

    Arguments
    ---------
    files : dict
        Path -> speaker (`speaker_of`).
    valid_speakers : list of str, optional
        Who validates; default: those whom the corpus was published to validate
        with, else, after those that test, the next speakers by name until they
        have a twelfth of the files.
    test_speakers : list of str, optional
        Who tests; default: likewise, the first speakers by name. With fewer than
        three speakers there is nobody to hold out: of each speaker's files by
        name the last twelfth tests (at least one file), and the one before it
        validates.
    published : dict, optional
        Path -> split that the file was published for.
    called : str
        What options call speakers, for messages.

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
    named = {"test": test_speakers, "valid": valid_speakers}
    split_of = {
        path: split
        for path, split in (published or {}).items()
        if split != "train" and named[split] is None
    }
    free = {path: files[path] for path in sorted(files) if path not in split_of}
    open_splits = [
        split for split in named if split not in set(split_of.values())
    ]
    speakers = sorted(set(free.values()))
    few = len(speakers) <= len(open_splits)
    if few and valid_speakers is None and test_speakers is None:
        split_of |= _split_each_speaker(free, open_splits)
        if open_splits:
            logger.warning(
                "Only %s known (%s), so that files are divided: each speaker "
                "is heard in several splits",
                counted(len(speakers), "speaker is", "speakers are"),
                listed(speakers),
            )
    else:
        held_out = _hold_out(
            free, {split: named[split] for split in open_splits}, called
        )
        split_of |= {
            path: held_out[speaker]
            for path, speaker in free.items()
            if speaker in held_out
        }
    splits = {split: [] for split in SPLITS}
    for path in sorted(files):
        splits[split_of.get(path, "train")].append(path)
    empty = [split for split in SPLITS if not splits[split]]
    if empty:
        speakers = sorted(set(files.values()))
        raise UserError(
            f"no speech is left for {' and '.join(empty)}: the corpus has "
            f"{counted(len(files), 'file')} of "
            f"{counted(len(speakers), 'speaker')} ({listed(speakers)}); provide at least three files, and "
            "leave at least one speaker for training (the options are "
            f"test_{called} and valid_{called})"
        )
    return splits


def _hold_out(files, named, called):
    """Return held-out speaker -> split."""
    split_of = {}
    for split, speakers in named.items():
        if speakers is None:
            continue
        for speaker in known_speakers(
            speakers, files.values(), f"{split}_{called}"
        ):
            if split_of.setdefault(speaker, split) != split:
                raise UserError(
                    f"{speaker} is among both test_{called} and valid_{called}"
                )
    unnamed = [split for split, speakers in named.items() if speakers is None]
    for number, split in enumerate(unnamed, start=1):
        free = Counter(s for s in files.values() if s not in split_of)
        chosen = _first_speakers(
            free,
            HELD_OUT_SHARE * len(files),
            leave=len(unnamed) - number + 1,
        )
        split_of |= dict.fromkeys(chosen, split)
    return split_of


def _first_speakers(counts, wanted, leave):
    """Return speakers by name until they have that many files, not the last ones."""
    chosen, files = [], 0
    for speaker in sorted(counts)[: max(len(counts) - leave, 0)]:
        if files >= wanted:
            break
        chosen.append(speaker)
        files += counts[speaker]
    return chosen


def _split_each_speaker(files, splits):
    """Return path -> split of the last files of every speaker by name."""
    split_of = {}
    for speaker in sorted(set(files.values())):
        paths = sorted(path for path in files if files[path] == speaker)
        held_out = math.ceil(HELD_OUT_SHARE * len(paths))
        for split in splits:
            chosen, paths = paths[-held_out:], paths[:-held_out]
            split_of |= dict.fromkeys(chosen, split)
    return split_of

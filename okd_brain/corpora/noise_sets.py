"""Which noise is heard in which split: no file and no stretch in two of them.

The type of a noise is its file name without the number at the end:
``Babble_12.wav`` is ``Babble``; published collections are read as they are meant
(`okd_brain.corpora.layouts.NOISE`). Types of the test are heard nowhere else.
Where a collection has too few types for that, its recordings are divided instead,
and where it was published in splits, those are kept. Where training and
validation share types, they share no noise; validation hears

* of several files of a type: the last fifth by number;
* of a single file: its end;
* of single files that are too short to be divided, where noise is looped: the
  last fifth of these files by name.
"""

import math
import re
from typing import NamedTuple

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.checks import Violation
from okd_brain.corpora.layouts import (
    describe,
    one_of_each,
    one_word,
    read_noise_path,
)
from okd_brain.corpora.splits import SPLITS
from okd_brain.messages import UserError, counted, listed
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

# Our choice of MS-SNSD: the paper has five types and three, and does not name them.
MS_SNSD_TYPES = {
    "train": (
        "Babble",
        "CopyMachine",
        "Typing",
        "VacuumCleaner",
        "WasherDryer",
    ),
    "test": ("AirConditioner", "AirportAnnouncements", "NeighborSpeaking"),
}
TEST_SHARE = 1 / 3  # of the types in any other folder, or of their recordings
VALID_SHARE = 1 / 5  # of the files of a type, or of its only file


def noise_files(noise_folder, listing):
    """Return the files of a folder of noise that are noise, each once.

    What was understood is logged.

    Arguments
    ---------
    noise_folder : Path
        For the log.
    listing : dict
        Path -> anything (`okd_brain.corpora.preparation.list_audio`).

    Returns
    -------
    dict
        Where there are splits as published (``noise_train`` and ``noise_test``
        of MS-SNSD, which holds speech as well), their files; else all but
        speech; of the channels of a recording the first.

    Example
    -------
    >>> from pathlib import Path
    >>> listing = dict.fromkeys(["clean_test/a.wav", "noise_test/b.wav"])
    >>> len(noise_files(Path("noise"), listing))
    2
    >>> listing = {**listing, "noise_train/c.wav": None}
    >>> list(noise_files(Path("noise"), listing))
    ['noise_test/b.wav', 'noise_train/c.wav']
    """
    readings = {path: read_noise_path(path) for path in listing}
    if _published(readings):
        readings = {p: r for p, r in readings.items() if r.split}
    kept, notes = one_of_each(readings)
    logger.info(
        "%s: %s",
        noise_folder,
        "; ".join([describe(kept, "type of noise", "types of noise"), *notes]),
    )
    return {path: listing[path] for path in listing if path in kept}


def choose_noises(
    noise_folder,
    listing,
    *,
    train_noises=None,
    valid_noises=None,
    test_noises=None,
):
    """Decide which types of noise train, validate and test.

    Arguments
    ---------
    noise_folder : Path
        For messages.
    listing : iterable of str
        Paths of its audio files. Where they are in splits as published (MS-SNSD,
        WHAM), each serves its own purpose.
    train_noises : list of str, optional
        Types that train; default: all that do nothing else.
    valid_noises : list of str, optional
        Types (of those for training) that validate and do not train. By default
        validation hears other files, or parts of files, of the training types.
    test_noises : list of str, optional
        Types that test; default: all that do nothing else. If neither these nor
        those for training are named: for MS-SNSD our choice, `MS_SNSD_TYPES`;
        for other published splits all types; in any other folder the last third
        by name tests, or, of types that cannot be held out, the last third of
        the recordings.

    Returns
    -------
    dict
        "train", "test", and "valid" where it has its own types, to {type: files
        in the order of their numbers}.

    Raises
    ------
    ValueError
        If a type is not there, serves twice, or none is left for a purpose.
    """
    readings = {path: read_noise_path(path) for path in listing}
    named = {"train": train_noises, "valid": valid_noises, "test": test_noises}
    named = {
        use: types if types is None else _check_list(f"{use}_noises", types)
        for use, types in named.items()
    }
    inferred = all(types is None for types in named.values())
    found = _pools(readings, inferred)
    divided = _published(readings)
    wanted = {use: named[use] for use in ("train", "test")}
    if named["valid"] is not None:
        found["valid"] = found["train"]
        wanted["valid"] = named["valid"]
    elif "valid" in found:
        wanted["valid"] = list(found["valid"])
    for use, types in wanted.items():
        if types is not None:
            _check_there(noise_folder, f"{use}_noises", types, found[use])
    _fill_in(wanted, found, divided)
    apart = _divided_by_recording(readings, inferred)
    for use, types in wanted.items():
        others = {
            kind for other in wanted if other != use for kind in wanted[other]
        }
        shared = sorted(others & set(types) - apart)
        if shared:
            raise UserError(
                f"{noise_folder}: {', '.join(shared)} would be heard in "
                f"{use} and elsewhere; name other types with "
                f"{', '.join(f'{name}_noises' for name in wanted)}"
            )
        if not types:
            raise UserError(
                f"{noise_folder}: no type of noise is left for {use}_noises; "
                f"there are {', '.join(found[use]) or 'none'}, and "
                f"{', '.join(sorted(others))} serve otherwise"
            )
    chosen = {
        use: {kind: found[use][kind] for kind in sorted(types)}
        for use, types in wanted.items()
    }
    return _keep_apart(noise_folder, chosen, readings, inferred)


def _published(readings):
    """Tell whether files come in splits as published."""
    return {"train", "test"} <= {reading.split for reading in readings.values()}


def _divided_by_recording(readings, inferred):
    """Return the types whose recordings, not types, are in one split each."""
    if not (inferred or _published(readings)):
        return set()
    return {
        reading.source
        for reading in readings.values()
        if reading.collection and reading.collection.by_recording
    }


def _pools(readings, inferred):
    """Return "train", "test" and perhaps "valid" to {type: its files}."""
    if _published(readings):
        pools = {"train": [], "test": []}
        for path, reading in readings.items():
            if reading.split:
                pools.setdefault(reading.split, []).append(path)
        return {use: _by_type(paths, readings) for use, paths in pools.items()}
    types = _by_type(readings, readings)
    found = {"train": types, "test": dict(types)}
    for kind in _divided_by_recording(readings, inferred) & set(types):
        paths = types[kind]
        trains = len(paths) - math.ceil(TEST_SHARE * len(paths))
        if trains:
            found["train"] = found["train"] | {kind: paths[:trains]}
            found["test"] = found["test"] | {kind: paths[trains:]}
    return found


def _check_list(option, types):
    """Return types as they are stored, and refuse what is not a list."""
    if isinstance(types, str) or not types:
        raise UserError(
            f"{option} is {types!r}, must be a list of types of noise, such as "
            "[Babble, Typing]"
        )
    return [one_word(str(kind)) for kind in types]


def _check_there(noise_folder, option, types, found):
    """Refuse types that are not there."""
    absent = sorted(set(types) - set(found))
    if absent:
        raise UserError(
            f"{option} names {', '.join(absent)}, but {noise_folder} has only "
            f"{', '.join(found)} (a type is a file name without the number at "
            "its end)"
        )


def _fill_in(wanted, found, divided):
    """Choose the types of training and test where the user names none."""
    if wanted["train"] is None and wanted["test"] is None:
        wanted |= _default_types(found, divided)
        if "valid" in wanted and found["valid"] is found["train"]:
            wanted["train"] = sorted(
                set(wanted["train"]) - set(wanted["valid"])
            )
    for use in ("train", "test"):
        if wanted[use] is None:
            named = {kind for types in wanted.values() for kind in types or ()}
            wanted[use] = sorted(set(found[use]) - named)


def _default_types(found, divided):
    """Return the types of training and test where neither is named."""
    if divided:
        if all(
            set(MS_SNSD_TYPES[use]) <= set(found[use]) for use in MS_SNSD_TYPES
        ):
            return dict(MS_SNSD_TYPES)
        return {use: list(found[use]) for use in ("train", "test")}
    # What differs was divided by recording.
    both = [k for k in found["train"] if found["train"][k] != found["test"][k]]
    types = sorted(set(found["train"]) - set(both))
    trains = len(types) - math.ceil(TEST_SHARE * len(types))
    return {"train": types[:trains] + both, "test": types[trains:] + both}


def _keep_apart(noise_folder, chosen, readings, inferred):
    """Leave recordings out of training that test, or warn where types are named.

    A published recording may have given files of several types.
    """
    tests = {
        readings[path].recording
        for paths in chosen["test"].values()
        for path in paths
    }
    shared = [
        path
        for use, types in chosen.items()
        for paths in types.values()
        for path in paths
        if use != "test" and readings[path].recording in tests
    ]
    if not shared:
        return chosen
    number = counted(
        len(shared),
        "file of a recording that tests is",
        "files of recordings that test are",
    )
    if not inferred:
        logger.warning(
            "%s: %s heard elsewhere, as types are named: %s",
            noise_folder,
            number,
            listed(shared),
        )
        return chosen
    logger.info(
        "%s: %s left out elsewhere: %s",
        noise_folder,
        number,
        listed(shared),
    )
    return {
        use: {
            kind: [p for p in paths if use == "test" or p not in shared]
            for kind, paths in types.items()
        }
        for use, types in chosen.items()
    }


def _by_type(paths, readings):
    """Return {type: its files by number}, sorted."""
    types = {}
    for path in sorted(paths, key=_natural):
        types.setdefault(readings[path].source, []).append(path)
    return dict(sorted(types.items()))


def _natural(path):
    """Return a key that sorts Babble_10 behind Babble_9."""
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.split(r"(\d+)", path)
    ]


class NoiseSource(NamedTuple):
    """The part of a noise file that serves one split.

    Attributes
    ----------
    path : str
        Relative to the noise root.
    begin, end : int
        First sample at 16 kHz, and the one after the last.
    """

    path: str
    begin: int
    end: int

    @property
    def samples(self):
        """Return its length."""
        return self.end - self.begin


def divide_noises(noise_folder, noises, recordings, longest, *, loop=False):
    """Give each split its own files, or its own part of them.

    Arguments
    ---------
    noise_folder : Path
        For messages.
    noises : dict
        From `choose_noises`.
    recordings : dict
        Path -> `okd_brain.corpora.examination.Recording` of the good files.
    longest : dict
        Split -> its longest speech, in samples at 16 kHz.
    loop : bool
        Accept files that are shorter than that, which are then repeated.

    Returns
    -------
    sources : dict
        Split -> type -> list of NoiseSource, each long enough for any speech of
        its split or, with ``loop``, a whole file.
    violations : list of Violation
        The files that are shorter, without ``loop``.
    """
    sources = {split: {} for split in SPLITS}
    origin = {found.path: path for path, found in recordings.items()}
    violations, undivided = [], {}
    for use, types in noises.items():
        for kind, paths in types.items():
            paths = [path for path in paths if path in recordings]
            good = [recordings[path] for path in paths]
            parts = {use: [_part(found) for found in good]}
            if use == "train" and "valid" not in noises:
                names = [read_noise_path(path).recording for path in paths]
                parts = _train_and_valid(good, names, longest["valid"])
                if loop and len(good) == 1 and _are_short(parts, longest):
                    undivided[kind] = [_part(good[0])]
                    continue
            for split, found in parts.items():
                for source in found:
                    if loop or source.samples >= longest[split]:
                        sources[split].setdefault(kind, []).append(source)
                        continue
                    path = str(noise_folder / origin[source.path])
                    rule = _too_short(source, split, longest[split])
                    violations.append(Violation(path, rule))
    # A type that is the only one of its kind trains.
    validating = math.ceil(VALID_SHARE * (len(undivided) - 1))
    for number, kind in enumerate(undivided, start=validating - len(undivided)):
        sources["train" if number < 0 else "valid"][kind] = undivided[kind]
    return sources, violations


def _are_short(parts, longest):
    """Tell whether a part is shorter than the longest speech of its split."""
    return any(
        source.samples < longest[split]
        for split, sources in parts.items()
        for source in sources
    )


def _part(recording, begin=0, end=None):
    """Return a part of a recording, by default all of it."""
    return NoiseSource(
        recording.path, begin, recording.samples if end is None else end
    )


def _train_and_valid(recordings, names, longest_valid):
    """Divide the files of a type, or the only one of them.

    Files of equal names are one recording and stay together where there are
    others.
    """
    if len(recordings) == 1:
        (only,) = recordings
        share = math.ceil(VALID_SHARE * only.samples)
        cut = max(0, only.samples - max(share, longest_valid))
        return {
            "train": [_part(only, end=cut)],
            "valid": [_part(only, begin=cut)],
        }
    trains = len(recordings) - math.ceil(VALID_SHARE * len(recordings))
    if len(set(names)) > 1:
        first = names.index(names[trains])
        trains = first or len(names) - names[::-1].index(names[0])
    return {
        "train": [_part(found) for found in recordings[:trains]],
        "valid": [_part(found) for found in recordings[trains:]],
    }


def _too_short(source, split, longest):
    """Return what is wrong with a source."""
    return (
        f"has {source.samples / SAMPLE_RATE:.3f} s of noise for "
        f"{split} (from {source.begin / SAMPLE_RATE:.3f} s on), must have at "
        f"least the {longest / SAMPLE_RATE:.3f} s of the longest speech there"
    )

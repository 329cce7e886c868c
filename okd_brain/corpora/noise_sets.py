"""Which noise is heard in which split: no file and no stretch in two of them.

The type of a noise is its file name without the number at the end:
``Babble_12.wav`` is ``Babble``. Types of the test are heard nowhere else. Where
training and validation share types, they share no noise; validation hears

* of several files of a type: the last fifth by number;
* of a single file: its end;
* of single files that are too short to be divided, where noise is looped: the
  last fifth of these files by name.
"""

import math
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from okd_brain.corpora.checks import Violation
from okd_brain.corpora.splits import SPLITS, one_word
from okd_brain.messages import UserError
from okd_brain.signals import SAMPLE_RATE

# Microsoft Scalable Noisy Speech Dataset, https://github.com/microsoft/MS-SNSD
MS_SNSD_FOLDERS = {"train": "noise_train", "test": "noise_test"}
# Our choice: the paper has five types and three, and does not name them.
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
TEST_SHARE = 1 / 3  # of the types in any other folder
VALID_SHARE = 1 / 5  # of the files of a type, or of its only file


def noise_type(path):
    """Return the type of a noise.

    Arguments
    ---------
    path : str
        Its file.

    Returns
    -------
    str
        With underscores for blanks.

    Example
    -------
    >>> noise_type("noise_train/AirConditioner_10.wav")
    'AirConditioner'
    """
    return one_word(re.sub(r"_\d+$", "", PurePosixPath(path).stem))


def noise_files(listing):
    """Return the files of a folder of noise that are noise.

    MS-SNSD holds speech as well, beside ``noise_train`` and ``noise_test``.

    Arguments
    ---------
    listing : dict
        Path -> anything (`okd_brain.corpora.preparation.list_audio`).

    Returns
    -------
    dict
        Those of ``noise_train`` and ``noise_test`` if there are both, else all.

    Example
    -------
    >>> listing = dict.fromkeys(["clean_test/a.wav", "noise_test/b.wav"])
    >>> len(noise_files(listing))
    2
    >>> list(noise_files({**listing, "noise_train/c.wav": None}))
    ['noise_test/b.wav', 'noise_train/c.wav']
    """
    pools = _pools(listing)
    if not all(pools.values()):
        return listing
    noises = set().union(*pools.values())
    return {path: listing[path] for path in listing if path in noises}


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
        Paths of its audio files. Where there are folders ``noise_train`` and
        ``noise_test`` (MS-SNSD), each serves its own purpose.
    train_noises : list of str, optional
        Types that train; default: all that do nothing else.
    valid_noises : list of str, optional
        Types (of noise_train) that validate and do not train. By default
        validation hears other files, or parts of files, of the training types.
    test_noises : list of str, optional
        Types that test; default: all that do nothing else. If neither these nor
        those for training are named: for MS-SNSD our choice, `MS_SNSD_TYPES`;
        for another noise_train and noise_test all types; in any other folder
        the last third by name tests.

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
    pools = _pools(listing)
    divided = all(pools.values())
    if not divided:
        pools = dict.fromkeys(pools, list(listing))
    found = {use: _by_type(paths) for use, paths in pools.items()}
    wanted = {"train": train_noises, "test": test_noises}
    if valid_noises is not None:
        found["valid"] = found["train"]
        wanted["valid"] = valid_noises
    for use, types in wanted.items():
        if types is not None:
            _check_types(noise_folder, f"{use}_noises", types, found[use])
    _fill_in(wanted, found, divided)
    for use, types in wanted.items():
        others = {
            kind for other in wanted if other != use for kind in wanted[other]
        }
        shared = sorted(others & set(types))
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
    return {
        use: {kind: found[use][kind] for kind in sorted(types)}
        for use, types in wanted.items()
    }


def _pools(listing):
    """Return what MS-SNSD's folders hold for training and for the test."""
    return {
        use: [path for path in listing if path.startswith(f"{folder}/")]
        for use, folder in MS_SNSD_FOLDERS.items()
    }


def _check_types(noise_folder, option, types, found):
    """Refuse types that are not a list, or not there."""
    if isinstance(types, str) or not types:
        raise UserError(
            f"{option} is {types!r}, must be a list of types of noise, such as "
            "[Babble, Typing]"
        )
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
        if "valid" in wanted:
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
        return {use: list(found[use]) for use in MS_SNSD_FOLDERS}
    types = sorted(found["train"])
    trains = len(types) - math.ceil(TEST_SHARE * len(types))
    return {"train": types[:trains], "test": types[trains:]}


def _by_type(paths):
    """Return {type: its files by number}, sorted."""
    types = {}
    for path in sorted(paths, key=_natural):
        types.setdefault(noise_type(path), []).append(path)
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
            good = [recordings[path] for path in paths if path in recordings]
            parts = {use: [_part(found) for found in good]}
            if use == "train" and "valid" not in noises:
                parts = _train_and_valid(good, longest["valid"])
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


def _train_and_valid(recordings, longest_valid):
    """Divide the files of a type, or the only one of them."""
    if len(recordings) == 1:
        (only,) = recordings
        share = math.ceil(VALID_SHARE * only.samples)
        cut = max(0, only.samples - max(share, longest_valid))
        return {
            "train": [_part(only, end=cut)],
            "valid": [_part(only, begin=cut)],
        }
    trains = len(recordings) - math.ceil(VALID_SHARE * len(recordings))
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

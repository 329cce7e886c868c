"""Which noise is heard in which split: no file and no stretch in two of them.

Where training and validation share types of noise, they share no noise: of
several files of a type the last fifth by number validates, of a single file its
end; where noise is looped, of single files that are too short to be divided the
last fifth by name.
"""

import math
from typing import NamedTuple

from okd_brain.corpora.checks import Violation
from okd_brain.corpora.splits import SPLITS
from okd_brain.signals import SAMPLE_RATE

VALID_SHARE = 1 / 5  # of the files of a type, or of its only file


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
        From `okd_brain.corpora.noise_sets.choose_noises`.
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
    # The only one of all trains.
    validating = math.ceil(VALID_SHARE * (len(undivided) - 1))
    for number, kind in enumerate(undivided, start=validating - len(undivided)):
        sources["train" if number < 0 else "valid"][kind] = undivided[kind]
    return sources, violations


def _are_short(parts, longest):
    return any(
        source.samples < longest[split]
        for split, sources in parts.items()
        for source in sources
    )


def _part(recording, begin=0, end=None):
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

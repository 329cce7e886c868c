"""Folder layouts of corpora of (clean, noisy) pairs, and the pairs in them.

Nothing here opens an audio file: a layout says where the files are, and the
pairs follow from their names.
"""

import os
from dataclasses import dataclass, replace

from okd_brain.corpora.checks import Violation
from okd_brain.signals import SAMPLE_RATE


@dataclass(frozen=True)
class Layout:
    """Where a corpus keeps its four sets of files.

    Attributes
    ----------
    name : str
        For messages.
    train, test : str
        Folder below the corpus, with ``{kind}`` for "clean" and "noisy".
    sample_rate : int
        Rate of its files in Hz; other than 16000, they are resampled.

    Example
    -------
    >>> LAYOUTS[0].folder("test", "noisy")
    'noisy_testset_wav_16k'
    """

    name: str
    train: str
    test: str
    sample_rate: int = SAMPLE_RATE

    def folder(self, split, kind):
        """Return the folder of a split and kind, relative to the corpus."""
        return getattr(self, split).format(kind=kind)

    def folders(self):
        """Return all four folders, relative to the corpus."""
        return [
            self.folder(split, kind)
            for split in ("train", "test")
            for kind in ("clean", "noisy")
        ]


# Valentini-Botinhao, "Noisy speech database for training speech enhancement
# algorithms and TTS models", University of Edinburgh, 2017 (datashare.ed.ac.uk);
# `_16k` is what SpeechBrain calls the resampled folders.
_RELEASES = [
    Layout(
        name=f"VoiceBank-DEMAND, {speakers} speakers, {sample_rate} Hz",
        train=f"{{kind}}_trainset_{speakers}spk_wav{suffix}",
        test=f"{{kind}}_testset_wav{suffix}",
        sample_rate=sample_rate,
    )
    for speakers in (28, 56)
    for suffix, sample_rate in (("_16k", 16000), ("", 48000))
]

LAYOUTS = (
    *_RELEASES,
    Layout("layout of the authors' code", "train/{kind}", "test/{kind}"),
)
"""Accepted layouts; the first whose four folders exist is used, so that 28
speakers (the paper's) come before 56, and 16 kHz before 48 kHz."""


@dataclass(frozen=True)
class Pair:
    """One utterance: a clean file and a noisy one of the same name.

    Attributes
    ----------
    split : str
        "train" or "test".
    name : str
        File name.
    clean, noisy : str
        Paths relative to the corpus.
    """

    split: str
    name: str
    clean: str
    noisy: str

    @property
    def utterance(self):
        """Return the file name without its ending."""
        return os.path.splitext(self.name)[0]

    @property
    def speaker(self):
        """Return the part of the file name before its first underscore."""
        return self.utterance.split("_")[0]

    def resampled(self):
        """Return where a 16 kHz copy of the pair is kept: folders end in _16k."""
        clean, noisy = (
            f"{os.path.dirname(path)}_16k/{self.name}"
            for path in (self.clean, self.noisy)
        )
        return replace(self, clean=clean, noisy=noisy)


def find_layout(data_folder):
    """Return the layout of a corpus.

    Arguments
    ---------
    data_folder : str or Path
        The corpus.

    Returns
    -------
    Layout

    Raises
    ------
    ValueError
        If no accepted layout has all its four folders there; the message names
        what is missing of each.
    """
    lines = []
    for layout in LAYOUTS:
        missing = [
            folder
            for folder in layout.folders()
            if not os.path.isdir(os.path.join(data_folder, folder))
        ]
        if not missing:
            return layout
        lines.append(f"  {layout.name}: missing {', '.join(missing)}")
    raise ValueError(
        f"data_folder {data_folder} holds no corpus of a known layout; each "
        "needs all its four folders:\n" + "\n".join(lines)
    )


def list_files(data_folder, layout):
    """Return the WAV files of a corpus with their size and time of change.

    Arguments
    ---------
    data_folder : str or Path
        The corpus.
    layout : Layout
        Its layout.

    Returns
    -------
    dict
        For each folder {file name: [bytes, nanoseconds]}, sorted.  Hidden files
        (a Mac leaves ``._p226_001.wav`` behind) are none of the corpus.
    """
    listing = {}
    for folder in layout.folders():
        with os.scandir(os.path.join(data_folder, folder)) as entries:
            files = {
                entry.name: [entry.stat().st_size, entry.stat().st_mtime_ns]
                for entry in entries
                if entry.name.lower().endswith(".wav")
                and not entry.name.startswith(".")
                and entry.is_file()
            }
        listing[folder] = dict(sorted(files.items()))
    return listing


def pair_up(data_folder, layout, listing):
    """Match clean and noisy files by name.

    Arguments
    ---------
    data_folder : str or Path
        The corpus, for messages.
    layout : Layout
        Its layout.
    listing : dict
        From `list_files`.

    Returns
    -------
    pairs : list of Pair
        Training pairs, then test pairs, each sorted by name: the same on every
        file system.
    violations : list of Violation
        The files without a partner.
    """
    pairs, violations = [], []
    for split in ("train", "test"):
        clean, noisy = (layout.folder(split, k) for k in ("clean", "noisy"))
        for name in sorted({*listing[clean], *listing[noisy]}):
            if name in listing[clean] and name in listing[noisy]:
                pair = Pair(split, name, f"{clean}/{name}", f"{noisy}/{name}")
                pairs.append(pair)
                continue
            alone, lacking = clean, noisy
            if name in listing[noisy]:
                alone, lacking = noisy, clean
            rule = f"has no partner: {name} is not in {lacking}"
            path = os.path.join(data_folder, alone, name)
            violations.append(Violation(path, rule))
    return pairs, violations

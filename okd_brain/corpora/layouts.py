"""Published layouts: what the paths of well-known corpora say, as data.

There are three tables. `LAYOUTS` says where corpora of pairs keep clean and noisy
files, and `PARTNERS` which noisy name belongs to which clean one. `SPEECH` and
`NOISE` say how the path of a single file reads in collections of either: who
speaks or what is heard, what it was published for, and which files are the same
recording once more. A path that none of them knows is read by the general rules
of `okd_brain.corpora.splits.speaker_of` and `read_noise_path`.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from okd_brain.files import composed
from okd_brain.messages import counted
from okd_brain.signals import SAMPLE_RATE


@dataclass(frozen=True)
class Layout:
    """Where a corpus of pairs keeps its files.

    Attributes
    ----------
    name : str
        For messages.
    train, test : str
        Folder below the corpus, with ``{kind}`` for "clean" and "noisy"; equal
        where the corpus is not divided.
    sample_rate : int
        Rate of its files in Hz; if it is not 16000, they are resampled.

    Example
    -------
    >>> LAYOUTS[0].folder("test", "noisy")
    'noisy_testset_wav_16k'
    """

    name: str
    train: str
    test: str
    sample_rate: int = SAMPLE_RATE

    @property
    def divided(self):
        """Tell whether the corpus comes with a test set."""
        return self.train != self.test

    def folder(self, split, kind):
        """Return the folder of a split and kind, relative to the corpus."""
        return getattr(self, split).format(kind=kind)

    def folders(self):
        """Return all folders, relative to the corpus."""
        return list(
            dict.fromkeys(
                self.folder(split, kind)
                for split in ("train", "test")
                for kind in ("clean", "noisy")
            )
        )


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
    Layout("folders clean and noisy, not divided", "{kind}", "{kind}"),
)
"""Accepted layouts; the first whose folders all exist is used, so that 28
speakers (the paper's) come before 56, and 16 kHz before 48 kHz."""

PARTNERS = (
    # github.com/microsoft/DNS-Challenge: book_1_reader_6_snr5_tl-25_fileid_7
    (r".*_fileid_(\d+)", r"clean_fileid_\1"),
    # github.com/microsoft/MS-SNSD: noisy1_SNRdb_0.0_clnsp1
    (r".*_(clnsp\d+)", r"\1"),
)
"""Noisy name -> clean name, without suffixes, where the two differ."""

UNKNOWN_SPEAKER = "unknown"

READER = r".*_(reader_\d+)_.*"
"""Who reads, in names of Microsoft's scripts that mix LibriVox."""


_SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(
    ("dev", "val", "eval"), "valid"
)


@dataclass(frozen=True)
class Collection:
    """How the paths of a published collection of recordings read.

    Attributes
    ----------
    name : str
        For messages.
    path : str
        Regular expression of the end of a path without its suffix, in any case.
        Its groups are what the other fields name, ``split`` (what a file was
        published for) and ``unwanted``, which is part of the paths of files
        that are something else, noisy speech for instance.
    source : str
        Who speaks, or the type of noise, from the groups.
    recording : str
        What files of one recording have in common; empty if each is one.
    versions : str
        What several files of a recording are; only the first by name is
        taken; empty if all are.
    splits : dict
        What ``split`` begins with -> split.
    by_recording : bool
        Recordings are in one split each, and types in several: the types are
        too few, or too mixed, to be held out.
    tables : bool
        Tables beside the files (TSV, columns client_id and path) say who
        speaks.
    root : bool
        The regular expression is of whole paths, and must match all of them.
    by_user : bool
        Whoever sorted files into these folders is the user, who may have
        reasons to have a speaker in two.
    """

    name: str
    path: str
    source: str
    recording: str = ""
    versions: str = ""
    splits: dict = field(default_factory=_SPLITS.copy)
    by_recording: bool = False
    tables: bool = False
    root: bool = False
    by_user: bool = False

    def read(self, path):
        """Return the `Reading` of a path, or None if it is another's."""
        stem = str(PurePosixPath(path).with_suffix(""))
        start = "" if self.root else "(?:.*?/)??"
        found = re.fullmatch(start + self.path, stem, re.IGNORECASE)
        if found is None:
            return None
        groups = {name: text or "" for name, text in found.groupdict().items()}
        published = groups.get("split", "").lower()
        return Reading(
            collection=self,
            source=one_word(self.source.format(**groups)),
            recording=self.recording.format(**groups) or path,
            split=next(
                (
                    split
                    for start, split in self.splits.items()
                    if published.startswith(start)
                ),
                None,
            ),
            wanted=not groups.get("unwanted"),
        )


class Reading(NamedTuple):
    """What the path of a file says.

    Attributes
    ----------
    collection : Collection
        Which one it belongs to; None for the general rules.
    source : str
        Who speaks, or the type of noise.
    recording : str
        Equal for files of one recording.
    split : str
        What it was published for, or None.
    wanted : bool
        Whether it is what the folder was named for.
    """

    collection: Collection
    source: str
    recording: str
    split: str = None
    wanted: bool = True


SPEECH = (
    Collection(  # Panayotov et al., ICASSP 2015; LibriTTS: Zen et al., 2019
        "LibriSpeech",
        r"(?:(?P<split>train|dev|test)-[a-z0-9-]+/)?(?P<speaker>\d+)"
        r"/(?P<chapter>\d+)/(?P=speaker)[-_](?P=chapter)[-_][\d_]+",
        source="{speaker}",
    ),
    Collection(  # Veaux et al., University of Edinburgh, 2016 and 2019
        "VCTK",
        r"(?P<speaker>[ps]\d+)/(?P<take>(?P=speaker)_\d+)(?:_mic\d)?",
        source="{speaker}",
        recording="{take}",
        versions="microphones",
    ),
    Collection(  # Garofolo et al., LDC93S1; some copies have SA1.WAV.wav, too
        "TIMIT",
        r"(?:(?P<split>train|test)/)?dr\d/(?P<speaker>[fm][a-z]{3}\d)"
        r"/(?P<take>s[aix]\d+)(?:\.wav)?",
        source="{speaker}",
        recording="{speaker}/{take}",
        versions="formats",
    ),
    Collection(
        "VoiceBank-DEMAND",
        r"(?:clean|(?P<unwanted>noisy))_(?P<split>train|test)set(?:_\d+spk)?"
        r"_wav(?:_16k)?/(?P<take>(?P<speaker>[ps]\d+)_\d+)",
        source="{speaker}",
        recording="{take}",
        versions="sample rates",
    ),
    Collection(
        "folders clean and noisy",
        r"(?:(?P<split>train|test)/)?(?:clean|(?P<unwanted>noisy|noise))"
        r"/(?P<speaker>[^/_-]+)[^/]*",
        source="{speaker}",
        by_user=True,
    ),
    Collection(  # Ardila et al., LREC 2020
        "Common Voice",
        r"(?P<clip>common_voice_[a-z-]+_\d+)",
        source="{clip}",
        tables=True,
    ),
    Collection(
        "folders train, valid and test",
        r"(?P<split>train|valid|val|dev|eval|test)"
        r"(?:ing|idation|uation|set|[-_][^/]*)?"
        r"/(?:(?P<folder>[^/]+)/.*|(?P<speaker>[^/_-]+)[^/]*)",
        source="{folder}{speaker}",
        root=True,
        by_user=True,
    ),
)
"""Collections of speech; the first that knows a path reads it."""

NOISE = (
    Collection(  # github.com/microsoft/MS-SNSD
        "MS-SNSD",
        r"noise_(?P<split>train|test)/(?:.*/)?(?P<type>[^/]+?)(?:_\d+)?",
        source="{type}",
    ),
    Collection(  # Thiemann et al., ICA 2013: 16 channels of an environment
        "DEMAND",
        r"(?P<type>[^/]+)/ch\d\d",
        source="{type}",
        recording="{type}",
        versions="channels",
    ),
    Collection(  # Piczak, ACM Multimedia 2015: fold, clip, take, class
        "ESC-50",
        r"[1-5]-(?P<clip>\d+)-[a-z]-(?P<type>\d+)",
        source="class_{type}",
        recording="{clip}",
    ),
    Collection(  # Snyder et al., arXiv 1510.08484
        "MUSAN",
        r"(?:(?P<type>noise|music)|(?P<unwanted>speech))-[a-z-]+-\d+",
        source="{type}",
        by_recording=True,
    ),
    Collection(  # Wichern et al., Interspeech 2019; named by its mixtures
        "WHAM",
        r"(?P<split>tr|cv|tt)/[a-z0-9]+_-?[\d.]+_[a-z0-9]+_-?[\d.]+",
        source="wham",
        splits={"tr": "train", "cv": "valid", "tt": "test"},
        by_recording=True,
    ),
)
"""Collections of noise; the first that knows a path reads it."""


def read_speech_path(path):
    """Return what the path of speech says, or None for the general rules.

    Arguments
    ---------
    path : str
        Relative to the folder of speech.

    Returns
    -------
    Reading or None
        Of a collection in `SPEECH` that may be anywhere below the folder.

    Example
    -------
    >>> read_speech_path("train-clean-100/19/198/19-198-0001.flac").source
    '19'
    """
    for collection in SPEECH:
        if not collection.root and (reading := collection.read(path)):
            return reading
    return None


def read_noise_path(path):
    """Return what the path of a noise says.

    Arguments
    ---------
    path : str
        Relative to the folder of noise.

    Returns
    -------
    Reading
        Of a collection in `NOISE`; else its type is the file name without the
        number at its end.

    Example
    -------
    >>> for path in ("DKITCHEN/ch01.wav", "esc/1-100032-A-0.wav", "Babble_12.wav"):
    ...     reading = read_noise_path(path)
    ...     print(reading.source, reading.recording)
    DKITCHEN DKITCHEN
    class_0 100032
    Babble Babble_12.wav
    """
    for collection in NOISE:
        if reading := collection.read(path):
            return reading
    kind = one_word(re.sub(r"_\d+$", "", PurePosixPath(path).stem))
    return Reading(None, kind, path)


def one_of_each(readings):
    """Keep the wanted files, and of each recording in several versions one.

    Arguments
    ---------
    readings : dict
        Path -> `Reading`, sorted by path.

    Returns
    -------
    kept : dict
        Those to use.
    notes : list of str
        What was left out, for the log.
    """
    kept, taken, versions = {}, set(), {}
    unwanted = [path for path in readings if not readings[path].wanted]
    for path, reading in readings.items():
        if not reading.wanted:
            continue
        collection = reading.collection
        if collection and collection.versions:
            recording = (collection.name, reading.recording)
            if recording in taken:
                versions.setdefault(collection.versions, []).append(path)
                continue
            taken.add(recording)
        kept[path] = reading
    notes = [
        f"left out: {counted(len(paths), 'file')} of other {name} of the same "
        f"recordings, {paths[0]} first"
        for name, paths in versions.items()
    ]
    if unwanted:
        notes.append(
            f"left out: {counted(len(unwanted), 'file')} of something else, "
            f"{unwanted[0]} first"
        )
    return kept, notes


def describe(readings, source, sources=None):
    """Say in which collections files were recognised.

    Arguments
    ---------
    readings : dict
        Path -> `Reading`.
    source : str
        What sounds: "speaker", for instance.
    sources : str, optional
        Several of them; by default with an s.

    Returns
    -------
    str

    Example
    -------
    >>> paths = ["DKITCHEN/ch01.wav", "hum.wav"]
    >>> describe({path: read_noise_path(path) for path in paths}, "type")
    'DEMAND: 1 type in 1 recording; other files: 1 type in 1 recording'
    """
    groups = {}
    for reading in readings.values():
        name = reading.collection.name if reading.collection else "other files"
        found, recordings = groups.setdefault(name, (set(), set()))
        found.add(reading.source)
        recordings.add(reading.recording)
    return "; ".join(
        f"{name}: {counted(len(found), source, sources)} in "
        f"{counted(len(recordings), 'recording')}"
        for name, (found, recordings) in groups.items()
    )


def one_word(text):
    """Return text composed (NFC), with underscores for blanks.

    Blanks separate columns of logs. Some systems store an accented letter as
    two characters, others as one.
    """
    return "_".join(composed(text).split())

"""Corpora of (clean, noisy) pairs: their folders, pairs and manifests.

A layout says where the files are, and the pairs follow from their names.
`prepare_corpus` reads every file once and writes three manifests (train, valid,
test) into the output folder, and nothing into the corpus.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.checks import Violation
from okd_brain.corpora.examination import examine_pairs
from okd_brain.corpora.manifests import make_dataset
from okd_brain.corpora.preparation import (
    manifest_paths,
    prepare_once,
    refuse_output_in,
    report_bad_files,
)
from okd_brain.corpora.splits import (
    choose_speakers,
    known_speakers,
    split_pairs,
)
from okd_brain.files import write_json
from okd_brain.messages import UserError, check_switch
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

RESAMPLED_FOLDER = "corpus_16k"


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
class FilePair:
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
        """Return the file name without its suffix."""
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


@dataclass(frozen=True)
class PreparedCorpus:
    """What `prepare_corpus` found and made.

    Attributes
    ----------
    layout : str
        Name of the corpus layout.
    data_root : str
        What ``{data_root}`` in the manifests stands for: the corpus, or its
        resampled copy in the output folder.
    manifests : dict
        "train", "valid" and "test" to the path of the manifest.
    valid_speakers : list of str
        Speakers of the validation set.
    utterances : dict
        "train", "valid" and "test" to the number of utterances.
    """

    layout: str
    data_root: str
    manifests: dict
    valid_speakers: list
    utterances: dict

    def datasets(self):
        """Return "train", "valid" and "test" to their datasets."""
        return {
            split: make_dataset(manifest, self.data_root)
            for split, manifest in self.manifests.items()
        }


def prepare_corpus(
    data_folder,
    output_folder,
    *,
    valid_speakers=None,
    choose=choose_speakers,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check a corpus and write its manifests.

    A second call with the same files and options re-uses the manifests. A corpus
    at 48 kHz is resampled once, to ``<output_folder>/corpus_16k``: a corpus
    itself, which later experiments may take as their ``data_folder``.

    Arguments
    ---------
    data_folder : str or Path
        Corpus in one of `LAYOUTS`; may be read-only.
    output_folder : str or Path
        Receives train.json, valid.json and test.json (sorted by name; their
        form: `okd_brain.corpora.manifests`), corpus.json (what they were made
        from) and, if there are any, bad_files.txt.
    valid_speakers : list of str, optional
        Training speakers to validate on; a speaker is the part of the file name
        before its first underscore.
    choose : callable
        Chooses them where none are named: gets the speaker of every training
        utterance and returns a list.
    skip_bad_files : bool
        Leave out, and log, the pairs that break a rule of
        `okd_brain.corpora.checks`, which otherwise are an error.
    n_jobs : int, optional
        Threads that read and resample; by default one per available CPU.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    PreparedCorpus

    Raises
    ------
    ValueError
        If the layout is unknown, files break a rule (all of them are named), an
        option is wrong, or a split is left without utterances.
    """
    check_switch("skip_bad_files", skip_bad_files)
    data_folder, output_folder = Path(data_folder), Path(output_folder)
    layout = _find_layout(data_folder)
    refuse_output_in(data_folder, output_folder, layout.folders())
    listing = _list_files(data_folder, layout)
    pairs, violations = _pair_up(data_folder, layout, listing)
    if valid_speakers is not None:
        there = [pair.speaker for pair in pairs if pair.split == "train"]
        valid_speakers = known_speakers(valid_speakers, there)
    data_root = data_folder
    if layout.sample_rate != SAMPLE_RATE:
        data_root = output_folder / RESAMPLED_FOLDER
    manifests = manifest_paths(output_folder)

    def make():
        good, found = examine_pairs(
            pairs,
            data_folder=data_folder,
            data_root=data_root,
            sample_rate=layout.sample_rate,
            n_jobs=n_jobs,
            progressbar=progressbar,
        )
        report_bad_files(violations + found, output_folder, skip_bad_files)
        chosen = valid_speakers
        if chosen is None:
            chosen = choose([p.speaker for p, _ in good if p.split == "train"])
        splits = split_pairs(good, chosen)
        for split, entries in splits.items():
            write_json(manifests[split], entries)
        return {
            "layout": layout.name,
            "valid_speakers": chosen,
            "utterances": {s: len(entries) for s, entries in splits.items()},
            "bad_files": len({v.file for v in violations + found}),
        }

    record = prepare_once(
        output_folder,
        [listing, valid_speakers, skip_bad_files],
        lambda _: {"data_root": data_root},
        make,
    )
    logger.info(
        "%s: utterances %s, validation speakers %s, bad files left out %d",
        layout.name,
        record["utterances"],
        record["valid_speakers"],
        record["bad_files"],
    )
    return PreparedCorpus(
        layout=layout.name,
        data_root=str(data_root),
        manifests=manifests,
        valid_speakers=record["valid_speakers"],
        utterances=record["utterances"],
    )


def _find_layout(data_folder):
    """Return the layout of a corpus, or say what each one is missing."""
    lines = []
    for layout in LAYOUTS:
        missing = [
            folder
            for folder in layout.folders()
            if not (data_folder / folder).is_dir()
        ]
        if not missing:
            return layout
        lines.append(f"  {layout.name}: missing {', '.join(missing)}")
    raise UserError(
        f"data_folder {data_folder} holds no corpus of a known layout; each "
        "needs all its four folders:\n" + "\n".join(lines)
    )


def _list_files(data_folder, layout):
    """Return {folder: {file name: [bytes, nanoseconds]}} of the WAV files, sorted.

    Hidden files do not belong to the corpus (macOS leaves ``._p226_001.wav``).
    """
    listing = {}
    for folder in layout.folders():
        with os.scandir(data_folder / folder) as entries:
            files = {
                entry.name: [entry.stat().st_size, entry.stat().st_mtime_ns]
                for entry in entries
                if entry.name.lower().endswith(".wav")
                and not entry.name.startswith(".")
                and entry.is_file()
            }
        listing[folder] = dict(sorted(files.items()))
    return listing


def _pair_up(data_folder, layout, listing):
    """Return the pairs, in an order that no file system decides, and violations.

    Training pairs come before test pairs, each sorted by name; a file without a
    partner is a violation.
    """
    pairs, violations = [], []
    for split in ("train", "test"):
        clean, noisy = (layout.folder(split, k) for k in ("clean", "noisy"))
        for name in sorted({*listing[clean], *listing[noisy]}):
            if name in listing[clean] and name in listing[noisy]:
                pair = FilePair(
                    split, name, f"{clean}/{name}", f"{noisy}/{name}"
                )
                pairs.append(pair)
                continue
            alone, lacking = clean, noisy
            if name in listing[noisy]:
                alone, lacking = noisy, clean
            rule = f"has no partner: {name} is not in {lacking}"
            path = os.path.join(data_folder, alone, name)
            violations.append(Violation(path, rule))
    return pairs, violations

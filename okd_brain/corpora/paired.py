"""Corpora of (clean, noisy) pairs: their folders, pairs and manifests.

A layout says where the files are, and the pairs follow from their names, in
sub-folders, too. `prepare_corpus` reads every file once and writes three
manifests (train, valid, test) into the output folder, and nothing into the
corpus.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from speechbrain.utils.logger import get_logger

from okd_brain.audio import printable
from okd_brain.corpora.checks import Violation
from okd_brain.corpora.examination import TWIN, examine_pairs
from okd_brain.corpora.layouts import (
    LAYOUTS,
    PARTNERS,
    READER,
    UNKNOWN_SPEAKER,
    read_speech_path,
)
from okd_brain.corpora.manifests import make_dataset, write_manifest
from okd_brain.corpora.preparation import (
    check_names,
    list_folder,
    manifest_paths,
    prepare_once,
    refuse_output_in,
    report_bad_files,
)
from okd_brain.corpora.splits import (
    choose_speakers,
    known_speakers,
    split_by_speaker,
    split_pairs,
)
from okd_brain.files import composed, short_name, walk_audio
from okd_brain.messages import UserError, check_switch, listed
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

RESAMPLED_FOLDER = "corpus_16k"


@dataclass(frozen=True)
class FilePair:
    """One utterance: a clean file and a noisy one.

    Attributes
    ----------
    split : str
        "train" or "test".
    utterance : str
        Its name: the noisy path without folder and suffix, sub-folders joined.
    speaker : str
        Who speaks.
    clean, noisy : str
        Paths relative to the corpus.
    """

    split: str
    utterance: str
    speaker: str
    clean: str
    noisy: str

    def resampled(self):
        """Return where a 16 kHz copy of the pair is kept: folders end in _16k."""
        clean, noisy = (
            f"{path.split('/')[0]}_16k/{self.utterance}.wav"
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
        Training speakers to validate on; a speaker is the first sub-folder, or
        the part of the file name before its first underscore. Where only one is
        known, the last twelfth of the files validates by default.
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
    listing = {
        folder: list_folder(data_folder / folder) for folder in layout.folders()
    }
    pairs, violations = _pair_up(data_folder, layout, listing)
    there = [pair.speaker for pair in pairs if pair.split == "train"]
    if valid_speakers is not None:
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
        if not layout.divided:
            good, chosen = _divide(good, valid_speakers)
        training = [p.speaker for p, _ in good if p.split == "train"]
        if chosen is None and len(set(training)) > 1:
            chosen = choose(training)
        splits = split_pairs(good, chosen)
        stamps = {
            f"{data_folder}/{folder}/{name}": stamp
            for folder, files in listing.items()
            for name, stamp in files.items()
        }
        for split, entries in splits.items():
            roots = {"data_root": data_root}
            write_manifest(manifests[split], entries, roots, stamps)
        return {
            "layout": layout.name,
            "valid_speakers": sorted(
                {entry["speaker"] for entry in splits["valid"].values()}
            ),
            "utterances": {s: len(entries) for s, entries in splits.items()},
            "speakers": {
                s: len({entry["speaker"] for entry in entries.values()})
                for s, entries in splits.items()
            },
            "hours": {
                s: sum(entry["duration"] for entry in entries.values()) / 3600
                for s, entries in splits.items()
            },
            "bad_files": len({v.file for v in violations + found}),
        }

    record = prepare_once(
        output_folder,
        [listing, valid_speakers, skip_bad_files],
        lambda _: {"data_root": data_root},
        make,
    )
    logger.info(
        "Pairs (%s): utterances %s, hours %s, speakers %s, validation speakers %s, bad "
        "files left out %d",
        layout.name,
        record["utterances"],
        {split: round(hours, 2) for split, hours in record["hours"].items()},
        record["speakers"],
        listed(record["valid_speakers"]),
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
    shown = printable(data_folder)
    if not data_folder.is_dir():
        what = "is not a folder" if data_folder.exists() else "does not exist"
        raise UserError(f"data_folder {shown} {what}")
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
    none = not any((data_folder / f).is_dir() for f in _all_folders())
    if none and walk_audio(data_folder):
        raise UserError(
            f"data_folder {shown} holds audio, but no folders of clean and "
            "noisy pairs. If it is clean speech, name the noise to mix it with "
            "(--noise_folder); pairs need one of the layouts of docs/train.md"
        )
    raise UserError(
        f"data_folder {shown} holds no corpus of a known layout; each needs all "
        "its folders:\n" + "\n".join(lines)
    )


def _all_folders():
    return {folder for layout in LAYOUTS for folder in layout.folders()}


def _pair_up(data_folder, layout, listing):
    """Return the pairs, in an order that no file system decides, and violations.

    Training pairs come before test pairs, each sorted by name; a file without a
    partner is a violation.
    """
    pairs, violations, names = {}, [], {}
    for folder, files in listing.items():
        names[folder], bad = _by_stem(data_folder / folder, files)
        violations += bad
    for split in ("train", "test") if layout.divided else ("train",):
        clean, noisy = (layout.folder(split, k) for k in ("clean", "noisy"))
        partners = {
            stem: _clean_stem(stem, names[clean]) for stem in names[noisy]
        }
        alone = [
            (names[clean][stem], clean, noisy)
            for stem in names[clean].keys() - set(partners.values())
        ]
        for stem in sorted(partners, key=names[noisy].get):
            if partners[stem] is None:
                alone.append((names[noisy][stem], noisy, clean))
                continue
            pair = FilePair(
                split,
                short_name(stem.replace("/", "_")),
                _speaker(stem, partners[stem]),
                f"{clean}/{names[clean][partners[stem]]}",
                f"{noisy}/{names[noisy][stem]}",
            )
            first = pairs.setdefault((split, pair.utterance), pair)
            if first is not pair:
                rule = f"has the same name as {first.noisy}: {pair.utterance}"
                path = str(data_folder / pair.noisy)
                violations.append(Violation(path, rule))
        for name, folder, lacking in sorted(alone):
            rule = f"has no partner: {name} is not in {lacking}"
            path = str(data_folder / folder / name)
            violations.append(Violation(path, rule))
    return list(pairs.values()), violations


def _by_stem(folder, files):
    """Return path without suffix -> path, and what cannot be told apart."""
    good, violations = check_names(folder, files)
    found = {}
    for name in good:
        stem = composed(str(PurePosixPath(name).with_suffix("")))
        first = found.setdefault(stem, name)
        if first != name:
            rule = f"has the same name as {first}, {TWIN}"
            violations.append(Violation(str(folder / name), rule))
    return found, violations


def _clean_stem(noisy, clean):
    """Return which of the clean files belongs to a noisy one, or None."""
    if noisy in clean:
        return noisy
    path = PurePosixPath(noisy)
    for pattern, partner in PARTNERS:
        if found := re.fullmatch(pattern, path.name):
            stem = str(path.with_name(found.expand(partner)))
            if stem in clean:
                return stem
    return None


def _speaker(noisy, clean):
    """Return who speaks in a pair, from its paths without suffixes."""
    folder, _, _ = noisy.partition("/")
    if "_reader_" in noisy and (reader := re.fullmatch(READER, noisy)):
        return reader[1]
    if noisy != clean:  # named by number
        return UNKNOWN_SPEAKER
    if folder == noisy:
        return noisy.split("_")[0]
    reading = read_speech_path(f"{noisy}.wav")
    return reading.source if reading else folder


def _divide(good, valid_speakers):
    """Return the pairs of an undivided corpus in splits; none is still to do."""
    splits = split_by_speaker(
        {pair.utterance: pair.speaker for pair, _ in good},
        valid_speakers=valid_speakers,
    )
    split_of = {
        utterance: split
        for split, utterances in splits.items()
        for utterance in utterances
    }
    divided = [
        (replace(pair, split=split_of[pair.utterance]), samples)
        for pair, samples in good
    ]
    return divided, []

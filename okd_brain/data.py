"""Corpora to manifests.

`prepare_corpus` looks at every file of a corpus once and writes three manifests
(train, valid, test) into the output folder, and nothing into the corpus.
`make_dataset` turns a manifest into a SpeechBrain dataset.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from speechbrain.dataio.dataio import load_data_json
from speechbrain.utils.logger import get_logger

from okd_brain import audio_checks
from okd_brain.examination import examine_pairs
from okd_brain.layouts import find_layout, list_files, pair_up
from okd_brain.manifests import make_dataset, write_json
from okd_brain.signals import SAMPLE_RATE
from okd_brain.splits import SPLITS, known_speakers, split_pairs

__all__ = ["PreparedCorpus", "make_dataset", "prepare_corpus"]

logger = get_logger(__name__)

RESAMPLED_FOLDER = "corpus_16k"


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


def prepare_corpus(
    data_folder,
    output_folder,
    *,
    valid_speakers=None,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check a corpus and write its manifests.

    A second call with the same files and options re-uses the manifests.  The
    original 48 kHz release is resampled once, to ``<output_folder>/corpus_16k``:
    a corpus itself, which later experiments may take as their ``data_folder``.

    Arguments
    ---------
    data_folder : str or Path
        Corpus in one of `okd_brain.layouts.LAYOUTS`; may be read-only.
    output_folder : str or Path
        Receives train.json, valid.json and test.json (sorted by name; their
        form: `okd_brain.manifests`), corpus.json (what they were made from)
        and, if there are any, bad_files.txt.
    valid_speakers : list of str, optional
        Training speakers to validate on; a speaker is the part of the file name
        before its first underscore.  Default:
        `okd_brain.splits.choose_speakers`.
    skip_bad_files : bool
        Leave out, and log, the pairs that break a rule of
        `okd_brain.audio_checks`, where the default is an error.
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
    if not isinstance(skip_bad_files, bool):
        raise ValueError(
            f"skip_bad_files is {skip_bad_files!r}, must be True or False; on "
            "the command line write --skip_bad_files True"
        )
    data_folder, output_folder = Path(data_folder), Path(output_folder)
    layout = find_layout(data_folder)
    _refuse_output_in_corpus(output_folder, data_folder, layout)
    listing = list_files(data_folder, layout)
    pairs, violations = pair_up(data_folder, layout, listing)
    if valid_speakers is not None:
        there = [pair.speaker for pair in pairs if pair.split == "train"]
        valid_speakers = known_speakers(valid_speakers, there)

    resampled_root = None
    if layout.sample_rate != SAMPLE_RATE:
        resampled_root = output_folder / RESAMPLED_FOLDER
    data_root = resampled_root or data_folder
    manifests = {s: str(output_folder / f"{s}.json") for s in SPLITS}
    record_path = output_folder / "corpus.json"
    fingerprint = _fingerprint(listing, valid_speakers, skip_bad_files)
    record = _current_record(
        record_path, fingerprint, manifests, resampled_root
    )
    if record:
        logger.info("Re-using the manifests in %s", output_folder)
    else:
        record_path.unlink(missing_ok=True)  # it vouches for the manifests
        output_folder.mkdir(parents=True, exist_ok=True)
        good, found = examine_pairs(
            pairs,
            data_folder=data_folder,
            data_root=data_root,
            sample_rate=layout.sample_rate,
            n_jobs=n_jobs,
            progressbar=progressbar,
        )
        violations += found
        _report(violations, output_folder / "bad_files.txt", skip_bad_files)
        splits, valid_speakers = split_pairs(good, valid_speakers)
        for split in SPLITS:
            write_json(manifests[split], splits[split])
        record = {
            "fingerprint": fingerprint,
            "layout": layout.name,
            "valid_speakers": valid_speakers,
            "utterances": {s: len(splits[s]) for s in SPLITS},
            "bad_files": len({v.file for v in violations}),
        }
        write_json(record_path, record)
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


def _refuse_output_in_corpus(output_folder, data_folder, layout):
    """Keep the promise that nothing is written into the corpus."""
    output = output_folder.resolve()
    audio = [(data_folder / folder).resolve() for folder in layout.folders()]
    if output == data_folder.resolve() or any(
        output.is_relative_to(folder) for folder in audio
    ):
        raise ValueError(
            f"output_folder {output_folder} lies in the corpus {data_folder}, "
            "into which nothing is written; name a folder outside of it"
        )


def _fingerprint(listing, valid_speakers, skip_bad_files):
    """Return a digest of all that the manifests depend on."""
    rules = (
        audio_checks.MIN_SECONDS,
        audio_checks.LENGTH_TOLERANCE_SECONDS,
        audio_checks.SILENCE_DBFS,
    )
    inputs = json.dumps([listing, valid_speakers, skip_bad_files, rules])
    return hashlib.sha256(inputs.encode()).hexdigest()


def _current_record(record_path, fingerprint, manifests, resampled_root):
    """Return the record of an earlier preparation if it still holds."""
    if not record_path.exists():
        return None
    record = json.loads(record_path.read_text(encoding="utf-8"))
    if record["fingerprint"] != fingerprint:
        return None
    files = list(manifests.values())
    if resampled_root and all(os.path.exists(file) for file in files):
        # The fingerprint covers the corpus, but not a copy of it.
        for manifest in manifests.values():
            entries = load_data_json(
                manifest, {"data_root": str(resampled_root)}
            )
            for entry in entries.values():
                files += [entry["clean_wav"], entry["noisy_wav"]]
    return record if all(os.path.exists(file) for file in files) else None


def _report(violations, full_list, skip_bad_files):
    """Raise an error, or log a warning, that names the bad files."""
    if not violations:
        full_list.unlink(missing_ok=True)  # of an earlier state of the corpus
        return
    if not skip_bad_files:
        raise ValueError(
            f"{audio_checks.summarise(violations, full_list)}\n"
            "Repair or remove them, or leave their pairs out with "
            "skip_bad_files=True (--skip_bad_files True)"
        )
    logger.warning(
        "skip_bad_files: left out. %s",
        audio_checks.summarise(violations, full_list, limit=len(violations)),
    )

"""Corpora to manifests.

`prepare_corpus` looks at every file of a corpus once and writes three manifests
(train, valid, test) into the output folder, and nothing into the corpus.
`make_dataset` turns a manifest into a SpeechBrain dataset.
"""

from dataclasses import dataclass
from pathlib import Path

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.examination import examine_pairs
from okd_brain.corpora.layouts import find_layout, list_files, pair_up
from okd_brain.corpora.manifests import make_dataset, write_json
from okd_brain.corpora.preparation import (
    check_switch,
    current_record,
    fingerprint,
    refuse_output_in,
    report_bad_files,
)
from okd_brain.corpora.splits import SPLITS, known_speakers, split_pairs
from okd_brain.signals import SAMPLE_RATE

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
        Corpus in one of `okd_brain.corpora.layouts.LAYOUTS`; may be read-only.
    output_folder : str or Path
        Receives train.json, valid.json and test.json (sorted by name; their
        form: `okd_brain.corpora.manifests`), corpus.json (what they were made from)
        and, if there are any, bad_files.txt.
    valid_speakers : list of str, optional
        Training speakers to validate on; a speaker is the part of the file name
        before its first underscore.  Default:
        `okd_brain.corpora.splits.choose_speakers`.
    skip_bad_files : bool
        Leave out, and log, the pairs that break a rule of
        `okd_brain.corpora.checks`, where the default is an error.
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
    layout = find_layout(data_folder)
    refuse_output_in(data_folder, output_folder, layout.folders())
    listing = list_files(data_folder, layout)
    pairs, violations = pair_up(data_folder, layout, listing)
    if valid_speakers is not None:
        there = [pair.speaker for pair in pairs if pair.split == "train"]
        valid_speakers = known_speakers(valid_speakers, there)

    data_root = data_folder
    if layout.sample_rate != SAMPLE_RATE:
        data_root = output_folder / RESAMPLED_FOLDER
    manifests = {s: str(output_folder / f"{s}.json") for s in SPLITS}
    record_path = output_folder / "corpus.json"
    digest = fingerprint(listing, valid_speakers, skip_bad_files)
    record = current_record(
        record_path, digest, manifests, lambda _: {"data_root": data_root}
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
        report_bad_files(
            violations, output_folder / "bad_files.txt", skip_bad_files
        )
        splits, valid_speakers = split_pairs(good, valid_speakers)
        for split in SPLITS:
            write_json(manifests[split], splits[split])
        record = {
            "fingerprint": digest,
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

"""Clean speech and noise to manifests of mixtures.

`prepare_mixture_corpus` looks at every file once and writes three manifests
(train, valid, test; their form: `okd_brain.corpora.mixtures`) into the output folder,
and nothing into the folders of speech and noise.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.audio_folders import list_audio
from okd_brain.corpora.examined_mixtures import examine_and_plan
from okd_brain.corpora.manifests import write_json
from okd_brain.corpora.mixing_plan import MixingPlan
from okd_brain.corpora.mixtures import make_mixture_dataset
from okd_brain.corpora.noise_sets import choose_noises, noise_files
from okd_brain.corpora.noise_splits import VALID_SHARE
from okd_brain.corpora.preparation import (
    check_switch,
    current_record,
    fingerprint,
    refuse_output_in,
    report_bad_files,
)
from okd_brain.corpora.speech import find_speech, refuse_noise
from okd_brain.corpora.splits import SPLITS
from okd_brain.corpora.written_mixtures import write_mixtures

logger = get_logger(__name__)

COPIES = {"data_root": "speech_16k", "noise_root": "noise_16k"}
WRITTEN = "mixtures"


@dataclass(frozen=True)
class MixtureCorpus:
    """What `prepare_mixture_corpus` found and made.

    Attributes
    ----------
    corpus : str
        Its name.
    data_root, noise_root : str
        What ``{data_root}`` and ``{noise_root}`` in the manifests stand for.
    manifests : dict
        "train", "valid" and "test" to the path of the manifest.
    mixtures : dict
        "train", "valid" and "test" to the number of mixtures.
    noises : dict
        "train", "valid" and "test" to the types of noise.
    loop_noise : bool
        Whether noise may be shorter than its speech.
    """

    corpus: str
    data_root: str
    noise_root: str
    manifests: dict
    mixtures: dict
    noises: dict
    loop_noise: bool

    def datasets(self):
        """Return "train", "valid" and "test" to the dataset of its mixtures."""
        return {
            split: make_mixture_dataset(
                manifest, self.data_root, self.noise_root, loop=self.loop_noise
            )
            for split, manifest in self.manifests.items()
        }


def prepare_mixture_corpus(
    data_folder,
    noise_folder,
    output_folder,
    *,
    plan=None,
    train_noises=None,
    valid_noises=None,
    test_noises=None,
    valid_talkers=None,
    test_talkers=None,
    written=False,
    skip_bad_files=False,
    find=find_speech,
    n_jobs=None,
    progressbar=True,
):
    """Check speech and noise and write the manifests of their mixtures.

    A second call with the same files and options re-uses the manifests.  What is
    not at 16 kHz is resampled once, into the output folder.

    Arguments
    ---------
    data_folder : str or Path
        Clean speech: Harvard sentences (`okd_brain.corpora.harvard`), or any folder
        (`okd_brain.corpora.talkers`); may be read-only.
    noise_folder : str or Path
        Noise (`okd_brain.corpora.noise_sets`); may be read-only.
    output_folder : str or Path
        Receives train.json, valid.json and test.json, corpus.json (what they
        were made from) and, if there are any, bad_files.txt.
    plan : MixingPlan, optional
        Ratios, offsets and numbers of mixtures.
    train_noises, valid_noises, test_noises : list of str, optional
        Types of noise; default: `okd_brain.corpora.noise_sets.choose_noises`.
    valid_talkers, test_talkers : list of str, optional
        Who validates and tests; default: `okd_brain.corpora.talkers.split_by_talker`.
        Not for Harvard sentences, which are divided by number.
    written : bool
        Write all mixtures as well (`okd_brain.corpora.written_mixtures`); the manifests
        then name these files.
    skip_bad_files : bool
        Leave out, and log, files that break a rule, where the default is an
        error.
    find : callable
        `okd_brain.corpora.speech.find_speech`, or ``find_talkers``, which takes no
        folder for Harvard sentences.
    n_jobs : int, optional
        Threads that read and resample; by default one per available CPU.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    MixtureCorpus

    Raises
    ------
    ValueError
        If files break a rule (all of them are named), an option is wrong, or a
        split is left without speech or noise.
    """
    check_switch("write_mixtures", written)
    check_switch("skip_bad_files", skip_bad_files)
    plan = MixingPlan() if plan is None else plan
    folders = {"data_root": Path(data_folder), "noise_root": Path(noise_folder)}
    output_folder = Path(output_folder)
    for folder in folders.values():
        refuse_output_in(folder, output_folder, [""])
    speech, noise = (list_audio(folder) for folder in folders.values())
    noise = noise_files(noise)
    corpus, utterances, violations = find(
        folders["data_root"],
        speech,
        valid_talkers=valid_talkers,
        test_talkers=test_talkers,
    )
    refuse_noise(utterances, noise, **folders)
    noises = choose_noises(
        folders["noise_root"],
        noise,
        train_noises=train_noises,
        valid_noises=valid_noises,
        test_noises=test_noises,
    )
    manifests = {s: str(output_folder / f"{s}.json") for s in SPLITS}
    record_path = output_folder / "corpus.json"
    digest = fingerprint(
        speech,
        noise,
        [tuple(utterance) for utterance in utterances],
        noises,
        asdict(plan),
        written,
        skip_bad_files,
        VALID_SHARE,
    )

    def roots_of(record):
        return {
            name: output_folder / record["roots"][name]
            if record["roots"][name]
            else folder
            for name, folder in folders.items()
        }

    record = current_record(record_path, digest, manifests, roots_of)
    if record:
        logger.info("Re-using the manifests in %s", output_folder)
    else:
        record_path.unlink(missing_ok=True)  # it vouches for the manifests
        output_folder.mkdir(parents=True, exist_ok=True)
        entries, roots, found = examine_and_plan(
            folders,
            {name: output_folder / copy for name, copy in COPIES.items()},
            utterances,
            noises,
            plan,
            n_jobs=n_jobs,
            progressbar=progressbar,
        )
        violations += found
        report_bad_files(
            violations, output_folder / "bad_files.txt", skip_bad_files
        )
        _refuse_empty(entries, folders)
        for split in SPLITS:
            write_json(manifests[split], entries[split])
        if written:
            write_mixtures(
                manifests,
                roots,
                output_folder / WRITTEN,
                loop=plan.loop_noise,
            )
            roots = dict.fromkeys(roots, output_folder / WRITTEN)
        record = {
            "fingerprint": digest,
            "roots": {
                name: None if root == folders[name] else root.name
                for name, root in roots.items()
            },
            "mixtures": {s: len(entries[s]) for s in SPLITS},
            "noises": {
                s: sorted({entry["noise"] for entry in entries[s].values()})
                for s in SPLITS
            },
            "talkers": {
                s: sorted({entry["speaker"] for entry in entries[s].values()})
                for s in SPLITS
            },
            "bad_files": len({v.file for v in violations}),
        }
        write_json(record_path, record)
    logger.info(
        "%s: mixtures %s, noises %s, talkers %s, bad files left out %d (also in "
        "%s)",
        corpus,
        record["mixtures"],
        record["noises"],
        record["talkers"],
        record["bad_files"],
        record_path,
    )
    roots = roots_of(record)
    return MixtureCorpus(
        corpus=corpus,
        data_root=str(roots["data_root"]),
        noise_root=str(roots["noise_root"]),
        manifests=manifests,
        mixtures=record["mixtures"],
        noises=record["noises"],
        loop_noise=plan.loop_noise,
    )


def _refuse_empty(entries, folders):
    """Raise an error if a split has nothing to mix."""
    empty = [split for split in SPLITS if not entries[split]]
    if empty:
        raise ValueError(
            f"no mixture is left for {' and '.join(empty)}: too few files of "
            f"{folders['data_root']} and {folders['noise_root']} are good"
        )

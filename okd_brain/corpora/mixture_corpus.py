"""Clean speech and noise to manifests of mixtures.

`prepare_mixture_corpus` reads every file once and writes three manifests (train,
valid, test; their form: `okd_brain.corpora.mixtures`) into the output folder, and
nothing into the folders of speech and noise.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.examination import examine_files
from okd_brain.corpora.manifests import write_manifest
from okd_brain.corpora.mixing_plan import check_mixing, plan_mixtures
from okd_brain.corpora.mixtures import make_mixture_dataset, write_mixtures
from okd_brain.corpora.noise_sets import (
    VALID_SHARE,
    choose_noises,
    divide_noises,
    noise_files,
)
from okd_brain.corpora.preparation import (
    check_names,
    list_audio,
    manifest_paths,
    prepare_once,
    refuse_output_in,
    report_bad_files,
)
from okd_brain.corpora.speech import (
    check_speech,
    find_utterances,
    refuse_noise,
)
from okd_brain.corpora.splits import SPLITS
from okd_brain.messages import UserError, check_switch, listed

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
    mixing,
    *,
    valid_speakers=None,
    find=find_utterances,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check speech and noise and write the manifests of their mixtures.

    No stretch of noise, and no speaker where speech is divided by speaker, is in
    two splits. A second call with the same files and options re-uses the
    manifests. What is not at 16 kHz is resampled once, into the output folder.

    Arguments
    ---------
    data_folder : str or Path
        Clean speech; may be read-only.
    noise_folder : str or Path
        Noise (`okd_brain.corpora.noise_sets`); may be read-only.
    output_folder : str or Path
        Receives train.json, valid.json and test.json, corpus.json (what they
        were made from) and, if there are any, bad_files.txt.
    mixing : MixingPlan
        What is mixed, and how.
    valid_speakers : list of str, optional
        Speakers that validate; default: those that ``find`` chooses.
    find : callable
        Says which file is which utterance of whom in which split: a function
        with the arguments and results of
        `okd_brain.corpora.speech.find_utterances`.
    skip_bad_files : bool
        Leave out, and log, files that break a rule, which otherwise are an
        error.
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
        If a folder is missing, files break a rule (all of them are named), an
        option is wrong, or a split is left without speech or noise.
    """
    if data_folder is None or noise_folder is None:
        raise UserError(
            f"data_folder is {data_folder} and noise_folder is {noise_folder}: "
            "name both, a folder of clean speech and one of noise to mix it "
            "with, or neither for the mini corpus"
        )
    check_mixing(mixing, noise_folder)
    check_switch("skip_bad_files", skip_bad_files)
    folders = {"data_root": Path(data_folder), "noise_root": Path(noise_folder)}
    output_folder = Path(output_folder)
    for folder in folders.values():
        refuse_output_in(folder, output_folder)
    speech, noise, violations = _list(folders, output_folder)
    corpus, utterances, bad = find(
        folders["data_root"],
        speech,
        valid_speakers=valid_speakers,
        test_speakers=mixing.test_speakers,
    )
    violations += bad
    refuse_noise(utterances, noise, **folders)
    noises = choose_noises(
        folders["noise_root"],
        noise,
        train_noises=mixing.train_noises,
        valid_noises=mixing.valid_noises,
        test_noises=mixing.test_noises,
    )
    manifests = manifest_paths(output_folder)

    def make():
        entries, roots, hours, found = _examine_and_plan(
            folders,
            {name: output_folder / copy for name, copy in COPIES.items()},
            utterances,
            noises,
            mixing,
            n_jobs=n_jobs,
            progressbar=progressbar,
        )
        report_bad_files(violations + found, output_folder, skip_bad_files)
        empty = [split for split in SPLITS if not entries[split]]
        if empty:
            raise UserError(
                f"no mixture is left for {' and '.join(empty)}: too few files "
                f"of {' and '.join(map(str, folders.values()))} are good"
            )
        listed_files = {
            f"{folders[name]}/{path}": stamp
            for name, listing in (("data_root", speech), ("noise_root", noise))
            for path, stamp in listing.items()
        }
        for split in SPLITS:
            write_manifest(
                manifests[split], entries[split], roots, listed_files
            )
        if mixing.write_mixtures:
            written = output_folder / WRITTEN
            write_mixtures(manifests, roots, written, loop=mixing.loop_noise)
            roots = dict.fromkeys(roots, written)

        def distinct(field):
            return {
                split: sorted(
                    {entry[field] for entry in entries[split].values()}
                )
                for split in SPLITS
            }

        return {
            "roots": {
                name: None if root == folders[name] else root.name
                for name, root in roots.items()
            },
            "mixtures": {split: len(entries[split]) for split in SPLITS},
            "noises": distinct("noise"),
            "talkers": distinct("speaker"),
            "hours": hours,
            "bad_files": len({v.file for v in violations + found}),
        }

    def roots_of(record):
        return {
            name: output_folder / root if root else folders[name]
            for name, root in record["roots"].items()
        }

    record = prepare_once(
        output_folder,
        [
            speech,
            noise,
            utterances,
            noises,
            asdict(mixing),
            skip_bad_files,
            VALID_SHARE,
        ],
        roots_of,
        make,
    )
    logger.info(
        "%s: mixtures %s, noises %s, speakers %s, %.2f hours of speech and %.2f "
        "of noise, bad files left out %d (all names: %s)",
        corpus,
        record["mixtures"],
        *(
            {split: listed(names) for split, names in record[key].items()}
            for key in ("noises", "talkers")
        ),
        *record["hours"].values(),
        record["bad_files"],
        output_folder / "corpus.json",
    )
    roots = {name: str(root) for name, root in roots_of(record).items()}
    return MixtureCorpus(
        corpus=corpus,
        **roots,
        manifests=manifests,
        mixtures=record["mixtures"],
        noises=record["noises"],
        loop_noise=mixing.loop_noise,
    )


def _list(folders, output_folder):
    """Return the files of speech and of noise, and those that have no name."""
    found, violations = [], []
    for folder in folders.values():
        good, bad = check_names(folder, list_audio(folder))
        violations += bad
        if not good:
            report_bad_files(bad, output_folder, skip_bad_files=False)
        found.append(good)
    speech, noise = found
    return speech, noise_files(folders["noise_root"], noise), violations


def _examine_and_plan(
    folders, copy_folders, utterances, noises, mixing, **examining
):
    """Return the mixtures of all good files, where these are, hours, violations.

    The mixtures are the contents of the manifests by split; where the 16 kHz
    files are is "data_root" and "noise_root" to a folder; hours are those of good
    speech and noise.
    """
    wanted = {
        "data_root": [utterance.path for utterance in utterances],
        "noise_root": [
            path
            for types in noises.values()
            for paths in types.values()
            for path in paths
        ],
    }
    roots, good, hours, violations = {}, {}, {}, []
    for name, paths in wanted.items():
        roots[name], good[name], bad = examine_files(
            paths,
            folder=folders[name],
            copy_folder=copy_folders[name],
            average=name == "noise_root",
            **examining,
        )
        hours[name] = sum(r.seconds for r in good[name].values()) / 3600
        violations += bad
    spoken, bad = check_speech(
        folders["data_root"], utterances, good["data_root"]
    )
    violations += bad
    longest = {
        split: max((recording.samples for _, recording in pairs), default=0)
        for split, pairs in spoken.items()
    }
    sources, bad = divide_noises(
        folders["noise_root"],
        noises,
        good["noise_root"],
        longest,
        loop=mixing.loop_noise,
    )
    violations += bad
    entries = {}
    for split, pairs in spoken.items():
        entries[split], bad = plan_mixtures(
            mixing, split, pairs, sources[split], roots["noise_root"]
        )
        violations += bad
    return entries, roots, hours, violations

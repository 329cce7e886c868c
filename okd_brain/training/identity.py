"""Whose run an output folder holds, so that no other one goes on in it.

What defines a run is recorded in ``run.json`` when it begins: the options of
its experiment, its networks, the definitions of its metrics, and its corpus.
Whoever asks for something else in the same folder is refused, and what is in it
stays as it was; with ``overwrite``, the old run moves aside.

A folder without a checkpoint holds nothing that could go on, and counts as
empty. Of a run that an earlier version began without a record, networks and
corpus are known from what it left.
"""

import contextlib
import hashlib
import json
from pathlib import Path

from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger

from okd_brain import __version__
from okd_brain.config import differing
from okd_brain.files import (
    cut_line,
    flush,
    remove_partial,
    replacing,
    write_json,
)
from okd_brain.messages import UserError
from okd_brain.survival import disown, is_in_use, own
from okd_brain.training.networks import plan_networks

logger = get_logger(__name__)

RECORD = "run.json"
SPLITS = ("train", "valid", "test")
CORPUS_FILES = (*(f"{split}.json" for split in SPLITS), "corpus.json")
FOLDERS = ("data_folder", "noise_folder")
# Made of other keys.
WIRING = ("__set_seed", "curriculum", "epoch_counter", "checkpointer")
MAY_CHANGE = (
    *("output_folder", "save_folder", "train_log", "score_cache", "overwrite"),
    *("schedule", "number_of_epochs", "valid_interval", "checkpoints_to_keep"),
    *("ckpt_interval_minutes", "precision", "n_jobs", "num_workers"),
    *("train_dataloader_opts", "valid_dataloader_opts", "test_dataloader_opts"),
    *("report_metrics", "fidelity_utterances", "use_tensorboard", "samples"),
    "skip_bad_files",
    *("tensorboard_train_logger", "train_logger", "use_wandb"),
)
"""Options that a run may go on with whatever they were before, as all of
SpeechBrain's that are no keys of the YAML. Of ``schedule``, what it sets counts;
of ``data_folder`` and ``noise_folder``, what is in them."""


class RunFolder:
    """The output folder of an experiment.

    Arguments
    ---------
    experiment : Experiment
        What is to run in it.
    """

    def __init__(self, experiment):
        keys = ("output_folder", "save_folder", "overwrite", *FOLDERS)
        output, saved, overwrite, *folders = experiment.resolved(*keys)
        self.folder, self.saved = Path(output), Path(saved)
        self.overwrite = overwrite
        run_opts = experiment.run_opts
        self.is_recorded = not run_opts.debug or run_opts.debug_persistently
        options = experiment.options()
        for key in (*MAY_CHANGE, *WIRING, *_of_speechbrain_alone(experiment)):
            options.pop(key, None)
        for key, folder in zip(FOLDERS, folders, strict=True):
            options[key] = str(Path(folder).resolve()) if folder else "null"
        self.asked = {"okd": __version__, "options": options}

    @main_process_only
    def claim(self):
        """Own the folder; refuse, or move aside, a run with other options.

        Raises
        ------
        UserError
            Naming each option with both values, and what to do; or naming the
            process that writes to the folder.
        """
        own(self.folder)
        remove_partial(self.folder, spare=_is_a_run)
        there = self._there()
        if there is not None and "options" in there:
            asked = self.asked["options"]
            for key in FOLDERS:
                was = there["options"].get(key, "null")
                # A corpus may move; what is in it is compared when prepared.
                if "null" not in (was, asked[key]) and not Path(was).exists():
                    there["options"][key] = asked[key]
            self._settle(there, "options")

    @main_process_only
    def prepare(self, prepare, hparams):
        """Prepare the corpus, and record the run, which then is known.

        SpeechBrain has written ``hyperparams.yaml``, which is flushed to disk.

        Arguments
        ---------
        prepare : callable
            Of the recipe; called with ``hparams``.
        hparams : dict
            The experiment, loaded.

        Returns
        -------
        object or None
            The corpus; None if an old run has moved aside, so that all has to
            begin again.

        Raises
        ------
        UserError
            As for ``claim``. The manifests of the old run are as they were.
        """
        targets, _, judges = plan_networks(hparams)
        self.asked["metrics"] = _definitions(targets)
        modules = sorted([*judges, *(target.module for target in targets)])
        self.asked["networks"] = {"networks": f"[{', '.join(modules)}]"}
        there = self._there()
        if there is None:
            corpus = prepare(hparams)
            self.asked["corpus"] = describe_corpus(self.folder)
        else:
            if self._settle(there, "networks", "metrics"):
                return None
            before = _contents(self.folder)
            try:
                corpus = prepare(hparams)
            except BaseException:  # Ctrl-C included; raised again
                _restore(self.folder, before)
                raise
            self.asked["corpus"] = describe_corpus(self.folder)
            if self._differing(there, "corpus"):
                _restore(self.folder, before)
                self._settle(there, "corpus")
                return None
        with contextlib.suppress(FileNotFoundError):  # SpeechBrain writes it
            flush(self.folder / "hyperparams.yaml")
        if self.is_recorded and (there is None or "options" not in there):
            write_json(self.folder / RECORD, self.asked)
        return corpus

    def _there(self):
        """Return what is known of the run in the folder, None without one."""
        checkpoints = sorted(self.saved.glob("CKPT+*"))
        if not checkpoints:
            return None
        record = self.folder / RECORD
        if record.is_file():
            try:
                there = json.loads(record.read_text("utf-8"))
                return {**there, "options": dict(there["options"])}
            except (ValueError, LookupError, TypeError) as error:
                raise UserError(
                    f"{record} is damaged ({cut_line(error)}). Restore it; or "
                    "remove it, and the run is known by its networks and its "
                    "corpus alone."
                ) from error
        files = checkpoints[-1].glob("*.ckpt")
        modules = [f.stem for f in files if f.stem.split("_")[0] in ("d", "g")]
        there = {"networks": {"networks": f"[{', '.join(sorted(modules))}]"}}
        if all((self.folder / file).is_file() for file in CORPUS_FILES[:3]):
            there["corpus"] = describe_corpus(self.folder)
        return there

    def _differing(self, there, *sections):
        """Return what differs: key -> (there, asked for).

        A key that only one of them knows came or went with a version of okd,
        or is an object that another key refers to.
        """
        found = {}
        for section in sections:
            was, now = there.get(section, {}), self.asked[section]
            common = was.keys() & now.keys()
            found |= differing(
                {key: was[key] for key in was if key in common},
                {key: now[key] for key in now if key in common},
            )
        return found

    def _settle(self, there, *sections):
        """Refuse a run that differs; tell whether one has moved aside."""
        found = self._differing(there, *sections)
        if not found:
            return False
        aside = _free(self.folder)
        if not self.overwrite:
            named = [
                f"{key} is {was} there, but {now} is asked for"
                for key, (was, now) in found.items()
            ]
            old = [f"--{key} {found[key][0]!r}" for key in found]
            back = ", ".join(old) if "options" in sections else "what it had"
            raise UserError(
                f"{self.folder} holds another run: {'; '.join(named)}. Name "
                f"another --output_folder, or go on with {back}, or add "
                f"--overwrite True, which moves the old run to {aside}."
            )
        if not self.saved.resolve().is_relative_to(self.folder.resolve()):
            self.saved.rename(_free(self.saved))
        disown(self.folder)
        self.folder.rename(aside)
        flush(self.folder.parent)
        logger.warning("The old run in %s is now %s.", self.folder, aside)
        return True


def _is_a_run(folder):
    return (folder / RECORD).exists() or is_in_use(folder)


def describe_corpus(folder):
    """Return what identifies a corpus: the utterances and their lengths.

    Where it lies does not count, nor who speaks.

    Arguments
    ---------
    folder : Path
        With the manifests train.json, valid.json and test.json.

    Returns
    -------
    dict
        "train", "valid" and "test" to number, hours and a digest, as text.
    """
    described = {}
    for split in SPLITS:
        text = (folder / f"{split}.json").read_text("utf-8", "surrogateescape")
        entries = json.loads(text)
        lengths = sorted((key, e["length"]) for key, e in entries.items())
        digest = hashlib.sha256(json.dumps(lengths).encode()).hexdigest()
        hours = sum(entry["duration"] for entry in entries.values()) / 3600
        described[split] = (
            f"{len(entries)} utterances of {hours:.2f} h ({digest[:12]})"
        )
    return described


def _of_speechbrain_alone(experiment):
    """Return run options of the command line that are no keys of the YAML."""
    keys = experiment.run_opts.overridden_args
    return [
        key
        for key, value in zip(keys, experiment.resolved(*keys), strict=True)
        if value is None
    ]


def _definitions(targets):
    """Return metric -> how it scores and is turned into a label, as text."""
    metrics = {m.name: m for target in targets for m in target.metrics}
    return {
        name: ", ".join(
            [
                f"version {metric.version or 'unknown'}",
                f"{metric.floor} to {metric.perfect}",
                f"label {_name(metric.curve) if metric.curve else 'linear'}",
                f"clean {metric.clean_label}",
            ]
        )
        for name, metric in metrics.items()
    }


def _name(curve):
    """Return a curve as text that is the same in every process."""
    if hasattr(curve, "__qualname__"):
        return f"{curve.__module__}.{curve.__qualname__}"
    text = repr(curve)
    return type(curve).__qualname__ if " at 0x" in text else text


def _contents(folder):
    """Return the files of a corpus that exist, name -> bytes."""
    paths = [folder / name for name in CORPUS_FILES]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _restore(folder, contents):
    for name in CORPUS_FILES:
        (folder / name).unlink(missing_ok=True)
    for name, content in contents.items():
        with replacing(folder / name) as partial:
            partial.write_bytes(content)


def _free(folder):
    """Return the first of FOLDER.old-1, FOLDER.old-2, ... that is not there."""
    number = 1
    while (path := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    return path

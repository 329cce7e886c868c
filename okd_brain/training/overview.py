"""What a run is going to do, and what that will cost: one screen at its start.

Seconds are measured on one training utterance of average length, with the
experiment's own networks, metrics and device. That leaves weights, gradients,
random numbers and the replay as they were.
"""

import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from speechbrain.core import Stage
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger

from okd_brain.distributed import world_size
from okd_brain.files import size_text
from okd_brain.messages import UserError, counted, duration
from okd_brain.metrics import METRICS, resolve_metrics
from okd_brain.scoring import Scorer
from okd_brain.training.phases import Excerpt, ExcerptReader
from okd_brain.training.progress import planned_epochs

logger = get_logger(__name__)

FAST_SCHEDULE = "schedules/fast.yaml"
FEW_UTTERANCES = 1000  # of distinct clean speech; the paper's corpora have more
MANY_EPOCHS = 100  # the paper's schedules have 500 and 750
FEW_STEPS = 100  # are done before an estimate of them would be
BYTES_PER_SAMPLE = 4  # float WAV
BYTES_PER_WEIGHT = 4  # float32; Adam keeps two moments of each as well
VARIANTS = 22  # of an utterance whose fidelity is measured
UPDATES = {"warmup": "warm-up", "generator": "generators", "D": "discriminator"}


@main_process_only
def announce(brain, datasets, *, corpus):
    """Log what the run has and does, and what it will take.

    Arguments
    ---------
    brain : OKDBrain
        Before ``fit``; unchanged afterwards.
    datasets : dict
        "train", "valid" and "test" to a dataset.
    corpus : str
        Its name.

    Raises
    ------
    UserError
        If a metric of the user's own has no score of a training utterance.
    """
    _try_own_metrics(brain, datasets["train"])
    train = datasets["train"].data
    plan = Plan(brain, len(train))
    folder = str(brain.artifacts_folder)
    if brain.debug and not brain.debug_persistently:
        folder += ", removed at the end (--debug_persistently keeps it)"
    lines = {"folder": [folder], "corpus": [corpus]}
    lines["corpus"] += [
        _describe_split(split, dataset.data)
        for split, dataset in datasets.items()
    ]
    lines["generators"] = [
        f"{len(brain.targets)}, for {', '.join(t.name for t in brain.targets)}: "
        f"{_describe_network(brain.generator(brain.targets[0]))} each"
    ]
    lines["discriminators"] = [
        f"{name}, for {', '.join(head.name for head in heads)}: "
        f"{_describe_network(brain.modules[name])}"
        for name, heads in brain.discriminator_heads.items()
    ]
    lines["stages"] = [
        f"{stage}: {_at_most(brain, stage)}{counted(epochs, 'epoch')}, "
        f"{counted(steps, 'step')}"
        for stage, (epochs, steps) in plan.stages.items()
    ] or ["all epochs are done"]
    if not brain.debug and sum(plan.updates.values()) >= FEW_STEPS:
        costs = Costs(brain, datasets["train"])
        seconds = plan.seconds(costs, len(datasets["valid"]))
        lines["measured"] = [
            f"{UPDATES[name]} {value:.3g} s per step"
            for name, value in costs.updates.items()
        ]
        lines["measured"] += [
            f"scoring {costs.learnt:.3g} s per utterance in training, "
            f"{costs.reported:.3g} s in validation, on {brain.device}, "
            f"{counted(brain.board.scorer.n_jobs, 'process', 'processes')} "
            "to score"
        ]
        lines["time"] = [f"about {duration(seconds)}, without the test"]
    needs = Needs(brain, plan, train)
    lines["disk"] = [needs.describe()]
    advice = _advise(brain.hparams, train)
    if advice:
        lines["schedule"] = [advice]
    logger.info("This run\n%s\n", _table(lines))
    if needs.missing > 0:
        logger.warning(
            "The disk of %s has %s less than this run still needs. It will end "
            "with an error when the disk is full, and go on when there is room; "
            "--max_history bounds the replay, --checkpoints_to_keep the rest.",
            *(needs.folder, size_text(needs.missing)),
        )


def _at_most(brain, stage):
    """Return what precedes the length of a stage that may end by itself."""
    ends = {
        "warmup": brain.curriculum.plateau,
        "discriminator": brain.curriculum.gate,
    }
    return "at most " if ends.get(stage) is not None else ""


class Plan:
    """What is left to do, counted.

    Arguments
    ---------
    brain : OKDBrain
        Knows its phases, and the checkpoint that it goes on from.
    utterances : int
        Of the training set.

    Attributes
    ----------
    stages : dict
        Name of a stage -> (epochs, steps of this process).
    updates : dict
        "warmup", "generator" and "D" -> steps of this process.
    drawn : int
        Utterances to enhance and score in training, of all processes.
    validations, measurements : int
        How many, of generators and of the fidelity of surrogates.
    stored : int
        Waves in the replay at the end, of all processes.
    """

    def __init__(self, brain, utterances):
        curriculum = brain.curriculum
        saved = brain.checkpointer.list_checkpoints()
        done = max((c.meta.get("epoch", 0) for c in saved), default=0)
        self.stages, self.updates = {}, dict.fromkeys(UPDATES, 0)
        self.drawn = self.validations = self.measurements = self.stored = 0
        for epoch, phases, drawn, stored in planned_epochs(brain, utterances):
            self.stored = stored
            if epoch > done:
                stage = curriculum.stage_of(epoch)
                steps = _steps(brain, phases)
                for name, count in steps.items():
                    self.updates[name] += count
                epochs, before = self.stages.get(stage, (0, 0))
                total = before + sum(steps.values())
                self.stages[stage] = (epochs + 1, total)
                self.drawn += drawn
                self.validations += curriculum.is_validated(epoch)
                self.measurements += (
                    brain.has_surrogates and curriculum.is_measured(epoch)
                )

    def seconds(self, costs, validated):
        """Return how long that takes.

        Arguments
        ---------
        costs : Costs
            Of one step, and one utterance.
        validated : int
            Utterances of a validation.

        Returns
        -------
        float
        """
        training = sum(
            count * costs.updates.get(name, 0)
            for name, count in self.updates.items()
        )
        current = self.drawn * (costs.enhancing + costs.learnt)
        valid = validated * costs.systems * (costs.enhancing + costs.reported)
        fidelity = costs.systems * costs.fidelity
        return (
            training
            + current
            + self.validations * valid
            + self.measurements * fidelity
        )


class Costs:
    """Seconds of one step of each kind, and of one utterance, measured.

    Arguments
    ---------
    brain : OKDBrain
        Unchanged afterwards.
    dataset : DynamicItemDataset
        The training set.

    Attributes
    ----------
    updates : dict
        "warmup", "generator" and "D", where there are any -> seconds per step.
    enhancing, learnt, reported : float
        Seconds per utterance: one generator; all metrics that are learnt; these
        and those that are reported. Processes share the work.
    systems : int
        How many generators a validation scores.
    fidelity : float
        Seconds that the edits of one generator's outputs take.
    """

    def __init__(self, brain, dataset):
        item = _average_item(brain, dataset)
        curriculum = brain.curriculum
        one = PaddedBatch([item]).to(brain.device)
        share = max(1, curriculum.batch_size // world_size())
        supervised = max(1, curriculum.warmup_batch_size // world_size())
        phases = {
            name: size
            for name, size, has_any in (
                ("generator", share, curriculum.number_of_epochs),
                ("D", share, brain.heads),
                ("warmup", supervised, curriculum.warmup_epochs),
            )
            if has_any
        }
        with _unchanged(brain):
            self.updates = {
                name: _time(brain, _step, brain, name, [item] * size)
                for name, size in phases.items()
            }
            with torch.no_grad():
                first = brain.generator(brain.targets[0])
                enhance = brain.task.enhance
                self.enhancing = (
                    _time(brain, enhance, first, one) / world_size()
                )
        wave = brain.task.unprocessed_wave(one)
        pairs = brain.task.scored_pairs(wave, one)
        shared = brain.board.scorer.n_jobs * world_size()
        learnt = list({m.name: m for m in brain.learnt}.values())
        reported = resolve_metrics(brain.hparams.report_metrics)
        every = list({m.name: m for m in [*learnt, *reported]}.values())
        self.learnt, self.reported = (
            _time(brain, _score, metrics, brain.task.sample_rate, pairs)
            / shared
            for metrics in (learnt, every)
        )
        self.systems = len(brain.targets)
        edited = curriculum.fidelity_utterances * VARIANTS
        self.fidelity = edited * (self.enhancing + self.learnt)


def _try_own_metrics(brain, dataset):
    """Refuse a metric of the user's own that fails, before hours of warm-up."""
    every = brain.board.scorer.metrics
    own = [m for m in every if METRICS.get(m.name) is not m]
    if not own:
        return
    item = _average_item(brain, dataset)
    one = PaddedBatch([item]).to(brain.device)
    pairs = brain.task.scored_pairs(brain.task.unprocessed_wave(one), one)
    with Scorer(own, sample_rate=brain.task.sample_rate) as scorer:
        scorer.score(pairs)
    for failure in scorer.failures:
        raise UserError(
            f"The metric {failure.metric} has no score of the training utterance "
            f"{item['id']}: {failure.reason}. It gets reference=, degraded= and "
            "sample_rate=, and must return a number."
        )


def _average_item(brain, dataset):
    """Read the training utterance whose length is nearest to the mean."""
    longest = brain.curriculum.max_train_samples
    lengths = {
        key: min(entry["length"], longest or entry["length"])
        for key, entry in dataset.data.items()
    }
    mean = sum(lengths.values()) / len(lengths)
    key = min(lengths, key=lambda name: abs(lengths[name] - mean))
    reader = ExcerptReader(dataset, brain.heads, brain.replay)
    return reader(Excerpt(key, start=0, length=lengths[key]))


@contextmanager
def _unchanged(brain):
    """Undo what a step without an optimizer changes."""
    buffers = [b for module in brain.modules.values() for b in module.buffers()]
    before = [buffer.clone() for buffer in buffers]
    modes = {module: module.training for module in brain.modules.modules()}
    learning = {p: p.requires_grad for p in brain.modules.parameters()}
    devices = [brain.device] if str(brain.device).startswith("cuda") else []
    with torch.random.fork_rng(devices):
        yield
    with torch.no_grad():
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
    for parameter, learns in learning.items():
        parameter.grad = None
        parameter.requires_grad_(learns)
    for module, mode in modes.items():
        module.training = mode
    brain.phase = brain.source = None
    brain.train_means.clear()


def _step(brain, name, items):
    """Make one update, without the optimizer's own step."""
    brain.modules.train()
    brain.phase = "current" if name == "D" else name
    brain.source = "clean" if name == "D" else None
    batch = PaddedBatch(items).to(brain.device)
    brain.on_fit_batch_start(batch, True)
    with brain.training_ctx:
        predictions = brain.compute_forward(batch, Stage.TRAIN)
        loss = brain.compute_objectives(predictions, batch, Stage.TRAIN)
    loss.backward()


def _score(metrics, sample_rate, pairs):
    with Scorer(metrics, n_jobs=1, sample_rate=sample_rate) as scorer:
        scorer.score(pairs)


def _time(brain, function, *arguments):
    """Return the seconds of a second call; the first one sets things up."""
    for _ in range(2):
        start = time.perf_counter()
        function(*arguments)
        if str(brain.device).startswith("cuda"):
            torch.cuda.synchronize(brain.device)
        seconds = time.perf_counter() - start
    return seconds


def _steps(brain, phases):
    """Return the updates of an epoch by kind, of one process."""
    steps = dict.fromkeys(UPDATES, 0)
    for phase in phases:
        batches = phase.batches(world_size(), brain.debug_limit)
        judged = {"current": len(brain.task.sources), "replay": 1}
        name = "D" if phase.name in judged else phase.name
        steps[name] += batches * judged.get(phase.name, 1)
    return steps


def _describe_split(split, entries):
    seconds = sum(e["length"] for e in entries.values()) / 16000
    number = counted(len(entries), "utterance")
    text = f"{split}: {number}, {seconds / 3600:.2f} h"
    speakers = {entry.get("speaker") for entry in entries.values()} - {None}
    if speakers:
        text += f", {counted(len(speakers), 'speaker')}"
    spoken = _distinct(entries)
    if len(spoken) < len(entries):
        text += f", mixed from {counted(len(spoken), 'file')} of speech"
    return text


def _distinct(entries):
    """Return the files of clean speech."""
    return {entry["clean_wav"] for entry in entries.values()}


def _describe_network(module):
    weights = sum(parameter.numel() for parameter in module.parameters())
    return f"{type(module).__name__}, {weights / 1e6:.2f} million parameters"


class Needs:
    """What checkpoints and replay will take, and what is free.

    Arguments
    ---------
    brain : OKDBrain
        Whose networks are saved.
    plan : Plan
        Knows how many waves there will be.
    entries : dict
        Of the training set.

    Attributes
    ----------
    folder : Path
        Of the checkpoints.
    checkpoints, replay : int
        Bytes at the end.
    there : int
        Bytes of both that are there already.
    free : int
        Bytes of the disk.
    """

    def __init__(self, brain, plan, entries):
        weights = {
            name: sum(p.numel() for p in module.parameters())
            for name, module in brain.modules.items()
        }
        copies = dict.fromkeys(weights, 3)  # weights and Adam's moments
        stages = brain.curriculum.generator_stages
        if "warmup" in stages:  # has moments of its own
            copies |= {target.module: 5 for target in brain.targets}
        size = sum(weights[name] * copies[name] for name in weights)
        # The newest, the best of each target and stage; one within the epoch,
        # and the next one, which is whole before another goes.
        kept = 1 + len(stages) * len(brain.targets)
        kept = min(
            kept * brain.hparams.checkpoints_to_keep,
            brain.curriculum.last_epoch,
        )
        self.checkpoints = (kept + 2) * size * BYTES_PER_WEIGHT
        longest = brain.curriculum.max_train_samples or float("inf")
        samples = sum(min(e["length"], longest) for e in entries.values())
        self.replay = int(
            plan.stored * samples / len(entries) * BYTES_PER_SAMPLE
        )
        self.folder = Path(brain.checkpointer.checkpoints_dir)
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        self.there = sum(path.stat().st_size for path in files)
        self.free = shutil.disk_usage(self.folder).free

    @property
    def missing(self):
        """How many bytes more would have to be free; negative if enough are."""
        return self.checkpoints + self.replay - self.there - self.free

    def describe(self):
        """Return that as text."""
        text = f"about {size_text(self.checkpoints)} of checkpoints"
        if self.replay:
            text += (
                f" and {size_text(self.replay)} of replay (speech enhanced in "
                "past epochs)"
            )
        text += " when training ends"
        if self.there:
            text += f"; {size_text(self.there)} are written already"
        text += f"; {size_text(self.free)} are free"
        return f"{text}; NOT ENOUGH" if self.missing > 0 else text


def _advise(hparams, entries):
    """Return what suits a small corpus that has got another's schedule."""
    spoken = len(_distinct(entries))
    if (
        hparams.data_folder is None
        or hparams.schedule is not None
        or spoken >= FEW_UTTERANCES
        or hparams.curriculum.preparation
        or hparams.curriculum.number_of_epochs < MANY_EPOCHS
    ):
        return ""
    return (
        "made for a corpus of thousands; for "
        f"{counted(spoken, 'file')} of speech, "
        f"--schedule {FAST_SCHEDULE} is shorter and begins with a warm-up"
    )


def _table(lines):
    """Return the lines, each group behind its name."""
    width = max(map(len, lines)) + 2
    return "\n".join(
        f"  {name if index == 0 else '':{width}}{text}"
        for name, texts in lines.items()
        for index, text in enumerate(texts)
    )

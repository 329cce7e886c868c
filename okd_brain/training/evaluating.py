"""A Brain that scores its generators, keeps the best of each, and tests these."""

from pathlib import Path

import torch
from speechbrain.core import Stage
from speechbrain.utils.checkpoints import Checkpoint
from speechbrain.utils.distributed import get_rank
from speechbrain.utils.parallel import get_available_cpu_count

from okd_brain.distributed import bare, processes_here, world_size
from okd_brain.messages import UserError
from okd_brain.metrics import resolve_metrics
from okd_brain.mimicry import mse
from okd_brain.scoring import Scorer
from okd_brain.scoring.board import Scoreboard, means
from okd_brain.training.checkpoints import (
    Selection,
    StepCounter,
    load_generators,
)
from okd_brain.training.internals import EpochEndBrain


class EvaluatingBrain(EpochEndBrain):
    """Everything around the updates: validation, checkpoints, test.

    Arguments
    ---------
    modules : Networks
        From ``build_modules``.
    hparams : dict
        The experiment.
    run_opts : dict or RunOptions, optional
        SpeechBrain's run options.
    checkpointer : AtomicCheckpointer
        Receives the networks and the numbers of their steps.
    """

    def __init__(self, modules, hparams, run_opts=None, checkpointer=None):
        super().__init__(modules, hparams, run_opts, checkpointer)
        refuse_unsupported_options(self)
        self.rank = get_rank() or 0
        self.task = self.hparams.task
        self.targets = modules.targets
        self.discriminator_heads = modules.discriminator_heads
        self.selection = Selection(self.targets, self.hparams.selection)
        self.selection.check(self.checkpointer)
        self.curriculum = self.hparams.curriculum
        if self.debug:
            self.curriculum.shorten(self.debug_epochs)
            self.debug_epochs = self.curriculum.last_epoch

        # A debug run leaves nothing behind, unless asked to.
        aside = self.debug and not self.debug_persistently
        self.artifacts_folder = Path(
            self.checkpointer.checkpoints_dir
            if aside
            else self.hparams.output_folder
        )

        self.learnt = [m for target in self.targets for m in target.metrics]
        reported = resolve_metrics(self.hparams.report_metrics)
        reported += self.task.reported
        self.board = Scoreboard(self.make_scorer(self.learnt + reported))
        self.train_means = RunningMeans()
        self.tensorboard = None
        if self.hparams.use_tensorboard:
            self.tensorboard = self.hparams.tensorboard_train_logger()
        self.steps = StepCounter()
        self.checkpointer.add_recoverables(dict(self.modules.items()))
        self.checkpointer.add_recoverable("steps", self.steps)

    def make_scorer(self, metrics):
        """Return a scorer of some metrics, each once."""
        n_jobs = self.hparams.n_jobs
        if n_jobs == -1:
            n_jobs = max(1, get_available_cpu_count() // processes_here())
        return Scorer(
            list({metric.name: metric for metric in metrics}.values()),
            n_jobs=n_jobs,
            cache_dir=self.hparams.score_cache,
            sample_rate=self.task.sample_rate,
        )

    def generator(self, target):
        """Return the generator of a target, without any wrapper."""
        return bare(self.modules[target.module])

    @property
    def generators(self):
        """Generators by target, without any wrapper."""
        return {target: self.generator(target) for target in self.targets}

    def make_dataloader(
        self, dataset, stage, ckpt_prefix="dataloader-", **loader_kwargs
    ):
        """Return this process's share of a validation or test set."""
        mine = list(range(self.rank, len(dataset), world_size()))
        return super().make_dataloader(
            dataset,
            stage,
            ckpt_prefix=None,
            sampler=mine[: self.debug_limit],
            **loader_kwargs,
        )

    def compute_forward(self, batch, stage):
        """Enhance a batch with every generator."""
        inputs = self.task.inputs(batch)
        return inputs, {
            target.name: self.task.enhance(generator, inputs)
            for target, generator in self.generators.items()
        }

    def compute_objectives(self, predictions, batch, stage):
        """Hand the waves to the scorer; return the mean spectral error."""
        inputs, outputs = predictions
        waves = {
            self.task.unprocessed: self.task.unprocessed_wave(batch),
            **self.task.baselines(batch),
            **{name: enhanced.wave for name, enhanced in outputs.items()},
        }
        for name, wave in waves.items():
            pairs = self.task.scored_pairs(wave, batch)
            cached = name not in outputs  # these never change
            self.board.submit(name, batch.id, pairs, cached=cached)
        aim = self.task.supervised_target(inputs)
        errors = [
            mse(enhanced.spectrum, aim, inputs.frames)
            for enhanced in outputs.values()
        ]
        return torch.stack(errors).mean()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Collect the scores; after validation, save what they choose."""
        if stage == Stage.VALID:
            self.end_epoch(epoch, self.board.collect())
        elif stage == Stage.TEST:
            self.test_scores = self.board.collect()

    def is_validated(self, epoch):
        """Tell whether the curriculum has an epoch validated."""
        return self.curriculum.is_validated(epoch)

    def end_epoch(self, epoch, scores):
        """Log an epoch and save it, whole, with what validation said.

        Scores are system -> utterance -> metric -> value.
        """
        stage = self.curriculum.stage_of(epoch)
        averages = {name: means(scores[name]) for name in scores}
        values = {
            target.name: target.selection_value(averages[target.name])[0]
            for target in self.targets
            if target.name in averages
        }
        split = self.selection.split
        scored = {
            f"{name} {metric}": value
            for name, average in averages.items()
            for metric, value in average.items()
        }
        self.hparams.train_logger.log_stats(
            {"epoch": epoch, "stage": stage},
            train_stats=self.train_stats,
            **{f"{split}_stats": scored or None},
        )
        self._draw_curves(epoch, {"train": self.train_stats, split: scored})
        self.checkpointer.save_and_keep_only(
            meta={
                "epoch": epoch,
                "phase": stage,
                "steps": dict(self.steps),
                **self.selection.meta(stage, values),
            },
            num_to_keep=self.hparams.checkpoints_to_keep,
            importance_keys=[],  # the default list is shared and grows
            **self.selection.keep(("warmup", "okd")),
        )

    def _draw_curves(self, epoch, stats_by_split):
        """Write to TensorBoard, at the epoch.

        SpeechBrain's ``log_stats`` counts its calls, which starts again at 0
        when a run goes on.
        """
        if self.tensorboard is not None and self.tensorboard.writer is not None:
            for split, stats in stats_by_split.items():
                for name, value in stats.items():
                    tag = f"{split}/{name}"
                    self.tensorboard.writer.add_scalar(tag, value, epoch)

    def test(self, test_set, chosen, loader_kwargs):
        """Score trained generators.

        Arguments
        ---------
        test_set : DynamicItemDataset
            What they enhance.
        chosen : str or Checkpoint
            "okd": the best of each; "warmup": the best of each before metrics
            were trained on; or all of one checkpoint.
        loader_kwargs : dict
            Arguments of the data loader.

        Returns
        -------
        scores : dict
            system -> utterance -> metric -> value; the systems are the
            unprocessed input, the task's baselines, and the generators.
        origins : dict
            generator -> its checkpoint (see ``load_generators``).

        Raises
        ------
        UserError
            When there are no trained weights to load.
        """
        self.chosen = chosen
        self.evaluate(test_set, test_loader_kwargs=dict(loader_kwargs))
        return self.test_scores, self.origins

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Load the weights under test."""
        if isinstance(self.chosen, Checkpoint):
            self.origins = load_generators(self.chosen, self.generators)
        else:
            self.origins = self.selection.load_best(
                self.checkpointer, self.chosen, self.generators
            )


class RunningMeans:
    """Average named values without waiting for the device that computes them.

    Example
    -------
    >>> losses = RunningMeans()
    >>> losses.add("D pesq", torch.tensor(1.0))
    >>> losses.add("D pesq", torch.tensor(2.0))
    >>> losses.summary()
    {'D pesq': 1.5}
    """

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget all values."""
        self._sums = {}
        self._counts = {}

    def add(self, name, value):
        """Add a value, a number or a tensor of one element."""
        value = torch.as_tensor(value).detach()
        self._sums[name] = self._sums.get(name, 0) + value
        self._counts[name] = self._counts.get(name, 0) + 1

    def summary(self):
        """Return the means as plain floats, by name."""
        return {
            name: float(total) / self._counts[name]
            for name, total in self._sums.items()
        }


def refuse_unsupported_options(brain):
    """Reject run options that would be ignored or do harm.

    Arguments
    ---------
    brain : speechbrain.Brain or RunOptions
        Its attributes hold the options.

    Raises
    ------
    UserError
        Naming the option, its value, why, and what to use instead.
    """
    factor = brain.grad_accumulation_factor
    rules = {
        f"grad_accumulation_factor is {factor}, but only 1 works: the "
        "discriminator makes three steps per batch, and accumulation would "
        "drop some and mix others. Raise batch_size instead.": factor != 1,
        f"max_grad_norm is {brain.max_grad_norm}, but it must be positive: "
        "PyTorch's clipping reverses the gradients for a negative limit and "
        "zeroes them for 0. A large number turns clipping off.": not (
            brain.max_grad_norm > 0
        ),
        "remove_vector_weight_decay is not supported: SpeechBrain clips the "
        "first parameter group of an optimizer only. Leave it out.": (
            brain.remove_vector_weight_decay
        ),
        "data_parallel_backend is not supported (nor by PyTorch any longer). "
        "Start several processes with torchrun.": brain.data_parallel_backend,
        "jit is not supported: TorchScript cannot compile packed sequences "
        "of SpeechBrain's LSTM. Use compile.": (
            brain.jit or brain.jit_module_keys
        ),
    }
    for reason, broken in rules.items():
        if broken:
            raise UserError(reason)

"""A Brain that scores its generators, keeps their best, and tests these."""

from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpoint
from speechbrain.utils.distributed import get_rank
from speechbrain.utils.parallel import get_available_cpu_count

from okd_brain.config import refuse_unsupported_options
from okd_brain.distributed import bare, processes_here, world_size
from okd_brain.metrics import parse_targets, resolve_metrics
from okd_brain.mimicry import mse
from okd_brain.scoring import Scorer
from okd_brain.scoring.board import Scoreboard, means
from okd_brain.training.checkpoints import (
    Selection,
    StepCounter,
    load_generators,
)


class EvaluatingBrain(sb.Brain):
    """Everything around the updates: validation, checkpoints, test.

    Arguments
    ---------
    modules : dict
        From ``networks.build_modules``.
    hparams : dict
        The experiment; ``recipes/VoiceBank/okd/hparams/okd_pesq_csig.yaml``
        explains every key.
    run_opts : dict or RunOptions, optional
        SpeechBrain's run options.
    checkpointer : AtomicCheckpointer
        Everything that an exact continuation needs is registered with it.
    """

    def __init__(self, modules, hparams, run_opts=None, checkpointer=None):
        super().__init__(
            modules=modules,
            hparams=hparams,
            run_opts=run_opts,
            checkpointer=checkpointer,
        )
        refuse_unsupported_options(self)
        self.rank = get_rank() or 0
        self.task = self.hparams.task
        self.targets = parse_targets(hparams["targets"])
        self.selection = Selection(self.targets, self.hparams.selection)
        self.selection.check(self.checkpointer)
        self.curriculum = self.hparams.curriculum
        if self.debug:
            self.curriculum.shorten(self.debug_epochs)
            self.debug_epochs = self.curriculum.last_epoch
        # The loaders cut each phase; the Brain would leave in the first one.
        self.debug_limit = self.debug_batches if self.debug else None
        self.debug_batches = None

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
        return bare(self.modules[f"g_{target.name}"])

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
            target.name: self.task.enhance(self.generator(target), inputs)
            for target in self.targets
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
        if stage == sb.Stage.VALID:
            self.end_epoch(epoch, self.board.collect())
        elif stage == sb.Stage.TEST:
            self.test_scores = self.board.collect()

    def _fit_valid(self, valid_set, epoch, enable):
        """Validate where that is due, and save a checkpoint in any case."""
        if valid_set is not None and self.curriculum.is_validated(epoch):
            super()._fit_valid(valid_set, epoch, enable)
        else:
            self.end_epoch(epoch, {})

    def end_epoch(self, epoch, scores):
        """Log an epoch and save it, whole, with what validation said.

        Arguments
        ---------
        epoch : int
            Which.
        scores : dict
            system -> utterance -> metric -> value; empty without validation.
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
        """Write to TensorBoard, at the epoch: SpeechBrain's own ``log_stats``
        counts its calls, which starts again at 0 when a run goes on.
        """
        if self.tensorboard is not None and self.tensorboard.writer is not None:
            for split, stats in stats_by_split.items():
                for name, value in stats.items():
                    tag = f"{split}/{name}"
                    self.tensorboard.writer.add_scalar(tag, value, epoch)

    def _save_intra_epoch_ckpt(self):
        self.checkpointer.save_and_keep_only(
            end_of_epoch=False,
            num_to_keep=1,
            importance_keys=[],
            ckpt_predicate=lambda c: sb.core.INTRA_EPOCH_CKPT_FLAG in c.meta,
            meta={sb.core.INTRA_EPOCH_CKPT_FLAG: True},
        )

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
            generator -> its checkpoint (see ``checkpoints.load_generators``).

        Raises
        ------
        ValueError
            When there are no trained weights to load.
        """
        self.chosen = chosen
        self.evaluate(test_set, test_loader_kwargs=dict(loader_kwargs))
        return self.test_scores, self.origins

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Load the weights under test."""
        generators = {t.name: self.generator(t) for t in self.targets}
        if isinstance(self.chosen, Checkpoint):
            self.origins = load_generators(self.chosen, generators)
        else:
            self.origins = self.selection.load_best(
                self.checkpointer, self.chosen, generators
            )

"""A Brain that scores its generators, keeps the best of each, and tests these."""

import itertools
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from speechbrain.core import Stage
from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.checkpoints import (
    Checkpoint,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import (
    ddp_broadcast,
    get_rank,
    main_process_only,
)
from speechbrain.utils.logger import get_logger
from speechbrain.utils.parallel import get_available_cpu_count

from okd_brain.distributed import bare, processes_here, world_size
from okd_brain.files import writing
from okd_brain.messages import UserError
from okd_brain.metrics import resolve_metrics
from okd_brain.mimicry import mse
from okd_brain.scoring import Scorer
from okd_brain.scoring.board import Scoreboard, gather, means
from okd_brain.training.boards import Boards
from okd_brain.training.checkpoints import (
    Averages,
    Selection,
    StepCounter,
    load_generators,
)
from okd_brain.training.fidelity import fidelity_stats, spread_batches
from okd_brain.training.internals import (
    EpochEndBrain,
    refuse_unsupported_options,
)
from okd_brain.training.progress import (
    TRAIN_LOG,
    EpochTable,
    Progress,
    epoch_line,
)

logger = get_logger(__name__)


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

    Attributes
    ----------
    fidelity_set : DynamicItemDataset
        The validation set, also where ``selection`` names the test set; None
        until ``training.fit`` gives it.
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
        if aside:  # SpeechBrain gives each process a folder of its own
            self.checkpointer.checkpoints_dir = ddp_broadcast(
                self.checkpointer.checkpoints_dir
            )
        self.artifacts_folder = Path(
            self.checkpointer.checkpoints_dir
            if aside
            else self.hparams.output_folder
        )

        self.learnt = [m for target in self.targets for m in target.metrics]
        reported = resolve_metrics(self.hparams.report_metrics)
        reported += self.task.reported
        self.board = Scoreboard(self.make_scorer(self.learnt + reported))
        self.fidelity_set = None
        self.batches = {}  # stage -> batches of this process
        self.progress = Progress(self, shown=not self.noprogressbar)
        self.train_means, self.valid_means = RunningMeans(), RunningMeans()
        self.averages = Averages(
            {target: self.generator(target) for target in self.targets},
            self.hparams.average_decay,
        )
        self.boards = Boards(self.hparams, self.artifacts_folder)
        self.steps = StepCounter()
        self.checkpointer.add_recoverables(dict(self.modules.items()))
        self.checkpointer.add_recoverable("steps", self.steps)
        self.checkpointer.add_recoverable(
            "train_means", self.train_means, optional_load=True
        )
        self.checkpointer.add_recoverables(self.averages.by_file_name())
        for name in ("plateau", "gate"):
            ending = getattr(self.curriculum, name)
            if ending is not None:
                self.checkpointer.add_recoverable(name, ending)

    def follow_curriculum(self):
        """Let the epoch counter end where the curriculum does.

        A warm-up that has reached its plateau, and discriminators that have
        reached their gate, take less than the experiment allows; and no epochs
        are for discriminators where none learns.
        """
        self.curriculum.end_stages()
        self.hparams.epoch_counter.limit = self.curriculum.last_epoch

    def make_scorer(self, metrics):
        """Return a scorer of some metrics; of equal names the first counts."""
        unique = {}
        for metric in metrics:
            unique.setdefault(metric.name, metric)
        n_jobs = self.hparams.n_jobs
        if n_jobs == -1:
            n_jobs = max(1, get_available_cpu_count() // processes_here())
        return Scorer(
            list(unique.values()),
            n_jobs=n_jobs,
            cache_dir=self.hparams.score_cache,
            sample_rate=self.task.sample_rate,
        )

    def generator(self, target):
        """Return the generator of a target that learns, without any wrapper."""
        return bare(self.modules[target.module])

    @property
    def generators(self):
        """Generators by target that are validated, tested and exported."""
        return self.averages.networks

    def make_dataloader(
        self, dataset, stage, ckpt_prefix="dataloader-", **loader_kwargs
    ):
        """Return this process's share of a validation or test set."""
        mine = list(range(self.rank, len(dataset), world_size()))
        mine = mine[: self.debug_limit]
        self.batches[stage] = -(
            -len(mine) // loader_kwargs.get("batch_size", 1)
        )
        return super().make_dataloader(
            dataset,
            stage,
            ckpt_prefix=None,
            sampler=mine,
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
        spectra = {name: one.spectrum for name, one in outputs.items()}
        errors = {
            f"{name} spectral error": mse(spectrum, aim, inputs.frames)
            for name, spectrum in spectra.items()
        }
        if stage == Stage.VALID:
            for name, error in errors.items():
                self.valid_means.add(name, error)
            for a, b in itertools.combinations(spectra, 2):
                distance = mse(spectra[a], spectra[b], inputs.frames)
                self.valid_means.add(f"distance {a} {b}", distance)
        kind = "validation" if stage == Stage.VALID else "test"
        self.progress.step(kind, self.step, self.batches[stage])
        return torch.stack(list(errors.values())).mean()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Collect the scores; after validation, save what they choose."""
        if stage == Stage.VALID:
            self.end_epoch(epoch, self.board.collect())
        elif stage == Stage.TEST:
            self.test_scores = self.board.collect()

    def on_fit_start(self):
        """Compile, wrap, recover; refuse to measure fidelity on nothing."""
        super().on_fit_start()
        count = self.curriculum.fidelity_utterances
        if count and self.has_surrogates and not self.fidelity_set:
            raise UserError(
                f"fidelity_utterances is {count}, but there are no validation "
                "utterances: set it to 0."
            )
        self.epoch_table = EpochTable(self.artifacts_folder / TRAIN_LOG)

    @property
    def has_surrogates(self):
        """Tell whether generators learn from metrics."""
        return self.hparams.adversarial_weight > 0

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
        stats = {
            "train": self.train_stats,
            split: {**scored, **self.valid_means.summary()},
        }
        self.valid_means.clear()
        agreements = {}
        if stage == "warmup" and values and self.curriculum.plateau is not None:
            self._judge_warmup(epoch, averages)
        if self.has_surrogates and self.curriculum.is_measured(epoch):
            fidelity, agreements = self._judge_surrogates(epoch)
            self.progress.step("fidelity", 1, 1)
            stats["valid"] = {**stats.get("valid", {}), **fidelity}
        logger = self.hparams.train_logger
        with writing(logger.save_file):
            logger.log_stats(
                {"epoch": epoch, "stage": stage},
                **{f"{name}_stats": of or None for name, of in stats.items()},
            )
        self._tabulate(epoch, stage, stats)
        self.boards.draw(epoch, stats)
        if values:
            self._show_sound(epoch)
        if values or agreements:
            self._say_of_epoch(epoch, stage, values, averages, agreements)
        self.checkpointer.save_checkpoint(
            meta={
                "epoch": epoch,
                "phase": stage,
                "steps": dict(self.steps),
                **self.selection.meta(stage, values),
            }
        )
        self.tidy()

    def tidy(self):
        """Delete the checkpoints that are neither the newest nor the best."""
        self.checkpointer.delete_checkpoints(
            num_to_keep=self.hparams.checkpoints_to_keep,
            **self.selection.keep(("warmup", "okd")),
        )

    def _judge_warmup(self, epoch, averages):
        """Tell the plateau what a validation gave; go slower or end there."""
        labels = [
            np.mean(term.label(averages[target.name]))
            for target in self.targets
            for term in target.terms
        ]
        plateau = self.curriculum.plateau
        if not plateau.update(float(np.mean(labels)), epoch):
            for optimizer in self.optimizers.warmup.values():
                update_learning_rate(
                    optimizer, optimizer.param_groups[0]["lr"] / 2
                )
        self.follow_curriculum()

    def _judge_surrogates(self, epoch):
        """Measure fidelity; end the discriminators' stage if it suffices."""
        curriculum = self.curriculum
        stats, agreements = fidelity_stats(
            self, self.fidelity_set, curriculum.fidelity_utterances
        )
        gate = curriculum.gate
        if gate is not None and curriculum.stage_of(epoch) == "discriminator":
            heads = {head.name: agreements[head.name] for head in self.heads}
            gate.update(heads, epoch)
            self._say_of_gate(gate, heads, epoch)
            self.follow_curriculum()
        return stats, agreements

    def _say_of_gate(self, gate, agreements, epoch):
        found = ", ".join(f"{n} {value:.2f}" for n, value in agreements.items())
        if gate.end is not None:
            logger.info(
                "Epoch %d: sign agreement %s, at least fidelity_gate %g: the "
                "generators start.",
                epoch,
                found,
                gate.agreement,
            )
        elif epoch == self.curriculum.preparation:
            logger.warning(
                "Epoch %d: sign agreement %s, and fidelity_gate %g was not "
                "reached: all discriminator_epochs are over, and the "
                "generators start all the same.",
                epoch,
                found,
                gate.agreement,
            )

    @main_process_only
    def _tabulate(self, epoch, stage, stats_by_split):
        """Write an epoch to the table of all epochs."""
        made = max(self.steps[target.module] for target in self.targets)
        row = {"epoch": epoch, "stage": stage, "updates": made}
        row |= {
            f"{split} {name}": value
            for split, stats in stats_by_split.items()
            for name, value in stats.items()
        }
        row |= {
            f"seconds {kind}": round(seconds, 2)
            for kind, seconds in self.progress.seconds.items()
        }
        self.epoch_table.add(row)

    def _say_of_epoch(self, epoch, stage, values, averages, agreements):
        """Log what a validated epoch has come to, in one line."""
        saved = self.checkpointer.list_checkpoints()
        generators = []
        for target in self.targets if values else ():
            key = self.selection.key(stage, target.name)
            known = [
                (c.meta[key], c.meta["epoch"])
                for c in saved
                if key in c.meta and c.meta["epoch"] < epoch
            ]
            known.append((values[target.name], epoch))
            choose = max if target.higher_is_better else min
            best, best_epoch = choose(known, key=lambda pair: pair[0])
            unprocessed = averages.get(self.task.unprocessed)
            if unprocessed is not None:
                unprocessed, _ = target.selection_value(unprocessed)
            generators.append(
                {
                    "name": target.name,
                    "value": values[target.name],
                    "unprocessed": unprocessed,
                    "best": best,
                    "best_epoch": best_epoch,
                }
            )
        line = epoch_line(
            *(epoch, self.curriculum.last_epoch, stage),
            *(generators, agreements),
            self.progress.epoch_seconds(),
            self.progress.seconds_left(),
        )
        logger.info(line)

    def _show_sound(self, epoch):
        """Let the board hear and see two utterances of validation."""
        if self.fidelity_set and self.boards.have_sound and self.rank == 0:
            for batch in spread_batches(self.fidelity_set, 2):
                for system, wave in self.heard(batch.to(self.device)).items():
                    name = f"{batch.id[0]}/{system}"
                    self.boards.show(epoch, name, wave, self.task.sample_rate)

    @torch.no_grad()
    def heard(self, batch):
        """Return what a listener hears of an utterance, by system.

        Arguments
        ---------
        batch : PaddedBatch
            One utterance.

        Returns
        -------
        dict
            "clean", the unprocessed input, the baselines and the generators ->
            numpy.ndarray [samples], with the listener's noise where there is
            any.
        """
        inputs = self.task.inputs(batch)
        waves = {
            self.task.unprocessed: self.task.unprocessed_wave(batch),
            **self.task.baselines(batch),
        }
        for target, generator in self.generators.items():
            was_learning = generator.training
            generator.eval()
            waves[target.name] = self.task.enhance(generator, inputs).wave
            generator.train(was_learning)
        heard = {}
        for name, wave in waves.items():
            [(clean, degraded, *_)] = self.task.scored_pairs(wave, batch)
            heard.setdefault("clean", clean)
            heard[name] = degraded
        return heard

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
        self.progress.begin_test()
        self.evaluate(
            test_set, progressbar=False, test_loader_kwargs=dict(loader_kwargs)
        )
        self.progress.close()
        return self.test_scores, self.origins

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Load the weights under test."""
        if isinstance(self.chosen, Checkpoint):
            self.origins = load_generators(self.chosen, self.generators)
        else:
            self.origins = self.selection.load_best(
                self.checkpointer, self.chosen, self.generators
            )


@register_checkpoint_hooks
class RunningMeans:
    """Average named values without waiting for the device that computes them.

    In a checkpoint within an epoch are those of the main process.

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

    @mark_as_saver
    def _save(self, path):
        text = json.dumps(self._floats())
        Path(path).write_text(text, encoding="utf-8")

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        self._sums, self._counts = json.loads(Path(path).read_text("utf-8"))

    def _floats(self):
        sums = {name: float(total) for name, total in self._sums.items()}
        return sums, {name: int(count) for name, count in self._counts.items()}

    def add(self, name, value):
        """Add a value, a number or a tensor of one element, if it is finite."""
        value = torch.as_tensor(value).detach()
        finite = torch.isfinite(value)
        kept = torch.where(finite, value, 0)
        self._sums[name] = self._sums.get(name, 0) + kept
        self._counts[name] = self._counts.get(name, 0) + finite

    def summary(self):
        """Return the means over all processes as plain floats, by name."""
        sums, counts = Counter(), Counter()
        for some, of in gather(self._floats()):
            sums.update(some)
            counts.update(of)
        return {
            name: total / counts[name] if counts[name] else math.nan
            for name, total in sums.items()
        }

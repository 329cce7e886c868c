"""MetricGAN-OKD: K generators, their discriminator, and the mimicry between them.

The method of Shin et al. (ICML 2023), in the order of the paper: the epoch, the
losses, the updates. Data, scores, checkpoints and logs are in
``okd_brain.training``.
"""

from functools import partial

import torch
from speechbrain.core import Stage

from okd_brain.distributed import without_ddp, world_size
from okd_brain.messages import UserError, listed
from okd_brain.mimicry import from_peers, mse
from okd_brain.tasks import Enhanced
from okd_brain.training import (
    CurrentSetMaker,
    EvaluatingBrain,
    ExcerptReader,
    Optimizers,
    Phase,
    PhasedLoader,
    Replay,
    SkippedSteps,
    gradient_norms,
)


class OKDBrain(EvaluatingBrain):
    """Train generators on perceptual metrics with online knowledge distillation.

    Arguments are those of ``EvaluatingBrain``; everything that an exact
    continuation needs is registered with the checkpointer.
    """

    def __init__(self, modules, hparams, run_opts=None, checkpointer=None):
        super().__init__(modules, hparams, run_opts, checkpointer)
        self.heads = [
            head for own in self.discriminator_heads.values() for head in own
        ]
        if not self.heads:
            self.curriculum.leave_out_discriminators()
        self.surrogates = modules.surrogates.to(self.device)
        self.replay = Replay(
            self.checkpointer.checkpoints_dir / "replay",
            self.task.sample_rate,
            self.hparams.max_history,
        )
        self.checkpointer.add_recoverable("replay", self.replay)
        self.checkpointer.before_saving.append(self.replay.flush)
        self.checkpointer.checks["replay"] = self.replay.damage
        self.skipped_steps = SkippedSteps()
        self.checkpointer.add_recoverable(
            "skipped_steps", self.skipped_steps, optional_load=True
        )
        self.phase = None  # set by fit_batch
        self.source = None  # what D judges now; set by fit_batch
        self.utterances = []  # of the batch; set by fit_batch
        self.stepped = set()  # networks; set by optimizers_step

    # The epoch ----------------------------------------------------------------

    def phases(self, epoch, utterances=None, past=None):
        """Return the phases of an epoch: whole passes, in this order.

        The generators learn from the discriminator; the discriminator learns
        from what one of them makes of the epoch's utterances, from a share of
        the past, and from the first again. How many ``utterances`` there are
        and how many records of the ``past`` is known, unless it is asked what
        would be.
        """
        plan = self.curriculum
        if utterances is None:
            utterances = len(self.train_lengths)
        drawn = plan.size(utterances, epoch)
        scored = plan.scored_size(utterances, epoch)
        past = len(self.replay.past) if past is None else past
        past = int(plan.history_portion * past)
        size = max(1, plan.batch_size // world_size())
        supervised = max(1, plan.warmup_batch_size // world_size())

        warmup = Phase("warmup", drawn, supervised)
        generator = Phase("generator", drawn, size)
        first = Phase("current", scored, size, order="first current")
        replay = Phase("replay", past + scored, size, order="replay")
        second = Phase("current", scored, size, order="second current")

        judging = [first, replay, second] if self.heads else []
        if self._discriminator_leads(epoch):
            return judging
        return {
            "warmup": [warmup],
            "discriminator": judging,
            "okd": [generator, *judging],
        }[plan.stage_of(epoch)]

    def _discriminator_leads(self, epoch):
        """Tell whether a D that has seen nothing learns before generators do.

        It would teach them noise, which a twin beside it outweighs.
        """
        plan = self.curriculum
        alone = not all(map(self.surrogates.has_twin, self.heads))
        is_new = plan.preparation == plan.warmup_epochs == epoch - 1
        return alone and is_new and plan.stage_of(epoch) == "okd"

    def items(self, phase, epoch):
        """Return the excerpts or scored records that a phase visits, in order."""
        if phase.name in ("warmup", "generator"):
            return self.curriculum.draw_unscored(self.train_lengths, epoch)
        rng = self.curriculum.rng(phase.order, epoch)
        records = self.current_set(epoch)
        if phase.name == "replay":
            portion = self.curriculum.history_portion
            records = self.replay.sample(portion, rng) + records
        return rng.sample(records, len(records))

    def current_set(self, epoch):
        """Return the epoch's scored records; made when first asked for."""
        if not self.replay.current:
            curriculum = self.curriculum
            excerpts = curriculum.draw_scored(self.train_lengths, epoch)
            if self.debug_limit is not None:
                excerpts = excerpts[: self.debug_limit * curriculum.batch_size]
            drawn = curriculum.rng("generator", epoch).choice(self.targets)
            with self.evaluation_ctx:
                self.replay.current = self.make_current_set(
                    self.generator(drawn),
                    drawn.name,
                    excerpts,
                    epoch,
                    self.rank,
                    world_size(),
                    partial(self.progress.step, "current set"),
                )
            left_out = len(excerpts) - len(self.replay.current)
            self.train_means.add("left out of D's data", left_out)
        return self.replay.current

    def make_dataloader(
        self, dataset, stage, ckpt_prefix="dataloader-", **loader_kwargs
    ):
        """Return the loader of all phases, and prepare the current set."""
        if stage != Stage.TRAIN:
            return super().make_dataloader(dataset, stage, **loader_kwargs)
        self.train_lengths = {
            key: entry["length"] for key, entry in dataset.data.items()
        }
        reader = ExcerptReader(dataset, self.heads, self.replay)
        self.make_current_set = CurrentSetMaker(
            self.task,
            reader,
            self.replay,
            self.make_scorer([m for head in self.heads for m in head.metrics]),
            self.device,
        )
        self.train_loader = PhasedLoader(
            self.phases,
            self.items,
            reader,
            self.rank,
            world_size(),
            self.debug_limit,
            **loader_kwargs,
        )
        self.checkpointer.add_recoverable(
            ckpt_prefix + stage.name, self.train_loader
        )
        return self.train_loader

    # The losses ---------------------------------------------------------------

    def generator_loss(self, k, outputs, inputs):
        """Return the loss of generator k: its metric, and its peers.

        ``mean((D(clean, y_k)[k] - 1)^2) + alpha * sum_j mimicry(y_k, y_j)``,
        where another surrogate may stand in the place of D. With several terms
        in its target, their weighted mean comes first. The outputs are the
        ``Enhanced`` of all generators.
        """
        target = self.targets[k]
        loss, weight = 0, self.hparams.adversarial_weight
        if weight > 0:
            scores = self.estimate_scores(target.terms, outputs[k], inputs)
            errors = ((scores - 1) ** 2).mean(dim=0)
            adversarial = sum(
                share * error
                for share, error in zip(target.weights, errors, strict=True)
            )
            self.train_means.add(f"{target.name} adversarial", adversarial)
            loss = weight * adversarial
        spectra = [output.spectrum for output in outputs]
        mimicry = from_peers(self.hparams.mimicry, spectra, k, inputs.frames)
        self.train_means.add(f"{target.name} mimicry", mimicry)
        return loss + self.hparams.alpha * mimicry

    def estimate_scores(self, terms, output, inputs):
        """Return the surrogates' estimates of normalised scores.

        Arguments
        ---------
        terms : list of Term
            Which scores.
        output : Enhanced
            What is judged.
        inputs : object
            The batch that it belongs to, analysed by the task.

        Returns
        -------
        torch.Tensor
            [batch, len(terms)], float32: D's estimate, the twin's, or their sum.
        """
        judged = [term for term in terms if term in self.heads]
        estimates = dict.fromkeys(terms, 0)
        if judged:
            scores = self.discriminate(
                output.spectrum, inputs, judged, frozen=True
            )
            estimates.update(zip(judged, scores.unbind(dim=1), strict=True))
        for term in filter(self.surrogates.has_twin, terms):
            waves = self.task.compared_waves(output.wave, inputs)
            twin = self.surrogates(term, waves, inputs.samples)
            estimates[term] = estimates[term] + twin
        return torch.stack([estimates[term] for term in terms], dim=1)

    def discriminator_loss(self, scores, batch, inputs):
        """Return D's squared error, a mean over heads, summed over networks."""
        labels = self.labels(batch, inputs)
        errors = ((scores - labels) ** 2).mean(dim=0)
        by_head = {}
        for head, error in zip(self.heads, errors, strict=True):
            by_head[head.name] = error
            self.train_means.add(f"D {head.name} {self.source}", error)
        return sum(
            torch.stack([by_head[head.name] for head in own]).mean()
            for own in self.discriminator_heads.values()
        )

    def labels(self, batch, inputs):
        """Return what D is to say of what it judges now, [batch, heads].

        Normalised true scores; in a residual, minus what the twin says.
        """
        twins = [self.surrogates.has_twin(head) for head in self.heads]
        if self.source == "clean":  # a twin scores clean speech correctly
            perfect = [
                0.0 if twin else head.clean_label
                for head, twin in zip(self.heads, twins, strict=True)
            ]
            perfect = torch.tensor(perfect, device=inputs.frames.device)
            return perfect.expand(len(inputs.frames), -1)
        is_enhanced = self.source == "enhanced"
        name = "enhanced_label" if is_enhanced else "unprocessed_label"
        columns = list(batch[name].data.unbind(dim=1))
        if any(twins):
            wave = self.task.judged_wave(self.source, batch)
            waves = self.task.compared_waves(wave, inputs)
            with torch.no_grad():
                for index, head in enumerate(self.heads):
                    if twins[index]:
                        columns[index] = columns[index] - self.surrogates(
                            head, waves, inputs.samples
                        )
        return torch.stack(columns, dim=1)

    def supervised_loss(self, outputs, inputs):
        """Return the squared errors of all spectra, summed over generators."""
        aim = self.task.supervised_target(inputs)
        losses = [
            mse(output.spectrum, aim, inputs.frames) for output in outputs
        ]
        for loss in losses:
            self.train_means.add("spectral error", loss)
        return sum(losses)

    def discriminate(self, spectrum, inputs, heads, frozen=False):
        """Return D's estimate of the normalised scores of a spectrum.

        Arguments
        ---------
        spectrum : torch.Tensor
            [batch, frames, bins], what is judged.
        inputs : object
            The batch it belongs to, analysed by the task.
        heads : list of Term
            Which scores.
        frozen : bool
            Whether D does not learn now; DDP would wait for its gradients.

        Returns
        -------
        torch.Tensor
            [batch, len(heads)], float32.
        """
        seen = self.task.discriminator_input(spectrum, inputs)
        scores = {}
        for name, own in self.discriminator_heads.items():
            if any(head in heads for head in own):
                module = self.modules[name]
                network = without_ddp(module) if frozen else module
                columns = network(seen, inputs.frames).float().unbind(dim=1)
                for head, column in zip(own, columns, strict=True):
                    scores[head.name] = column
        return torch.stack([scores[head.name] for head in heads], dim=1)

    # The updates --------------------------------------------------------------

    def fit_batch(self, phased_batch):
        """Make the updates of one batch: K generator steps, or D's.

        Arguments
        ---------
        phased_batch : (str, PaddedBatch)
            From the phased loader.

        Returns
        -------
        torch.Tensor
            Mean loss of the updates, on the CPU.
        """
        self.phase, batch = phased_batch
        batch = batch.to(self.device)
        self.utterances = batch.id
        sources = {"current": self.task.sources, "replay": ("enhanced",)}
        losses = []
        for source in sources.get(self.phase, (None,)):
            self.source = source
            # Dropout depends on nothing that a resumed run would not know.
            step = f"step {self.step} {source} {self.rank}"
            seed = self.curriculum.rng(
                step, self.train_loader.epoch
            ).getrandbits(63)
            torch.manual_seed(seed)
            losses.append(super().fit_batch(batch))
        self.progress.step(self.phase, *self.train_loader.position)
        return torch.stack(losses).mean()

    def compute_forward(self, batch, stage):
        """Run the networks that the phase trains."""
        if stage != Stage.TRAIN:
            return super().compute_forward(batch, stage)
        inputs = self.task.inputs(batch)
        if self.phase in ("warmup", "generator"):
            networks = [self.modules[target.module] for target in self.targets]
            return inputs, [self.enhance(g, inputs) for g in networks]
        judged = self.task.judged(self.source, batch, inputs)
        return inputs, self.discriminate(judged, inputs, self.heads)

    def enhance(self, generator, inputs):
        """Return what a generator makes of a batch; its wave only for twins."""
        if self.phase == "generator" and self.surrogates.twins:
            return self.task.enhance(generator, inputs)
        spectrum = self.task.estimate(generator, inputs)
        return Enhanced(spectrum, wave=None, samples=inputs.samples)

    def compute_objectives(self, predictions, batch, stage):
        """Return the sum of the losses of all networks that learn now."""
        if stage != Stage.TRAIN:
            return super().compute_objectives(predictions, batch, stage)
        inputs, outputs = predictions
        if self.phase == "warmup":
            return self.supervised_loss(outputs, inputs)
        if self.phase == "generator":
            learners = range(len(outputs))
            loss = sum(
                self.generator_loss(k, outputs, inputs) for k in learners
            )
            weight = self.hparams.supervised_weight
            if weight > 0:
                loss = loss + weight * self.supervised_loss(outputs, inputs)
            return loss
        return self.discriminator_loss(outputs, batch, inputs)

    def on_fit_batch_start(self, batch, should_step):
        """Freeze the discriminators while generators learn from them."""
        for name in self.discriminator_heads:
            self.modules[name].requires_grad_(self.phase != "generator")

    def optimizers_step(self):
        """Step the networks of the phase whose gradients are finite."""
        learners = self.optimizers.of_phase(self.phase)
        norms = gradient_norms(learners)
        skipped = set()
        if self.skip_nonfinite_grads:
            skipped = self.skipped_steps.leave_out(
                learners,
                norms,
                self.phase,
                self.utterances,
                clear=not self.scaler.is_enabled(),
            )
        self.stepped = learners.keys() - skipped
        for name, norm in norms.items():
            if name in self.stepped:  # a mean of what is not finite is not
                norm = norm / self.scaler.get_scale()
                self.train_means.add(f"{name} gradient norm", norm)
        super().optimizers_step()

    def check_gradients(self):
        """Do nothing: this was checked before they were clipped."""

    def check_loss_isfinite(self, loss):
        """Count losses that are not finite, as the parent; after many, end."""
        try:
            super().check_loss_isfinite(loss)
        except ValueError as error:
            raise UserError(
                f"The losses of {self.nonfinite_count} updates of this epoch "
                f"are NaN or infinite, at last in phase {self.phase}, "
                f"{listed(self.utterances)}; nonfinite_patience is "
                f"{self.nonfinite_patience}. Lower the learning rates "
                "(--generator_lr, --discriminator_lr), and look at these "
                "utterances."
            ) from error

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Count the steps that each network has made; average generators."""
        self.steps.update(self.stepped)
        if self.phase in ("warmup", "generator"):
            self.averages.update()

    # Optimizers, and the ends of a run, a stage and an epoch ------------------

    def init_optimizers(self):
        """Give every network its own optimizer."""
        self.optimizers = Optimizers.of(
            self.modules, self.targets, self.hparams
        )
        self.optimizers_dict = self.optimizers.all
        for name, optimizer in self.optimizers_dict.items():
            self.checkpointer.add_recoverable(f"optimizer_{name}", optimizer)

    def freeze_optimizers(self, optimizers):
        """Return the optimizers that the present phase steps."""
        if self.phase is None:
            return optimizers
        return self.optimizers.of_phase(self.phase)

    def on_fit_start(self):
        """Compile, wrap, recover."""
        super().on_fit_start()
        self.follow_curriculum()
        self.optimizers.follow_experiment(self.hparams)

    def on_stage_start(self, stage, epoch=None):
        """Tell the loader which epoch it is."""
        if stage == Stage.TRAIN:
            self.train_loader.set_epoch(epoch)
            self.progress.begin_epoch(
                epoch,
                utterances=len(self.train_lengths),
                validated=self.batches.get(Stage.VALID, 0),
                done=self.train_loader.done,
                has_set=bool(self.replay.current),
            )

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """After the updates, the current set becomes part of the past."""
        if stage != Stage.TRAIN:
            super().on_stage_end(stage, stage_loss, epoch)
            return
        self.replay.add_current()
        since = epoch - self.curriculum.preparation
        if since > 0:
            self.optimizers.anneal(self.hparams, since)
        self.train_stats = {"loss": stage_loss, **self.train_means.summary()}
        self.train_means.clear()

    def tidy(self):
        """Delete old checkpoints, then the waves that nothing names any more."""
        super().tidy()
        if self.hparams.max_history is not None and self.rank == 0:
            kept = self.checkpointer.list_checkpoints()
            self.replay.prune([c.paramfiles["replay"] for c in kept])

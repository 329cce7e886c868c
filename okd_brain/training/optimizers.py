"""One optimizer per network, which of them step when, and which do not."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.logger import get_logger

from okd_brain.messages import UserError, listed
from okd_brain.scoring.board import gather

logger = get_logger(__name__)

MAX_SKIPPED_STEPS = 100
"""In a row. A scaler of fp16 halves its scale at each: it finds one that works
within 16, the exponent of its first scale, or never."""


@dataclass(frozen=True)
class Optimizers:
    """The optimizers of an experiment, each by the name of its network.

    Attributes
    ----------
    warmup : dict
        Of the generators, for the supervised warm-up; empty without one.
    generators : dict
        Of the generators, for MetricGAN-OKD proper.
    discriminators : dict
        Of the discriminators.
    targets : list of Target
        One per generator.
    """

    warmup: dict
    generators: dict
    discriminators: dict
    targets: list

    @classmethod
    def of(cls, modules, targets, hparams):
        """Give every network an optimizer, and generators one for the warm-up.

        Arguments
        ---------
        modules : dict
            Networks by name.
        targets : list of Target
            Each names its generator; all other networks are discriminators.
        hparams : SimpleNamespace
            With ``generator_opt_class``, ``discriminator_opt_class`` and, for
            experiments with a warm-up, ``warmup_opt_class``.

        Returns
        -------
        Optimizers
        """

        def make(names, factory):
            return {name: factory(modules[name].parameters()) for name in names}

        generators = [target.module for target in targets]
        judges = [name for name in modules if name not in generators]
        warmup = {}
        if hparams.curriculum.warmup_epochs:
            warmup = make(generators, hparams.warmup_opt_class)
        return cls(
            warmup=warmup,
            generators=make(generators, hparams.generator_opt_class),
            discriminators=make(judges, hparams.discriminator_opt_class),
            targets=targets,
        )

    @property
    def all(self):
        """Every optimizer, by the name under which a checkpoint has it."""
        warmup = {
            target.warmup_optimizer: self.warmup[target.module]
            for target in self.targets
            if self.warmup
        }
        return {**warmup, **self.generators, **self.discriminators}

    def of_phase(self, phase):
        """Return the optimizers that a phase steps."""
        by_phase = {"warmup": self.warmup, "generator": self.generators}
        return by_phase.get(phase, self.discriminators)

    def follow_experiment(self, hparams):
        """Set the learning rates of the experiment, where no schedule decides.

        A checkpoint brings the learning rate it was saved with, whatever the
        YAML says now.
        """
        scheduled = [
            optimizer for optimizer, _ in self._with_schedules(hparams)
        ]
        if hparams.curriculum.plateau is not None:  # it halves the rates
            scheduled += self.warmup.values()
        for name, optimizer in self.all.items():
            wanted = optimizer.defaults["lr"]
            found = optimizer.param_groups[0]["lr"]
            if found != wanted and optimizer not in scheduled:
                logger.info("%s: learning rate %g -> %g", name, found, wanted)
                optimizer.param_groups[0]["lr"] = wanted

    def anneal(self, hparams, epoch):
        """Apply the schedules after an epoch of MetricGAN-OKD proper.

        A schedule is None, or a SpeechBrain scheduler called with the epoch,
        counted from 1.
        """
        for optimizer, schedule in self._with_schedules(hparams):
            update_learning_rate(optimizer, schedule(epoch)[1])

    def _with_schedules(self, hparams):
        return [
            (optimizer, schedule)
            for optimizers, schedule in (
                (self.generators, hparams.generator_schedule),
                (self.discriminators, hparams.discriminator_schedule),
            )
            if schedule is not None
            for optimizer in optimizers.values()
        ]


@register_checkpoint_hooks
class SkippedSteps:
    """Leave out the steps of networks whose gradient is not finite.

    SpeechBrain looks after it has clipped, when a gradient with one infinite
    element has become zero everywhere else: Adam would step all the same, by
    its momentum. How many steps of each network were left out in a row is part
    of a checkpoint.

    Example
    -------
    >>> layer = torch.nn.Linear(1, 1)
    >>> layer.weight.grad = torch.tensor([[float("inf")]])
    >>> optimizers = {"g_pesq": torch.optim.Adam(layer.parameters())}
    >>> skipped = SkippedSteps()
    >>> skipped.leave_out(optimizers, gradient_norms(optimizers), "", [])
    {'g_pesq'}
    >>> layer.weight.grad is None
    True
    """

    def __init__(self):
        self.in_a_row = Counter()

    def leave_out(self, optimizers, norms, phase, utterances, clear=True):
        """Drop the gradients that are not finite, and say where they arose.

        Arguments
        ---------
        optimizers : dict
            Of the networks that would step, by their names.
        norms : dict
            Of their gradients, from ``gradient_norms``.
        phase : str
            Of the epoch, for the log.
        utterances : list of str
            What this process's batch holds, likewise.
        clear : bool
            Whether to drop them; the scaler of fp16 has to see them.

        Returns
        -------
        set of str
            Networks that do not step; the same in every process.

        Raises
        ------
        UserError
            If a network has not stepped `MAX_SKIPPED_STEPS` times in a row.
        """
        # One look at all: each waits for the device that computes them.
        finite = torch.isfinite(torch.stack(list(norms.values()))).tolist()
        skipped = {
            name for name, ok in zip(norms, finite, strict=True) if not ok
        }
        for name in norms.keys() - skipped:
            del self.in_a_row[name]
        if not skipped:
            return skipped
        self.in_a_row.update(skipped)
        # Averaged over processes: each finds the same, and one of them why.
        every = [name for part in gather(list(utterances)) for name in part]
        where = f"phase {phase}, {listed(every)}"
        for name in sorted(skipped):
            count = self.in_a_row[name]
            if count >= MAX_SKIPPED_STEPS:
                raise UserError(
                    f"{name}: the gradients of {count} steps in a row are NaN "
                    f"or infinite, at last in {where}; it no longer learns. "
                    "Lower its learning rate (--generator_lr, "
                    "--discriminator_lr), and look at these utterances."
                )
            logger.warning(
                "%s: its gradient is NaN or infinite in %s; this step is left "
                "out, %d in a row.",
                *(name, where, count),
            )
            if clear:
                optimizers[name].zero_grad(set_to_none=True)
        return skipped

    @mark_as_saver
    def _save(self, path):
        Path(path).write_text(json.dumps(dict(self.in_a_row)))

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        self.in_a_row = Counter(json.loads(Path(path).read_text()))


def gradient_norms(optimizers):
    """Return the norms that clipping would divide by.

    Arguments
    ---------
    optimizers : dict
        Of networks, by their names.

    Returns
    -------
    dict
        Name -> torch.Tensor of no dimension, on the network's device.
    """
    return {name: _norm(optimizer) for name, optimizer in optimizers.items()}


def _norm(optimizer):
    """Return the norm of the gradients of all parameters together."""
    norms = [
        torch.linalg.vector_norm(parameter.grad)
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    if not norms:
        return torch.zeros(
            (), device=optimizer.param_groups[0]["params"][0].device
        )
    return torch.linalg.vector_norm(torch.stack(norms))

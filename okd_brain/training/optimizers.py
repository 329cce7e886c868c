"""One optimizer per network, and which of them step when."""

from dataclasses import dataclass

from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


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

"""One optimizer per network, and which of them step when."""

from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

PREFIXES = {
    "warmup": "warmup_g_",
    "generator": "g_",
    "current": "d",
    "replay": "d",
}
"""How the names of the optimizers begin that a phase steps."""


def make_optimizers(modules, hparams):
    """Give every network an optimizer, and generators one for the warm-up.

    Arguments
    ---------
    modules : dict
        Networks by name, as ``networks.build_modules`` names them.
    hparams : SimpleNamespace
        With ``generator_opt_class``, ``discriminator_opt_class`` and, for
        experiments with a warm-up, ``warmup_opt_class``.

    Returns
    -------
    dict
        Named as the networks; "warmup_<name>" for those of the warm-up.
    """
    optimizers = {}
    for name, module in modules.items():
        if not name.startswith("g_"):
            factory = hparams.discriminator_opt_class
        else:
            factory = hparams.generator_opt_class
            if hparams.curriculum.warmup_epochs:
                warmup = hparams.warmup_opt_class(module.parameters())
                optimizers[f"warmup_{name}"] = warmup
        optimizers[name] = factory(module.parameters())
    return optimizers


def of_phase(optimizers, phase):
    """Return the optimizers that a phase steps.

    Example
    -------
    >>> optimizers = dict.fromkeys(["warmup_g_pesq", "g_pesq", "d_pesq"])
    >>> list(of_phase(optimizers, "generator")), list(of_phase(optimizers, "replay"))
    (['g_pesq'], ['d_pesq'])
    """
    prefix = PREFIXES[phase]
    return {
        name: optimizer
        for name, optimizer in optimizers.items()
        if name.startswith(prefix)
    }


def follow_experiment(optimizers, hparams):
    """Set the learning rates of the experiment, where no schedule decides.

    A checkpoint brings the learning rate it was saved with, whatever the YAML
    says now.

    Arguments
    ---------
    optimizers : dict
        From ``make_optimizers``, recovered.
    hparams : SimpleNamespace
        With ``generator_schedule`` and ``discriminator_schedule``.
    """
    for name, optimizer in optimizers.items():
        wanted = optimizer.defaults["lr"]
        found = optimizer.param_groups[0]["lr"]
        if found != wanted and _schedule(name, hparams) is None:
            logger.info("%s: learning rate %g -> %g", name, found, wanted)
            optimizer.param_groups[0]["lr"] = wanted


def anneal(optimizers, hparams, epoch):
    """Apply the schedules after an epoch.

    Arguments
    ---------
    optimizers : dict
        From ``make_optimizers``.
    hparams : SimpleNamespace
        With ``generator_schedule`` and ``discriminator_schedule``: None, or a
        SpeechBrain scheduler called with the epoch.
    epoch : int
        Epochs of MetricGAN-OKD proper, counted from 1; not called before.
    """
    for name, optimizer in optimizers.items():
        schedule = _schedule(name, hparams)
        if schedule is not None:
            update_learning_rate(optimizer, schedule(epoch)[1])


def _schedule(name, hparams):
    if name.startswith("warmup_"):
        return None
    if name.startswith("g_"):
        return hparams.generator_schedule
    return hparams.discriminator_schedule

"""The networks of an experiment: one generator per target, and discriminators."""

from okd_brain.messages import UserError
from okd_brain.metrics import parse_targets
from okd_brain.training.surrogates import Surrogates

WEIGHTS = {
    "adversarial_weight": "0 trains without metrics, and without a discriminator",
    "supervised_weight": "0 leaves the supervised term out",
    "alpha": "0 trains without mimicry",
}


class Networks(dict):
    """Networks by name, as modules of a ``Brain``, and what each is for.

    Arguments
    ---------
    modules : dict
        Name -> torch.nn.Module.
    targets : list of Target
        One per generator, whose name is ``target.module``.
    discriminator_heads : dict
        Name of each discriminator -> list of Term, one per output.
    surrogates : Surrogates
        What the generators learn their metrics from.
    """

    def __init__(self, modules, targets, discriminator_heads, surrogates):
        super().__init__(modules)
        self.targets = targets
        self.discriminator_heads = discriminator_heads
        self.surrogates = surrogates


def build_modules(hparams):
    """Call the network factories of an experiment, once per network.

    Arguments
    ---------
    hparams : dict
        With ``targets``, ``generator``, ``discriminator``,
        ``discriminator_network``, ``surrogate``, ``adversarial_weight``,
        ``supervised_weight``, ``alpha`` and ``task``.

    Returns
    -------
    Networks
    """
    task = hparams["task"]
    targets, surrogates, discriminators = plan_networks(hparams)
    modules = {target.module: hparams["generator"]() for target in targets}
    for name, heads in discriminators.items():
        modules[name] = hparams["discriminator_network"](
            heads=len(heads),
            channels=task.discriminator_channels,
            normalise=task.normalise_discriminator_input,
        )
    return Networks(modules, targets, discriminators, surrogates)


def plan_networks(hparams):
    """Return what an experiment's networks are to learn, before there are any.

    Arguments
    ---------
    hparams : dict
        As for ``build_modules``, without the factories.

    Returns
    -------
    targets : list of Target
        One per generator.
    surrogates : Surrogates
        What these learn their metrics from.
    discriminator_heads : dict
        As from ``discriminator_heads``; empty where none learns.

    Raises
    ------
    UserError
        If an option is not what it must be.
    """
    targets = parse_targets(hparams["targets"])
    surrogates = Surrogates(
        targets, hparams["surrogate"], hparams["task"].sample_rate
    )
    weights = {key: hparams[key] for key in WEIGHTS}
    for key, weight in weights.items():
        is_number = isinstance(weight, int | float)
        is_number = is_number and not isinstance(weight, bool)
        if not is_number or not 0 <= weight < float("inf"):
            raise UserError(
                f"{key} is {weight!r}, must be a number of at least 0; "
                f"{WEIGHTS[key]}."
            )
    learnt = surrogates.discriminated if weights["adversarial_weight"] else []
    heads = discriminator_heads(learnt, hparams["discriminator"])
    return targets, surrogates, heads


def discriminator_heads(heads, discriminator):
    """Return the heads of each discriminator network.

    Arguments
    ---------
    heads : list of Term
        What discriminators are to learn.
    discriminator : str
        "shared": one network with a head per metric (the paper's v2);
        "separate": one network per metric (v1).

    Returns
    -------
    dict
        "d" -> all heads, or "d_<head>" -> [head] for each head; empty without
        heads.

    Raises
    ------
    UserError
        If ``discriminator`` is neither.

    Example
    -------
    >>> from okd_brain.metrics import heads_of
    >>> targets = parse_targets([["pesq"], ["csig"]])
    >>> list(discriminator_heads(heads_of(targets), "separate"))
    ['d_pesq', 'd_csig']
    """
    if discriminator == "shared":
        return {"d": heads} if heads else {}
    if discriminator == "separate":
        return {f"d_{head.name}": [head] for head in heads}
    raise UserError(
        f"discriminator is {discriminator!r}, but it must be 'shared' (one "
        "network, one head per metric) or 'separate' (one network per metric)."
    )

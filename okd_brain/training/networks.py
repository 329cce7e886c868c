"""The networks of an experiment: one generator per target, and discriminators."""

from okd_brain.messages import UserError
from okd_brain.metrics import heads_of, parse_targets


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
    """

    def __init__(self, modules, targets, discriminator_heads):
        super().__init__(modules)
        self.targets = targets
        self.discriminator_heads = discriminator_heads


def build_modules(hparams):
    """Call the network factories of an experiment, once per network.

    Arguments
    ---------
    hparams : dict
        With ``targets``, ``generator``, ``discriminator``,
        ``discriminator_network`` and ``task``.

    Returns
    -------
    Networks
    """
    targets = parse_targets(hparams["targets"])
    task = hparams["task"]
    discriminators = discriminator_heads(targets, hparams["discriminator"])
    modules = {target.module: hparams["generator"]() for target in targets}
    for name, heads in discriminators.items():
        modules[name] = hparams["discriminator_network"](
            heads=len(heads),
            channels=task.discriminator_channels,
            normalise=task.normalise_discriminator_input,
        )
    return Networks(modules, targets, discriminators)


def discriminator_heads(targets, discriminator):
    """Return the heads of each discriminator network.

    Arguments
    ---------
    targets : list of Target
        Of all generators.
    discriminator : str
        "shared": one network with a head per metric (the paper's v2);
        "separate": one network per metric (v1).

    Returns
    -------
    dict
        "d" -> all heads, or "d_<head>" -> [head] for each head.

    Raises
    ------
    UserError
        If ``discriminator`` is neither.

    Example
    -------
    >>> targets = parse_targets([["pesq"], ["csig"]])
    >>> list(discriminator_heads(targets, "separate"))
    ['d_pesq', 'd_csig']
    """
    heads = heads_of(targets)
    if discriminator == "shared":
        return {"d": heads}
    if discriminator == "separate":
        return {f"d_{head.name}": [head] for head in heads}
    raise UserError(
        f"discriminator is {discriminator!r}, but it must be 'shared' (one "
        "network, one head per metric) or 'separate' (one network per metric)."
    )

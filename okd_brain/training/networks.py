"""The networks of an experiment: one generator per target, and discriminators."""

from okd_brain.metrics import heads_of, parse_targets


def discriminator_heads(targets, discriminator):
    """Return the heads of each discriminator network.

    Arguments
    ---------
    targets : list
        As in the experiment, for instance ``[[pesq], [csig]]``.
    discriminator : str
        "shared": one network with a head per metric (the paper's v2);
        "separate": one network per metric (v1).

    Returns
    -------
    dict
        "d" -> all heads, or "d_<head>" -> [head] for each head.

    Example
    -------
    >>> list(discriminator_heads([["pesq"], ["csig"]], "separate"))
    ['d_pesq', 'd_csig']
    """
    heads = heads_of(parse_targets(targets))
    if discriminator == "shared":
        return {"d": heads}
    if discriminator == "separate":
        return {f"d_{head.name}": [head] for head in heads}
    raise ValueError(
        f"discriminator is {discriminator!r}, but it must be 'shared' (one "
        "network, one head per metric) or 'separate' (one network per metric)."
    )


def build_modules(hparams):
    """Call the network factories of an experiment, once per network.

    Arguments
    ---------
    hparams : dict
        With ``targets``, ``generator``, ``discriminator``,
        ``discriminator_network`` and ``task``.

    Returns
    -------
    dict
        "g_<target>" -> generator; discriminators named as in
        ``discriminator_heads``.
    """
    modules = {
        f"g_{target.name}": hparams["generator"]()
        for target in parse_targets(hparams["targets"])
    }
    networks = discriminator_heads(hparams["targets"], hparams["discriminator"])
    for name, heads in networks.items():
        modules[name] = hparams["discriminator_network"](
            heads=len(heads),
            channels=hparams["task"].discriminator_channels,
            normalise=hparams["task"].normalise_discriminator_input,
        )
    return modules

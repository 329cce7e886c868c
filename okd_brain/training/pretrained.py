"""Warm starts: the ``pretrained`` of an experiment.

.. code-block:: yaml

    pretrained: speechbrain/metricgan-plus-voicebank # all generators
    pretrained:
        pesq: results/first/1/export/pesq
        generators: results/first/1/export/csig # those not named
        discriminator: results/first/1/export/discriminator

A generator's source is what ``export.load_generator`` takes: an export folder,
a folder of SpeechBrain's MetricGAN+, or the id of a hub model. Only weights are
taken; optimizers start afresh. A run that goes on from its own checkpoint does
not read ``pretrained`` again.
"""

from collections.abc import Mapping

from speechbrain.utils.logger import get_logger

from okd_brain.export import fill, load_discriminator, load_generator
from okd_brain.messages import UserError, offer

logger = get_logger(__name__)

ALL_GENERATORS = "generators"
DISCRIMINATOR = "discriminator"


def start_from_pretrained(networks, hparams):
    """Give networks of an experiment the weights that it names.

    Arguments
    ---------
    networks : Networks
        From ``build_modules``; changed in place.
    hparams : dict
        With ``pretrained``, ``curriculum`` and ``checkpointer``.

    Returns
    -------
    list of str
        Names of the networks that got weights; empty if the run goes on from
        its own checkpoint.

    Raises
    ------
    UserError
        If ``pretrained`` names what the experiment does not have (close matches
        are offered), if a source holds no weights, if weights differ in name or
        shape, if a head of the discriminator has no counterpart, or if no stage
        trains generators and one of them has no source.
    """
    targets = {target.name: target for target in networks.targets}
    sources = _sources(hparams["pretrained"] or {}, list(targets))
    untrained = [name for name in targets if name not in sources]
    if untrained and not hparams["curriculum"].generator_stages:
        raise UserError(
            "number_of_epochs and warmup_epochs are 0, so that the "
            "discriminator would learn from an untrained generator "
            f"{untrained[0]}: name its weights in pretrained."
        )
    own = hparams["checkpointer"].find_checkpoint()
    if own is not None:
        if sources:
            logger.info("%s exists: pretrained is not read.", own.path)
        return []
    started = []
    for name, source in sources.items():
        try:
            if name == DISCRIMINATOR:
                _start_discriminators(networks, source)
                started += networks.discriminator_heads
            else:
                module = targets[name].module
                weights = load_generator(source).state_dict()
                fill(networks[module], weights, source)
                started.append(module)
        except ValueError as error:
            raise UserError(f"pretrained {name}: {error}") from error
        logger.info("%s starts from %s.", name, source)
    return started


def _sources(pretrained, targets):
    """Return the source of each target, and of "discriminator", where named."""
    if isinstance(pretrained, str):
        pretrained = {ALL_GENERATORS: pretrained}
    if not isinstance(pretrained, Mapping):
        raise UserError(
            f"pretrained is {pretrained!r}, but it must be one source for all "
            "generators, or sources by the names of targets."
        )
    known = [*targets, ALL_GENERATORS, DISCRIMINATOR]
    for name, source in pretrained.items():
        if name not in known:
            raise UserError(
                f"pretrained names {name!r}, which this experiment does not "
                f"have{offer(name, known)}"
            )
        if not isinstance(source, str):
            raise UserError(
                f"pretrained {name} is {source!r}, but it must be a folder or "
                "the id of a hub model."
            )
    pretrained = dict(pretrained)
    common = pretrained.pop(ALL_GENERATORS, None)
    everywhere = dict.fromkeys(targets, common) if common is not None else {}
    return {**everywhere, **pretrained}


def _start_discriminators(networks, source):
    """Copy to each discriminator the exported network of the same heads.

    A part of a network's heads is not enough: its last layer is normalised as a
    whole (spectral norm), so that a part of it gives other scores.
    """
    available = {}
    for network, heads in load_discriminator(source):
        keys = [frozenset(head.split("+")) for head in heads]
        available[frozenset(keys)] = (network, keys)
    for name, own in networks.discriminator_heads.items():
        keys = [frozenset(head.name.split("+")) for head in own]
        if frozenset(keys) not in available:
            listed = "; ".join(
                " and ".join(sorted("+".join(sorted(key)) for key in heads))
                for heads in available
            )
            raise UserError(
                f"{source} has no network of just the heads "
                f"{' and '.join(head.name for head in own)}; its networks "
                f"have: {listed}."
            )
        network, order = available[frozenset(keys)]
        rows = [order.index(key) for key in keys]
        weights = network.state_dict()
        for part in ("weight_orig", "weight_u", "bias"):
            key = f"linears.{len(network.linears) - 1}.{part}"
            weights[key] = weights[key][rows]
        fill(networks[name], weights, source)

"""The parameter names of the released MetricGAN-OKD code, and ours for them.

The networks are the same; only the names differ, and one layer: the authors'
``BatchNorm2d`` over D's input channels is ``discriminators.ChannelNorm`` here.
Their D is in training mode wherever it is used, so that the running statistics
of that layer never entered a score: they are left out on the way in, and are
those of a new layer on the way out.

Source: github.com/wooseok-shin/MetricGAN-OKD, SE/model.py.
"""

import torch

from okd_brain.discriminators import Discriminator
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator

# Our prefix -> theirs; other names ("Learnable_sigmoid.slope") are the same.
_LINEARS = {"linear1.": "fc1.", "linear2.": "fc2."}
PREFIXES = {
    BLSTMGenerator: {"blstm.rnn.": "lstm.", **_LINEARS},
    CausalLSTMGenerator: {"lstm.rnn.": "lstm.", **_LINEARS},
    Discriminator: {
        "norm.": "BN.",
        "convolutions.": "layers.",
        "linears.0.": "fc1.",
        "linears.1.": "fc2.",
        "linears.2.": "fc3.",
    },
}
# torch.nn.BatchNorm2d, new: what the authors' code needs and never uses.
RUNNING_STATISTICS = {
    "BN.running_mean": torch.zeros(2),
    "BN.running_var": torch.ones(2),
    "BN.num_batches_tracked": torch.tensor(0),
}


def generator_from_authors(weights, source):
    """Build a generator from weights under the authors' names.

    Arguments
    ---------
    weights : Mapping
        Names to tensors.  With a reverse direction in the LSTM they are those
        of the generator of 1.89 M parameters, else of the causal one.
    source : str or Path
        Where they come from, for messages.

    Returns
    -------
    BLSTMGenerator or CausalLSTMGenerator
        In evaluation mode.

    Raises
    ------
    ValueError
        If a name is missing or not expected, or has another shape: all of
        these are listed.
    """
    both_directions = any(str(key).endswith("_reverse") for key in weights)
    kind = BLSTMGenerator if both_directions else CausalLSTMGenerator
    return _fill(kind(), weights, source).eval()


def discriminator_from_authors(weights, source):
    """Build a discriminator from weights under the authors' names.

    Arguments
    ---------
    weights : Mapping
        Names to tensors; as many heads as the last layer has outputs.
    source : str or Path
        Where they come from, for messages.

    Returns
    -------
    Discriminator
        In training mode.

    Raises
    ------
    ValueError
        As ``generator_from_authors``.
    """
    shape = getattr(weights.get("fc3.bias"), "shape", ())
    heads = shape[0] if len(shape) == 1 else 1
    learnt = {k: v for k, v in weights.items() if k not in RUNNING_STATISTICS}
    return _fill(Discriminator(heads=heads), learnt, source)


def weights_for_authors(network):
    """Return the weights of a network under the authors' names.

    Arguments
    ---------
    network : BLSTMGenerator, CausalLSTMGenerator or Discriminator
        A discriminator of two channels that normalises them, as theirs.

    Returns
    -------
    dict
        What ``load_state_dict`` of their network takes, on the CPU.

    Raises
    ------
    ValueError
        If their code has no such network.

    Example
    -------
    >>> list(weights_for_authors(CausalLSTMGenerator()))[-3:]
    ['fc2.weight', 'fc2.bias', 'Learnable_sigmoid.slope']
    """
    own = network.state_dict()
    weights = {
        theirs: own[ours].detach().cpu() for ours, theirs in _names(network)
    }
    if isinstance(network, Discriminator):
        channels = own["convolutions.0.weight_orig"].shape[1]
        if "BN.weight" not in weights or channels != 2:
            raise ValueError(
                "The authors' discriminator normalises two channels, clean "
                f"and degraded; this one has {channels} and "
                f"{'normalises' if network.norm else 'does not normalise'} "
                "them."
            )
        weights.update(RUNNING_STATISTICS)
    return weights


def _names(network):
    """Return (our name, their name) of each tensor of a network."""
    prefixes = PREFIXES.get(type(network))
    if prefixes is None:
        raise ValueError(
            "The authors' code has no network like a "
            f"{type(network).__name__}: they published speech enhancement only."
        )
    pairs = []
    for ours in network.state_dict():
        theirs = ours
        for prefix, replacement in prefixes.items():
            if ours.startswith(prefix):
                theirs = replacement + ours[len(prefix) :]
        pairs.append((ours, theirs))
    return pairs


def _fill(network, weights, source):
    """Give a network the weights; everything that does not fit is listed."""
    names = _names(network)
    own = network.state_dict()
    shapes = {theirs: tuple(own[ours].shape) for ours, theirs in names}
    found = {
        key: tuple(getattr(value, "shape", ()))
        for key, value in weights.items()
    }
    faults = [f"missing {key}" for key in shapes if key not in found]
    faults += [f"unexpected {key}" for key in found if key not in shapes]
    faults += [
        f"{key} is {list(found[key])}, but {list(shape)} is needed"
        for key, shape in shapes.items()
        if found.get(key, shape) != shape
    ]
    if faults:
        raise ValueError(
            f"{source} is not the network of the authors' code that would "
            f"become a {type(network).__name__}: {'; '.join(faults)}."
        )
    network.load_state_dict({ours: weights[theirs] for ours, theirs in names})
    return network

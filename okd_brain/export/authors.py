"""Checkpoint files of the released MetricGAN-OKD code, read and written.

The networks are the same as ours; the names of their parameters differ, and one
layer: the authors' ``BatchNorm2d`` over D's input channels is
``discriminators.ChannelNorm`` here. Their D is always in training mode, so the
running statistics of that layer never affected a score: they are dropped on the
way in, and are those of a new layer on the way out.

A checkpoint is read without trust. Apart from weights it holds an epoch and test
scores as NumPy scalars, which ``torch.load(weights_only=True)`` rejects. Here
stand-ins under NumPy's names read them as plain numbers, so that no code of
NumPy, let alone of the file, is called, and files of NumPy 1 and 2, which use
different names, are read alike.

Source: github.com/wooseok-shin/MetricGAN-OKD, SE/model.py and SE/train.py.
"""

import contextlib
import struct
from collections.abc import Mapping
from pathlib import Path

import torch

from okd_brain.discriminators import Discriminator
from okd_brain.export.weights import check_finite, fill, load_weights
from okd_brain.files import replacing
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator
from okd_brain.messages import UserError

SCALAR_FORMATS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}  # NumPy: struct

# Our prefix -> theirs; other names, such as Learnable_sigmoid.slope, are equal.
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
# Of a new torch.nn.BatchNorm2d: the authors' code loads but never uses them.
RUNNING_STATISTICS = {
    "BN.running_mean": torch.zeros(2),
    "BN.running_var": torch.ones(2),
    "BN.num_batches_tracked": torch.tensor(0),
}


class AuthorsCheckpoint:
    """Content of a checkpoint of the authors' code.

    Arguments
    ---------
    path : str or Path
        The file.

    Attributes
    ----------
    generator : BLSTMGenerator or CausalLSTMGenerator
        In evaluation mode.
    epoch : int or None
        The epoch after which it was saved.
    test_scores : dict
        Metric -> mean over the authors' test set, by which they chose epochs;
        empty if the file has none.

    Raises
    ------
    UserError
        If the file is not such a checkpoint.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.is_dir():
            raise UserError(
                f"{path} is a folder, but a checkpoint of the authors' code "
                "is one file, such as best_model0.pth."
            )
        with _numpy_scalars():
            self._tree = load_weights(self.path)
        weights = self._part("generator")
        # Only the generator of 1.89 M parameters has a reverse direction.
        both = any(str(key).endswith("_reverse") for key in weights)
        network = BLSTMGenerator() if both else CausalLSTMGenerator()
        self.generator = _fill(network, weights, self.path).eval()
        epoch = self._tree.get("epoch")
        self.epoch = epoch if isinstance(epoch, int) else None
        scores = self._tree.get("stats")
        self.test_scores = {
            str(name): value
            for name, value in (
                scores.items() if isinstance(scores, Mapping) else ()
            )
            if isinstance(value, (int, float))
        }

    def discriminator(self):
        """Return the discriminator in the file.

        Returns
        -------
        Discriminator
            In training mode, with as many heads as the last layer in the file
            has outputs.

        Raises
        ------
        UserError
            If there is none, or its weights do not fit.
        """
        weights = self._part("discriminator")
        shape = getattr(weights.get("fc3.bias"), "shape", ())
        heads = shape[0] if len(shape) == 1 else 1
        learnt = {
            key: value
            for key, value in weights.items()
            if key not in RUNNING_STATISTICS
        }
        return _fill(Discriminator(heads=heads), learnt, self.path)

    def _part(self, key):
        part = self._tree.get(key)
        if not isinstance(part, Mapping):
            found = ", ".join(map(str, list(self._tree)[:8]))
            raise UserError(
                f"{self.path} is not a checkpoint of the authors' code, which "
                f"keeps weights under the key '{key}': its keys are {found}."
            )
        return part


def write_checkpoint(path, *, generator, discriminator=None, epoch=0):
    """Write a checkpoint that the authors' ``inference.py`` loads.

    Arguments
    ---------
    path : str or Path
        The file; it must not exist. It appears complete or not at all.
    generator : BLSTMGenerator or CausalLSTMGenerator
        The network.
    discriminator : Discriminator, optional
        Their ``train.py`` saves one, too, but never loads it.
    epoch : int
        Printed by their code on loading.

    Raises
    ------
    UserError
        If the file exists, or their code has no such network.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} exists already: name a new file.")
    checkpoint = {"epoch": epoch, "generator": weights_for_authors(generator)}
    if discriminator is not None:
        checkpoint["discriminator"] = weights_for_authors(discriminator)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as staged:
        torch.save(checkpoint, staged)


# Names and layers


def weights_for_authors(network):
    """Return the weights of a network under the authors' names.

    Arguments
    ---------
    network : BLSTMGenerator, CausalLSTMGenerator or Discriminator
        A discriminator must have two channels and normalise them, as theirs.

    Returns
    -------
    dict
        For ``load_state_dict`` of their network, on the CPU.

    Raises
    ------
    UserError
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
            raise UserError(
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
        raise UserError(
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
    """Fill a network with weights, or list everything that does not fit."""
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
        raise UserError(
            f"{source} is not the network of the authors' code that would "
            f"become a {type(network).__name__}: {'; '.join(faults)}."
        )
    check_finite(weights, source)
    fill(network, {ours: weights[theirs] for ours, theirs in names}, source)
    return network


# NumPy scalars


class _Dtype:
    """NumPy type as pickled: ``dtype("f8", ...)``, then a state.

    The state starts with a version and the order of bytes, "<" or ">".
    """

    def __init__(self, code, *_):
        self.code = code
        self.order = "<"

    def __setstate__(self, state):
        self.order = state[1]


def _scalar(dtype, raw):
    """Return the number that NumPy pickled as a type and bytes."""
    form = SCALAR_FORMATS.get(dtype.code)
    if form is None:
        raise ValueError(f"scalars of NumPy's type {dtype.code} are not read")
    return struct.unpack(dtype.order + form, raw)[0]


def _stand_ins():
    """Return stand-ins under the names in pickles of NumPy 1 and 2."""
    allowed = [type("dtype", (_Dtype,), {"__module__": "numpy"})]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):

        def scalar(dtype, raw):
            return _scalar(dtype, raw)

        scalar.__module__ = module
        scalar.__name__ = scalar.__qualname__ = "scalar"
        allowed.append(scalar)
    return allowed


@contextlib.contextmanager
def _numpy_scalars():
    """Let ``torch.load(weights_only=True)`` read NumPy's scalars as numbers."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()  # NumPy's, if a user allowed them
    torch.serialization.add_safe_globals(_stand_ins())
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)

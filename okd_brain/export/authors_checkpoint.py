"""Checkpoint files of the released MetricGAN-OKD code, read without trust.

Besides weights such a file holds an epoch and test scores that are NumPy's
scalars, on which ``torch.load(weights_only=True)`` stops.  They are read here
as plain numbers by stand-ins of our own under NumPy's names, so that nothing of
NumPy, let alone of the file, is called; and files of NumPy 1 and 2, which name
the same things differently, are equal.

Source: github.com/wooseok-shin/MetricGAN-OKD, SE/train.py.
"""

import contextlib
import os
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch

from okd_brain.export.authors_layout import (
    discriminator_from_authors,
    generator_from_authors,
    weights_for_authors,
)
from okd_brain.export.weights import load_weights

SCALAR_FORMATS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}


class AuthorsCheckpoint:
    """What a checkpoint of the authors' code holds.

    Arguments
    ---------
    path : str or Path
        The file.

    Attributes
    ----------
    generator : BLSTMGenerator or CausalLSTMGenerator
        In evaluation mode.
    epoch : int or None
        When it was saved.
    test_scores : dict
        Metric -> mean over the authors' test set, by which they chose epochs;
        empty where the file has none.

    Raises
    ------
    ValueError
        If the file is no such checkpoint.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.is_dir():
            raise ValueError(
                f"{path} is a folder, but a checkpoint of the authors' code "
                "is one file, such as best_model0.pth."
            )
        with _numpy_scalars():
            self._tree = load_weights(self.path)
        self.generator = generator_from_authors(
            self._part("generator"), self.path
        )
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
        """Return the ``Discriminator`` in the file, in training mode.

        Raises
        ------
        ValueError
            If there is none, or its weights do not fit.
        """
        return discriminator_from_authors(
            self._part("discriminator"), self.path
        )

    def _part(self, key):
        part = self._tree.get(key)
        if not isinstance(part, Mapping):
            found = ", ".join(map(str, list(self._tree)[:8]))
            raise ValueError(
                f"{self.path} is no checkpoint of the authors' code, which "
                f"keeps weights under the key '{key}': its keys are {found}."
            )
        return part


def write_checkpoint(path, *, generator, discriminator=None, epoch=0):
    """Write a checkpoint that the authors' ``inference.py`` loads.

    Arguments
    ---------
    path : str or Path
        The file; it must not exist.  It appears complete or not at all.
    generator : BLSTMGenerator or CausalLSTMGenerator
        The network.
    discriminator : Discriminator, optional
        Their ``train.py`` saves one too, and reads it nowhere.
    epoch : int
        What their code prints on loading.

    Raises
    ------
    ValueError
        If the file exists, or their code has no such network.
    """
    path = Path(path)
    if path.exists():
        raise ValueError(f"{path} exists already: name a new file.")
    checkpoint = {"epoch": epoch, "generator": weights_for_authors(generator)}
    if discriminator is not None:
        checkpoint["discriminator"] = weights_for_authors(discriminator)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        torch.save(checkpoint, staged)
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


# NumPy's scalars --------------------------------------------------------------


class _Dtype:
    """What a pickle says of a NumPy type; its layout, but for the bytes' order.

    Pickled as ``dtype("f8", ...)``, then given a state that starts with a
    version and "<" or ">".
    """

    def __init__(self, code, *_):
        self.code = code
        self.order = "<"

    def __setstate__(self, state):
        self.order = state[1]


def _scalar(dtype, raw):
    """Return the number that NumPy pickles as its type and bytes."""
    form = SCALAR_FORMATS.get(dtype.code)
    if form is None:
        raise ValueError(f"scalars of NumPy's type {dtype.code} are not read")
    return struct.unpack(dtype.order + form, raw)[0]


def _stand_ins():
    """Return what to allow, under the names that pickles of NumPy 1 and 2 use."""
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
    torch.serialization.clear_safe_globals()  # a user may have allowed NumPy's
    torch.serialization.add_safe_globals(_stand_ins())
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)

"""Weights of networks on disk, read without executing anything in the file.

Nor does a file decide how much memory and time that takes: archives that unpack
to more than they are, and pickles nested or shared beyond what weights are, are
refused before PyTorch reads them.
"""

import os
import pickletools
import zipfile
from collections.abc import Mapping

import torch

from okd_brain.messages import UserError, reason_of

ZIP = b"PK\x03\x04"  # begins what torch.save writes since PyTorch 1.6
LEGACY_PICKLES = 5  # before the tensors: magic, version, system, weights, keys
MAX_DEPTH = 100  # of objects in one another; weights have about 5
MAX_PARTS = 10**6  # of an object, shared ones counted each time
ALLOCATING = ("bytearray",)  # takes a size, and PyTorch lets it


def save_weights(module, path):
    """Save the weights of a network, from whatever device it is on.

    Arguments
    ---------
    module : torch.nn.Module
        The network.
    path : Path
        The file to write.

    Raises
    ------
    UserError
        If a weight is not finite.
    """
    weights = module.state_dict()  # with the metadata that spectral_norm reads
    for key, value in weights.items():
        if not torch.isfinite(value).all():
            raise UserError(
                f"{type(module).__name__} has weights that are not finite in "
                f"{key}: training diverged, and nothing is exported."
            )
        weights[key] = value.cpu()
    torch.save(weights, path)


def load_weights(path):
    """Read the weights of a network.

    Arguments
    ---------
    path : Path
        A file of ``torch.save``; nothing but tensors in plain containers is
        accepted (``weights_only``).

    Returns
    -------
    Mapping
        Keys to tensors, on the CPU.

    Raises
    ------
    UserError
        If the file does not exist or holds something else.
    """
    if not os.path.isfile(path):  # a name that is too long is none either
        raise UserError(f"{path.parent} holds no {path.name}.")
    try:
        _check_bounded(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:
        # The unpickler raises errors of any class on bytes that are no pickle.
        raise UserError(
            f"{path} is not a file of weights ({type(error).__name__})."
        ) from error
    named = isinstance(weights, Mapping) and all(
        isinstance(key, str) for key in weights
    )
    if not named or not weights:
        raise UserError(f"{path} holds no dict of weights.")
    return weights


def fill(module, weights, path):
    """Load weights that fit a network in every key and shape.

    Arguments
    ---------
    module : torch.nn.Module
        The network, changed in place.
    weights : Mapping
        From ``load_weights``.
    path : Path
        Where the weights come from, for the message.

    Returns
    -------
    torch.nn.Module
        The network.

    Raises
    ------
    UserError
        If a key is missing, unexpected, or has another shape, or if a weight is
        not finite.
    """
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(f"{path} does not fit: {reason_of(error)}") from error
    check_finite(module.state_dict(), path)
    return module


def check_finite(weights, path):
    """Refuse weights that would make NaN of whatever they are given.

    Arguments
    ---------
    weights : Mapping
        Keys to tensors.
    path : str or Path
        Where they come from, for the message.

    Raises
    ------
    UserError
        Naming the first tensor that is not finite.
    """
    for key, value in weights.items():
        if not torch.isfinite(value).all():
            raise UserError(
                f"{path}: {key} holds NaN or infinity, so that the network "
                "could only give NaN; its training diverged, or the file is "
                "damaged. Use another checkpoint of the run."
            )


def _check_bounded(path):
    """Refuse a file that would take more memory or time than its size says."""
    with open(path, "rb") as file:
        if file.read(len(ZIP)) != ZIP:
            file.seek(0)
            for _ in range(LEGACY_PICKLES):
                _check_pickle(file, path)
            return
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            size = path.stat().st_size
            if unpacked > size:
                raise UserError(
                    f"{path} has {size} bytes, but would unpack to {unpacked}. "
                    "It is not a file of torch.save, which packs nothing."
                )
            for entry in entries:
                if entry.filename.endswith(".pkl"):
                    with archive.open(entry) as pickle:
                        _check_pickle(pickle, path)


def _check_pickle(stream, path):
    """Refuse a pickle whose objects are too deep, too large, or allocate.

    Python hashes a tuple by hashing its parts, without a limit of its own. The
    machine of pickles is followed with (depth, parts) in the place of objects.
    """
    stack, marks, memo = [], [], {}
    for opcode, argument, _ in pickletools.genops(stream):
        name, before = opcode.name, opcode.stack_before
        if name == "MARK":
            marks.append(len(stack))
            continue
        if name.endswith("PUT"):  # in all its forms
            memo[argument] = stack[-1]
            continue
        if name.endswith("GET"):
            stack.append(memo[argument])
            continue
        start = len(stack) - len(before)
        if pickletools.markobject in before:
            start = marks.pop() - before.index(pickletools.markobject)
        taken = stack[start:]
        del stack[start:]
        depth = 1 + max((depth for depth, _ in taken), default=0)
        parts = 1 + sum(parts for _, parts in taken)
        allocates = name == "GLOBAL" and argument.endswith(ALLOCATING)
        if depth > MAX_DEPTH or parts > MAX_PARTS or allocates:
            raise UserError(
                f"{path} is not a file of weights: it holds objects that no "
                "state of a network has."
            )
        stack += [(depth, parts)] * len(opcode.stack_after)

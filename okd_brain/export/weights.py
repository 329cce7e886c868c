"""Weights of networks on disk, read without executing anything in the file."""

from collections.abc import Mapping

import torch

from okd_brain.messages import UserError


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
    if not path.is_file():
        raise UserError(f"{path.parent} holds no {path.name}.")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # The unpickler raises errors of any class on bytes that are no pickle.
        raise UserError(
            f"{path} is not a file of weights ({type(error).__name__})."
        ) from error
    if not isinstance(weights, Mapping) or not weights:
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
        If a key is missing, unexpected, or has another shape.
    """
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())  # torch has a line for each fault
        raise UserError(f"{path} does not fit: {reason}") from error
    return module

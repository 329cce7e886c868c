"""Weights on disk: written whole or not at all, read without executing them."""

import shutil
import uuid
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import torch


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
    ValueError
        If a weight is not finite.
    """
    weights = module.state_dict()  # with the metadata that spectral_norm reads
    for key, value in weights.items():
        if not torch.isfinite(value).all():
            raise ValueError(
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
    ValueError
        If there is no such file or it holds something else.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent} holds no {path.name}.")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # On bytes that are no pickle the unpickler fails with any class.
        raise ValueError(
            f"{path} is not a file of weights ({type(error).__name__})."
        ) from error
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f"{path} holds no dict of weights.")
    return weights


def fill(module, weights, path):
    """Give a network weights that fit in every key and shape.

    Arguments
    ---------
    module : torch.nn.Module
        The network, changed in place.
    weights : Mapping
        What ``load_weights`` returned.
    path : Path
        Where they come from, for the message.

    Returns
    -------
    torch.nn.Module
        The network.

    Raises
    ------
    ValueError
        If a key is missing, not expected, or of another shape.
    """
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{path} does not fit: {error}") from error
    return module


@contextmanager
def replacing_folder(folder, patterns):
    """Yield an empty folder that takes the place of ``folder`` at the end.

    What stood there is moved aside and deleted only when the new folder stands;
    on an error it is as it was.

    Arguments
    ---------
    folder : str or Path
        The folder to make or to replace; parents are made.
    patterns : tuple of str
        Names of files that may be replaced.

    Yields
    ------
    Path
        A folder beside ``folder``.

    Raises
    ------
    ValueError
        If the old folder holds anything else, or is a file.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "export"
    >>> for text in ("old", "new"):
    ...     with replacing_folder(folder, ("*.txt",)) as staged:
    ...         length = (staged / "a.txt").write_text(text)
    >>> (folder / "a.txt").read_text()
    'new'
    """
    folder = Path(folder).resolve()
    _refuse_foreign(folder, patterns)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile.mkdtemp, whose mode 0700 would stay on the folder.
    unique = uuid.uuid4().hex[:8]
    staged = folder.with_name(f".{folder.name}.{unique}.new")
    aside = folder.with_name(f".{folder.name}.{unique}.old")
    staged.mkdir()
    try:
        yield staged
        if folder.exists():
            folder.rename(aside)
        staged.rename(folder)
    except BaseException:  # Ctrl-C included; raised again
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        shutil.rmtree(staged, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _refuse_foreign(folder, patterns):
    """Raise if replacing this folder would delete what no export wrote."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"Cannot export to {folder}: it is a file.")
    for path in sorted(folder.iterdir()):
        if path.is_dir() or not any(path.match(p) for p in patterns):
            raise ValueError(
                f"Cannot export to {folder}: it holds '{path.name}', which no "
                "export wrote and which would be lost. Name a new folder."
            )

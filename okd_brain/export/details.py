"""The details of an exported generator, kept in its ``model.json``."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path

from okd_brain.export.sources import NotFetched, export_file
from okd_brain.files import read_json
from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.tasks import ListeningEnhancement, SpeechEnhancement

logger = logging.getLogger(__name__)

FILE = "model.json"


def json_values(value):
    """Convert the details of an export to values that JSON can hold.

    Arguments
    ---------
    value : object
        None, a number (NumPy and torch scalars included), a string or path, or
        a list or dict of these.

    Returns
    -------
    object
        Python's own numbers and strings; None for a number that is not finite,
        which JSON cannot express.

    Raises
    ------
    ValueError
        If the value is or contains anything else.

    Example
    -------
    >>> json_values({"epoch": 3, "scores": (2.5, float("nan"))})
    {'epoch': 3, 'scores': [2.5, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    if getattr(value, "shape", None) == ():  # NumPy and torch scalars
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Path):
        return str(value)
    raise ValueError(
        "The details of an export are numbers, strings, lists and dicts; got "
        f"{type(value).__name__}: {value!r}."
    )


def read_details(source):
    """Return the details that were given to an export.

    Arguments
    ---------
    source : str or Path
        As for ``load_generator``.

    Returns
    -------
    dict
        Empty if the source has no ``model.json``, as published models of others;
        with a warning, if that of a hub model cannot be fetched.

    Raises
    ------
    UserError
        If the file is not one that an export writes.
    """
    try:
        path = export_file(source, FILE)
    except NotFetched as error:  # its weights may lie here all the same
        logger.warning("%s", error)
        return {}
    if not path.is_file():
        return {}
    try:
        return dict(read_json(path)["details"])
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{path} is not what an export says of itself ({error!r})."
        ) from error


def task_of(generator, details):
    """Return the task that a generator was trained for.

    Arguments
    ---------
    generator : torch.nn.Module
        Of ``okd_brain.generators``. Its class tells the task.
    details : Mapping
        From ``read_details``; "equal_power" is "utterance" if it is missing.

    Returns
    -------
    SpeechEnhancement or ListeningEnhancement

    Raises
    ------
    ValueError
        If "equal_power" is neither "utterance" nor "frame".

    Example
    -------
    >>> task = task_of(BandGainGenerator(), {"equal_power": "frame"})
    >>> task.description
    {'task': 'listening enhancement', 'equal_power': 'frame'}
    """
    if not isinstance(generator, BandGainGenerator):
        return SpeechEnhancement()
    return ListeningEnhancement(
        equal_power=details.get("equal_power", "utterance")
    )

"""What an exported generator says of itself, in its ``model.json``."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from okd_brain.generators import BandGainGenerator
from okd_brain.tasks import ListeningEnhancement, SpeechEnhancement

FILE = "model.json"


def json_values(value):
    """Copy the details of an export to what JSON can hold.

    Arguments
    ---------
    value : object
        None, a number (NumPy's and torch's scalars too), string or path, or a
        list or dict of these.

    Returns
    -------
    object
        Python's own numbers and strings; None for a number that is not finite,
        for which JSON has no other word.

    Raises
    ------
    ValueError
        If there is anything else in it.

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
    """Return the details that an export was given.

    Arguments
    ---------
    source : str or Path
        What ``export.load_generator`` takes.

    Returns
    -------
    dict
        Empty if the source has no ``model.json``: what others published says
        nothing of this kind.

    Raises
    ------
    ValueError
        If the file holds anything else than an export writes.
    """
    path = Path(source) / FILE
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8"))["details"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"{path} is not what an export says of itself ({error!r})."
        ) from error


def task_of(generator, details):
    """Return the task that a generator was trained for.

    Arguments
    ---------
    generator : torch.nn.Module
        Of ``okd_brain.generators``: its class tells the task, for one sees
        spectra and the other bands.
    details : Mapping
        From ``read_details``; "equal_power" is "utterance" if it is not named.

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

"""What names a generator: a folder, the name of a model of okd, or a hub id.

Nothing here needs torch, so that a command can refuse what is not a model before
it waits for that.
"""

import re
from pathlib import Path

from okd_brain.audio import CONVERTIBLE
from okd_brain.files import AUDIO_SUFFIXES
from okd_brain.messages import UserError, offer
from okd_brain.models import SSDRC, find_model, known_models

WEIGHTS = "enhance_model.ckpt"  # SpeechBrain: <name of the loadable>.ckpt
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")  # namespace/name


class NotFetched(UserError):
    """A file that the hub may have, but did not give."""


def names_model(text):
    """Tell whether a text names a model, not something to enhance.

    Arguments
    ---------
    text : str or Path
        An argument of a command.

    Returns
    -------
    bool
        True for an export folder, for the output folder of a run that has
        exported, and where there is no such path for the name of a model that
        comes with okd, or what can only be the id of a model on the hub.

    Example
    -------
    >>> names_model("speechbrain/metricgan-plus-voicebank")
    True
    >>> names_model("recordings/missing.wav")
    False
    """
    path = Path(text)
    if path.exists():
        return (path / WEIGHTS).is_file() or bool(_exports_in(path))
    if str(text) in known_models():
        return True
    audio = path.suffix.lower() in AUDIO_SUFFIXES | CONVERTIBLE
    return not audio and bool(HUB_ID.fullmatch(str(text)))


def find_export(source):
    """Return the export folder that a source stands for.

    Arguments
    ---------
    source : str or Path
        An export folder, the output folder of a run with one generator, or the
        name of a model that comes with okd.

    Returns
    -------
    str or Path
        The source itself if it is anything else, such as a hub id.

    Raises
    ------
    UserError
        If a run has several generators; the message lists them. Also if it has
        exported none yet, or the model that comes with okd is damaged.
    """
    folder = Path(source)
    if (folder / WEIGHTS).is_file():
        return source
    exports = _exports_in(folder) if folder.is_dir() else []
    if not exports and (folder / "run.json").is_file():
        raise UserError(
            f"{source} is a run that has exported nothing yet. The command "
            "that began it goes on where it stopped, and exports at its end."
        )
    if not exports:
        return find_model(str(source)) or source
    if len(exports) > 1:
        raise UserError(
            f"{source} holds {len(exports)} generators; name one of them: "
            f"{', '.join(map(str, exports))}"
        )
    return exports[0]


def weights_path(source):
    """Return the local path to the weights of a generator.

    Arguments
    ---------
    source : str or Path
        As for ``find_export``, or the id of a model on the Hugging Face hub, which
        is fetched once.

    Returns
    -------
    Path
        A folder of another kind yields a path where no file is.

    Raises
    ------
    UserError
        As ``find_export``; also if there is no such folder or hub model.
    """
    return export_file(source, WEIGHTS)


def export_file(source, name):
    """Return the local path to a file of an export.

    Arguments
    ---------
    source : str or Path
        As for ``weights_path``.
    name : str
        Of the file.

    Returns
    -------
    Path
        Where no file is, if a folder or the hub has none of this name.

    Raises
    ------
    NotFetched
        If there is no such folder, and the hub model, if there is one, cannot be
        reached.
    UserError
        As ``find_export``; also if the source could not be a hub model.
    """
    source = find_export(source)
    if Path(source).is_dir():
        return Path(source) / name
    if str(source) == SSDRC:
        raise UserError(
            f"{SSDRC} is a method without a network: okd-enhance --task le "
            f"--model {SSDRC}, or in Python okd_brain.tasks.ssdrc.ssdrc."
        )
    if not HUB_ID.fullmatch(str(source)):
        raise UserError(
            f"'{source}' is not a folder, nor could it be the id of a hub "
            f"model (namespace/name){offer(source, [*known_models(), SSDRC])}"
        )
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
    )
    from speechbrain.utils.fetching import FetchFrom, FetchSource, fetch

    hub = FetchSource(FetchFrom.HUGGING_FACE, str(source))
    try:
        return fetch(name, source=hub)
    except (OSError, ValueError, EntryNotFoundError) as error:
        cause = error.__cause__ or error  # SpeechBrain makes one of another
        lacking = isinstance(cause, EntryNotFoundError)
        if lacking and not isinstance(cause, LocalEntryNotFoundError):
            return Path(source) / name
        raise NotFetched(
            f"'{source}' is not a folder here, and {name} could not be "
            f"fetched from a hub model of this name: {error}"
        ) from error


def _exports_in(folder):
    """Return the exports of a run, given its folder or its folder of exports."""
    found = [*folder.glob(f"export/*/{WEIGHTS}"), *folder.glob(f"*/{WEIGHTS}")]
    return sorted(path.parent for path in found)

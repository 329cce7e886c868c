"""What names a generator: an export folder, the output of a run, or a hub id.

Nothing here needs torch, so that a command can refuse what is not a model before
it waits for that.
"""

import re
from pathlib import Path

from okd_brain.audio import CONVERTIBLE
from okd_brain.files import AUDIO_SUFFIXES
from okd_brain.messages import UserError

WEIGHTS = "enhance_model.ckpt"  # SpeechBrain: <name of the loadable>.ckpt
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")  # namespace/name


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
        exported, and for what can only be the id of a model on the hub.

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
    audio = path.suffix.lower() in AUDIO_SUFFIXES | CONVERTIBLE
    return not audio and bool(HUB_ID.fullmatch(str(text)))


def find_export(source):
    """Return the export folder that a source stands for.

    Arguments
    ---------
    source : str or Path
        An export folder, or the output folder of a run with one generator.

    Returns
    -------
    str or Path
        The source itself if it is anything else, such as a hub id.

    Raises
    ------
    UserError
        If a run has several generators; the message lists them.
    """
    folder = Path(source)
    if not folder.is_dir() or (folder / WEIGHTS).is_file():
        return source
    exports = _exports_in(folder)
    if len(exports) > 1:
        raise UserError(
            f"{source} holds {len(exports)} generators; name one of them: "
            f"{', '.join(map(str, exports))}"
        )
    return exports[0] if exports else source


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
    source = find_export(source)
    if Path(source).is_dir():
        return Path(source) / WEIGHTS
    if not HUB_ID.fullmatch(str(source)):
        raise UserError(
            f"'{source}' is not a folder, nor could it be the id of a hub "
            "model (namespace/name)."
        )
    from speechbrain.utils.fetching import FetchFrom, FetchSource, fetch

    hub = FetchSource(FetchFrom.HUGGING_FACE, str(source))
    try:
        return fetch(WEIGHTS, source=hub)
    except (OSError, ValueError) as error:
        raise UserError(
            f"'{source}' is not a folder here, and {WEIGHTS} could not be "
            f"fetched from a hub model of this name: {error}"
        ) from error


def _exports_in(folder):
    """Return the exports of a run, given its folder or its folder of exports."""
    found = [*folder.glob(f"export/*/{WEIGHTS}"), *folder.glob(f"*/{WEIGHTS}")]
    return sorted(path.parent for path in found)

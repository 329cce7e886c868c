"""Folders of recordings without partners: speech, or noise."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from okd_brain.files import AUDIO_SUFFIXES


class Utterance(NamedTuple):
    """A file of clean speech.

    Attributes
    ----------
    path : str
        Relative to the folder of speech.
    name, speaker, split : str
        What it is called, who speaks, and what for.
    """

    path: str
    name: str
    speaker: str
    split: str


def list_audio(folder):
    """Return the audio files of a folder with their size and time of change.

    Arguments
    ---------
    folder : str or Path
        Its sub-folders count; hidden files and folders do not (a Mac leaves
        ``._a.wav`` behind).

    Returns
    -------
    dict
        {path relative to the folder: [bytes, nanoseconds]}, sorted.

    Raises
    ------
    ValueError
        If there is no such folder, or no audio file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    listing = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        is_audio = path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
        if is_audio and not is_hidden:
            stat = path.stat()
            listing[relative.as_posix()] = [stat.st_size, stat.st_mtime_ns]
    if not listing:
        raise ValueError(f"{folder}: there is no audio file in it")
    return listing


def utterance_of(path):
    """Return the name of an utterance: its path as one word, without suffix.

    Arguments
    ---------
    path : str
        Relative to the folder of speech.

    Returns
    -------
    str

    Example
    -------
    >>> utterance_of("anna/monday/a_1.flac")
    'anna_monday_a_1'
    """
    return one_word("_".join(PurePosixPath(path).with_suffix("").parts))


def one_word(text):
    """Return text with underscores for blanks, which logs divide by.

    Example
    -------
    >>> one_word("heavy rain")
    'heavy_rain'
    """
    return "_".join(text.split())

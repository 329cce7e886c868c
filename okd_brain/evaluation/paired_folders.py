"""Folders that hold the same utterances as a folder of clean speech."""

from dataclasses import replace
from pathlib import Path

import soundfile

from okd_brain.corpora import LENGTH_TOLERANCE_SECONDS
from okd_brain.evaluation.files import match

LISTED = 5  # utterances, or files, in a message


def pair_folders(clean, folder, noise=None):
    """Match a folder of noisy or enhanced files with the clean ones.

    Unlike ``score_files.match``, which takes a part of the clean files, all
    folders must hold the same utterances: systems that are compared have all
    been given the same task.

    Arguments
    ---------
    clean, folder : str or Path
        Names are matched without suffix, sub-folders included.
    noise : str or Path, optional
        Folder of what the listener hears besides.

    Returns
    -------
    dict
        Utterance -> Files (whose ``enhanced`` is in ``folder``), sorted.

    Raises
    ------
    ValueError
        If one is no folder or has no audio files, or a file has no partner.
    """
    for path in (clean, folder):
        if not Path(path).is_dir():
            raise ValueError(f"{path}: there is no such folder")
    files = {found.utterance: found for found in match(clean, folder)}
    missing = [
        found.utterance
        for found in match(clean, clean)
        if found.utterance not in files
    ]
    if missing:
        raise ValueError(f"{folder}: no file for {listed(missing)}")
    if noise is None:
        return files
    noises = pair_folders(clean, noise)
    return {
        name: replace(found, noise=noises[name].enhanced)
        for name, found in files.items()
    }


def check_headers(files):
    """Refuse files that could not be scored, by what their headers say.

    Arguments
    ---------
    files : iterable of Files

    Raises
    ------
    ValueError
        If a file cannot be opened or has more than one channel, or another one
        of the utterance has not the sample rate of the clean file, or not its
        length up to 16 ms.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name, rate in (("clean", 48000), ("noisy", 16000)):
    ...     (folder / name).mkdir()
    ...     soundfile.write(folder / name / "a.wav", [0.0] * rate, rate)
    >>> pairs = pair_folders(folder / "clean", folder / "noisy")
    >>> try:
    ...     check_headers(pairs.values())
    ... except ValueError as error:
    ...     print(str(error).replace(f"{folder}/", ""))
    noisy/a.wav has 16000 Hz, clean/a.wav 48000 Hz: convert one of them
    """
    problems = []
    for pair in files:
        problem = _problem(pair)
        if problem is not None:
            problems.append(problem)
    if problems:
        more = len(problems) - LISTED
        tail = [f"... and {more} more like these"] if more > 0 else []
        raise ValueError("\n".join(problems[:LISTED] + tail))


def _problem(pair):
    """Return what is wrong with a pair, None if nothing is."""
    headers = {}
    for path in filter(None, (pair.clean, pair.enhanced, pair.noise)):
        try:
            header = soundfile.info(path)
        except (soundfile.SoundFileError, OSError) as error:
            return f"{path} cannot be read: {error}"
        if header.channels != 1:
            return f"{path} has {header.channels} channels, must have 1"
        headers[path] = header
    clean = headers[pair.clean]
    tolerance = LENGTH_TOLERANCE_SECONDS * clean.samplerate
    for path, other in headers.items():
        if clean.samplerate != other.samplerate:
            return (
                f"{path} has {other.samplerate} Hz, {pair.clean} "
                f"{clean.samplerate} Hz: convert one of them"
            )
        if abs(clean.frames - other.frames) > tolerance:
            return (
                f"{path} has {other.frames} samples, {pair.clean} "
                f"{clean.frames}: they may differ by {tolerance:.0f}"
            )
    return None


def listed(names):
    """Return the first of some names, and how many more there are.

    Example
    -------
    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more

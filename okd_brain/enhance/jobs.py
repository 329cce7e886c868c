"""Plan which files a command reads, and which ones it writes."""

import glob
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from okd_brain.enhance.files import FORMATS
from okd_brain.files import walk_audio


@dataclass(frozen=True)
class Job:
    """One file to enhance.

    Attributes
    ----------
    source : Path
        What is read.
    destination : Path
        What is written.
    """

    source: Path
    destination: Path


def plan(inputs, folder, *, also_read=()):
    """Find the files that inputs stand for, and where each one goes.

    Arguments
    ---------
    inputs : list of str
        Files, folders and patterns. In folders, audio files are found by their
        suffix; a file that is named or matched by a pattern is always tried.
    folder : str or Path
        The output folder. If it lies below an input folder, its own files are not
        inputs, so that ``okd-enhance MODEL . -o enhanced`` can be repeated.
    also_read : sequence of str or Path
        Other files that must not be written to.

    Returns
    -------
    list of Job
        In the order of ``inputs``, sorted within each; none twice.

    Raises
    ------
    ValueError
        If a folder or pattern yields no file, two sources have the same
        destination, a destination is a source or among ``also_read``, or the
        output folder is a file.

    Example
    -------
    >>> base = getfixture("tmp_path")
    >>> (base / "in" / "a").mkdir(parents=True)
    >>> (base / "in" / "a" / "b.MP3").touch()
    >>> [job] = plan([str(base / "in")], base / "out")
    >>> job.destination.relative_to(base).as_posix()
    'out/a/b.wav'
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: the output folder is a file.")
    jobs = {}
    for text in inputs:
        for source, relative in _find(text, folder):
            destination = folder / relative
            if destination.suffix.lower() not in FORMATS:
                destination = destination.with_suffix(".wav")
            job = jobs.setdefault(
                destination.resolve(), Job(source, destination)
            )
            if job.source.resolve() != source.resolve():
                raise ValueError(
                    f"{job.source} and {source} would both be written to "
                    f"{destination}. Enhance them into different folders."
                )
    sources = {job.source.resolve() for job in jobs.values()}
    sources.update(Path(path).resolve() for path in also_read)
    for target, job in jobs.items():
        if target in sources:
            raise ValueError(
                f"{job.destination}, the output of {job.source}, is an input. "
                "Name another output folder."
            )
    return list(jobs.values())


def _find(text, folder):
    """Return (source, path in the output folder) of every file of one input."""
    path = Path(text)
    if path.is_dir():
        base = path
        found = walk_audio(path)
    elif glob.has_magic(text) and not path.exists():
        base = Path(*takewhile(lambda p: not glob.has_magic(p), path.parts))
        found = [Path(p) for p in glob.glob(text, recursive=True)]
    else:  # a missing file is reported when its turn comes
        return [(path, Path(path.name))]
    outputs = folder.resolve()
    outputs_below = base.resolve() in outputs.parents
    files = []
    for source in sorted(found):
        is_output = outputs_below and outputs in source.resolve().parents
        if not (is_output or source.is_dir()):
            files.append((source, source.relative_to(base)))
    if not files:
        raise ValueError(f"{text}: no audio file found.")
    return files

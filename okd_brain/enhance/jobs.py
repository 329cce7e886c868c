"""From what a command line names to files to read and files to write."""

import glob
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from okd_brain.enhance.file_conversion import FORMATS

# What is picked up in folders, unless hidden; a file that is named or matched by
# a pattern is tried whatever its suffix.
SUFFIXES = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 "
    ".sph .nist".split()
)


@dataclass(frozen=True)
class Job:
    """One file to enhance.

    Attributes
    ----------
    source, destination : Path
        What is read and what is written.
    """

    source: Path
    destination: Path


def plan(inputs, folder, *, also_read=()):
    """Find the files that inputs stand for, and where each one goes.

    Arguments
    ---------
    inputs : list of str
        Files, folders and patterns.
    folder : str or Path
        The output folder. Where it lies below an input folder, what is in it
        is no input: ``okd-enhance MODEL . -o enhanced`` can be repeated.
    also_read : sequence of str or Path
        Files that must not be written either.

    Returns
    -------
    list of Job
        In the order of ``inputs``, sorted within each; none twice.

    Raises
    ------
    ValueError
        If a folder or pattern yields no file, two sources have one destination,
        a destination is a source or ``also_read``, or the output folder is a
        file.

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
    """Return (source, its path in the output folder) for all of one input."""
    path = Path(text)
    if path.is_dir():
        base = path
        found = [
            p
            for p in path.rglob("*")
            if p.suffix.lower() in SUFFIXES
            and not any(part[0] == "." for part in p.relative_to(base).parts)
        ]
    elif glob.has_magic(text) and not path.exists():
        base = Path(*takewhile(lambda p: not glob.has_magic(p), path.parts))
        found = [Path(p) for p in glob.glob(text, recursive=True)]
    else:  # if there is no such file, that is said when its turn comes
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

"""Plan which files a command reads, and which ones it writes.

Nothing here needs torch, so that a wrong name is reported at once.
"""

import os
import shlex
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

import soundfile

from okd_brain.audio import CONVERTIBLE, printable
from okd_brain.files import AUDIO_SUFFIXES, composed, on_disk, walk_audio
from okd_brain.messages import UserError, listed

# libsndfile's formats that each suffix may stand for; the first one is written
# if the source has another.
FORMATS = {".wav": ("WAV", "WAVEX", "RF64"), ".flac": ("FLAC",)}
WRITABLE = " and ".join(FORMATS)
WRITER = "okd-enhance"  # begins the tag "software" of what is written


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


def plan(inputs, output, *, also_read=()):
    """Find the files that inputs stand for, and where each one goes.

    Arguments
    ---------
    inputs : list of str
        Files, folders and patterns. In folders, audio files are found by their
        suffix; a file that is named or matched by a pattern is always tried.
    output : str or Path
        The output folder; or, for a single input, a file to write. A name with
        another suffix is that of a folder for several inputs; for a single file,
        it needs a slash at its end. If the folder lies below an input folder, its
        own files are not inputs, so that ``okd-enhance . -o enhanced`` can be
        repeated.
    also_read : sequence of str or Path
        Other files that must not be written to.

    Returns
    -------
    jobs : list of Job
        In the order of ``inputs``, sorted within each; none twice.
    unreadable : list of Path
        Audio files in folders that libsndfile does not read.
    written : list of Path
        Files that an earlier command wrote among others, and that are not inputs.

    Raises
    ------
    UserError
        If an input is empty, a folder or pattern yields no file, two sources have
        the same destination, a destination is a source or among ``also_read``,
        the output is a file for several sources or of another format, or it
        cannot be made.

    Example
    -------
    >>> base = getfixture("tmp_path")
    >>> (base / "in" / "a").mkdir(parents=True)
    >>> (base / "in" / "a" / "b.MP3").touch()
    >>> [job], unreadable, written = plan([str(base / "in")], base / "out")
    >>> job.destination.relative_to(base).as_posix()
    'out/a/b.wav'
    """
    as_typed, output = str(output), Path(output)
    to_file = _is_file_name(output)
    if not (to_file or output.is_dir() or as_typed.endswith(("/", os.sep))):
        _refuse_other_formats(inputs, output)
    _check_place(output.parent if to_file else output)
    folder = None if to_file else output
    jobs, unreadable, written = {}, [], []
    for text in inputs:
        found = _find(text, folder, unreadable, written)
        for source, relative in found:
            destination = output if to_file else _destination(output, relative)
            key = destination.resolve()
            job = jobs.setdefault(key, Job(source, destination))
            if job.source.resolve() != source.resolve():
                raise UserError(_both_written(job, source, to_file))
    sources = {job.source.resolve() for job in jobs.values()}
    sources.update(Path(path).resolve() for path in also_read)
    for target, job in jobs.items():
        if target in sources:
            raise UserError(
                f"{job.destination}, the output of {job.source}, is an input. "
                f"Name another output {'file' if to_file else 'folder'}."
            )
    return list(jobs.values()), unreadable, written


def conversion(paths):
    """Say that files are in formats that cannot be read, and what helps.

    Arguments
    ---------
    paths : list of Path
        At least one.

    Returns
    -------
    str
        A clause with their number, some names and a command.

    Example
    -------
    >>> conversion([Path("a.m4a")])
    '1 in a format that cannot be read (a.m4a). Convert: ffmpeg -i a.m4a a.wav'
    """
    first = paths[0]
    command = ["ffmpeg", "-i", first, first.with_suffix(".wav")]
    return (
        f"{len(paths)} in a format that cannot be read "
        f"({listed(map(printable, paths))}). Convert: "
        f"{shlex.join(map(printable, command))}"
    )


def again(paths):
    """Say that files were enhanced before, and how to do it again.

    Arguments
    ---------
    paths : list of Path
        At least one.

    Returns
    -------
    str
        A clause with their number and some names.

    Example
    -------
    >>> again([Path("in/out/a.wav")])
    '1 that okd-enhance wrote (in/out/a.wav). To enhance them again, name their folder alone'
    """
    return (
        f"{len(paths)} that {WRITER} wrote ({listed(map(printable, paths))}). "
        "To enhance them again, name their folder alone"
    )


def _is_file_name(output):
    """Tell whether an output is a file to write, and refuse other files."""
    suffix = output.suffix.lower()
    if output.is_dir():
        return False
    if suffix in FORMATS:
        return True
    if suffix in AUDIO_SUFFIXES | CONVERTIBLE:
        raise UserError(f"{output}: can write {WRITABLE}, not '{suffix}'.")
    return False


def _refuse_other_formats(inputs, output):
    """Raise if a single file would go to what looks like a file as well."""
    if len(inputs) == 1 and output.suffix and not output.exists():
        base, pattern = _split(Path(inputs[0]))
        if not pattern and not base.is_dir():
            raise UserError(
                f"{output}: can write {WRITABLE}, not '{output.suffix}'. For a "
                f"folder of this name, write {output}/"
            )


def _check_place(folder):
    """Raise unless a folder exists or can be made, and takes files."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise UserError(
            f"{folder}: cannot be the output folder, as {there} is a file."
        )
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: nothing can be written to {there}: {error.strerror}."
        ) from None


def _destination(folder, relative):
    destination = folder / relative
    if destination.suffix.lower() in FORMATS:
        return destination
    return destination.with_suffix(".wav")


def _both_written(job, source, to_file):
    """Return the message about two sources of one destination."""
    if to_file:
        return (
            f"{job.destination} is one file, but {job.source} and {source} are "
            "to be enhanced. Name a folder."
        )
    return (
        f"{job.source} and {source} would both be written to "
        f"{job.destination}. Enhance them into different folders."
    )


def _find(text, output_folder, unreadable, written):
    """Return (source, path in the output folder) of the files of one input.

    Files in folders that cannot be read are added to ``unreadable``, and those
    that this command wrote before, among others, to ``written``.
    """
    if not text:
        raise UserError("An input is empty: is a variable not set?")
    base, pattern = _split(Path(text))
    strange = []
    if pattern:
        found = sorted(set(_matches(base, pattern)))
    elif base.is_dir():
        found, strange = walk_audio(base), walk_audio(base, CONVERTIBLE)
    else:  # a missing file is reported when its turn comes
        return [(base, Path(base.name))]
    outputs = output_folder and output_folder.resolve()
    here = base.resolve()
    if outputs and outputs not in (here, *here.parents):
        found, strange = (
            [p for p in paths if outputs not in p.resolve().parents]
            for paths in (found, strange)
        )
    if not found:
        more = f"; {conversion(strange)}" if strange else "."
        raise UserError(f"{text}: no audio file found{more}")
    ours = {path for path in found if _wrote(path)}
    if len(ours) < len(found):  # else they are what is meant
        written += sorted(ours)
        found = [path for path in found if path not in ours]
    unreadable += strange
    return [(source, source.relative_to(base)) for source in found]


def _wrote(path):
    """Tell whether this command wrote a file, by its tag."""
    if path.suffix.lower() not in FORMATS:
        return False
    try:
        if not path.is_file():  # opening a pipe waits for whoever writes to it
            return False
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            return sound.software.startswith(WRITER)
    except (OSError, soundfile.SoundFileError, TypeError, ValueError):
        return False  # reported when its turn comes


def _split(path):
    """Return the path before a pattern, and the parts of the pattern, if any.

    The name of something that exists is no pattern, whatever it contains.
    """
    base = Path()
    for number, part in enumerate(path.parts):
        if has_magic(part) and not on_disk(base / part).exists():
            return base, path.parts[number:]
        base = on_disk(base / part)
    return base, ()


def _matches(folder, pattern, above=()):
    """Yield the files below a folder that match the parts of a pattern.

    Not ``glob``: it goes round in circles where a link leads back to a folder,
    and sees no match between an "é" of one character and one of two.
    """
    if not pattern:
        if folder.is_file():
            yield folder
        return
    if not folder.is_dir():
        return
    first, *rest = pattern
    if first == "**":
        own = folder.resolve()
        if own in above:
            return
        yield from _matches(folder, rest or ["*"], above)
        for entry in folder.iterdir():
            if entry.name[0] != "." and entry.is_dir():
                yield from _matches(entry, pattern, (*above, own))
    elif has_magic(first):
        for entry in folder.iterdir():
            hidden = entry.name[0] == "." and first[0] != "."
            if not hidden and fnmatchcase(
                composed(entry.name), composed(first)
            ):
                yield from _matches(entry, rest, above)
    else:
        yield from _matches(on_disk(folder / first), rest, above)

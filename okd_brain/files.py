"""Files: which ones are audio, and writing so that no half of one is ever seen.

A file is written beside its destination and renamed when it is complete and on
disk, so that a reader, a crash or a power cut finds the old file or the new one.
"""

import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import uuid
from collections.abc import Iterator
from pathlib import Path

from okd_brain.messages import UserError

AUDIO_SUFFIXES = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 "
    ".sph .nist".split()
)
"""What is picked up in folders; a file that is named is tried whatever it is."""

LONGEST_NAME = 240  # bytes; file systems take 255, a suffix included


def walk_audio(folder, suffixes=AUDIO_SUFFIXES):
    """List the audio files below a folder, links to folders included.

    Hidden files and folders are left out (macOS leaves ``._a.wav`` behind).  A
    folder that a link leads back to is visited once.

    Arguments
    ---------
    folder : str or Path
        Must exist.
    suffixes : collection of str
        Which files are listed, in lower case.

    Returns
    -------
    list of Path
        Below ``folder``, sorted.

    Raises
    ------
    OSError
        If a folder cannot be listed: its files would be missing in silence.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "speaker").mkdir()
    >>> (folder / "speaker" / "loop").symlink_to(folder)
    >>> (folder / "speaker" / "a.WAV").touch()
    >>> (folder / ".hidden.wav").touch()
    >>> [path.relative_to(folder).as_posix() for path in walk_audio(folder)]
    ['speaker/a.WAV']
    """
    found, seen = [], set()
    for root, folders, files in os.walk(
        folder, onerror=_raise, followlinks=True
    ):
        root = Path(root)
        status = root.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if name[0] != ".")
        found += [
            root / name
            for name in files
            if name[0] != "." and os.path.splitext(name)[1].lower() in suffixes
        ]
    return sorted(found)


def _raise(error):
    raise error


def composed(name):
    r"""Return a name with its accents composed (NFC), as people compare names.

    Arguments
    ---------
    name : str
        From a disk or a keyboard; macOS decomposes what others compose.

    Returns
    -------
    str

    Example
    -------
    >>> len("e\u0301"), len(composed("e\u0301"))
    (2, 1)
    """
    return unicodedata.normalize("NFC", name)


def on_disk(path):
    r"""Return the path of the file that a path means, however it was typed.

    Arguments
    ---------
    path : str or Path
        Where there is no such name, one that differs only in how its accents are
        composed will do.

    Returns
    -------
    Path
        The path as it is if there is no such file either.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "caf\u00e9.wav").touch()
    >>> on_disk(folder / "cafe\u0301.wav").name == "caf\u00e9.wav"
    True
    """
    path = Path(path)
    if path.exists() or path.name in ("", ".."):
        return path
    parent = on_disk(path.parent)
    if parent.is_dir():
        for name in sorted(os.listdir(parent)):
            if composed(name) == composed(path.name):
                return parent / name
    return parent / path.name


def short_name(name):
    """Return a name that every file system takes, with a suffix added to it.

    Arguments
    ---------
    name : str
        Of a file, without folders.

    Returns
    -------
    str
        As it is, or its first bytes and a digest that tells it from others that
        begin alike.

    Example
    -------
    >>> short_name("anna_1"), len(short_name("a" * 300))
    ('anna_1', 240)
    """
    data = os.fsencode(name)
    if len(data) <= LONGEST_NAME:
        return name
    digest = "_" + hashlib.sha256(data).hexdigest()[:12]
    start = data[: LONGEST_NAME - len(digest)]
    return start.decode("utf-8", errors="ignore") + digest


@contextlib.contextmanager
def replacing(path) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` unless an error occurs.

    The temporary name is short whatever the length of the final one, keeps its
    suffix, and lies in the same folder.  File and folder are flushed to disk.

    Arguments
    ---------
    path : str or Path
        The file to make or replace; its folder must exist.

    Yields
    ------
    Path
        Where to write.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> with replacing(path) as partial:
    ...     length = partial.write_text("whole")
    >>> path.read_text(), [p.name for p in path.parent.iterdir()]
    ('whole', ['a.txt'])
    """
    path = Path(path)
    partial = path.with_name(f".{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(folder) -> Iterator[Path]:
    """Yield an empty folder; it becomes ``folder`` unless an error occurs.

    Arguments
    ---------
    folder : str or Path
        The folder to make or replace; parents are made.

    Yields
    ------
    Path
        A folder beside ``folder``.

    Raises
    ------
    UserError
        If ``folder`` is a file.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "export"
    >>> for text in ("old", "new"):
    ...     with replacing_folder(folder) as staged:
    ...         length = (staged / "a.txt").write_text(text)
    >>> (folder / "a.txt").read_text()
    'new'
    """
    folder = Path(folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, but a folder is to be written.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile.mkdtemp, whose mode 0700 would stay on the folder.
    unique = uuid.uuid4().hex[:8]
    staged = folder.with_name(f".{unique}.new")
    aside = folder.with_name(f".{unique}.old")
    staged.mkdir()
    try:
        yield staged
        for path in staged.rglob("*"):
            flush(path)
        flush(staged)
        if folder.exists():
            folder.rename(aside)
        staged.rename(folder)
        flush(folder.parent)
    except BaseException:  # Ctrl-C included; raised again
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        shutil.rmtree(staged, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def flush(path):
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(path):
    """Refuse a file that could not be written; do that before the work.

    Arguments
    ---------
    path : str or Path
        The file; its parents are made, itself is not.

    Raises
    ------
    UserError
        If it is a folder, one of its parents is a file, its name is too long,
        or nothing can be written there.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> check_writable(folder / "new" / "scores.csv")
    >>> try:
    ...     check_writable(folder / "new")
    ... except UserError as error:
    ...     print(str(error).replace(f"{folder}/", ""))
    new: cannot be written: it is a folder.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(path).st_mode):
                raise UserError(f"{path}: cannot be written: it is a folder.")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except FileExistsError:
        raise UserError(
            f"{path}: cannot be written: {path.parent} is a file."
        ) from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}."
        ) from None


def write_text(path, text):
    """Write text as UTF-8, whole or not at all; parents are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        # Names that are not UTF-8 on disk come back as they are.
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path, content):
    r"""Write JSON, two blanks of indent, whole or not at all.

    Names that are not UTF-8 are escaped, as JSON is UTF-8 whatever it tells of:
    Python reads ``\udce9`` back as ``os.fsdecode`` gives the byte E9.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False)
    text = re.sub(
        "[\udc80-\udcff]", lambda byte: f"\\u{ord(byte[0]):04x}", text
    )
    write_text(path, text + "\n")


def write_csv(path, rows):
    """Write rows to a CSV file, whole or not at all.

    Arguments
    ---------
    path : str or Path
        Parents are made.
    rows : iterable of list
        The first one is the header.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        with open(
            partial,
            "w",
            newline="",
            encoding="utf-8",
            errors="surrogateescape",
        ) as file:
            csv.writer(file).writerows(rows)

"""Files: which ones are audio, and writing so that no half of one is ever seen.

A file is written beside its destination and renamed when it is complete and on
disk, so that a reader, a crash or a power cut finds the old file or the new one.
Where a disk is full or broken, the error names the file. A folder can be sealed
with the checksums of its files, which tell later what has become of them.
"""

import contextlib
import csv
import errno
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
CHECKSUMS = "SHA256SUMS"  # of a sealed folder; sha256sum -c reads it, too
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
)
# What PyTorch and libsndfile say instead of the operating system's reason.
WRITERS_FAIL = re.compile(
    r"PytorchStreamWriter|inline_container|iostream error|System error"
)
PARTIAL_FILE = re.compile(r"\.[0-9a-f]{8}(\.\w+)?")
PARTIAL_FOLDER = re.compile(r"\.(.+\.)?[0-9a-f]{8}\.(new|old)")


def shipped(path):
    """Return where something is that comes with okd beside its modules.

    Arguments
    ---------
    path : str
        As in a clone: "recipes" or "tests/samples", or what is in them.

    Returns
    -------
    Path
        In the clone, or in the copy that a wheel has.

    Example
    -------
    >>> (shipped("recipes") / "VoiceBank" / "okd" / "train.py").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    copy = package / "shipped"  # setup.py puts it there
    return (copy if copy.is_dir() else package.parent) / path


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


class WriteError(UserError):
    """A disk that is full or broken; the message names the file."""


@contextlib.contextmanager
def writing(path, *, needed=None, kept="") -> Iterator[None]:
    """Turn the failure of a disk into an error that names what was written.

    Arguments
    ---------
    path : str or Path
        What the block writes.
    needed : int, optional
        Bytes that it takes.
    kept : str
        A sentence on what is there all the same, or how to go on.

    Raises
    ------
    WriteError
        If the disk is full, broken or read-only: the path, the reason, the
        bytes that are free and missing, and what was kept.

    Example
    -------
    >>> try:
    ...     with writing("/data/scores.csv", kept="The old scores are as they were."):
    ...         raise OSError(errno.EIO, os.strerror(errno.EIO))
    ... except WriteError as error:
    ...     print(error)
    /data/scores.csv: cannot be written: Input/output error. The old scores are as they were.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # Not Path.exists, which raises where a name is too long.
        folder = next(filter(os.path.exists, Path(path).absolute().parents))
        if isinstance(error, OSError):
            reason = error.strerror if error.errno in DISK_ERRORS else None
        elif WRITERS_FAIL.search(str(error)):
            reason = _what_fails(folder) or cut_line(error)
        else:
            reason = None
        if reason is None:
            raise
        space = ""
        if reason == os.strerror(errno.ENOSPC):
            space = f" ({_space(folder, needed)})"
        text = f"{path}: cannot be written: {reason}{space}. {kept}"
        raise WriteError(text.rstrip()) from error


def _what_fails(folder):
    """Return why nothing can be written to a folder; None if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror
    return None


def _space(folder, needed):
    free = shutil.disk_usage(folder).free
    text = f"{size_text(free)} are free"
    if needed is None:
        return text
    text = f"{size_text(needed)} are needed, {text}"
    if needed > free:
        text += f", {size_text(needed - free)} are missing"
    return text


def size_text(size):
    """Return a number of bytes as text.

    Arguments
    ---------
    size : int
        Not negative.

    Returns
    -------
    str

    Example
    -------
    >>> size_text(999), size_text(52_400_000), size_text(14_000_000_000)
    ('999 bytes', '52.4 MB', '14 GB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"


def cut_line(error):
    """Return the first line of an error, without the full stop at its end."""
    return str(error).partition("\n")[0].rstrip(".")


@contextlib.contextmanager
def replacing(path, durable=True) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` unless an error occurs.

    The temporary name is short whatever the length of the final one, keeps its
    suffix, and lies in the same folder.  File and folder are flushed to disk.

    Arguments
    ---------
    path : str or Path
        The file to make or replace; its folder must exist.
    durable : bool
        Whether to flush now; else a power cut may take the file until somebody
        calls ``flush`` for it and its folder.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    WriteError
        If the disk is full or broken.

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
    kept = "What was there before is as it was." if path.exists() else ""
    with writing(path, kept=kept):
        try:
            yield partial
            if durable:
                flush(partial)
            os.replace(partial, path)
            if durable:
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
        If ``folder`` is a file, or the disk full or broken.

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
    kept = "What was there before is as it was." if folder.exists() else ""
    with writing(folder, kept=kept):
        make_folder(folder.parent)
        # Not tempfile.mkdtemp, whose mode 0700 would stay on the folder.
        unique = uuid.uuid4().hex[:8]
        staged = folder.with_name(f".{unique}.new")
        aside = folder.with_name(f".{unique}.old")
        staged.mkdir()
        try:
            yield staged
            flush_tree(staged)
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


def remove_partial(folder, spare=lambda path: False):
    """Remove what ``replacing`` and ``replacing_folder`` left when they were killed.

    Arguments
    ---------
    folder : str or Path
        Searched with its sub-folders. Nobody may be writing there.
    spare : callable, optional
        Tells of a sub-folder (Path) whether it is somebody else's.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / ".discriminator.1a2b3c4d.new").mkdir()
    >>> (folder / ".0badcafe.csv").touch()
    >>> (folder / ".gitignore").touch()
    >>> remove_partial(folder)
    >>> [path.name for path in folder.iterdir()]
    ['.gitignore']
    """
    for root, folders, files in os.walk(folder):
        for name in files:
            if PARTIAL_FILE.fullmatch(name):
                Path(root, name).unlink(missing_ok=True)
        partial = list(filter(PARTIAL_FOLDER.fullmatch, folders))
        for name in partial:
            shutil.rmtree(Path(root, name), ignore_errors=True)
        folders[:] = [
            name
            for name in folders
            if name not in partial and not spare(Path(root, name))
        ]


def seal(folder):
    """Wait until the files of a folder are on disk, and note their checksums.

    They are read back for it: a file that cannot be is an error now, not later.

    Arguments
    ---------
    folder : Path
        Without sub-folders; receives the file ``CHECKSUMS``.
    """
    paths = sorted(path for path in folder.iterdir() if path.name != CHECKSUMS)
    for path in paths:
        flush(path)
    lines = [f"{checksum_of(path)}  {path.name}\n" for path in paths]
    write_text(folder / CHECKSUMS, "".join(lines))


def damage(folder, only=None):
    """Say what has become of a sealed folder.

    Arguments
    ---------
    folder : Path
        Since ``seal``, unless it never was sealed.
    only : str, optional
        The one file to look at; by default all.

    Returns
    -------
    str or None
        The first file that is missing or has changed, and which of both; None
        if the folder is whole, or never was sealed.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in "ab":
    ...     length = (folder / name).write_text("content")
    >>> seal(folder)
    >>> damage(folder)
    >>> length = (folder / "b").write_text("half")
    >>> damage(folder)
    'b is not as it was written'
    """
    try:
        lines = (folder / CHECKSUMS).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        return f"{CHECKSUMS} cannot be read ({cut_line(error)})"
    sums = [line.partition("  ")[::2] for line in lines]
    names = {path.name for path in folder.iterdir()} - {CHECKSUMS}
    if not names <= {name for _, name in sums} or any(
        len(checksum) != 64 or not name for checksum, name in sums
    ):
        return f"{CHECKSUMS} is not as it was written"
    for checksum, name in sums:
        if only not in (None, name):
            continue
        try:
            is_whole = checksum_of(folder / name) == checksum
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if not is_whole:
            return f"{name} is not as it was written"
    return None


def checksum_of(path):
    """Return the SHA-256 of a file, as text.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def flush(path):
    """Wait until a file, or the names in a folder, are on disk.

    Arguments
    ---------
    path : str or Path
        Of either.

    Raises
    ------
    OSError
        With the path, which those of a descriptor lack.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def flush_tree(folder):
    """Wait until a folder and all that is in it are on disk; not its own name."""
    for path in [*Path(folder).rglob("*"), folder]:
        flush(path)


def make_folder(folder):
    """Make a folder and its parents, if need be, and flush their names to disk.

    Arguments
    ---------
    folder : str or Path
        May be there. Else a power cut could take it with all that is in it, how
        often that may have been flushed.

    Raises
    ------
    OSError
        If it cannot be made, or is a file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        try:
            folder.mkdir(exist_ok=True)
        except FileNotFoundError:
            if folder.parent == folder:  # the working folder is gone
                raise
            make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
        flush(folder.parent)


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
        make_folder(path.parent)
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
    make_folder(path.parent)
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


def read_json(path):
    """Read a JSON file of names and values.

    Arguments
    ---------
    path : str or Path
        UTF-8.

    Returns
    -------
    dict

    Raises
    ------
    UserError
        If it cannot be read, is not JSON, or is a list or a value.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.json"
    >>> write_json(path, {"seed": 1})
    >>> read_json(path)
    {'seed': 1}
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object, which is expected")
    return content


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
    make_folder(path.parent)
    with replacing(path) as partial:
        with open(
            partial,
            "w",
            newline="",
            encoding="utf-8",
            errors="surrogateescape",
        ) as file:
            csv.writer(file).writerows(rows)

"""A disk that is watched, fills up, breaks, kills its process, or loses power.

``disk.c`` sees what a process that was started with it writes below a folder, and
does to it what ``Disk.arm`` says. What it has seen, ``read_log`` returns, and
``after_power_loss`` makes of it the folder as a power cut would leave it.
"""

import ctypes
import shutil
import signal
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("disk.c")
WATCH, KILL, FAIL_ONCE, FAIL_ON = range(4)
CALLS = "open write truncate fsync rename unlink mkdir rmdir exchange link"
CALLS = tuple(CALLS.split())
HEAD = struct.Struct("7l")  # of a call in a log, before its paths and data


def compiler():
    """Return the C compiler's path, or None."""
    return shutil.which("cc")


def build(folder):
    """Compile the library that is loaded before libc."""
    library = folder / "disk.so"
    subprocess.run(
        [compiler(), "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"],
        check=True,
        capture_output=True,
    )
    return library


class Disk:
    """The library in this process, which was started with it.

    A call is ``write``, ``open`` for writing, ``rename`` and so on; they count
    from 1.
    """

    def __init__(self):
        self._library = ctypes.CDLL(None)
        self._library.disk_arm.restype = ctypes.POINTER(ctypes.c_long)
        self.arm("")  # makes what forked processes share

    def arm(self, folder, what=WATCH, at=0, error=0, log=-1):
        """Watch a folder; do something at a call.

        Arguments
        ---------
        folder : str or Path
            Absolute; "" is none.
        what : int
            KILL this process before the call, and half way through a write;
            let it FAIL_ONCE, or all calls FAIL_ON from there.
        at : int
            Number of the call.
        error : int
            Of the failure, as in ``errno``.
        log : int
            Descriptor that receives what is seen.
        """
        self._count = self._library.disk_arm(
            str(folder).encode(), what, ctypes.c_long(at), error, log
        )

    def calls(self):
        """Return the number of calls since ``arm``, forked processes included."""
        return self._count[0]

    def die_after(self, seconds):
        """Kill this process when it has computed for so long."""
        self._library.disk_die_on_alarm()
        signal.setitimer(signal.ITIMER_PROF, seconds)


# Power loss -------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """What was seen: a call that succeeded."""

    name: str
    number: int
    handle: int
    offset: int
    path: str
    other: str
    data: bytes


def read_log(path):
    """Return the calls of a log, in order."""
    content = Path(path).read_bytes()
    calls, place = [], 0
    while place < len(content):
        kind, number, handle, offset, *sizes = HEAD.unpack_from(content, place)
        place += HEAD.size
        parts = []
        for size in sizes:
            parts.append(content[place : place + size])
            place += size
        names = [part.decode("utf-8", "surrogateescape") for part in parts[:2]]
        calls.append(
            Call(CALLS[kind], number, handle, offset, *names, parts[2])
        )
    return calls


@dataclass
class _File:
    """A file or a folder: as programs see it, and as it is on disk.

    ``changes`` are those of a folder's names since it was flushed, in order.
    """

    is_folder: bool
    content: object = None
    durable: object = None
    changes: list = field(default_factory=list)

    def __post_init__(self):
        empty = dict if self.is_folder else bytes
        self.content, self.durable = empty(), empty()

    def flush(self):
        self.durable = self.content
        if self.is_folder:
            self.durable = dict(self.content)
        self.changes = []

    def change(self, names):
        """Change a folder's names at once; None is no file."""
        self.content.update(names)
        self.changes.append(names)


def after_power_loss(calls, root, target, rng=None):
    """Write the folder as it is after some calls and a power cut.

    Of a file, what was flushed last is there; of a folder, the names that it had
    when it was flushed last. A folder whose own name was not flushed is lost with
    all that is in it.

    Arguments
    ---------
    calls : list of Call
        Up to the power cut.
    root : Path
        The watched folder, whose own name stays; empty at the first call.
    target : Path
        Where to write it; made.
    rng : random.Random, optional
        Disks also write what nobody flushed. If there is one, each folder has a
        random start of the changes since its last flush, and each file its
        present content, a start of it, zeros in its place, or what was flushed.
    """
    _write(_replay(calls, root), target, rng)


def present(calls, root):
    """Return the files of the folder as programs see them: name -> bytes."""
    return dict(_files(_replay(calls, root)))


def _files(folder, start=""):
    for name, file in folder.content.items():
        if file is not None and file.is_folder:
            yield from _files(file, f"{start}{name}/")
        elif file is not None:
            yield f"{start}{name}", file.content


def _replay(calls, root):
    """Return the watched folder after some calls."""
    top = _File(is_folder=True)
    handles = {}

    def find(path):
        found = top
        for part in Path(path).relative_to(root).parts:
            found = found.content[part]
        return found

    def parent(path):
        return find(Path(path).parent), Path(path).name

    for call in calls:
        if call.path == str(root) and call.name == "mkdir":
            continue
        if call.name == "open":
            folder, name = parent(call.path)
            if folder.content.get(name) is None:
                folder.change({name: _File(is_folder=False)})
            file = handles[call.handle] = folder.content[name]
            if call.offset:  # truncated
                file.content = b""
        elif call.name == "write":
            file, end = handles[call.handle], call.offset + len(call.data)
            start = file.content[: call.offset].ljust(call.offset, b"\0")
            file.content = start + call.data + file.content[end:]
        elif call.name == "truncate":
            file = handles[call.handle]
            content = file.content[: call.offset]
            file.content = content.ljust(call.offset, b"\0")
        elif call.name == "fsync":
            find(call.path).flush()
        elif call.name == "mkdir":
            folder, name = parent(call.path)
            folder.change({name: _File(is_folder=True)})
        elif call.name in ("unlink", "rmdir"):
            folder, name = parent(call.path)
            folder.change({name: None})
        elif call.name == "rename":
            folder, name = parent(call.path)
            other, new = parent(call.other)
            file = folder.content[name]
            if folder is other:
                folder.change({name: None, new: file})
            else:
                folder.change({name: None})
                other.change({new: file})
        else:
            raise NotImplementedError(call.name)
    return top


def _write(folder, target, rng):
    target.mkdir(parents=True)
    names = dict(folder.durable)
    if rng is not None:
        for change in folder.changes[: rng.randint(0, len(folder.changes))]:
            names.update(change)
    for name, file in names.items():
        if file is None:
            continue
        if file.is_folder:
            _write(file, target / name, rng)
            continue
        content = file.durable
        if rng is not None and file.content != file.durable:
            some = file.content[: rng.randint(0, len(file.content))]
            content = rng.choice(
                [file.durable, file.content, some, bytes(len(file.content))]
            )
        (target / name).write_bytes(content)

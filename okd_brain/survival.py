"""What a run needs in order to survive: a folder of its own, and time to end.

An output folder belongs to one process at a time. ``run.lock`` in it is a lease
of ``filelock``, which its owner renews every 20 s; ``run.lock.json`` says who
that is. A lock is stale if the owner is gone or its number belongs to another
process now, which this machine knows; or if it comes from another machine and
nobody has renewed it while this one looked on for a minute.

A scheduler tells a process to end by SIGTERM, SIGUSR1 or SIGUSR2. It gets a
``ToldToEnd`` there and then; in ``deferring``, it asks when it can end.
"""

import atexit
import contextlib
import datetime
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Iterator
from pathlib import Path

from filelock import SoftFileLease, Timeout

from okd_brain.files import check_writable, flush, write_json, writing
from okd_brain.messages import UserError

logger = logging.getLogger(__name__)

LOCK, NOTE = "run.lock", "run.lock.json"
PROGRESS = "progress.json"  # where a run is that is at work
LEASE_SECONDS = 60.0
WAIT_SECONDS = LEASE_SECONDS + 15
TORN_SECONDS = 10.0  # filelock takes a lock that has been illegible for 2
EMPTY_SECONDS = 2.0  # between making a lock and writing who owns it: far less
TOLD_TO_END = 75  # EX_TEMPFAIL of sysexits.h: try again
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

_owned = {}  # folder -> the lease that this process has


# Owning a folder --------------------------------------------------------------


def own(folder):
    """Make this process the owner of a folder, until it ends or disowns it.

    A folder that this process owns already stays so.

    Arguments
    ---------
    folder : str or Path
        Made if it is not there.

    Raises
    ------
    UserError
        If another process owns it; the message says which one, where and since
        when. Also if it is no folder, or nothing can be written to it.
    """
    folder = Path(folder).resolve()
    if folder not in _owned:
        _own(folder)


def _own(folder):
    check_writable(folder / LOCK)
    with writing(folder / LOCK):
        lease = _lease(folder)
        if not _acquire(lease, folder):
            raise UserError(
                f"{folder} is in use: {describe_owner(folder)} writes to it. "
                "Wait for it, or end it, or name another output folder. If "
                f"you know that it is gone, delete {folder / LOCK}."
            )
        _owned[folder] = lease
        flush(folder / LOCK)
        now = datetime.datetime.now().astimezone()
        write_json(
            folder / NOTE,
            {
                "program": Path(sys.argv[0]).name,
                "process": os.getpid(),
                **_here(),
                "since": now.isoformat(" ", "seconds"),
            },
        )


def disown(folder):
    """Give up a folder; nothing happens if this process does not own it."""
    folder = Path(folder).resolve()
    lease = _owned.pop(folder, None)
    if lease is not None:
        with contextlib.suppress(OSError):
            (folder / NOTE).unlink(missing_ok=True)
        lease.release()


@atexit.register
def disown_all():
    """Give up all folders, as the end of the process does."""
    for folder in list(_owned):
        disown(folder)


@contextlib.contextmanager
def owning(folder) -> Iterator[None]:
    """Own a folder in a block; see ``own``.

    Arguments
    ---------
    folder : str or Path or None
        None is no folder.

    Raises
    ------
    UserError
        If another process owns it.
    """
    is_mine = folder is None or Path(folder).resolve() in _owned
    if not is_mine:
        own(folder)
    try:
        yield
    finally:
        if not is_mine:
            disown(folder)


def is_in_use(folder):
    """Tell whether another process of this machine owns a folder.

    Arguments
    ---------
    folder : str or Path
        Need not exist. Of an owner on another machine, nothing is known before
        ``own`` has waited.

    Returns
    -------
    bool
    """
    folder = Path(folder).resolve()
    if folder in _owned or not (folder / LOCK).exists():
        return False
    lease = _lease(folder)
    try:
        lease.acquire(timeout=0)
    except Timeout:
        return _is_here(_note(folder)) and not _is_torn(folder)
    lease.release()
    return False


def describe_owner(folder):
    """Return who owns a folder, as its note says: a part of a sentence.

    Arguments
    ---------
    folder : str or Path
        That is in use.

    Returns
    -------
    str
    """
    note = _note(folder)
    if not note:
        return "a process that has just begun"
    return "{program} (process {process} on {host}, since {since})".format(
        **note
    )


def _lease(folder):
    def lost(compromise):
        if not folder.exists() or folder not in _owned:
            return
        logger.error(
            "%s: %s. This process no longer owns the folder, and ends.",
            *(folder / LOCK, compromise.reason.replace("-", " ")),
        )
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            os._exit(128 + signal.SIGINT)  # background jobs do not hear it
        interrupt_main()

    return SoftFileLease(
        folder / LOCK, lease_duration=LEASE_SECONDS, on_compromise=lost
    )


def _acquire(lease, folder):
    """Take a lease that is free or stale; tell whether that worked."""
    with contextlib.suppress(Timeout):
        lease.acquire(timeout=0)
        return True
    _remove_if_empty(folder / LOCK)
    if _is_here(_note(folder)):
        if not _is_torn(folder):
            return False  # and alive
        with contextlib.suppress(Timeout):
            lease.acquire(timeout=TORN_SECONDS, poll_interval=0.5)
            return True
        return False
    logger.warning(
        "%s is owned by %s. Looking for %.0f s whether it is alive.",
        *(folder, describe_owner(folder), WAIT_SECONDS),
    )
    with contextlib.suppress(Timeout):
        lease.acquire(timeout=WAIT_SECONDS, poll_interval=1.0)
        return True
    return False


def _note(folder):
    """Return what a folder says of its owner; an empty dict if it does not."""
    try:
        note = json.loads((Path(folder) / NOTE).read_text("utf-8"))
        return note if note.keys() >= {"process", "since"} else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _remove_if_empty(lock):
    """Remove a lock that stays empty: a power cut took what was in it.

    filelock never takes one, as its earlier versions wrote nothing into theirs.
    """
    with contextlib.suppress(FileNotFoundError):
        before = lock.stat()
        if before.st_size == 0:
            time.sleep(EMPTY_SECONDS)
            now = lock.stat()
            if (now.st_ino, now.st_size) == (before.st_ino, 0):
                lock.unlink()


def _is_torn(folder):
    """Tell whether a lock is gone, or does not name the process of its note.

    A power cut may take what is in the one and leave the other.
    """
    process = _note(folder).get("process")
    try:
        lines = (folder / LOCK).read_bytes().splitlines()
    except OSError:
        return True
    return f"pid={process}".encode() not in lines


def _is_here(note):
    return _here().items() <= note.items()


def _here():
    """Return the machine, and the container, in which numbers are unique."""
    namespace = Path("/proc/self/ns/pid")
    return {
        "host": socket.gethostname(),
        "namespace": os.readlink(namespace) if namespace.exists() else "",
    }


# Being told to end ------------------------------------------------------------


class ToldToEnd(BaseException):
    """A signal has told this process to end.

    Arguments
    ---------
    signal : str
        Its name.
    together : bool
        Whether all processes that train together end now.
    """

    def __init__(self, signal, together=False):
        super().__init__(signal)
        self.together = together


class _Orders:
    """What signals have told this process.

    Attributes
    ----------
    received : str or None
        Name of the first signal.
    is_deferring : bool
        Whether whoever works asks by itself.
    """

    def __init__(self):
        self.received = None
        self.is_deferring = False
        self.handlers = {}

    def __call__(self, number, frame):
        """Handle a signal."""
        is_first = self.received is None
        self.received = self.received or signal.Signals(number).name
        if not self.is_deferring:  # each time: a destructor may swallow one
            raise ToldToEnd(self.received)
        if is_first:
            logger.warning("%s: ending as soon as possible.", self.received)


_orders = _Orders()


def heed_signals():
    """Let SIGTERM, SIGUSR1 and SIGUSR2 end this process by ``ToldToEnd``."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            handler = signal.signal(number, _orders)
            _orders.handlers.setdefault(number, handler)


def ignore_signals():
    """Let them do again what they did before; forget the one that has come."""
    _orders.received = None
    while _orders.handlers:
        signal.signal(*_orders.handlers.popitem())


def told_to_end():
    """Return the name of the first such signal that has come, or None."""
    return _orders.received


def end_if_told():
    """Raise ``ToldToEnd`` if such a signal has come.

    Raises
    ------
    ToldToEnd
        With its name.
    """
    if told_to_end():
        raise ToldToEnd(_orders.received)


@contextlib.contextmanager
def deferring() -> Iterator[None]:
    """Let signals wait in a block for ``end_if_told``, and for its end.

    Raises
    ------
    ToldToEnd
        At the end of the block, if nobody asked before.
    """
    _orders.is_deferring = True
    try:
        yield
    finally:
        _orders.is_deferring = False
    end_if_told()

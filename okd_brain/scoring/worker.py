"""A process that scores items until its pipe closes.

Why not ``multiprocessing``, ``concurrent.futures`` or joblib: after a worker
dies, their pools are broken and lose what was under way; none can stop an item
that hangs; fork is unsafe once OpenMP has run; and spawn (pebble, too) imports
the main script, torch included, in every worker. A fresh interpreter with a
pipe has none of these problems.
"""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe

READY = "ready"
START_SECONDS = 120.0  # a cold disk and a busy machine; 1 s is usual
# One thread per worker: there are as many workers as the user gives cores.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]);"
    " from okd_brain.scoring.worker import serve; serve(int(sys.argv[1]))"
)


class WorkerLost(Exception):
    """The worker died or had to be killed; the message says why."""


class Worker:
    """The parent's end of one worker process.

    Arguments
    ---------
    task : bytes
        Pickled function of one argument; the process answers with its results.

    Raises
    ------
    RuntimeError
        If the process does not come up, with its error.
    """

    def __init__(self, task):
        self._connection, theirs = Pipe()
        threads = dict.fromkeys(THREAD_VARIABLES, "1")
        arguments = [str(theirs.fileno()), json.dumps(sys.path)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOTSTRAP, *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **threads},
        )
        theirs.close()
        try:
            answer = self.ask(task, START_SECONDS)
        except WorkerLost as lost:
            raise RuntimeError(
                f"A scoring worker did not start: {lost}"
            ) from lost
        if answer != READY:
            self.close()
            raise RuntimeError(f"A scoring worker did not start: {answer}")

    def ask(self, request, timeout_seconds):
        """Send a request, wait for the answer, and return it.

        Raises WorkerLost if the process died or took longer than
        ``timeout_seconds``; it is gone then.
        """
        try:
            self._connection.send(request)
            if self._connection.poll(timeout_seconds):
                return self._connection.recv()
            reason = (
                f"it took longer than its time limit of {timeout_seconds:g} s"
                " (timeout_seconds)"
            )
        except (EOFError, OSError):
            reason = None
        self.kill()
        code = self._process.wait()
        self._connection.close()
        raise WorkerLost(reason or _cause_of_death(code))

    def kill(self):
        """End the process; a thread that waits for it in ``ask`` is told."""
        self._process.kill()

    def close(self):
        """End the process and forget it; nobody may be waiting for it."""
        self.kill()
        self._process.wait()
        self._connection.close()


def serve(descriptor):
    """Run in the worker: receive the task, then items until the pipe closes."""
    # Ctrl-C reaches the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    try:
        task = pickle.loads(connection.recv())
    except EOFError:
        return
    except Exception as error:  # whatever importing a user's module raises
        connection.send(f"{type(error).__name__}: {error}")
        return
    # The pipe breaks when the parent is killed; nobody waits for an answer then.
    with contextlib.suppress(EOFError, OSError):
        connection.send(READY)
        while True:
            connection.send(task(connection.recv()))


def _cause_of_death(code):
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit status {code}"

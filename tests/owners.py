"""A process that owns an output folder until it is killed."""

import contextlib
import os
import subprocess
import sys

from experiments import TESTS

CODE = (
    "import sys, time; from okd_brain.survival import own; own(sys.argv[1]); "
    "print('mine', flush=True); time.sleep(600)"
)


@contextlib.contextmanager
def owner(folder):
    """Give the process; it is killed, and leaves its lock, in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder)],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "mine\n"
        yield process
    finally:
        process.kill()
        process.communicate()

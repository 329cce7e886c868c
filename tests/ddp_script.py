"""Run a script in a process of a distributed run, and see whether it parts.

Arguments: the script and its own.
"""

import runpy
import sys
from pathlib import Path


def threads_of_the_group():
    """Return the names of gloo's threads in this process (Linux)."""
    files = Path("/proc/self/task").glob("*/comm")
    names = [file.read_text().strip() for file in files]
    return [name for name in names if "gloo" in name]


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
    left = threads_of_the_group()
    assert not left, f"threads left: {left}"

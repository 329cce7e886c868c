"""Tests share the modules of this folder, and one thread each."""

import os
import resource
import sys
from collections import Counter
from pathlib import Path

# Tiny problems: more threads only wait for each other.  Read by OpenBLAS when
# NumPy is imported, and by every process that a test starts.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import pytest  # noqa: E402
import torch  # noqa: E402

TESTS = Path(__file__).resolve().parent
ROOMS = (TESTS, TESTS / "measures" / "twins", TESTS / "torture")
sys.path[:0] = map(str, ROOMS)
torch.set_num_threads(1)

# A test that runs away fails by itself, instead of having a worker killed.
MOST_MEMORY = 11 * 2**30  # bytes of address space; a worker needs 5
resource.setrlimit(
    resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1])
)

# Scripts: torchrun starts the one, the others need packages of their own.
collect_ignore = ["ddp_told.py", "ddp_worker.py", "references"]

_figures = pytest.StashKey()


def pytest_collection_modifyitems(items):
    """Begin with the files that take long, or one of two workers ends alone."""
    slow = Counter(i.path for i in items if i.get_closest_marker("slow"))
    items.sort(key=lambda item: slow[item.path], reverse=True)


@pytest.fixture
def flushed(monkeypatch):
    """Return a list that receives the path of each file that is flushed to disk."""
    paths, fsync = [], os.fsync

    def note(descriptor):
        paths.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return paths


@pytest.fixture
def figures(request):
    """Take a sentence with figures, for the table at the end of a torture."""

    def add(text):
        lines = request.config.stash.setdefault(_figures, [])
        lines.append((request.node.nodeid.partition("[")[0], text))
        if os.environ.get("OKD_TORTURE"):  # it takes its time
            plugins = request.config.pluginmanager
            capture = plugins.get_plugin("capturemanager")
            with capture.global_and_fixture_disabled():
                plugins.get_plugin("terminalreporter").write_line(f"\n{text}")

    return add


def pytest_terminal_summary(terminalreporter, config):
    """Print what `make torture` has found, as Markdown."""
    lines = config.stash.get(_figures, [])
    if lines and os.environ.get("OKD_TORTURE"):
        terminalreporter.write_line("\n| test | figures |\n| --- | --- |")
        for test, text in lines:
            terminalreporter.write_line(f"| `{test}` | {text} |")

"""Memory that was freed is there for what comes next."""

import platform
import subprocess
import sys

import pytest

MEASURE = """
import resource

import torch

from okd_brain.training.run import keep_freed_memory

keep_freed_memory()
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(25_000_000)  # 100 MB
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries decide alone"
)
def test_large_blocks_are_used_again():
    # A process of its own: the heap of one that ran other tests has holes, and
    # a block may lie in another each time.
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        capture_output=True,
        text=True,
        check=True,
    )
    *_, before_last, last = map(int, done.stdout.split())
    # Of 24,000 pages of 4 kB, or 50 of 2 MB, when the heap has grown.
    assert max(before_last, last) < 100

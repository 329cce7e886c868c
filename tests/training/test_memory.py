"""Memory that was freed is there for what comes next."""

import platform
import resource

import pytest
import torch

from okd_brain.training.run import keep_freed_memory


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries decide alone"
)
def test_large_blocks_are_used_again():
    keep_freed_memory()
    faults = []
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(25_000_000)  # 100 MB
        after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        faults.append(after - before)
    # Of 24,000 pages of 4 kB, or 50 of 2 MB; it may lie elsewhere now and then.
    assert sum(count < 100 for count in faults) >= 4

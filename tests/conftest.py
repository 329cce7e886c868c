"""Tests share the modules of this folder, and one thread each."""

import os
import sys
from pathlib import Path

# Tiny problems: more threads only wait for each other.  Read by OpenBLAS when
# NumPy is imported, and by every process that a test starts.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import torch  # noqa: E402

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS / "measures" / "twins")]
torch.set_num_threads(1)

# Scripts: torchrun starts the one, the others need packages of their own.
collect_ignore = ["ddp_worker.py", "references"]

"""Tests share the modules of this folder, and one thread each."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
torch.set_num_threads(1)  # tiny networks: more threads only wait

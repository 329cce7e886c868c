#!/usr/bin/env python3
"""Run a study: several experiments, several seeds, one table.

To run this, do the following (--help says more):
> python study.py studies/small.yaml --seeds 1 2 3 --data_folder /path/to/speech --noise_folder /path/to/noise

Authors
 * the okd developers 2026
"""

import sys
from pathlib import Path

from okd_brain.studies import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))

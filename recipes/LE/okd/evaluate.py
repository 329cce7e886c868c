#!/usr/bin/env python3
r"""One table of models, checkpoints, SSDRC and other systems' output, in noise.

To run this, do the following (--help says more):
> python evaluate.py results/okd_siib_haspi_estoi/1 /their/enhanced=theirs \
      --clean /mixtures/test/clean --noise /mixtures/test/noise -o results/comparison

train.py writes such mixtures with --write_mixtures True.

Authors
 * the okd developers 2026
"""

import sys

from okd_brain.evaluation import LISTENING, main

if __name__ == "__main__":
    sys.exit(main(compared=LISTENING))

#!/usr/bin/env python3
"""Measure surrogates, and compare methods; docs/analyses.md explains all.

> python analyse.py fidelity hparams/okd_siib_haspi_estoi.yaml ... [--epoch 12]
> python analyse.py front results/distillation -o results/front --metrics siib estoi \
    --control start control --family OKD okd_siib_haspi_estoi --family one multi

... stands for the arguments that train.py was given, --checkpoints_to_keep 1000
among them; the run's output folder receives the results, a CSV file. Nothing is
trained, chosen or saved by this.

Authors
 * the okd developers 2026
"""

import sys

from okd_brain import analyses


def recipe():
    """Import train.py, for which --help does not wait."""
    import train

    return train


def main(argv):
    """Run one analysis and return an exit status."""
    return analyses.main(argv, __doc__, recipe, ["fidelity", "front"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

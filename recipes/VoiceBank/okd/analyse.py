#!/usr/bin/env python3
"""Measure what the paper says of its generators; ANALYSES.md explains all.

> python analyse.py correlation SCORES.csv ... -o FOLDER
> python analyse.py curves hparams/okd_pesq_csig.yaml ...
> python analyse.py conflict hparams/okd_pesq_csig.yaml ... [--utterances 8]
> python analyse.py flatness hparams/okd_pesq_csig.yaml ... [--sizes 0.1 0.2]
> python analyse.py fidelity hparams/okd_pesq_csig.yaml ... [--epoch 12]
> python analyse.py distance RUN ... -o FOLDER [--utterances 8]
> python analyse.py edited RUN -o FOLDER [--n_jobs 2]
> python analyse.py front STUDY -o FOLDER --control M --family NAME M M ...

In the second to fifth, ... stands for the arguments that train.py was given,
--checkpoints_to_keep 1000 among them; the run's output folder receives the
results. Each writes a CSV file and, except fidelity, a picture, which needs
pip install 'okd[plots]'. Nothing is trained, chosen or saved by them.

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
    return analyses.main(argv, __doc__, recipe)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

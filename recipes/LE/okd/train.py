#!/usr/bin/env python3
"""Recipe for training MetricGAN-OKD to enhance listening in noise.

To run this recipe, do the following:
> python train.py hparams/okd_siib_haspi_estoi.yaml \\
      --data_folder /path/to/Harvard --noise_folder /path/to/MS-SNSD

Without folders it trains on the mini corpus that comes with okd, on a short
schedule, to show that everything works.

Authors
 * the okd developers 2026
"""

import sys
from pathlib import Path

import speechbrain as sb
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

from okd_brain.config import read_experiment
from okd_brain.distributed import end_distributed_run
from okd_brain.training.run import make_brain, train_and_test

logger = get_logger(__name__)
SCHEDULES = Path(__file__).resolve().parent / "hparams" / "schedules"


def prepare(hparams):
    """Prepare speech and noise, or build the mini corpus where none is named."""
    from harvard_prepare import prepare_harvard

    if hparams["data_folder"] is None:
        logger.info(
            "No data_folder: training on the bundled mini corpus with a short "
            "schedule. This shows that the software works; its figures mean "
            "nothing beyond that."
        )
    return prepare_harvard(
        hparams["data_folder"],
        hparams["noise_folder"],
        hparams["output_folder"],
        hparams["preparation"],
        valid_speakers=hparams["valid_talkers"],
        skip_bad_files=hparams["skip_bad_files"],
    )


def build(argv):
    """Read the experiment, prepare its corpus, build its brain.

    Returns
    -------
    brain : OKDBrain
    datasets : dict
        "train", "valid" and "test".
    corpus_name : str
    """
    experiment = read_experiment(argv, SCHEDULES / "mini.yaml")
    with experiment.loaded() as (hparams, file):
        sb.create_experiment_directory(hparams["output_folder"], file)
    corpus = run_on_main(prepare, args=[hparams])
    brain = make_brain(hparams, experiment.run_opts)
    return brain, corpus.datasets(), corpus.corpus


def main(argv):
    """Train, test and export."""
    train_and_test(*build(argv))
    end_distributed_run()


if __name__ == "__main__":
    main(sys.argv[1:])

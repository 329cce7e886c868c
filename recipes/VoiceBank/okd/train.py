#!/usr/bin/env python3
"""Recipe for training MetricGAN-OKD on VoiceBank-DEMAND.

To run this recipe, do the following:
> python train.py hparams/okd_pesq_csig.yaml --data_folder /path/to/VoiceBank-DEMAND

Without a data folder it trains on the mini corpus that comes with okd, on a
short schedule, to show that everything works.

Authors
 * the okd developers 2026
"""

import sys
from pathlib import Path

import speechbrain as sb
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

from okd_brain.brain import OKDBrain
from okd_brain.config import read_experiment
from okd_brain.corpora import (
    build_mini_corpus,
    check_mixing,
    prepare_mixture_corpus,
)
from okd_brain.distributed import end_distributed_run
from okd_brain.training import (
    build_modules,
    export_trained,
    fit,
    report_on,
    start_from_pretrained,
)

logger = get_logger(__name__)
SCHEDULES = Path(__file__).resolve().parent / "hparams" / "schedules"


def prepare(hparams):
    """Prepare the corpus, mix one, or build the mini corpus."""
    from voicebank_prepare import prepare_voicebank

    data_folder, noise_folder = hparams["data_folder"], hparams["noise_folder"]
    output_folder = hparams["output_folder"]
    options = {
        "valid_speakers": hparams["valid_speakers"],
        "skip_bad_files": hparams["skip_bad_files"],
    }
    check_mixing(hparams["mixing"], noise_folder)
    if noise_folder is not None:
        return prepare_mixture_corpus(
            data_folder,
            noise_folder,
            output_folder,
            hparams["mixing"],
            **options,
        )
    if data_folder is None:
        logger.info(
            "No data_folder: training on the bundled mini corpus with a short "
            "schedule. This shows that the software works; its figures mean "
            "nothing beyond that."
        )
        data_folder, options["valid_speakers"] = build_mini_corpus(
            Path(output_folder) / "mini_corpus"
        )
    return prepare_voicebank(data_folder, output_folder, **options)


def build(argv):
    """Read the experiment, prepare its corpus, build its networks.

    Arguments
    ---------
    argv : list of str
        A YAML file, then ``--key value`` pairs.

    Returns
    -------
    brain : OKDBrain
        Ready to train, or to go on.
    datasets : dict
        "train", "valid" and "test" to a dataset.
    corpus_name : str
        For the results.
    """
    experiment = read_experiment(argv, SCHEDULES / "mini.yaml")
    with experiment.loaded() as (hparams, file):
        sb.create_experiment_directory(hparams["output_folder"], file)
    corpus = run_on_main(prepare, args=[hparams])
    networks = build_modules(hparams)
    start_from_pretrained(networks, hparams)
    brain = OKDBrain(
        networks, hparams, experiment.run_opts, hparams["checkpointer"]
    )
    corpus_name = Path(hparams["data_folder"] or "mini corpus").name
    return brain, corpus.datasets(), corpus_name


def run(argv):
    """Train, validate, export, test; a run that has results.json is done."""
    brain, datasets, corpus = build(argv)
    fit(brain, datasets)
    valid = report_on(brain, datasets["valid"], corpus=corpus, split="valid")
    export_trained(brain, corpus=corpus, results=valid)
    report_on(brain, datasets["test"], corpus=corpus, split="test")


def main(argv):
    """Run, and let the processes part when the brain is gone."""
    run(argv)
    end_distributed_run()


if __name__ == "__main__":
    main(sys.argv[1:])

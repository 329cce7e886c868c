#!/usr/bin/env python3
"""Recipe for training MetricGAN-OKD on VoiceBank-DEMAND.

To run this recipe, do the following:
> python train.py hparams/okd_pesq_csig.yaml --data_folder /path/to/VoiceBank-DEMAND

Without a data folder it trains on the mini corpus that comes with okd, on a
short schedule, to show that everything works.

Authors
 * the okd developers 2026
"""

import logging
import sys
from pathlib import Path

from okd_brain import cli, page, training
from okd_brain.config import answer_help, read_experiment
from okd_brain.files import writing

logger = logging.getLogger(__name__)
HPARAMS = Path(__file__).resolve().parent / "hparams"


def prepare(hparams):
    """Prepare the corpus, mix one, or build the mini corpus."""
    from voicebank_prepare import prepare_voicebank

    from okd_brain.corpora import (
        build_mini_corpus,
        check_mixing,
        prepare_mixture_corpus,
    )

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
    import speechbrain as sb

    from okd_brain.brain import OKDBrain

    experiment = read_experiment(argv, HPARAMS / "schedules" / "mini.yaml")
    folder = training.begin_run(experiment)
    with (
        experiment.loaded() as (hparams, file),
        writing(hparams["output_folder"]),
    ):
        sb.create_experiment_directory(
            hparams["output_folder"], file, log_config=training.LOG_CONFIG
        )
    corpus = folder.prepare(prepare, hparams)
    if corpus is None:  # the folder was that of another one, and moved aside
        return build(argv)
    networks = training.build_modules(hparams)
    training.start_from_pretrained(networks, hparams)
    brain = OKDBrain(
        networks, hparams, experiment.run_opts, hparams["checkpointer"]
    )
    corpus_name = Path(hparams["data_folder"] or "mini corpus").name
    return brain, corpus.datasets(), corpus_name


def run(argv):
    """Train, validate, export, test; a run that has results.json is done.

    What comes after that is to hear and to look at.
    """
    brain, datasets, corpus = build(argv)
    training.announce(brain, datasets, corpus=corpus)
    training.fit(brain, datasets)
    valid = training.report_on(
        brain, datasets["valid"], corpus=corpus, split="valid"
    )
    training.export_trained(brain, corpus=corpus, results=valid)
    training.report_on(brain, datasets["test"], corpus=corpus, split="test")
    training.write_samples(brain, datasets["test"])
    page.show_run(brain.artifacts_folder)


def main(argv):
    """Run, and let the processes part when the brain is gone."""
    answer_help(argv, __doc__, HPARAMS / "okd_pesq_csig.yaml")
    training.carry_out(run, argv)


if __name__ == "__main__":
    sys.exit(cli.run_resumable(main, sys.argv[1:]))

"""Train on a folder of speech and a folder of noise, from a program of your own.

    python examples/train_own_folders.py SPEECH NOISE OUTPUT [--KEY VALUE ...]

These are the acts of a recipe's ``train.py``. Any option of the experiment but
--overwrite may follow; the same call goes on where a run was stopped.
"""

import sys

from okd_brain import training
from okd_brain.brain import OKDBrain
from okd_brain.config import read_experiment
from okd_brain.corpora import prepare_mixture_corpus
from okd_brain.recipes import find_yaml


def train(speech, noise, output, *options):
    """Train two generators, on PESQ and on ESTOI; return the test's results."""
    _, file = find_yaml("okd_pesq_estoi")
    places = ["--data_folder", speech, "--noise_folder", noise]
    schedule = ["--schedule", "schedules/fast.yaml", "--output_folder", output]
    experiment = read_experiment([str(file), *places, *schedule, *options])
    folder = training.begin_run(experiment)  # nobody else may write to it now

    def prepare(hparams):
        return prepare_mixture_corpus(speech, noise, output, hparams["mixing"])

    with experiment.loaded() as (hparams, _):
        corpus = folder.prepare(prepare, hparams)  # refused if it has changed
        datasets = corpus.datasets()  # "train", "valid" and "test"
        networks = training.build_modules(hparams)
        brain = OKDBrain(
            networks, hparams, experiment.run_opts, hparams["checkpointer"]
        )
        training.fit(brain, datasets)
        results = {
            split: training.report_on(brain, data, corpus="mine", split=split)
            for split, data in datasets.items()
            if split != "train"
        }
        training.export_trained(brain, corpus="mine", results=results["valid"])
    return results["test"]


if __name__ == "__main__":
    for system, means in train(*sys.argv[1:])["systems"].items():
        print(system, {name: round(mean, 3) for name, mean in means.items()})

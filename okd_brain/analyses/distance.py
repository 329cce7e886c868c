"""Distance between the generators of a run, over its training."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.checkpoints import Checkpointer

from okd_brain.analyses.checkpoints import (
    kept_checkpoints,
    when,
)
from okd_brain.analyses.plots import Point
from okd_brain.messages import UserError
from okd_brain.mimicry import mse
from okd_brain.training import build_modules, load_generators, spread_batches


@dataclass(frozen=True)
class TrainedRun:
    """An experiment that was trained."""

    name: str  # its output folder, as it was given
    hparams: dict  # without the checkpointer
    generators: dict  # target -> module, in evaluation mode
    checkpoints: list  # in the order of their epochs


def open_run(folder):
    """Rebuild a run from its output folder, which stays as it is.

    Loading ``hyperparams.yaml`` runs the code that it names: open only runs of
    people you trust.

    Arguments
    ---------
    folder : str or Path
        The output folder of ``train.py``, with its checkpoints in ``save``.

    Returns
    -------
    TrainedRun

    Raises
    ------
    UserError
        If the folder is not such a folder or has no checkpoint.
    """
    hyperparams = Path(folder) / "hyperparams.yaml"
    save = Path(folder) / "save"
    if not (hyperparams.is_file() and save.is_dir()):
        raise UserError(
            f"{folder} has no hyperparams.yaml or no folder save, but the "
            "output folder of a training is expected."
        )
    # The folder of the training may not exist here: nothing is opened there.
    overrides = {"output_folder": str(folder), "checkpointer": None}
    with open(hyperparams, encoding="utf-8") as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    modules = build_modules(hparams)
    checkpoints = kept_checkpoints(
        Checkpointer(save), lambda meta: True, "from the end of an epoch"
    )
    return TrainedRun(
        name=str(folder),
        hparams=hparams,
        generators={t: modules[t.module].eval() for t in modules.targets},
        checkpoints=checkpoints,
    )


def measure_distance(runs, dataset, utterances):
    """Compare the spectra of the generators of each run.

    Weights are not compared: networks with different starts may compute the
    same with different weights, so that a distance between weights has no scale.

    Arguments
    ---------
    runs : list of TrainedRun
        From ``open_run``.
    dataset : DynamicItemDataset
        The utterances, the same for all runs.
    utterances : int
        How many of them are used.

    Returns
    -------
    list of dict
        ``run``, ``alpha``, ``epoch``, ``stage``, ``first`` and ``second``
        generator, and ``mse``: the mean squared difference of their log1p
        magnitudes, averaged over utterances (mimicry ``mse``, whatever
        divergence the run was trained with).

    Raises
    ------
    UserError
        If a run has a single generator.
    """
    for run in runs:
        if len(run.generators) < 2:
            (only,) = run.generators
            raise UserError(
                f"{run.name} has one generator ({only.name}), but a distance "
                "is between two or more."
            )
    batches = spread_batches(dataset, utterances)
    rows = []
    for run in runs:
        task = run.hparams["task"]
        inputs = [task.inputs(batch) for batch in batches]
        for checkpoint in run.checkpoints:
            load_generators(checkpoint, run.generators)
            distances = _distances(task, run.generators, inputs)
            rows += [
                {
                    "run": run.name,
                    "alpha": run.hparams["alpha"],
                    **when(checkpoint),
                    "first": first,
                    "second": second,
                    "mse": distance,
                }
                for (first, second), distance in distances.items()
            ]
    return rows


def distance_points(rows):
    """Return the distances for ``draw_lines``, one line per run."""
    return [
        Point(
            "",
            "",
            f"alpha {row['alpha']:g} ({row['run']})",
            row["epoch"],
            row["mse"],
        )
        for row in rows
    ]


@torch.no_grad()
def _distances(task, generators, inputs):
    """Return pair of generators -> mean over utterances."""
    names = [target.name for target in generators]
    pairs = itertools.combinations(names, 2)
    sums = dict.fromkeys(pairs, 0.0)
    for one in inputs:
        outputs = {
            target.name: task.estimate(generator, one)
            for target, generator in generators.items()
        }
        for first, second in sums:
            error = mse(outputs[first], outputs[second], one.frames)
            sums[first, second] += float(error)
    return {pair: total / len(inputs) for pair, total in sums.items()}

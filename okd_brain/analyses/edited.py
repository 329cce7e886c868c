"""Edited generators: what their metrics gain without any training.

Much of what training on a metric gives could be had by turning a dial: a mask to
a power suppresses more (above 1) or less (below 1). The best power for each
metric, chosen on validation, is a control for everything that trains on it.
"""

import torch
from speechbrain.dataio.batch import PaddedBatch

from okd_brain.metrics import resolve_metrics
from okd_brain.scoring import Scorer
from okd_brain.scoring.board import Scoreboard, means
from okd_brain.signals import MASK_FLOOR
from okd_brain.training import load_generators

POWERS = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)


@torch.no_grad()
def score_edited(run, datasets, n_jobs=1, powers=POWERS):
    """Score the generators of a run, their masks taken to the best power.

    The gain is not edited: PESQ, STOI and ESTOI do not hear it.

    Arguments
    ---------
    run : TrainedRun
        From ``open_run``, in speech enhancement. Of each generator the best
        checkpoint of the last stage is used.
    datasets : dict
        "valid" chooses the powers, "test" is scored.
    n_jobs : int
        Processes that score.
    powers : list of float
        Which are tried.

    Returns
    -------
    scores : dict
        system -> test utterance -> metric -> value, of the unprocessed speech
        and the edited generators; the metrics are the run's ``report_metrics``.
    origins : dict
        generator -> checkpoint, as from ``load_generators``, with its
        ``mask_power``.
    """
    task = run.hparams["task"]
    origins = {}
    for target, generator in run.generators.items():
        best = _best_checkpoint(run.checkpoints, target)
        origins |= load_generators(best, {target: generator})
        with Scorer(target.metrics, n_jobs=n_jobs) as scorer:
            tried = _score(
                task,
                scorer,
                datasets["valid"],
                {p: (generator, p) for p in powers},
            )
        sign = 1 if target.higher_is_better else -1
        value = {
            p: sign * target.selection_value(means(tried[p]))[0] for p in powers
        }
        power = max(powers, key=value.get)
        origins[target.name] = {**origins[target.name], "mask_power": power}
    edited = {
        target.name: (generator, origins[target.name]["mask_power"])
        for target, generator in run.generators.items()
    }
    reported = resolve_metrics(run.hparams["report_metrics"])
    with Scorer(reported, n_jobs=n_jobs) as scorer:
        scores = _score(
            task, scorer, datasets["test"], edited, with_unprocessed=True
        )
    return scores, origins


def _best_checkpoint(checkpoints, target):
    """Return the best checkpoint of the last stage that was validated."""
    keys = [f"{stage}/{target.name}" for stage in ("okd", "warmup")]
    (key, *_) = [k for k in keys if any(k in c.meta for c in checkpoints)]
    choose = max if target.higher_is_better else min
    validated = [c for c in checkpoints if key in c.meta]
    return choose(validated, key=lambda checkpoint: checkpoint.meta[key])


def _score(task, scorer, dataset, systems, with_unprocessed=False):
    """Return scores by system; a system is a generator and its power."""
    board = Scoreboard(scorer)
    for index in range(len(dataset)):
        batch = PaddedBatch([dataset[index]])
        inputs = task.inputs(batch)
        if with_unprocessed:
            noisy = task.unprocessed_wave(batch)
            board.submit(
                task.unprocessed, batch.id, task.scored_pairs(noisy, batch)
            )
        spectra = {}
        for name, (generator, power) in systems.items():
            if generator not in spectra:
                spectra[generator] = task.estimate(generator, inputs)
            spectrum = edit_mask(spectra[generator], inputs.noisy, power)
            wave = task.carry_out(spectrum, inputs).wave
            board.submit(name, batch.id, task.scored_pairs(wave, batch))
    return board.collect()


def edit_mask(spectrum, noisy, power):
    """Return a spectrum whose mask is taken to a power.

    Arguments
    ---------
    spectrum : torch.Tensor
        [batch, frames, bins], enhanced log1p magnitude.
    noisy : torch.Tensor
        Likewise, of what was enhanced.
    power : float
        Above 1 more is suppressed.

    Returns
    -------
    torch.Tensor
        [batch, frames, bins], with a mask of at least `MASK_FLOOR`.
    """
    mask = spectrum / noisy.clamp(min=1e-8)
    return (mask**power).clamp(min=MASK_FLOOR) * noisy

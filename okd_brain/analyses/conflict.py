"""Gradient conflict: do the metrics pull a generator in different directions?

Each head of the discriminator gives a generator a loss, ``mean((D(clean, y)[n]
- 1)^2)``, and so does its mimicry of the others.  The cosine between the
gradients of two of these with respect to the generator's parameters is 1 where
they agree, 0 where they have nothing to do with each other, and negative where
a small step for the one undoes the other.
"""

import itertools
import math

import torch
from speechbrain.utils.checkpoints import torch_recovery

from okd_brain.analyses.checkpoints import (
    kept_checkpoints,
    spread_batches,
    when,
)
from okd_brain.analyses.plots import Point
from okd_brain.distributed import bare
from okd_brain.mimicry import from_peers
from okd_brain.scoring.board import means
from okd_brain.training import load_generators

MIMICRY = "mimicry"


def measure_conflict(brain, dataset, utterances):
    """Compare the gradients of all losses of all generators over training.

    The networks are in evaluation mode: the spectral norm of a discriminator
    would otherwise move with every look at it.

    Arguments
    ---------
    brain : OKDBrain
        Of the run; holds the weights of its last checkpoint afterwards.
    dataset : DynamicItemDataset
        Of validation.
    utterances : int
        How many of it are used.

    Returns
    -------
    list of dict
        ``epoch``, ``stage``, ``generator``, ``first`` and ``second`` (heads, or
        "mimicry"), and of the cosine between the gradients of these two, for an
        utterance at a time as in training: ``cosine``, the mean over
        ``utterances``, and ``conflicting``, the share of negative ones. An
        utterance where either gradient is zero has no cosine and does not
        count. ``cosine_of_means`` is that of gradients averaged over
        utterances.

    Raises
    ------
    ValueError
        If there are not two losses to compare, or no checkpoint since the
        discriminator has begun to learn.
    """
    heads = [head.name for head in brain.heads]
    if len(heads) == len(brain.targets) == 1:
        raise ValueError(
            f"The experiment has one generator on one metric ({heads[0]}), but "
            "conflict is between two: give targets such as [[pesq], [csig]] or "
            "[[pesq, csig]]."
        )
    kept = kept_checkpoints(
        brain.checkpointer,
        lambda meta: meta["phase"] != "warmup",  # D knows nothing then
        "from after the warm-up",
    )
    batches = spread_batches(dataset, utterances)
    brain.modules.eval()
    rows = []
    for checkpoint in kept:
        load_generators(checkpoint, brain.generators)
        for name in brain.discriminator_heads:
            network = bare(brain.modules[name])
            torch_recovery(network, checkpoint.paramfiles[name], True)
        for generator, pairs in _compare(brain, batches).items():
            for (first, second), row in pairs.items():
                rows.append(
                    {
                        **when(checkpoint),
                        "generator": generator,
                        "first": first,
                        "second": second,
                        **row,
                    }
                )
    return rows


def gradients(brain, inputs):
    """Return the gradients of one batch.

    Arguments
    ---------
    brain : OKDBrain
        Its networks are used as they are.
    inputs : Inputs
        The analysed batch.

    Returns
    -------
    dict
        generator -> loss -> torch.Tensor [parameters], float64. The losses are
        those of all heads, by name, and "mimicry" where there are peers.
    """
    generators = [brain.generator(target) for target in brain.targets]
    found = {}
    # cuDNN has no backward pass for an LSTM in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False):
        outputs = [brain.task.estimate(g, inputs) for g in generators]
        for k, target in enumerate(brain.targets):
            scores = brain.discriminate(
                outputs[k], inputs, brain.heads, frozen=True
            )
            errors = ((scores - 1) ** 2).mean(dim=0)
            losses = {
                head.name: error
                for head, error in zip(brain.heads, errors, strict=True)
            }
            if len(outputs) > 1:
                losses[MIMICRY] = from_peers(
                    brain.hparams.mimicry, outputs, k, inputs.frames
                )
            found[target.name] = {
                name: _gradient(loss, list(generators[k].parameters()))
                for name, loss in losses.items()
            }
    return found


def cosine(first, second):
    """Return the cosine between two vectors; NaN if either is zero.

    Example
    -------
    >>> cosine(torch.tensor([1.0, 0.0]), torch.tensor([-3.0, 4.0]))
    -0.6000000238418579
    """
    return float(first @ second / (first.norm() * second.norm()))


def conflict_points(rows):
    """Return the mean cosines for ``plots.draw_lines``, a panel a generator."""
    return [
        Point(
            "",
            f"G({row['generator']})",
            f"{row['first']}, {row['second']}",
            row["epoch"],
            row["cosine"],
        )
        for row in rows
    ]


def _gradient(loss, parameters):
    parts = torch.autograd.grad(
        loss, parameters, retain_graph=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts]).double()


def _compare(brain, batches):
    """Return generator -> pair of losses -> what a row says of them."""
    cosines = {target.name: {} for target in brain.targets}
    sums = {target.name: {} for target in brain.targets}
    for number, batch in enumerate(batches):
        inputs = brain.task.inputs(batch.to(brain.device))
        for generator, by_loss in gradients(brain, inputs).items():
            cosines[generator][number] = _cosines(by_loss)
            total = sums[generator]
            for name, gradient in by_loss.items():
                total[name] = total.get(name, 0) + gradient
    return {
        name: _summarise(cosines[name], _cosines(sums[name])) for name in sums
    }


def _cosines(by_loss):
    """Return pair of losses -> cosine between their gradients."""
    return {
        pair: cosine(*(by_loss[name] for name in pair))
        for pair in itertools.combinations(by_loss, 2)
    }


def _summarise(by_batch, of_means):
    """Return pair of losses -> what a row says of them."""
    conflicts = {
        number: {
            pair: float(value < 0)
            for pair, value in found.items()
            if value == value  # not NaN
        }
        for number, found in by_batch.items()
    }
    shares = means(conflicts)
    return {
        pair: {
            "utterances": sum(pair in found for found in conflicts.values()),
            "cosine": mean,
            "conflicting": shares.get(pair, math.nan),
            "cosine_of_means": of_means[pair],
        }
        for pair, mean in means(by_batch).items()
    }

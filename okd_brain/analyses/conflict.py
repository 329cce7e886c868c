"""Gradient conflict: metrics that pull a generator in different directions.

Each head of the discriminator gives a generator a loss, ``mean((D(clean, y)[n]
- 1)^2)``, and so does its mimicry of the others. The cosine between the
gradients of two of these with respect to the generator's parameters is 1 where
they agree, 0 where they are unrelated, and negative where a small step for one
undoes the other.
"""

import collections
import itertools
import math

import torch

from okd_brain.analyses.checkpoints import (
    kept_checkpoints,
    load_discriminators,
    when,
)
from okd_brain.analyses.plots import Point
from okd_brain.messages import UserError
from okd_brain.metrics import heads_of
from okd_brain.mimicry import from_peers
from okd_brain.training import load_generators, spread_batches

MIMICRY = "mimicry"


def measure_conflict(brain, dataset, utterances):
    """Compare the gradients of all losses of all generators over training.

    The networks are in evaluation mode: in training mode every forward pass
    would move the discriminator's spectral norm.

    Arguments
    ---------
    brain : OKDBrain
        Of the run; holds the weights of its last checkpoint afterwards.
    dataset : DynamicItemDataset
        The validation set.
    utterances : int
        How many of its utterances are used.

    Returns
    -------
    list of dict
        ``epoch``, ``stage``, ``generator``, ``first`` and ``second`` (heads, or
        "mimicry"). The cosine between the gradients of these two is taken for
        one utterance at a time, as in training: ``cosine`` is its mean over
        ``utterances``, ``conflicting`` the share of negative ones. An utterance
        where either gradient is zero has no cosine and does not count.
        ``cosine_of_means`` is the cosine between the gradients' means over
        utterances.

    Raises
    ------
    UserError
        If there are not two losses to compare, or no checkpoint from after the
        warm-up.
    """
    if not brain.heads and not brain.surrogates.twins:
        raise UserError(
            "The experiment is a control without metrics (adversarial_weight: "
            "0), so that no losses of metrics can be in conflict."
        )
    heads = [term.name for term in heads_of(brain.targets)]
    if len(heads) == len(brain.targets) == 1:
        raise UserError(
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
        learners = {target: brain.generator(target) for target in brain.targets}
        load_generators(checkpoint, learners)
        load_discriminators(brain, checkpoint)
        rows += [
            {**when(checkpoint), **row} for row in _compare(brain, batches)
        ]
    return rows


def conflict_points(rows):
    """Return the mean cosines for ``draw_lines``, one panel per generator."""
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


def _compare(brain, batches):
    """Return the rows of the weights that the networks have."""
    cosines = collections.defaultdict(list)
    sums = collections.defaultdict(dict)
    for batch in batches:
        inputs = brain.task.inputs(batch.to(brain.device))
        for generator, by_loss in _gradients(brain, inputs).items():
            total = sums[generator]
            for name, gradient in by_loss.items():
                total[name] = total.get(name, 0) + gradient
            for first, second in itertools.combinations(by_loss, 2):
                value = _cosine(by_loss[first], by_loss[second])
                cosines[generator, first, second].append(value)
    rows = []
    for (generator, first, second), values in cosines.items():
        defined = [value for value in values if value == value]  # not NaN
        count = len(defined)
        negative = sum(value < 0 for value in defined)
        rows.append(
            {
                "generator": generator,
                "first": first,
                "second": second,
                "utterances": count,
                "cosine": math.fsum(defined) / count if count else math.nan,
                "conflicting": negative / count if count else math.nan,
                "cosine_of_means": _cosine(
                    sums[generator][first], sums[generator][second]
                ),
            }
        )
    return rows


def _gradients(brain, inputs):
    """Return generator -> loss -> gradient of one batch, float64 [parameters].

    The losses are those of all heads, by name, and "mimicry" where there are
    peers.
    """
    generators = [brain.generator(target) for target in brain.targets]
    found = {}
    # cuDNN has no backward pass for an LSTM in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False):
        outputs = [brain.task.enhance(g, inputs) for g in generators]
        terms = heads_of(brain.targets)
        for k, target in enumerate(brain.targets):
            scores = brain.estimate_scores(terms, outputs[k], inputs)
            errors = ((scores - 1) ** 2).mean(dim=0)
            losses = {
                term.name: error
                for term, error in zip(terms, errors, strict=True)
            }
            if len(outputs) > 1:
                spectra = [output.spectrum for output in outputs]
                losses[MIMICRY] = from_peers(
                    brain.hparams.mimicry, spectra, k, inputs.frames
                )
            parameters = list(generators[k].parameters())
            found[target.name] = {
                name: _gradient(loss, parameters)
                for name, loss in losses.items()
            }
    return found


def _gradient(loss, parameters):
    parts = torch.autograd.grad(
        loss, parameters, retain_graph=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts]).double()


def _cosine(first, second):
    """Return the cosine between two vectors; NaN if either is zero."""
    return float(first @ second / (first.norm() * second.norm()))

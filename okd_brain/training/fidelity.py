"""Fidelity: whether a surrogate follows its metric where a generator looks.

A generator learns from its surrogate's gradient, so what counts is not whether
the surrogate knows good utterances from bad ones but whether, *within* an
utterance, its estimate of the normalised score rises where that score rises.
What a generator makes of a validation utterance is edited; each edit changes
the surrogate's estimate and the true score. Then the output is moved along the
surrogate's own gradient, and as far towards what supervised training aims at.

``analyse.py fidelity`` does this to checkpoints, and training to the networks
that it has: ``fidelity_stats`` is what its log says.
"""

import math
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedBatch

from okd_brain.distributed import world_size
from okd_brain.messages import UserError
from okd_brain.scoring.board import gather

STEPS = (0.003, 0.01, 0.03)  # of the distance to what supervision aims at
LOGGED_STEP = 0.01
SMALLEST, LARGEST = 0.005, 0.05  # small change of the normalised score
NO_CHANGE = 1e-4  # of the normalised score: has no direction
MIN_CHANGES = 3  # of an utterance, for a correlation
OWN, SUPERVISED = "own gradient", "supervised"  # steps


class Change(NamedTuple):
    """What a change of one utterance has done to a normalised score."""

    utterance: str
    kind: str
    estimated: float
    true: float


def find_changes(brain, target, batches, steps=STEPS):
    """Change what a generator makes of utterances, and see what that does.

    The networks compute as in evaluation, and are afterwards as they were, as
    are PyTorch's random numbers.

    Arguments
    ---------
    brain : OKDBrain
        With the networks.
    target : Target
        Whose generator, and whose surrogates.
    batches : list of PaddedBatch
        One utterance each.
    steps : tuple of float
        Lengths of the steps, relative to the distance to what supervised
        training aims at.

    Returns
    -------
    dict
        Term -> list of Change, those without a true score left out.
    """
    changes = {term: [] for term in target.terms}
    with _in_evaluation(brain), brain.make_scorer(target.metrics) as scorer:
        for batch in batches:
            found = _changes_of(brain, target, batch, scorer, steps)
            for term, some in found:
                changes[term] += some
    return changes


@contextmanager
def _in_evaluation(brain):
    """Let networks compute as in evaluation, and undo that."""
    modes = {module: module.training for module in brain.modules.modules()}
    devices = [brain.device] if str(brain.device).startswith("cuda") else []
    brain.modules.eval()
    try:
        with torch.random.fork_rng(devices), torch.enable_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _changes_of(brain, target, batch, scorer, steps):
    """Yield each term of a target and the changes of one utterance."""
    (utterance,) = batch.id
    task = brain.task
    random = brain.curriculum.rng(f"fidelity {utterance}", 0)
    inputs = task.inputs(batch.to(brain.device))

    def estimate(term, decision):
        output = task.carry_out(decision, inputs)
        return brain.estimate_scores([term], output, inputs)[0, 0]

    @torch.no_grad()
    def score(variants):
        pairs = []
        for _, decision in variants:
            wave = task.carry_out(decision, inputs).wave
            pairs += task.scored_pairs(wave, batch)
        values = scorer.score(pairs, names=[utterance] * len(pairs))
        return [dict(zip(scorer.names, row, strict=True)) for row in values]

    with torch.no_grad():
        start = task.decide(brain.generators[target], inputs)
        aim = task.aim(inputs)
        edits = list(task.edits(start, aim, inputs, random.getrandbits(63)))
    error = aim - start
    shared = [
        ("", start),
        *edits,
        *_steps(start, error, error, SUPERVISED, steps),
    ]
    shared_raw = score(shared)
    for term in target.terms:
        y = start.clone().requires_grad_()
        (slope,) = torch.autograd.grad(estimate(term, y), y)
        own = list(_steps(start, slope, error, OWN, steps))
        variants = shared + own
        with torch.no_grad():
            found = np.array([float(estimate(term, v)) for _, v in variants])
        labels = np.array([term.label(r) for r in shared_raw + score(own)])
        changes = [
            Change(utterance, kind, *change)
            for (kind, _), *change in zip(
                variants, found - found[0], labels - labels[0], strict=True
            )
        ]
        yield term, [c for c in changes[1:] if math.isfinite(c.true)]


def _steps(start, direction, error, kind, sizes=STEPS):
    """Yield steps of a length that is relative to the error, by kind.

    A zero direction is no step.
    """
    step = direction * (error.norm() / direction.norm().clamp(min=1e-30))
    for size in sizes:
        yield f"{kind} {size:g}", start + size * step


def summaries(changes):
    """Return what the changes of one head say: edits, small ones, every kind.

    Arguments
    ---------
    changes : list of Change
        Of one head.

    Returns
    -------
    list of dict
        ``kind``, ``changes``, ``pearson``, ``sign_agreement``, ``rises`` and
        ``gain``, as ``analyses.measure_fidelity`` explains. NaN where there is
        nothing to average.
    """
    edits = [c for c in changes if not c.kind.startswith((OWN, SUPERVISED))]
    groups = {
        "all edits": edits,
        "small changes": [
            c for c in edits if SMALLEST <= abs(c.true) <= LARGEST
        ],
    }
    for change in changes:
        groups.setdefault(change.kind, []).append(change)
    return [_summary(kind, group) for kind, group in groups.items()]


def _summary(kind, changes):
    """Return one row; NaN where there is nothing to average."""
    true, estimated, names = (
        np.array([getattr(change, field) for change in changes])
        for field in ("true", "estimated", "utterance")
    )
    correlations = [
        _pearson(estimated[names == name], true[names == name])
        for name in dict.fromkeys(names.tolist())
    ]
    has_sign = np.abs(true) > NO_CHANGE
    agrees = np.sign(true) == np.sign(estimated)

    def mean(values):
        return float(np.mean(values)) if len(values) else math.nan

    return {
        "kind": kind,
        "changes": len(changes),
        "pearson": mean([r for r in correlations if math.isfinite(r)]),
        "sign_agreement": mean(agrees[has_sign]),
        "rises": mean(true > 0),
        "gain": mean(true),
    }


def _pearson(estimated, true):
    """Return the correlation of an utterance's changes, with no change."""
    if len(true) < MIN_CHANGES or np.ptp(true) <= NO_CHANGE:
        return math.nan
    if np.ptp(estimated) == 0:  # the surrogate is blind here
        return 0.0
    both = np.corrcoef(np.append(estimated, 0), np.append(true, 0))
    return float(both[0, 1])


def fidelity_stats(brain, dataset, utterances):
    """Return what the log of an epoch says of the surrogates.

    Every process takes some of the utterances; all have to call this.

    Arguments
    ---------
    brain : OKDBrain
        Of the run, unchanged afterwards.
    dataset : DynamicItemDataset
        The validation set.
    utterances : int
        How many of its utterances are used, spread evenly over it.

    Returns
    -------
    stats : dict
        "fid <head> r" and "sign", over edits; "small r" and "small sign", over
        small changes; "own rises" and "own gain" of a step along the gradient
        of the estimate, "sup rises" and "sup gain" of a supervised one as long.
    agreements : dict
        Name of each head -> "sign".
    """
    batches = spread_batches(dataset, utterances, brain.rank, world_size())
    stats, agreements = {}, {}
    for target in brain.targets:
        mine = find_changes(brain, target, batches, (LOGGED_STEP,))
        for term in target.terms:
            parts = gather(mine[term])
            every = sorted(
                (change for part in parts for change in part),
                key=lambda change: change.utterance,
            )
            rows = {row["kind"]: row for row in summaries(every)}
            nothing = _summary("", [])
            for name, kind, keys in (
                ("", "all edits", _AGREEMENT),
                ("small ", "small changes", _AGREEMENT),
                ("own ", f"{OWN} {LOGGED_STEP:g}", _EFFECT),
                ("sup ", f"{SUPERVISED} {LOGGED_STEP:g}", _EFFECT),
            ):
                row = rows.get(kind, nothing)
                for short, key in keys.items():
                    stats[f"fid {term.name} {name}{short}"] = row[key]
            agreements[term.name] = rows["all edits"]["sign_agreement"]
    return stats, agreements


_AGREEMENT = {"r": "pearson", "sign": "sign_agreement"}
_EFFECT = {"rises": "rises", "gain": "gain"}


def spread_batches(dataset, count, rank=0, processes=1):
    """Return utterances that are spread evenly over a set.

    Manifests are sorted by name: these are of many speakers, and the same for
    every run.

    Arguments
    ---------
    dataset : DynamicItemDataset
        The set.
    count : int
        How many; all if there are fewer.
    rank : int
        Number of this process.
    processes : int
        How many share the utterances, each of which has its own.

    Returns
    -------
    list of PaddedBatch
        One utterance each.

    Raises
    ------
    UserError
        If the count is not positive.

    Example
    -------
    >>> from speechbrain.dataio.dataset import DynamicItemDataset
    >>> entries = {f"u{i}": {"number": i} for i in range(9)}
    >>> dataset = DynamicItemDataset(entries, output_keys=["id"])
    >>> [batch.id for batch in spread_batches(dataset, 3)]
    [['u0'], ['u4'], ['u8']]
    """
    if count < 1:
        raise UserError(
            f"The number of utterances is {count}, but it must be at least 1."
        )
    count = min(count, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    mine = chosen[rank::processes]
    return [PaddedBatch([dataset[index]]) for index in mine]

"""Fidelity: whether a surrogate follows its metric where a generator looks.

A generator learns from its surrogate's gradient, so what counts is not whether
the surrogate knows good utterances from bad ones but whether, *within* an
utterance, its estimate of the normalised score rises where that score rises.
What a generator makes of a validation utterance is edited; each edit changes
the surrogate's estimate and the true score. Then the output is moved along the
surrogate's own gradient, and as far towards the clean spectrum.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

from okd_brain.analyses.checkpoints import (
    kept_checkpoints,
    load_discriminators,
    spread_batches,
    when,
)
from okd_brain.messages import UserError
from okd_brain.results import markdown
from okd_brain.signals import MASK_FLOOR
from okd_brain.tasks import SpeechEnhancement
from okd_brain.training import load_generators

MASK_POWERS = (0.3, 0.6, 0.8, 1.25, 1.5, 2.0)
TILTS_DB = (-6.0, -2.0, 2.0, 6.0)  # from the lowest to the highest bin
GAINS_DB = (1.0, 2.0, 4.0)  # standard deviation
GAIN_FRAMES, GAIN_BINS = 16, 32  # between independent gains: 256 ms, 1 kHz
SHARES = (0.05, 0.15, 0.4)  # of the way to the noisy or clean spectrum
STEPS = (0.003, 0.01, 0.03)  # of the distance to the clean spectrum
SMALLEST, LARGEST = 0.005, 0.05  # small change of the normalised score
NO_CHANGE = 1e-4  # of the normalised score: has no direction
MIN_CHANGES = 3  # of an utterance, for a correlation
OWN, SUPERVISED = "own gradient", "towards clean"  # steps


class Change(NamedTuple):
    """What a change of one utterance has done to a normalised score."""

    utterance: str
    kind: str
    estimated: float
    true: float


def measure_fidelity(brain, dataset, utterances, epoch=None):
    """Compare what surrogates and metrics say of small changes.

    The networks are in evaluation mode. Each target's generator and the
    discriminators are those of one checkpoint.

    Arguments
    ---------
    brain : OKDBrain
        Of the run, in speech enhancement; holds other weights afterwards.
    dataset : DynamicItemDataset
        The validation set.
    utterances : int
        How many of its utterances are used.
    epoch : int, optional
        Which checkpoint; by default the best of each target.

    Returns
    -------
    list of dict
        ``epoch``, ``stage``, ``generator``, ``head`` and ``surrogate``. Then
        ``kind`` of change, "all edits" and "small changes" among them, and the
        number of ``changes`` of this kind. ``pearson`` is the correlation
        between the estimated and the true changes of an utterance, no change
        among them, averaged over utterances: NaN where none has three changes,
        0 for an utterance whose estimate never changes. ``sign_agreement`` is
        the share of the changes whose estimate has the true sign, ``rises`` the
        share that raises the true normalised score, ``gain`` its mean change.

    Raises
    ------
    UserError
        If the run has no surrogate, is of another task, or has no such
        checkpoint; or the number of utterances is not positive.
    """
    if brain.hparams.adversarial_weight == 0:
        raise UserError(
            "adversarial_weight is 0: this run has no surrogate to compare with "
            "the metrics. Analyse one that has."
        )
    if not isinstance(brain.task, SpeechEnhancement):
        raise UserError(
            f"The run is one of {brain.task.description['task']}, but the edits "
            "of fidelity are those of speech enhancement."
        )
    batches = spread_batches(dataset, utterances)
    brain.modules.eval()
    rows = []
    for target in brain.targets:
        checkpoint = _load(brain, target, epoch)
        changes = {term: [] for term in target.terms}
        with brain.make_scorer(target.metrics) as scorer:
            for batch in batches:
                for term, found in _changes(brain, target, batch, scorer):
                    changes[term] += found
        for term, found in changes.items():
            of = {
                **when(checkpoint),
                "generator": target.name,
                "head": term.name,
                "surrogate": brain.surrogates.kinds[term.name],
            }
            rows += [{**of, **row} for row in _summaries(found)]
    return rows


def fidelity_table(rows):
    """Return the rows of ``measure_fidelity`` as a Markdown table.

    Arguments
    ---------
    rows : list of dict
        From ``measure_fidelity``.

    Returns
    -------
    str

    Example
    -------
    >>> row = {"epoch": 3, "generator": "pesq", "head": "pesq"}
    >>> row |= {"surrogate": "twin", "kind": "smooth tilt", "changes": 4}
    >>> row |= {"pearson": 0.987, "sign_agreement": 1.0, "rises": 0.5}
    >>> print(fidelity_table([{**row, "gain": math.nan}]).splitlines()[-1])
    | pesq | pesq | twin | 3 | smooth tilt | 4 | 0.99 | 1.00 | 0.50 | n/a |
    """
    described = ["generator", "head", "surrogate", "epoch", "kind", "changes"]
    measured = {"pearson": 2, "sign_agreement": 2, "rises": 2, "gain": 4}
    table = [[*described, *measured]]
    for row in rows:
        cells = [f"{row[key]:.{digits}f}" for key, digits in measured.items()]
        cells = ["n/a" if cell == "nan" else cell for cell in cells]
        table.append([str(row[key]) for key in described] + cells)
    return markdown(table)


def _load(brain, target, epoch):
    """Load a target's generator and all discriminators; return from where."""
    generator = {target: brain.generators[target]}
    if epoch is None:
        origins = brain.selection.load_best(
            brain.checkpointer, "okd", generator
        )
        name = origins[target.name]["checkpoint"]
        kept = brain.checkpointer.list_checkpoints()
        (checkpoint,) = (one for one in kept if one.path.name == name)
    else:
        checkpoint, *_ = kept_checkpoints(
            brain.checkpointer,
            lambda meta: meta["epoch"] == epoch,
            f"of epoch {epoch}",
        )
        load_generators(checkpoint, generator)
    load_discriminators(brain, checkpoint)
    return checkpoint


def _changes(brain, target, batch, scorer):
    """Yield each term of a target and the changes of one utterance."""
    (utterance,) = batch.id
    random = brain.curriculum.rng(f"fidelity {utterance}", 0)
    inputs = brain.task.inputs(batch.to(brain.device))

    def estimate(term, spectrum):
        output = brain.task.resynthesise(spectrum, inputs)
        return brain.estimate_scores([term], output, inputs)[0, 0]

    @torch.no_grad()
    def score(variants):
        pairs = []
        for _, spectrum in variants:
            wave = brain.task.resynthesise(spectrum, inputs).wave
            pairs += brain.task.scored_pairs(wave, batch)
        values = scorer.score(pairs, names=[utterance] * len(pairs))
        return [dict(zip(scorer.names, row, strict=True)) for row in values]

    with torch.no_grad():
        start = brain.task.enhance(brain.generators[target], inputs).spectrum
    error = inputs.clean - start
    shared = [
        ("", start),
        *_edits(start, inputs, random.getrandbits(63)),
        *_steps(start, error, error, SUPERVISED),
    ]
    shared_raw = score(shared)
    for term in target.terms:
        y = start.clone().requires_grad_()
        (slope,) = torch.autograd.grad(estimate(term, y), y)
        own = list(_steps(start, slope, error, OWN))
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


def _edits(spectrum, inputs, seed):
    """Yield kinds of edit and edited spectra, [1, frames, bins]."""
    _, frames, bins = spectrum.shape
    mask = spectrum / inputs.noisy.clamp(min=1e-8)
    for power in MASK_POWERS:
        edited = (mask**power).clamp(min=MASK_FLOOR)
        yield "mask power", edited * inputs.noisy
    ramp = torch.linspace(-0.5, 0.5, bins).to(spectrum)
    for tilt in TILTS_DB:
        yield "smooth tilt", _amplified(spectrum, tilt * ramp)
    random = torch.Generator().manual_seed(seed)  # equal on every device
    for size in GAINS_DB:
        shape = 1, 1, 2 + frames // GAIN_FRAMES, 1 + bins // GAIN_BINS
        gains = torch.nn.functional.interpolate(
            size * torch.randn(shape, generator=random),
            (frames, bins),
            mode="bilinear",
            align_corners=True,
        )
        yield "smooth gain", _amplified(spectrum, gains[0].to(spectrum))
    for share in SHARES:
        yield "noise put back", spectrum.lerp(inputs.noisy, share)
    for share in SHARES:
        yield "blend with clean", spectrum.lerp(inputs.clean, share)


def _amplified(spectrum, gains_db):
    """Return log1p magnitudes whose magnitudes have gained so many dB."""
    return torch.log1p(torch.expm1(spectrum) * 10 ** (gains_db / 20))


def _steps(spectrum, direction, error, kind):
    """Yield steps of a length that is relative to the error, by kind.

    A zero direction is no step. Magnitudes do not become negative.
    """
    step = direction * (error.norm() / direction.norm().clamp(min=1e-30))
    for size in STEPS:
        yield f"{kind} {size:g}", (spectrum + size * step).clamp(min=0)


def _summaries(changes):
    """Return the rows of one head: edits, small ones, every kind, steps."""
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

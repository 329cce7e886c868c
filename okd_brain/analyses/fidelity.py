"""Fidelity of the surrogates of a run's checkpoints to their metrics.

What it is, and how it is measured, is in ``okd_brain.training.fidelity``.
"""

from okd_brain.analyses.checkpoints import (
    kept_checkpoints,
    load_discriminators,
    when,
)
from okd_brain.messages import UserError
from okd_brain.results import markdown
from okd_brain.training import (
    find_changes,
    load_generators,
    spread_batches,
    summaries,
)


def measure_fidelity(brain, dataset, utterances, epoch=None):
    """Compare what surrogates and metrics say of small changes.

    Each target's generator and the discriminators are those of one checkpoint.

    Arguments
    ---------
    brain : OKDBrain
        Of the run; holds other weights afterwards.
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
        If the run has no surrogate or no such checkpoint, or the number of
        utterances is not positive.
    """
    if not brain.has_surrogates:
        raise UserError(
            "adversarial_weight is 0: this run has no surrogate to compare with "
            "the metrics. Analyse one that has."
        )
    batches = spread_batches(dataset, utterances)
    rows = []
    for target in brain.targets:
        checkpoint = _load(brain, target, epoch)
        changes = find_changes(brain, target, batches)
        for term, found in changes.items():
            of = {
                **when(checkpoint),
                "generator": target.name,
                "head": term.name,
                "surrogate": brain.surrogates.kinds[term.name],
            }
            rows += [{**of, **row} for row in summaries(found)]
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
    >>> print(fidelity_table([{**row, "gain": float("nan")}]).splitlines()[-1])
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

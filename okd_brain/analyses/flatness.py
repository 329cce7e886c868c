"""Flatness: what generators score when their weights are disturbed.

A minimum is flat if the score falls slowly as the weights leave it in a random
direction. So that networks with larger weights do not seem flatter, the noise
has the norm of the parameter tensor that it is added to. This is the
normalisation of Li et al. (Visualizing the loss landscape of neural nets,
NeurIPS 2018), except that they scale each filter, and we scale each tensor,
biases included.
"""

import contextlib
import math
from collections.abc import Iterator

import speechbrain as sb
import torch

from okd_brain.messages import UserError
from okd_brain.scoring.board import means


def measure_flatness(brain, datasets, sizes, draws):
    """Score the best generators of a run, disturbed.

    Arguments
    ---------
    brain : OKDBrain
        Of the run; holds its best weights afterwards.
    datasets : dict
        "valid" and "test".
    sizes : list of float
        Norms of the disturbance, relative to that of the weights; positive.
        The undisturbed weights (0) are scored as well.
    draws : int
        Number of random directions, the same for all sizes; they follow from
        the seed of the experiment.

    Returns
    -------
    list of dict
        ``split``, ``system``, ``chosen_on`` (the split that chose its epoch),
        ``size``, ``draw`` (from 1; 0 undisturbed), and the mean of every
        metric.

    Raises
    ------
    UserError
        If a size or the number of draws is not positive, or the run has no
        validated checkpoint of its last stage.
    """
    wrong = [size for size in sizes if not 0 < size < math.inf]
    if wrong:
        raise UserError(
            f"A size is {wrong[0]}, but the disturbance is relative to the "
            "weights and must be positive, for instance 0.1."
        )
    if draws < 1:
        raise UserError(f"draws is {draws}, but it must be at least 1.")
    generators = brain.generators
    origins = brain.selection.load_best(brain.checkpointer, "okd", generators)
    cases = [(0.0, 0)]
    cases += [(size, draw + 1) for size in sizes for draw in range(draws)]
    rows = []
    for size, draw in cases:
        with contextlib.ExitStack() as disturbed:
            for target, generator in generators.items():
                rng = brain.curriculum.rng(f"flatness {target.name} {draw}", 0)
                disturbed.enter_context(
                    disturb(generator, size, rng.getrandbits(63))
                )
            for split in ("valid", "test"):
                scores = _score(brain, datasets[split])
                scores.pop(brain.task.unprocessed)
                for system, by_utterance in scores.items():
                    row = {
                        "split": split,
                        "system": system,
                        "chosen_on": origins[system]["chosen_on"],
                        "size": size,
                        "draw": draw,
                    }
                    rows.append({**row, **means(by_utterance)})
    return rows


@contextlib.contextmanager
def disturb(module, size, seed) -> Iterator[None]:
    """Add noise to the parameters of a module for a while.

    Arguments
    ---------
    module : torch.nn.Module
        The network.
    size : float
        Norm of the noise of each parameter tensor, relative to its own.
    seed : int
        Of the direction.

    Yields
    ------
    torch.nn.Module
        The disturbed network.

    Example
    -------
    >>> linear = torch.nn.Linear(3, 4)
    >>> weight = linear.weight.detach()
    >>> before = weight.clone()
    >>> with disturb(linear, 0.1, seed=1):
    ...     away = (weight - before).norm() / before.norm()
    >>> round(float(away), 4), weight.equal(before)
    (0.1, True)
    """
    noise_of = torch.Generator().manual_seed(seed)  # equal on every device
    before = [parameter.detach().clone() for parameter in module.parameters()]
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=noise_of)
            noise = noise.to(parameter) / noise.norm()
            parameter += size * parameter.norm() * noise
    try:
        yield module
    finally:
        with torch.no_grad():
            for parameter, value in zip(
                module.parameters(), before, strict=True
            ):
                parameter.copy_(value)


def _score(brain, dataset):
    """Score the weights as they are; ``Brain.evaluate`` would load others."""
    brain.modules.eval()
    loader = brain.make_dataloader(
        dataset, sb.Stage.TEST, **brain.hparams.test_dataloader_opts
    )
    for batch in loader:
        brain.evaluate_batch(batch, sb.Stage.TEST)
    return brain.board.collect()

"""The phased train loader: every update of an epoch, in order, resumable.

``Brain.fit`` iterates over it as over any DataLoader and hands each
``(phase, batch)`` to ``fit_batch``: there is no ``fit`` inside ``fit``, so that
progress bars, intra-epoch checkpoints and limits count all updates alike.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)


@dataclass(frozen=True)
class Phase:
    """One pass over some items.

    Attributes
    ----------
    name : str
        "warmup", "generator", "current" or "replay".
    items : callable
        Returns the items, the same on every process; called when the phase
        begins, since the current set exists only then.
    size : int
        How many items are expected, for the progress bar.
    batch_size : int
        Items per batch and process.
    """

    name: str
    items: Callable
    size: int
    batch_size: int = 1


def share(items, rank=0, world_size=1):
    """Return one process's items; all get the same number, some twice.

    Example
    -------
    >>> share([1, 2, 3], rank=1, world_size=2)
    [2, 1]
    """
    short = -len(items) % world_size
    return (items + items[:short])[rank::world_size]


@register_checkpoint_hooks
class PhasedLoader:
    """Yield ``(phase name, batch)`` over the phases of the epoch.

    Arguments
    ---------
    plan : callable
        epoch -> list of Phase.
    load : callable
        item -> dict of what a batch is made of (run in the worker processes).
    rank, world_size : int
        This process and the number of processes.
    batches_per_phase : int, optional
        Cut every phase to this many batches (``--debug``).
    **loader_kwargs
        Further arguments of ``torch.utils.data.DataLoader``, such as
        ``num_workers`` or ``pin_memory``.

    Example
    -------
    >>> plan = lambda epoch: [Phase("current", lambda: [1, 2, 3], 3, 2)]
    >>> loader = PhasedLoader(plan, load=lambda item: {"item": item})
    >>> loader.set_epoch(1)
    >>> [(name, batch.item.tolist()) for name, batch in loader]
    [('current', [1, 2]), ('current', [3])]
    """

    def __init__(
        self,
        plan,
        load,
        rank=0,
        world_size=1,
        batches_per_phase=None,
        **loader_kwargs,
    ):
        self.plan = plan
        self.load = load
        self.rank = rank
        self.world_size = world_size
        self.batches_per_phase = batches_per_phase
        self.loader_kwargs = loader_kwargs
        self.epoch = 1
        self._restart()

    def _restart(self):
        self.phase_index = 0
        self.batches_done = 0

    def set_epoch(self, epoch):
        """Say which epoch the next iteration is."""
        self.epoch = epoch

    def __len__(self):
        return sum(
            self._batches(-(-phase.size // self.world_size), phase.batch_size)
            for phase in self.plan(self.epoch)
        )

    def _batches(self, items, batch_size):
        batches = -(-items // batch_size)
        if self.batches_per_phase is None:
            return batches
        return min(batches, self.batches_per_phase)

    def __iter__(self):
        plan = self.plan(self.epoch)
        while self.phase_index < len(plan):
            phase = plan[self.phase_index]
            items = share(phase.items(), self.rank, self.world_size)
            end = self._batches(len(items), phase.batch_size) * phase.batch_size
            loader = torch.utils.data.DataLoader(
                _Loaded(
                    items[self.batches_done * phase.batch_size : end], self.load
                ),
                batch_size=phase.batch_size,
                collate_fn=PaddedBatch,
                **self.loader_kwargs,
            )
            for batch in loader:
                # Counted before the step: a checkpoint is written after it.
                self.batches_done += 1
                yield phase.name, batch
            self.phase_index += 1
            self.batches_done = 0
        self._restart()

    @mark_as_saver
    def _save(self, path):
        position = [self.phase_index, self.batches_done]
        Path(path).write_text(json.dumps(position))

    @mark_as_loader
    def _recover(self, path, end_of_epoch):
        position = json.loads(Path(path).read_text())
        self._restart()
        if not end_of_epoch:
            self.phase_index, self.batches_done = position


class _Loaded(torch.utils.data.Dataset):
    """A list of items seen through a loading function."""

    def __init__(self, items, load):
        self.items = items
        self.load = load

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.load(self.items[index])

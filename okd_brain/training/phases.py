"""What an epoch visits, and its loader: every update, in order, resumable.

An *excerpt* is a stretch of a training utterance; a *phase* is a pass over
excerpts, or over scored records of excerpts that a generator enhanced.
``Brain.fit`` iterates over it as over any DataLoader and hands each
``(phase, batch)`` to ``fit_batch``: there is no ``fit`` inside ``fit``, so that
progress bars, intra-epoch checkpoints and limits count all updates alike.
"""

import json
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a training utterance.

    Attributes
    ----------
    utterance : str
        Its id in the manifest.
    start : int
        First sample.
    length : int
        Number of samples.
    """

    utterance: str
    start: int
    length: int


def draw_excerpts(lengths, rng, count=None, max_length=None):
    """Draw the excerpts of an epoch.

    Arguments
    ---------
    lengths : dict
        Samples of each utterance by id.
    rng : random.Random
        Decides; equal ones give equal choices.
    count : int, optional
        How many utterances to draw without replacement; all by default or if
        there are fewer.
    max_length : int, optional
        Longer utterances give a stretch of this many samples, at random.

    Returns
    -------
    list of Excerpt

    Example
    -------
    >>> import random
    >>> draw_excerpts({"a": 50}, random.Random(1), max_length=20)
    [Excerpt(utterance='a', start=18, length=20)]
    """
    count = len(lengths) if count is None else min(count, len(lengths))
    excerpts = []
    for utterance in rng.sample(sorted(lengths), count):
        length = lengths[utterance]
        kept = length if max_length is None else min(length, max_length)
        excerpts.append(Excerpt(utterance, rng.randint(0, length - kept), kept))
    return excerpts


class ExcerptReader:
    """Read excerpts, and records of enhanced excerpts with their labels.

    Arguments
    ---------
    dataset : DynamicItemDataset
        Utterances; its items that are tensors are signals.
    heads : list of Term
        The discriminator's heads, which decide the labels.
    replay : Replay
        Holds the enhanced waves.
    """

    def __init__(self, dataset, heads, replay):
        self.dataset = dataset
        self.heads = heads
        self.replay = replay
        self.index = {key: i for i, key in enumerate(dataset.data_ids)}

    def __call__(self, item):
        """Return what a batch needs of an item.

        Arguments
        ---------
        item : Excerpt or Record
            What to read.

        Returns
        -------
        dict
            The dataset's items, cut to the excerpt; for a record also
            ``enhanced_sig`` [samples], ``enhanced_label`` and
            ``unprocessed_label`` [heads], normalised scores in [0, 1].
        """
        if isinstance(item, Excerpt):
            return self._read(item)
        return {
            **self._read(item.excerpt),
            "enhanced_sig": self.replay.read(item),
            "enhanced_label": self._label(item.scores),
            "unprocessed_label": self._label(item.unprocessed_scores),
        }

    def _read(self, excerpt):
        signals = self.dataset[self.index[excerpt.utterance]]
        end = excerpt.start + excerpt.length
        return {
            key: value[excerpt.start : end]
            if isinstance(value, torch.Tensor)
            else value
            for key, value in signals.items()
        }

    def _label(self, scores):
        return torch.tensor([float(head.label(scores)) for head in self.heads])


@dataclass(frozen=True)
class Phase:
    """One pass over some items.

    Attributes
    ----------
    name : str
        "warmup", "generator", "current" or "replay".
    size : int
        How many items are expected, for the progress bar.
    batch_size : int
        Items per batch and process.
    order : str
        Names the random order of the items, where they are shuffled.
    """

    name: str
    size: int
    batch_size: int = 1
    order: str = ""


def share(items, rank=0, world_size=1):
    """Return one process's items; all get the same number, some twice."""
    if not items:
        return []
    every = -(-len(items) // world_size)
    return list(islice(cycle(items), rank, every * world_size, world_size))


@register_checkpoint_hooks
class PhasedLoader:
    """Yield ``(phase name, batch)`` over the phases of the epoch.

    Arguments
    ---------
    phases : callable
        epoch -> list of Phase.
    items : callable
        phase, epoch -> list of items, the same on every process; called when the
        phase begins, since the current set exists only then.
    load : callable
        item -> dict of what a batch is made of (run in the worker processes).
    rank : int
        Number of this process.
    world_size : int
        How many processes there are.
    batches_per_phase : int, optional
        Cut every phase to this many batches (``--debug``).
    **loader_kwargs : dict
        Further arguments of ``torch.utils.data.DataLoader``, such as
        ``num_workers`` or ``pin_memory``.

    Example
    -------
    >>> loader = PhasedLoader(
    ...    phases=lambda epoch: [Phase("current", size=3, batch_size=2)],
    ...    items=lambda phase, epoch: [1, 2, 3],
    ...    load=lambda item: {"item": item},
    ... )
    >>> loader.set_epoch(1)
    >>> [(name, batch.item.tolist()) for name, batch in loader]
    [('current', [1, 2]), ('current', [3])]
    """

    def __init__(
        self,
        phases,
        items,
        load,
        rank=0,
        world_size=1,
        batches_per_phase=None,
        **loader_kwargs,
    ):
        self.phases = phases
        self.items = items
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
        """Set the epoch that the next iteration passes through."""
        self.epoch = epoch

    def __len__(self):
        return sum(
            self._batches(-(-phase.size // self.world_size), phase.batch_size)
            for phase in self.phases(self.epoch)
        )

    def _batches(self, items, batch_size):
        batches = -(-items // batch_size)
        if self.batches_per_phase is None:
            return batches
        return min(batches, self.batches_per_phase)

    def __iter__(self):
        phases = self.phases(self.epoch)
        while self.phase_index < len(phases):
            phase = phases[self.phase_index]
            items = self.items(phase, self.epoch)
            items = share(items, self.rank, self.world_size)
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

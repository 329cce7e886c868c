"""What an epoch visits, and its loader: every update, in order, resumable.

An *excerpt* is a stretch of a training utterance; a *phase* is a pass over
excerpts, or over scored records of excerpts that a generator enhanced.
``Brain.fit`` iterates over it as over any DataLoader and hands each
``(phase, batch)`` to ``fit_batch``: there is no ``fit`` inside ``fit``, so that
progress bars, intra-epoch checkpoints and limits count all updates alike.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator
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
from speechbrain.utils.logger import get_logger

from okd_brain.messages import UserError

logger = get_logger(__name__)


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


@dataclass(frozen=True)
class Remixed:
    """An excerpt whose noise is that of another one, at the other's ratio.

    Attributes
    ----------
    speech, noise : Excerpt
        Whose speech and whose noise is meant.
    """

    speech: Excerpt
    noise: Excerpt


def exchange_noises(excerpts, rng):
    """Let the excerpts of an epoch exchange their noises.

    As `Remix` of Défossez et al. (Interspeech 2020) does within a batch.

    Arguments
    ---------
    excerpts : list of Excerpt
        Two or more, or nothing changes.
    rng : random.Random
        Decides.

    Returns
    -------
    list of Remixed
        As many, of the same speech in the same order.
    """
    order = rng.sample(excerpts, len(excerpts))
    return [Remixed(*pair) for pair in zip(excerpts, order, strict=True)]


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

    def is_whole(self, excerpt):
        """Tell whether an excerpt is its whole utterance."""
        whole = self.dataset.data[excerpt.utterance]["length"]
        return excerpt.length == whole

    def __call__(self, item):
        """Return what a batch needs of an item.

        Arguments
        ---------
        item : Excerpt or Remixed or Record
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
        if isinstance(item, Remixed):
            return self._remixed(item)
        return {
            **self._read(item.excerpt),
            "enhanced_sig": self.replay.read(item),
            "enhanced_label": self._label(item.scores),
            "unprocessed_label": self._label(item.unprocessed_scores),
        }

    def _read(self, excerpt):
        signals = self._whole(excerpt)
        return {key: _cut(value, excerpt) for key, value in signals.items()}

    def _whole(self, excerpt):
        return self.dataset[self.index[excerpt.utterance]]

    def _remixed(self, item):
        speech, other = map(self._whole, (item.speech, item.noise))
        noise = other.get("noise_sig")
        if noise is None:
            noise = other["noisy_sig"] - other["clean_sig"]
        noise = _cut(noise, item.noise).repeat(
            -(-item.speech.length // item.noise.length)
        )[: item.speech.length]
        power, other_power = (
            signals["clean_sig"].square().mean() for signals in (speech, other)
        )
        noise = noise * (power / other_power).sqrt()
        clean = _cut(speech["clean_sig"], item.speech)
        changed = {"noise_sig": noise, "noisy_sig": clean + noise}
        return {
            key: changed.get(key, _cut(value, item.speech))
            for key, value in speech.items()
        }

    def _label(self, scores):
        return torch.tensor([float(head.label(scores)) for head in self.heads])


def _cut(value, excerpt):
    """Return an excerpt of a signal; other values are as they are."""
    if not isinstance(value, torch.Tensor):
        return value
    return value[excerpt.start : excerpt.start + excerpt.length]


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

    def batches(self, world_size=1, limit=None):
        """Return how many batches each process gets, at most ``limit``."""
        mine = -(-self.size // world_size)
        batches = -(-mine // self.batch_size)
        return batches if limit is None else min(batches, limit)


def share(items, rank=0, world_size=1, done=0):
    """Return one process's items; all get the same number, some twice.

    Arguments
    ---------
    items : list
        Of all processes together.
    rank : int
        Number of the process.
    world_size : int
        How many there are.
    done : int
        Items that were visited before, by whatever number of processes.

    Returns
    -------
    list

    Example
    -------
    >>> [share("abcde", rank, world_size=2) for rank in (0, 1)]
    [['a', 'c', 'e'], ['b', 'd', 'a']]
    >>> [share("abcde", rank, world_size=3, done=2) for rank in (0, 1, 2)]
    [['c'], ['d'], ['e']]
    """
    left = max(0, len(items) - done)
    end = done + -(-left // world_size) * world_size
    return list(islice(cycle(items), done + rank, end, world_size))


@register_checkpoint_hooks
class PhasedLoader:
    """Yield ``(phase name, batch)`` over the phases of the epoch.

    Processes take turns, item by item, so that what they have visited is a start
    of the list: a checkpoint counts its items, and another number of processes
    goes on with the others.

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
        self.items_done = 0  # of the phase, by all processes together
        self.batches_done = 0  # of each process, in positions as saved first

    def set_epoch(self, epoch):
        """Set the epoch that the next iteration passes through."""
        self.epoch = epoch

    def __len__(self):
        return sum(
            phase.batches(self.world_size, self.batches_per_phase)
            for phase in self.phases(self.epoch)
        )

    @property
    def position(self):
        """Batches of the present phase that are done, and how many it has."""
        phase = self.phases(self.epoch)[self.phase_index]
        together = phase.batch_size * self.world_size
        done = self.batches_done + -(-self.items_done // together)
        of = phase.batches(self.world_size, self.batches_per_phase)
        return min(done, of), of

    @property
    def done(self):
        """Name of a phase -> its batches of the epoch that are done, Counter."""
        done = Counter()
        phases = self.phases(self.epoch)
        for phase in phases[: self.phase_index]:
            done[phase.name] += phase.batches(
                self.world_size, self.batches_per_phase
            )
        if self.phase_index < len(phases):
            done[phases[self.phase_index].name] += self.position[0]
        return done

    def __iter__(self):
        phases = self.phases(self.epoch)
        while self.phase_index < len(phases):
            phase = phases[self.phase_index]
            items = self.items(phase, self.epoch)
            together = phase.batch_size * self.world_size
            self.items_done += self.batches_done * together
            self.batches_done = 0
            mine = share(items, self.rank, self.world_size, self.items_done)
            if self.batches_per_phase is not None:
                left = self.batches_per_phase - self.items_done // together
                mine = mine[: max(0, left) * phase.batch_size]
            loader = torch.utils.data.DataLoader(
                _Loaded(mine, self.load),
                batch_size=phase.batch_size,
                collate_fn=PaddedBatch,
                **self.loader_kwargs,
            )
            for batch in loader:
                # Counted before the step: a checkpoint is written after it.
                self.items_done += together
                yield phase.name, batch
            self.phase_index += 1
            self.items_done = 0
        self._restart()

    @mark_as_saver
    def _save(self, path):
        position = {
            "phase": self.phase_index,
            "items": self.items_done,
            "processes": self.world_size,
        }
        Path(path).write_text(json.dumps(position))

    @mark_as_loader
    def _recover(self, path, end_of_epoch):
        position = json.loads(Path(path).read_text())
        self._restart()
        if end_of_epoch:
            return
        if isinstance(position, list):  # the same number of processes wrote it
            self.phase_index, self.batches_done = position
            return
        self.phase_index = position["phase"]
        self.items_done = position["items"]
        if position["processes"] != self.world_size:
            logger.warning(
                "%d processes go on where %d stopped, within an epoch: after "
                "%d items of its phase %d. Its other items are visited once, "
                "in other batches.",
                *(self.world_size, position["processes"]),
                *(self.items_done, self.phase_index + 1),
            )


class _Loaded(torch.utils.data.Dataset):
    """A list of items seen through a loading function."""

    def __init__(self, items, load):
        self.items = items
        self.load = load

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.load(self.items[index])


@contextlib.contextmanager
def own_words() -> Iterator[None]:
    """Let errors of the user's that arose in a loader's process say what they said.

    PyTorch gives them another text: where they arose, and a traceback.

    Raises
    ------
    UserError
        The one that the block raises.
    """
    try:
        yield
    except UserError as error:
        text = str(error)
        if "in DataLoader worker process" not in text:
            raise
        said = re.split(r"^okd_brain[\w.]*: ", text, flags=re.MULTILINE)
        raise UserError(said[-1].strip()) from error

"""Excerpts: the parts of the training set that an epoch visits."""

from dataclasses import dataclass

import torch


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

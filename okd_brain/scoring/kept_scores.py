"""What a ``ScoreCache`` knows about items, and what it is to learn."""

from itertools import islice
from typing import NamedTuple

import numpy as np

from okd_brain.scoring.cache import score_keys
from okd_brain.scoring.item import Item, ItemScores

ITEMS_PER_LOOK_UP = 32  # opening the file takes as long as hashing an item
SCORES_PER_SAVE = 256  # so much is lost if the run is killed


class Known(NamedTuple):
    """An item and its scores so far.

    Arguments
    ---------
    item : Item
        Wants what is missing.
    values : list of float
        Of all metrics; NaN where missing.
    keys : list of (bytes or None)
        Of all metrics.
    """

    item: Item
    values: list
    keys: list


class KeptScores:
    """Looks items up, and saves what was missing, many at a time.

    Arguments
    ---------
    metrics : list of Metric
    cache : ScoreCache
    """

    def __init__(self, metrics, cache):
        self.metrics = metrics
        self.cache = cache
        self._unsaved = []

    def look_up(self, items):
        """Finds out what is missing.

        Arguments
        ---------
        items : iterator of Item

        Yields
        ------
        Known
            One per item, in order.
        """
        while chunk := list(islice(items, ITEMS_PER_LOOK_UP)):
            keys = [score_keys(self.metrics, item) for item in chunk]
            found = self.cache.get([key for row in keys for key in row if key])
            for item, row in zip(chunk, keys, strict=True):
                missing = tuple(i for i, k in enumerate(row) if k not in found)
                values = [found.get(key, np.nan) for key in row]
                yield Known(item._replace(wanted=missing), values, row)

    def completed(self, known, computed):
        """All scores of an item; the new ones are going to be saved.

        Arguments
        ---------
        known : Known
        computed : ItemScores
            Of what it wanted.

        Returns
        -------
        ItemScores
            Of all metrics.
        """
        scores = ItemScores(list(known.values), [None] * len(known.values))
        for i, value, reason in zip(known.item.wanted, *computed, strict=True):
            scores.values[i] = value
            scores.reasons[i] = reason
            if reason is None and known.keys[i] is not None:
                self._unsaved.append((known.keys[i], value))
        if len(self._unsaved) >= SCORES_PER_SAVE:
            self.save()
        return scores

    def save(self):
        """Saves what has been computed since the last time."""
        if self._unsaved:
            self.cache.put(self._unsaved)
            self._unsaved = []

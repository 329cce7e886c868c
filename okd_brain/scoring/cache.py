"""Scores of pairs that never change, on disk and shared by runs.

SQLite takes care of what is easy to get wrong: several processes at once, a
process that is killed half way, a full disk. A cache that does not work is a
warning, not the end of a run.
"""

import hashlib
import logging
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from okd_brain.scoring.item import Item, ItemScores, digest

logger = logging.getLogger(__name__)

FILE_NAME = "scores.sqlite"
MAX_ROWS = 1_000_000  # about 50 MB; VoiceBank-DEMAND with 8 metrics is 100,000
PRUNED_FRACTION = 0.1  # of MAX_ROWS, the oldest, when they are reached
WAIT_SECONDS = 30.0  # for another process that is writing

ITEMS_PER_LOOK_UP = 32  # opening the file takes as long as hashing an item
SCORES_PER_SAVE = 256  # as many are lost if the run is killed


class ScoreCache:
    """Raw scores on disk, by the content of the signals and the metric.

    Arguments
    ---------
    folder : str or Path
        Made if it does not exist. Any number of processes may use it.
    max_rows : int
        Number of scores above which the oldest tenth is dropped.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = ScoreCache(folder)
    ...     cache.put([(b"key", 1.5)])
    ...     cache.get([b"key", b"unknown"])
    {b'key': 1.5}
    """

    def __init__(self, folder, max_rows=MAX_ROWS):
        self.path = Path(folder) / FILE_NAME
        self.max_rows = max_rows
        self._works = True

    def get(self, keys):
        """Return key (bytes) -> raw score (float) for the known keys."""
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, value FROM scores WHERE key IN ({marks})"
        return dict(self._run(lambda database: database.execute(query, keys)))

    def put(self, rows):
        """Keep rows of (key, raw score), not NaN; known scores stay."""
        self._run(lambda database: self._insert(database, rows))

    def _insert(self, database, rows):
        database.executemany(
            "INSERT OR IGNORE INTO scores (key, value) VALUES (?, ?)", rows
        )
        (count,) = database.execute("SELECT COUNT(*) FROM scores").fetchone()
        if count > self.max_rows:
            surplus = count - round((1 - PRUNED_FRACTION) * self.max_rows)
            database.execute(
                "DELETE FROM scores WHERE number IN"
                " (SELECT number FROM scores ORDER BY number LIMIT ?)",
                [surplus],
            )
        return []

    def _run(self, work):
        """Run one transaction; return [] once the database is unusable."""
        if not self._works:
            return []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=WAIT_SECONDS)
            with closing(connection) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS scores (number INTEGER"
                    " PRIMARY KEY, key BLOB UNIQUE, value REAL)"
                )
                return list(work(database))
        except (sqlite3.Error, OSError) as error:
            self._works = False
            logger.warning(
                "Scores are not kept on disk from here on: %s: %s",
                self.path,
                error,
            )
            return []


def score_keys(metrics, item):
    """Return one key (bytes) per metric for an ``Item``'s scores.

    None for a metric without a version, whose scores are not kept.
    """
    content = b"%d " % item.sample_rate + item.reference_digest
    heard = [item.heard_by(metric) for metric in metrics]
    # Hashed once each: all metrics hear one of two signals.
    digests = {id(signal): digest(signal) for signal in heard}
    return [
        hashlib.sha256(
            f"{metric.name} {metric.version} ".encode()
            + content
            + digests[id(signal)]
        ).digest()
        if metric.version
        else None
        for metric, signal in zip(metrics, heard, strict=True)
    ]


class Known(NamedTuple):
    """An item and its scores so far."""

    item: Item  # wants what is missing
    values: list  # scores under all metrics; NaN where missing
    keys: list  # of all metrics, see ``score_keys``


class KeptScores:
    """Look items up in a ``ScoreCache``, and save what was missing.

    Arguments
    ---------
    metrics : list of Metric
        The metrics of all items.
    cache : ScoreCache
        Read and written for many items at a time.
    """

    def __init__(self, metrics, cache):
        self.metrics = metrics
        self.cache = cache
        self._unsaved = []

    def look_up(self, items):
        """Yield a ``Known`` per ``Item``, in order; reads items as needed."""
        while chunk := list(islice(items, ITEMS_PER_LOOK_UP)):
            keys = [score_keys(self.metrics, item) for item in chunk]
            found = self.cache.get([key for row in keys for key in row if key])
            for item, row in zip(chunk, keys, strict=True):
                missing = tuple(i for i, k in enumerate(row) if k not in found)
                values = [found.get(key, np.nan) for key in row]
                yield Known(item._replace(wanted=missing), values, row)

    def completed(self, known, computed):
        """Return ``ItemScores`` under all metrics; note new ones for saving."""
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
        """Save what has been computed since the last time."""
        if self._unsaved:
            self.cache.put(self._unsaved)
            self._unsaved = []

"""Scores of pairs that never change, on disk and shared by runs.

A database file takes care of what is easy to get wrong: several processes at
once, a process that is killed half way, a folder on a full disk. A cache that
does not work is a warning, not the end of a run.
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from speechbrain.utils.logger import get_logger

from okd_brain.scoring.item import digest

logger = get_logger(__name__)

FILE_NAME = "scores.sqlite"
MAX_ROWS = 1_000_000  # about 50 MB; VoiceBank-DEMAND with 8 metrics is 100,000
PRUNED_FRACTION = 0.1  # of MAX_ROWS, the oldest, when they are reached
WAIT_SECONDS = 30.0  # for another process that is writing


class ScoreCache:
    """Raw scores on disk, by the content of the signals and the metric.

    Arguments
    ---------
    folder : str or path
        Made if it does not exist. Any number of processes may use it.
    max_rows : int
        Number of scores from which on the oldest tenth is dropped.

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
        """Looks scores up.

        Arguments
        ---------
        keys : list of bytes

        Returns
        -------
        dict from bytes to float
            Those that are known.
        """
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, value FROM scores WHERE key IN ({marks})"
        return dict(self._run(lambda database: database.execute(query, keys)))

    def put(self, rows):
        """Keeps scores; what is known already stays as it is.

        Arguments
        ---------
        rows : list of (bytes, float)
            Keys and raw scores; not NaN.
        """
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
        """One transaction; [] from now on if the database is unusable."""
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
    """Keys of one pair's scores.

    Arguments
    ---------
    metrics : list of Metric
    item : Item

    Returns
    -------
    list of (bytes or None)
        One per metric; None for a metric without a version.
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

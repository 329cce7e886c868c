"""Many pairs of signals under many metrics, in parallel, without surprises.

The ``Scorer`` is the only way from signals to scores in training, validation
and evaluation. What metrics share is computed once per pair
(``okd_brain.measures.Pair``). A pair that has no score, or takes its process
with it, becomes NaN and an entry in ``failures``, never an exception.
"""

import logging
import weakref
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from joblib import cpu_count

from okd_brain.messages import UserError, counted
from okd_brain.metrics import resolve_metrics
from okd_brain.scoring.cache import KeptScores, ScoreCache
from okd_brain.scoring.item import (
    OUT_OF_MEMORY,
    Item,
    ItemScorer,
    ItemScores,
    digest,
)
from okd_brain.scoring.pool import ScoringPool

logger = logging.getLogger(__name__)

ITEMS_AHEAD = 4  # per worker: keeps it busy, and the memory bounded


@dataclass(frozen=True)
class Failure:
    """A score that could not be computed.

    Arguments
    ---------
    utterance : str or int
        Name of the pair if names were given, else its position.
    metric : str
        Name of the metric.
    reason : str
        The rule that was broken and the values found.
    """

    utterance: str | int
    metric: str
    reason: str


class Scorer:
    """Score pairs of signals, with one pool of processes for the whole run.

    Arguments
    ---------
    metrics : list of (str or Metric)
        The columns of the result; each metric once.
    n_jobs : int
        1 scores in this process without protection: there is no time limit,
        and a crash inside a metric is a crash of the run. More (or -1: one per
        core that this process may use) starts that many processes with the
        first pair. The scores are the same (SIIB and HASPI up to rounding,
        1e-13: linear algebra depends on where an array lies).
    cache_dir : str or Path or None
        Folder for the scores of pairs that never change; runs may share it.
    sample_rate : int
        Sample rate of all signals, in Hz.
    timeout_seconds : float or None
        Time limit for one pair under all metrics; then its process is replaced
        and the pair fails. None is 60 s, and 2 s more for each metric and
        second of the pair: ten times what the slowest metrics take.
    memory_bytes : float
        Memory for the half of each measure that depends on the reference
        alone, in all processes together. It makes scoring the same references
        again, as each validation does, faster.

    Raises
    ------
    UserError
        If a metric is unknown, ``n_jobs`` or ``timeout_seconds`` is not
        possible, or a metric cannot be sent to another process.

    Example
    -------
    >>> time = np.arange(16000) / 16000
    >>> clean = np.sin(2 * np.pi * 200 * time) * np.sin(20 * time)
    >>> noise = 0.1 * np.sin(2 * np.pi * 1234.5 * time)
    >>> with Scorer(["segsnr", "si_sdr"]) as scorer:
    ...     scores = scorer.score([(clean, clean + noise), (clean, 0 * clean)])
    >>> scores.round(1).tolist()
    [[13.9, 16.9], [-10.0, -30.0]]
    """

    def __init__(
        self,
        metrics,
        n_jobs=1,
        cache_dir=None,
        *,
        sample_rate=16000,
        timeout_seconds=None,
        memory_bytes=256e6,
    ):
        self.metrics = resolve_metrics(metrics)
        self.names = tuple(metric.name for metric in self.metrics)
        self.n_jobs = _process_count(n_jobs)
        self.sample_rate = sample_rate
        self.timeout_seconds = _time_limit(timeout_seconds)
        self.failures = []
        self._kept = None
        if cache_dir is not None:
            self._kept = KeptScores(self.metrics, ScoreCache(cache_dir))
        self.memory_bytes = memory_bytes
        self._item_scorer = ItemScorer(self.metrics, memory_bytes)
        self._pool = None

    def score(self, pairs, names=None, cached=False):
        """Score pairs and wait for them.

        Arguments
        ---------
        pairs : iterable of (reference, degraded) or (reference, heard, played)
            1-D float arrays [samples]; None in place of a reference that no
            metric needs. Where the listener hears more than the device plays,
            metrics that judge the device (``Metric.hears``) get the third.
            Pairs are read as the work proceeds, so that a generator that loads
            files never fills the memory. Nothing is modified.
        names : list of str or None
            Names of the pairs, for ``failures``.
        cached : bool
            True for pairs that never change, such as clean and noisy: scores
            are looked up in and added to ``cache_dir``, if there is one.

        Returns
        -------
        numpy.ndarray
            [utterance, metric], raw scores in float64; NaN where there is
            none, see ``failures``, which then holds those of this call.
        """
        rows, waiting = [], deque()
        for wait in self._start(pairs, cached):
            waiting.append(wait)
            if len(waiting) > ITEMS_AHEAD * self.n_jobs:
                rows.append(waiting.popleft()())
        rows.extend(wait() for wait in waiting)
        return self._collect(rows, names)

    def submit(self, pairs, names=None, cached=False):
        """Start to score pairs and return at once.

        With ``n_jobs=1`` no other process can do the work meanwhile: it is
        done in ``result``.

        Arguments
        ---------
        pairs : iterable of (reference, degraded) or (reference, heard, played)
            As in ``score``, but all read and copied now.
        names : list of str or None
            As in ``score``.
        cached : bool
            As in ``score``.

        Returns
        -------
        Scoring
            For ``result``.
        """
        return Scoring(list(self._start(pairs, cached)), names)

    def result(self, scoring):
        """Wait for what ``submit`` started.

        Arguments
        ---------
        scoring : Scoring
            From ``submit``.

        Returns
        -------
        numpy.ndarray
            [utterance, metric], as from ``score``; ``failures`` then holds
            those of this work.
        """
        rows = [wait() for wait in scoring.waits]
        return self._collect(rows, scoring.names)

    def close(self):
        """End the processes; the next pair starts new ones."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _start(self, pairs, cached):
        """Start to compute what is not known, and yield functions that wait."""
        items = (self._item(*pair) for pair in pairs)
        if not cached or self._kept is None:
            for item in items:
                yield self._compute(item)
        else:
            for known in self._kept.look_up(items):
                yield partial(self._complete, known, self._compute(known.item))

    def _item(self, reference, degraded, played=None):
        """Return a pair under all metrics, with the caller's own signals."""
        reference = None if reference is None else np.asarray(reference)
        return Item(
            reference,
            np.asarray(degraded),
            self.sample_rate,
            wanted=tuple(range(len(self.metrics))),
            reference_digest=digest(reference),
            played=None if played is None else np.asarray(played),
        )

    def _compute(self, item):
        """Return a function that waits for the item's wanted scores."""
        if not item.wanted:
            return partial(ItemScores, [], [])
        try:
            item = item.copied()
        except MemoryError:
            return partial(ItemScores.missing, item, OUT_OF_MEMORY)
        if self.n_jobs == 1:
            return partial(self._item_scorer, item)
        if self._pool is None or not self._pool.is_ours:
            self._pool = ScoringPool(
                ItemScorer(self.metrics, self.memory_bytes / self.n_jobs),
                self.n_jobs,
                self.timeout_seconds,
            )
            # Also when nobody calls `close`.
            weakref.finalize(self, self._pool.close)
        return self._pool.submit(item).result

    def _complete(self, known, wait):
        return self._kept.completed(known, wait())

    def _collect(self, rows, names):
        if self._kept is not None:
            self._kept.save()
        names = range(len(rows)) if names is None else list(names)
        if len(names) != len(rows):
            raise ValueError(
                f"{counted(len(names), 'name')} for {counted(len(rows), 'pair')}"
            )
        self.failures = [
            Failure(name, metric, reason)
            for name, row in zip(names, rows, strict=True)
            for metric, reason in zip(self.names, row.reasons, strict=True)
            if reason is not None
        ]
        if self.failures:
            logger.warning(
                "%s of %s could not be computed; the first: %s: %s",
                counted(len(self.failures), "score"),
                counted(len(rows), "pair"),
                self.failures[0].utterance,
                self.failures[0].reason,
            )
        shape = (len(rows), len(self.names))
        return np.array([row.values for row in rows], np.float64).reshape(shape)


class Scoring(NamedTuple):
    """Pairs that are being scored; see ``Scorer.submit``."""

    waits: list  # of functions, each of which gives one pair's ItemScores
    names: list | None


def _process_count(n_jobs):
    if n_jobs == -1:
        return cpu_count()
    if not isinstance(n_jobs, int) or n_jobs < 1:
        raise UserError(
            "n_jobs must be a positive integer, or -1 for one process per"
            f" core; got {n_jobs!r}"
        )
    return n_jobs


def _time_limit(timeout_seconds):
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise UserError(
            "timeout_seconds must be a positive number of seconds, or None to"
            f" make it fit each pair; got {timeout_seconds!r}"
        )
    return timeout_seconds

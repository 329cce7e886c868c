"""One pair of signals under all metrics asked for: what a worker computes."""

import hashlib
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from okd_brain.measures import Pair, ReferenceHalves

OUT_OF_MEMORY = "needs more memory than there is"


class Item(NamedTuple):
    """One pair of signals and what is to be computed.

    Arguments
    ---------
    reference : numpy.ndarray or None
        [samples].
    degraded : numpy.ndarray
        [samples], what the ear hears.
    sample_rate : int
        In Hz.
    wanted : tuple of int
        Indices of metrics.
    reference_digest : bytes
        Equal for equal references only.
    played : numpy.ndarray or None
        [samples], what the device plays, where that is something else.
    """

    reference: np.ndarray | None
    degraded: np.ndarray
    sample_rate: int
    wanted: tuple
    reference_digest: bytes
    played: np.ndarray | None = None

    @property
    def seconds(self):
        """Return the length of the degraded signal."""
        return self.degraded.size / self.sample_rate

    def heard_by(self, metric):
        """Return the degraded signal that a metric judges."""
        if metric.hears == "device" and self.played is not None:
            return self.played
        return self.degraded

    def copied(self):
        """Return the same item with signals of its own.

        The caller may go on to change its signals, and a signal that is part
        of a batch would be pickled with the rest of it.
        """
        reference, degraded, played = (
            None if signal is None else signal.copy()
            for signal in (self.reference, self.degraded, self.played)
        )
        return self._replace(
            reference=reference, degraded=degraded, played=played
        )


def digest(signal):
    """Return 32 bytes that stand for a signal: samples, type and shape."""
    if signal is None:
        return bytes(32)
    content = hashlib.sha256(f"{signal.dtype} {signal.shape}".encode())
    content.update(np.ascontiguousarray(signal))
    return content.digest()


class ItemScores(NamedTuple):
    """Scores of one pair under the wanted metrics."""

    values: list  # of float, raw; NaN where there is none
    reasons: list  # of str or None: why there is none

    @classmethod
    def missing(cls, item, reason):
        """Return those of an item that has no score, for one reason."""
        count = len(item.wanted)
        return cls([np.nan] * count, [reason] * count)


class ItemScorer:
    """Score items; a metric that fails costs its own score only.

    Arguments
    ---------
    metrics : list of Metric
        What the ``wanted`` of items are indices of.
    memory_bytes : float
        Memory for the references' halves of measures, see ``HalvesCache``.
    """

    def __init__(self, metrics, memory_bytes):
        # Twins need torch, which a worker would have to import for them.
        self.metrics = [replace(metric, twin=None) for metric in metrics]
        self._cache = HalvesCache(memory_bytes)

    def __call__(self, item):
        """Return the ``ItemScores`` of one ``Item``."""
        with self._cache.halves(
            item.reference_digest, item.reference
        ) as halves:
            pairs = {}  # by the identity of the degraded signal
            scores = []
            for metric in (self.metrics[i] for i in item.wanted):
                degraded = item.heard_by(metric)
                if id(degraded) not in pairs:
                    pairs[id(degraded)] = Pair(
                        reference=item.reference,
                        degraded=degraded,
                        sample_rate=item.sample_rate,
                        halves=halves,
                    )
                scores.append(_score(metric, pairs[id(degraded)]))
        values, reasons = zip(*scores, strict=True)
        return ItemScores(list(values), list(reasons))


def _score(metric, pair):
    """Return (score, None) or (NaN, reason)."""
    try:
        return metric.of_pair(pair), None
    except ValueError as error:
        return np.nan, str(error)
    except MemoryError:
        return np.nan, f"{metric.name}: {OUT_OF_MEMORY}"
    except Exception as error:
        # Also what nobody foresaw, in a user's metric or in a library: it is
        # reported for this item and ends no training.
        return np.nan, f"{metric.name}: {type(error).__name__}: {error}"


class HalvesCache:
    """Keep ``ReferenceHalves`` of the references that were used last.

    A validation scores every generator against the same references, so their
    halves are worth keeping from one generator to the next.

    Arguments
    ---------
    budget_bytes : float
        Memory for everything that is kept. Halves that are larger by
        themselves are used and dropped.

    Example
    -------
    >>> cache = HalvesCache(budget_bytes=1e6)
    >>> speech = np.sin(np.arange(16000.0) ** 1.5)
    >>> with cache.halves(b"key", speech) as halves:
    ...     made = halves.composite
    >>> with cache.halves(b"key", speech.copy()) as halves:
    ...     halves.composite is made
    True
    """

    def __init__(self, budget_bytes):
        self.budget_bytes = budget_bytes
        self.nbytes = 0
        self._kept = OrderedDict()  # key -> (halves, size), oldest first

    @contextmanager
    def halves(self, key, reference):
        """Lend a reference's ``ReferenceHalves``; ``key`` is its digest."""
        halves, size = self._kept.pop(key, (None, 0))
        self.nbytes -= size
        halves = halves or ReferenceHalves(reference)
        yield halves
        # Weighed only now: halves are made on demand.
        if halves.nbytes:
            self._kept[key] = halves, halves.nbytes
            self.nbytes += halves.nbytes
        while self.nbytes > self.budget_bytes:
            _, (_, size) = self._kept.popitem(last=False)
            self.nbytes -= size

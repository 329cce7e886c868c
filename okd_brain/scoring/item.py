"""One item of scoring: a pair of signals under all metrics asked for.

This is what runs in the worker processes, so that nothing here imports torch
or SpeechBrain: a worker starts in a second and takes 120 MB.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from okd_brain.measures.pair import Pair
from okd_brain.scoring.halves_cache import HalvesCache


class Item(NamedTuple):
    """One pair of signals and what is to be computed.

    Arguments
    ---------
    reference : np.ndarray [samples] or None
    degraded : np.ndarray [samples]
        What the ear hears.
    sample_rate : int
        In Hz.
    wanted : tuple of int
        Indices of metrics.
    reference_digest : bytes
        Equal for equal references only.
    played : np.ndarray [samples] or None
        What the device plays, where that is something else.
    """

    reference: np.ndarray | None
    degraded: np.ndarray
    sample_rate: int
    wanted: tuple
    reference_digest: bytes
    played: np.ndarray | None = None

    def heard_by(self, metric):
        """The degraded signal that a metric judges, np.ndarray [samples]."""
        if metric.hears == "device" and self.played is not None:
            return self.played
        return self.degraded

    def copied(self):
        """The same item with signals of its own.

        It is safe from whoever goes on to use the signals, and where one is a
        part of a batch it is pickled without the rest.
        """
        reference, degraded, played = (
            None if signal is None else signal.copy()
            for signal in (self.reference, self.degraded, self.played)
        )
        return self._replace(
            reference=reference, degraded=degraded, played=played
        )


def digest(signal):
    """A short stand-in for a signal.

    Arguments
    ---------
    signal : np.ndarray or None

    Returns
    -------
    bytes
        32 of them, made of the samples, their type and the shape.
    """
    if signal is None:
        return bytes(32)
    content = hashlib.sha256(f"{signal.dtype} {signal.shape}".encode())
    content.update(np.ascontiguousarray(signal))
    return content.digest()


class ItemScores(NamedTuple):
    """Scores of one pair under the wanted metrics.

    Arguments
    ---------
    values : list of float
        Raw scores; NaN where there is none.
    reasons : list of str or None
        Why there is none.
    """

    values: list
    reasons: list


class ItemScorer:
    """Scores items; a metric that fails costs its own score only.

    Arguments
    ---------
    metrics : list of Metric
    memory_bytes : float
        For the references' halves of measures, see ``HalvesCache``.
    """

    def __init__(self, metrics, memory_bytes):
        self.metrics = metrics
        self._cache = HalvesCache(memory_bytes)

    def __call__(self, item):
        """Scores one item.

        Arguments
        ---------
        item : Item

        Returns
        -------
        ItemScores
        """
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


def failed(item, reason):
    """The scores of an item that took its worker with it.

    Arguments
    ---------
    item : Item
    reason : str

    Returns
    -------
    ItemScores
    """
    count = len(item.wanted)
    return ItemScores([np.nan] * count, [reason] * count)


def _score(metric, pair):
    """(score, None) or (NaN, reason)."""
    try:
        return metric.of_pair(pair), None
    except ValueError as error:
        return np.nan, str(error)
    except Exception as error:
        # Also what nobody foresaw, in a user's metric or in a library: it is
        # reported for this item and ends no training.
        return np.nan, f"{metric.name}: {type(error).__name__}: {error}"

"""Collect the scores of several systems while a network enhances utterances."""

import collections
import math

import torch
from speechbrain.utils.distributed import is_distributed_initialized


class Scoreboard:
    """Submit waves while a network works, collect the scores afterwards.

    Arguments
    ---------
    scorer : Scorer
        Computes the metrics, possibly in other processes.
    pending : int
        Batches of waves that may wait for their scores. More are taken only
        when the oldest have been scored, which bounds the memory.

    Example
    -------
    >>> import numpy as np
    >>> from okd_brain.scoring import Scorer
    >>> wave = np.random.default_rng(0).standard_normal(16000) / 10
    >>> with Scorer(["si_sdr"]) as scorer:
    ...     board = Scoreboard(scorer)
    ...     board.submit("louder", ["p226_001"], [(wave, wave + 0.5 * wave[::-1])])
    ...     scores = board.collect()
    >>> round(scores["louder"]["p226_001"]["si_sdr"])
    6
    """

    def __init__(self, scorer, pending=64):
        self.scorer = scorer
        self.pending = pending
        self._waiting = collections.deque()
        self._scores = collections.defaultdict(dict)

    def submit(self, system, utterances, pairs, cached=False):
        """Start to score one batch.

        Arguments
        ---------
        system : str
            Name of what made the degraded waves, for instance "noisy" or a
            generator.
        utterances : list of str
            One id per pair.
        pairs : list of tuple of numpy.ndarray
            (reference, degraded) or (reference, heard, played), [samples] each.
        cached : bool
            Whether these pairs never change, so that their scores are worth
            keeping on disk.
        """
        handle = self.scorer.submit(pairs, names=utterances, cached=cached)
        self._waiting.append((system, utterances, handle))
        if len(self._waiting) > self.pending:
            self._take_oldest()

    def _take_oldest(self):
        system, utterances, handle = self._waiting.popleft()
        rows = self.scorer.result(handle)
        for utterance, row in zip(utterances, rows, strict=True):
            self._scores[system][utterance] = {
                name: float(value)
                for name, value in zip(self.scorer.names, row, strict=True)
            }

    def collect(self):
        """Return all scores of all processes, and start anew.

        Returns
        -------
        dict
            system -> utterance -> metric -> raw value; NaN where a metric
            could not be computed (the scorer logs why).
        """
        while self._waiting:
            self._take_oldest()
        scores, self._scores = self._scores, collections.defaultdict(dict)
        merged = collections.defaultdict(dict)
        for part in gather(dict(scores)):
            for system, by_utterance in part.items():
                merged[system].update(by_utterance)
        return {
            system: dict(sorted(by_utterance.items()))
            for system, by_utterance in merged.items()
        }


def gather(value):
    """Return the values of all processes, in the order of their ranks."""
    if not is_distributed_initialized():
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def means(by_utterance):
    """Return the mean of each metric over utterances, without NaN.

    Arguments
    ---------
    by_utterance : dict
        utterance -> metric -> value.

    Returns
    -------
    dict
        metric -> float; NaN where no utterance has a value.

    Example
    -------
    >>> means({"a": {"pesq": 1.0}, "b": {"pesq": 2.0}, "c": {"pesq": float("nan")}})
    {'pesq': 1.5}
    """
    values = collections.defaultdict(list)
    for scores in by_utterance.values():
        for metric, value in scores.items():
            values[metric] += [] if math.isnan(value) else [value]
    return {
        metric: math.fsum(kept) / len(kept) if kept else math.nan
        for metric, kept in values.items()
    }

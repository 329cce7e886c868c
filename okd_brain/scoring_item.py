"""One item of scoring: a pair of signals under all metrics asked for.

This is what runs in the worker processes, so that nothing here imports torch
or SpeechBrain: a worker starts in a second and takes 100 MB.
"""

from typing import NamedTuple

import numpy as np

from okd_brain.measures.pair import Pair


class ItemScores(NamedTuple):
    """Scores of one pair, in the order of the metrics.

    Arguments
    ---------
    values : list of float
        Raw scores; NaN where there is none.
    reasons : list of str or None
        Why there is none.
    """

    values: list
    reasons: list


def score_item(metrics, reference, degraded, sample_rate=16000, halves=None):
    """Scores one pair; a metric that fails costs its own score only.

    Arguments
    ---------
    metrics : sequence of Metric
    reference, degraded : np.ndarray [samples]
    sample_rate : int
        In Hz.
    halves : ReferenceHalves or None
        Of the same reference, if they were made before.

    Returns
    -------
    ItemScores
    """
    pair = Pair(
        reference=reference,
        degraded=degraded,
        sample_rate=sample_rate,
        halves=halves,
    )
    values, reasons = [], []
    for metric in metrics:
        value, reason = np.nan, None
        try:
            value = metric.of_pair(pair)
        except Exception as error:
            # Also what we did not foresee, in a user's metric or in a
            # library: it is reported for this item and ends no training.
            reason = _reason(error)
        values.append(value)
        reasons.append(reason)
    return ItemScores(values, reasons)


def score_wanted(metrics, item):
    """Scores one pair under some of the metrics.

    Arguments
    ---------
    metrics : sequence of Metric
    item : dict
        "wanted": indices of metrics; the rest are the keyword arguments of
        ``score_item``.

    Returns
    -------
    ItemScores
        Of the wanted metrics.
    """
    signals = {key: item[key] for key in item if key != "wanted"}
    return score_item([metrics[i] for i in item["wanted"]], **signals)


def failed_item(wanted, reason):
    """The scores of a pair that took its worker with it.

    Arguments
    ---------
    wanted : sequence
        Stands for the metrics; only its length counts.
    reason : str

    Returns
    -------
    ItemScores
    """
    return ItemScores([np.nan] * len(wanted), [reason] * len(wanted))


def _reason(error):
    if isinstance(error, ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"

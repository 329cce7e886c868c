"""Scores of a set of utterances as statistics, a table, and files."""

import csv
import json
import math
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000  # the interval's ends then vary by 2 % of its width


class Summary(NamedTuple):
    """Statistics of one metric over utterances.

    Arguments
    ---------
    mean : float
        NaN if nothing was scored.
    std : float
        Standard deviation of the utterances (n - 1); NaN for less than two.
    low, high : float
        95 % bootstrap interval of the mean.
    scored : int
        Utterances with a score; the others are left out.
    """

    mean: float
    std: float
    low: float
    high: float
    scored: int


def summarise(values, seed=0):
    """Describes the scores of one metric.

    The interval holds the means of 95 % of the sets that are drawn from the
    utterances with replacement (percentile bootstrap; Efron, Annals of
    Statistics 7(1), 1979): what another set of utterances might have given.

    Arguments
    ---------
    values : np.ndarray [utterances]
        Raw scores; NaN is left out.
    seed : int
        Of the draws.

    Returns
    -------
    Summary

    Example
    -------
    >>> summarise(np.array([1.0, 2.0, np.nan, 3.0])).mean
    2.0
    >>> summarise(np.array([2.0, 2.0])).high
    2.0
    """
    values = values[~np.isnan(values)]
    count = len(values)
    if count == 0:
        return Summary(np.nan, np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(count, size=count)].mean() for _ in range(RESAMPLES)
    ]
    tail = (1 - CONFIDENCE) / 2
    # A quantile that is one of the means: SI-SDR may be infinite.
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    finite = count > 1 and np.isfinite(values).all()
    std = values.std(ddof=1) if finite else np.nan
    return Summary(*map(float, (values.mean(), std, low, high)), count)


def table(summaries):
    """The summaries as lines of text.

    Arguments
    ---------
    summaries : dict from str to Summary

    Returns
    -------
    str

    Example
    -------
    >>> print(table({"pesq": Summary(1.97, 0.75, 1.92, 2.02, 824)}))
    metric     mean     std   95 % of the mean   scored
    pesq      1.970   0.750     1.920 to 2.020      824
    """
    width = max(len("metric"), *map(len, summaries))
    head = f"{'metric':{width}}  {'mean':>7} {'std':>7}"
    lines = [f"{head}   95 % of the mean   scored"]
    for name, s in summaries.items():
        interval = f"{s.low:.3f} to {s.high:.3f}"
        lines.append(
            f"{name:{width}}  {s.mean:7.3f} {s.std:7.3f}   {interval:>16}"
            f"   {s.scored:6d}"
        )
    return "\n".join(lines)


def write_csv(path, utterances, names, scores):
    """One line per utterance; an empty cell where there is no score.

    Arguments
    ---------
    path : Path
    utterances, names : list of str
        Of the rows and of the columns.
    scores : np.ndarray [utterance, metric]
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["utterance", *names])
        for utterance, row in zip(utterances, scores.tolist(), strict=True):
            cells = ["" if math.isnan(value) else value for value in row]
            writer.writerow([utterance, *cells])


def write_json(path, utterances, names, scores, summaries, failures):
    """Everything in one object; null where there is no (finite) number.

    Arguments
    ---------
    path : Path
    utterances, names : list of str
        Of the rows and of the columns.
    scores : np.ndarray [utterance, metric]
    summaries : dict from str to Summary
    failures : list of Failure
    """
    content = {
        "summary": {
            name: {key: _number(value) for key, value in s._asdict().items()}
            for name, s in summaries.items()
        },
        "utterances": {
            utterance: dict(zip(names, map(_number, row), strict=True))
            for utterance, row in zip(utterances, scores.tolist(), strict=True)
        },
        "failures": [vars(failure) for failure in failures],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _number(value):
    """JSON knows no NaN and no infinity."""
    return value if math.isfinite(value) else None

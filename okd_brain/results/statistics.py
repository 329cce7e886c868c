"""How certain means are, over utterances and over seeds."""

import math
import statistics
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

from okd_brain.scoring.board import means

CONFIDENCE = 0.95
RESAMPLES = 2000  # the interval's ends then vary by 2 % of its width


class Summary(NamedTuple):
    """Statistics of one metric over utterances."""

    mean: float  # NaN if nothing was scored
    std: float  # of the utterances (n - 1); NaN for fewer than two
    low: float  # ends of the 95 % bootstrap interval of the mean; NaN likewise
    high: float
    scored: int  # utterances with a score; the others are left out


def summarise_scores(values, seed=0):
    """Describe the scores of one metric.

    The interval holds the means of 95 % of the sets that are drawn from the
    utterances with replacement (percentile bootstrap; Efron, Annals of
    Statistics 7(1), 1979): what another set of utterances might have given.

    Arguments
    ---------
    values : numpy.ndarray
        Raw scores, [utterances]; NaN is left out.
    seed : int
        Of the draws.

    Returns
    -------
    Summary

    Example
    -------
    >>> summarise_scores(np.array([1.0, 2.0, np.nan, 3.0])).mean
    2.0
    >>> summarise_scores(np.array([2.0, 2.0])).high
    2.0
    """
    values = values[~np.isnan(values)]
    count = len(values)
    if count == 0:
        return Summary(np.nan, np.nan, np.nan, np.nan, 0)
    if count == 1:
        return Summary(values.mean(), np.nan, np.nan, np.nan, 1)
    rng = np.random.default_rng(seed)
    drawn = [
        values[rng.integers(count, size=count)].mean() for _ in range(RESAMPLES)
    ]
    tail = (1 - CONFIDENCE) / 2
    # A quantile that is one of the means: SI-SDR may be infinite.
    low, high = np.quantile(drawn, [tail, 1 - tail], method="inverted_cdf")
    finite = np.isfinite(values).all()
    std = values.std(ddof=1) if finite else np.nan
    return Summary(*map(float, (values.mean(), std, low, high)), count)


def seed_difference(first, second):
    """Compare two methods seed by seed.

    All methods of one seed share its warm start and its utterances, so that
    they are compared within each seed first. Their difference exceeds the
    seeds' spread if zero lies outside of the 95 % confidence interval of its
    mean: ``|mean| > t s / sqrt(n)`` with the standard deviation ``s`` of the n
    differences and Student's t for n - 1 degrees of freedom.

    Arguments
    ---------
    first : dict
        seed -> score.
    second : dict
        Likewise.

    Returns
    -------
    dict or None
        "seeds" (how many both have), "mean" of first - second, "half_width" of
        its interval and "exceeds"; the last two are None for a single seed.
        None if they have no seed in common.

    Example
    -------
    >>> found = seed_difference(
    ...     {1: 2.5, 2: 2.75, 3: 2.25}, {1: 2.0, 2: 2.25, 3: 1.5}
    ... )
    >>> round(found["mean"], 3), round(found["half_width"], 3), found["exceeds"]
    (0.583, 0.359, True)
    """
    pairs = [first[seed] - second[seed] for seed in first if seed in second]
    if not pairs:
        return None
    mean, half_width = statistics.fmean(pairs), None
    if len(pairs) > 1:
        half_width = interval_factor(len(pairs)) * statistics.stdev(pairs)
    return {
        "seeds": len(pairs),
        "mean": mean,
        "half_width": half_width,
        "exceeds": None if half_width is None else abs(mean) > half_width,
    }


def resampled_means(values, speakers, seed=0):
    """Draw what means might have been with other seeds, speakers, utterances.

    A hierarchical bootstrap (Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, section 3.8): each draw takes as many seeds, then as many
    speakers, then of each drawn speaker as many utterances as there are, all
    with replacement. All systems share a draw, so that differences between them
    are paired.

    Arguments
    ---------
    values : numpy.ndarray
        Finite scores, [systems, seeds, utterances, metrics].
    speakers : list of str
        Of the utterances.
    seed : int
        Of the draws.

    Returns
    -------
    numpy.ndarray
        Means, [draws, systems, metrics].

    Example
    -------
    >>> values = np.arange(4.0).reshape(1, 1, 4, 1)
    >>> resampled_means(values, ["a", "a", "b", "b"]).shape
    (2000, 1, 1)
    """
    rng = np.random.default_rng(seed)
    _, seeds, utterances, _ = values.shape
    of_speaker = {}
    for index, speaker in enumerate(speakers):
        of_speaker.setdefault(speaker, []).append(index)
    groups = [np.array(group) for group in of_speaker.values()]
    drawn = np.empty((RESAMPLES, values.shape[0], values.shape[3]))
    for draw in drawn:
        times = np.bincount(rng.integers(seeds, size=seeds), minlength=seeds)
        weights = np.zeros(utterances)
        for chosen in rng.integers(len(groups), size=len(groups)):
            group = groups[chosen]
            picked = group[rng.integers(len(group), size=len(group))]
            np.add.at(weights, picked, 1)
        weights /= weights.sum()
        by_seed = np.tensordot(values, weights, axes=([2], [0]))
        draw[:] = np.tensordot(by_seed, times / seeds, axes=([1], [0]))
    return drawn


def interval_factor(seeds):
    """Return t / sqrt(n), half the width of a mean's confidence interval.

    Arguments
    ---------
    seeds : int
        n, at least 2.

    Returns
    -------
    float
        In sample standard deviations.

    Example
    -------
    >>> [round(interval_factor(seeds), 1) for seeds in (2, 3, 5)]
    [9.0, 2.5, 1.2]
    """
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, seeds - 1)
    return float(quantile) / seeds**0.5


def json_number(value):
    """Return a number, or None for NaN and infinity, which JSON lacks."""
    return value if math.isfinite(value) else None


def json_means(by_utterance):
    """Average utterance -> metric -> score to metric -> mean or None."""
    return {m: json_number(mean) for m, mean in means(by_utterance).items()}

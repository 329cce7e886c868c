"""Which differences between the rows of a study exceed the seeds' spread.

Seeds are compared with themselves: all methods of one seed share its warm start
and its utterances, so that the difference between two of them is taken within
each seed first.
"""

import itertools
import statistics

from scipy.stats import t as student_t

CONFIDENCE = 0.95


def differences(rows, metrics):
    """Compare every two rows, seed by seed.

    A difference exceeds the seeds' spread if zero lies outside of the 95 %
    confidence interval of its mean over seeds: ``|mean| > t s / sqrt(n)`` with
    the standard deviation ``s`` of the n differences and Student's t for
    n - 1 degrees of freedom.

    Arguments
    ---------
    rows : list of Row
        The input, which no seed changes, is not compared.
    metrics : list of str
        What is compared.

    Returns
    -------
    list of dict
        "metric", "first", "second" (names of rows), "seeds" (how many both
        have), "mean" of first - second, "half_width" of the interval and
        "exceeds"; the last two are None for fewer than two seeds.

    Example
    -------
    >>> from okd_brain.studies.scores import Row
    >>> rows = [
    ...     Row("a", "pesq", {"pesq": {1: 2.5, 2: 2.75, 3: 2.25}}, {}),
    ...     Row("b", "pesq", {"pesq": {1: 2.0, 2: 2.25, 3: 1.5}}, {}),
    ... ]
    >>> [found] = differences(rows, ["pesq"])
    >>> round(found["mean"], 3), round(found["half_width"], 3), found["exceeds"]
    (0.583, 0.359, True)
    """
    compared = [row for row in rows if row.generator]
    found = []
    for metric in metrics:
        for first, second in itertools.combinations(compared, 2):
            a, b = (row.scores.get(metric, {}) for row in (first, second))
            pairs = [a[seed] - b[seed] for seed in a if seed in b]
            if not pairs:
                continue
            mean, half_width = statistics.fmean(pairs), None
            if len(pairs) > 1:
                factor = interval_factor(len(pairs))
                half_width = factor * statistics.stdev(pairs)
            found.append(
                {
                    "metric": metric,
                    "first": first.name,
                    "second": second.name,
                    "seeds": len(pairs),
                    "mean": mean,
                    "half_width": half_width,
                    "exceeds": None
                    if half_width is None
                    else abs(mean) > half_width,
                }
            )
    return found


def interval_factor(seeds):
    """Return half the width of a mean's confidence interval, in standard
    deviations of what it is the mean of.

    Example
    -------
    >>> [round(interval_factor(seeds), 1) for seeds in (2, 3, 5)]
    [9.0, 2.5, 1.2]
    """
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, seeds - 1)
    return float(quantile) / seeds**0.5

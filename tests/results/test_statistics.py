"""Statistics against the normal law, and against scipy's t test."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from okd_brain.results import seed_difference, summarise_scores


def test_the_interval_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(3.0, 0.5, 400)
    summary = summarise_scores(values)
    half_width = 1.96 * 0.5 / np.sqrt(400)
    assert summary.mean == pytest.approx(values.mean())
    assert summary.std == pytest.approx(values.std(ddof=1))
    assert summary.low == pytest.approx(values.mean() - half_width, abs=0.01)
    assert summary.high == pytest.approx(values.mean() + half_width, abs=0.01)
    assert summary == summarise_scores(np.r_[values, np.nan])


@pytest.mark.parametrize(
    ("values", "mean", "high", "scored"),
    [
        ([], math.nan, math.nan, 0),
        ([math.nan], math.nan, math.nan, 0),
        ([2.0], 2.0, math.nan, 1),  # one says nothing of others
        ([2.0, math.inf], math.inf, math.inf, 2),
    ],
)
def test_few_and_infinite_scores_have_a_summary(values, mean, high, scored):
    summary = summarise_scores(np.array(values))
    numbers = [summary.mean, summary.high, summary.scored, summary.std]
    np.testing.assert_equal(numbers, [mean, high, scored, math.nan])


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_the_rule_is_the_paired_t_test(seeds):
    """At 5 %, whatever the effect; the common part of a seed does not matter."""
    rng = np.random.default_rng(seeds)
    verdicts = set()
    for effect in (0.0, 0.02, 0.05, 0.2, 1.0, 20.0):
        common = rng.normal(2.0, 10.0, seeds)
        a = common + rng.normal(effect, 0.05, seeds)
        b = common + rng.normal(0.0, 0.05, seeds)
        found = seed_difference(
            *(dict(enumerate(values.tolist())) for values in (a, b))
        )
        test = ttest_rel(a, b)
        interval = test.confidence_interval(0.95)
        assert found["mean"] == pytest.approx(np.mean(a - b))
        half_width = (interval.high - interval.low) / 2
        assert found["half_width"] == pytest.approx(half_width)
        assert found["exceeds"] == (test.pvalue < 0.05)
        verdicts.add(found["exceeds"])
    assert verdicts == {True, False}


def test_only_seeds_that_both_have_are_compared():
    scores = {1: 1.0, 2: 2.0, 3: 9.0}
    found = seed_difference(scores, {2: 1.0, 1: 1.0})
    assert (found["seeds"], found["mean"]) == (2, 0.5)
    found = seed_difference(scores, {3: 8.5})
    assert [*found.values()] == [1, 0.5, None, None]
    assert seed_difference(scores, {4: 1.0}) is None

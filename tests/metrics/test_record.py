"""Metric records, and which pairs of signals have no score."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scoring_signals import noisy, quarter, speech

from okd_brain.metrics import METRICS, POWER_RATIO_DB, Linear, Logistic, Metric


def bad_pairs():
    """One pair for every rule, and what the error says."""
    clean = speech()
    with_nan, infinite = clean.copy(), clean.copy()
    with_nan[100], infinite[-1] = np.nan, np.inf
    return {
        "silent reference": (0 * clean, clean, "the reference is silent"),
        "constant reference": (0 * clean + 1, clean, "silent or constant"),
        "empty": (clean[:0], clean[:0], "needs at least .* has 0.0000 s"),
        "short": (clean[:320], clean[:320], "needs at least .* has 0.0200 s"),
        "NaN": (clean, with_nan, "degraded signal has NaN or infinity"),
        "NaN in reference": (with_nan, clean, "reference has NaN or infinity"),
        "infinity": (clean, infinite, "degraded signal has NaN or infinity"),
        "lengths": (
            clean,
            clean[:-1],
            f"{len(clean)} samples.*{len(clean) - 1}",
        ),
        "2-D": (clean[None], clean[None], r"must be 1-D; got shape \(1, "),
        "integers": (
            clean.astype(int),
            clean,
            "must be an array of floats; got int64",
        ),
        "no reference": (None, clean, "needs a reference"),
    }


@pytest.mark.parametrize("metric", [METRICS["pesq"], Metric("mine", quarter)])
@pytest.mark.parametrize("case", bad_pairs())
def test_an_undefined_score_is_an_error_naming_rule_and_values(metric, case):
    reference, degraded, message = bad_pairs()[case]
    with pytest.raises(ValueError, match=f"^{metric.name}: .*{message}"):
        metric.score(reference=reference, degraded=degraded)


def test_another_rate_is_an_error():
    with pytest.raises(ValueError, match="pesq needs 16000 Hz; got 48000 Hz"):
        METRICS["pesq"].score(
            reference=speech(), degraded=speech(), sample_rate=48000
        )


def test_a_record_of_ones_own_is_guarded_too():
    metric = Metric("mine", quarter)
    assert metric.score(reference=speech(), degraded=noisy()) == 0.25
    assert metric.score(reference=speech(), degraded=0 * speech()) == 0.0
    with pytest.raises(ValueError, match="mine: the reference is silent"):
        metric.score(reference=0 * speech(), degraded=speech())


def test_a_metric_without_reference_needs_none():
    metric = Metric("blind", quarter, needs_reference=False)
    assert metric.score(degraded=noisy()) == 0.25
    with pytest.raises(ValueError, match="the degraded signal has 0.0200 s"):
        metric.score(degraded=noisy()[:320])


def test_a_score_function_may_not_return_nan():
    metric = Metric("broken", lambda **signals: np.nan)
    with pytest.raises(ValueError, match="broken: the score function gave nan"):
        metric.score(reference=speech(), degraded=noisy())


def test_a_score_function_cannot_write_to_the_signals():
    def mutes(*, reference, degraded, sample_rate):
        degraded[:] = 0

    metric, degraded = Metric("mutes", mutes), noisy()
    with pytest.raises(ValueError, match="read-only"):
        metric.score(reference=speech(), degraded=degraded)
    assert degraded.any()


def test_records_are_values():
    metric = Metric("mine", quarter)
    assert metric == Metric("mine", quarter)
    assert metric == pickle.loads(pickle.dumps(metric))
    assert len({metric, Metric("mine", quarter)}) == 1
    longer = replace(metric, min_seconds=60.0)
    assert longer != metric
    with pytest.raises(ValueError, match="needs at least 60.0 s"):
        longer.score(reference=speech(), degraded=speech())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "may not be empty"),
        ({"name": "a+b"}, "may not be empty nor contain"),
        ({"name": "2*b"}, "may not be empty nor contain"),
        ({"name": "v1.0"}, "may not be empty nor contain"),
        ({"hears": "eye"}, "hears must be one of"),
        ({"clean_label": 2.0}, "clean_label must be within"),
        ({"floor": 2.0}, "contradict higher_is_better=True"),
        ({"higher_is_better": False}, "contradict higher_is_better=False"),
        ({"perfect": None}, "give a curve"),
        ({"perfect": float("inf")}, "give a curve"),
    ],
)
def test_contradicting_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Metric(**{"name": "mine", "score": quarter, **fields})


def test_lower_can_be_better():
    metric = Metric(
        "error", quarter, floor=2.0, perfect=0.0, higher_is_better=False
    )
    assert metric.normalise(0.5) == 0.75


def test_a_twin_is_part_of_the_record_but_not_of_the_score():
    metric = replace(METRICS["pesq"], twin=dict)
    assert metric != METRICS["pesq"] and metric.score == METRICS["pesq"].score
    assert metric.twin(sample_rate=16000) == {"sample_rate": 16000}


def test_curves_turn_arrays_into_labels():
    raw = np.array([0.0, 2.0])
    assert Linear(zero=1.0, one=3.0)(raw).tolist() == [-0.5, 0.5]
    assert Logistic(slope=1.0, midpoint=2.0)(raw)[1] == 0.5


def test_power_of_the_output_is_relative_to_the_input():
    clean = speech()
    assert POWER_RATIO_DB.score(
        reference=clean, degraded=-10 * clean
    ) == pytest.approx(20.0)
    assert POWER_RATIO_DB.score(reference=clean, degraded=0 * clean) == -100

"""Metric records, the failure policy, and the battery over METRICS."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scoring_signals import RATE, noisy, quarter, speech

from okd_brain.measures.optional import is_installed
from okd_brain.metrics import (
    METRICS,
    Metric,
    with_curve,
)
from okd_brain.metrics.curves import Linear, Logistic

# The rest is tested in test_optional_measures.py; with the extras installed,
# they go through this battery as well.
INSTALLED = [m for m in METRICS.values() if is_installed(m.extra)]
every_metric = pytest.mark.parametrize(
    "metric", INSTALLED, ids=lambda metric: metric.name
)
with_reference = pytest.mark.parametrize(
    "metric",
    [m for m in INSTALLED if m.needs_reference],
    ids=lambda metric: metric.name,
)


def worse(metric, one, other):
    """True if `one` is a worse raw score than `other`."""
    return one < other if metric.higher_is_better else one > other


@every_metric
def test_a_perfect_pair_is_perfect(metric):
    score = metric.score(reference=speech(), degraded=speech())
    if metric.perfect is None:
        buried = noisy(snr_db=-5.0)
        noisy_score = metric.score(reference=speech(), degraded=buried)
        assert worse(metric, noisy_score, score)
    else:
        assert score == pytest.approx(metric.perfect, abs=1e-6)


@every_metric
@pytest.mark.parametrize("value", [0.0, 0.3, -1e-12])
def test_silence_and_constants_get_the_floor(metric, value):
    degraded = np.full_like(speech(), value)
    score = metric.score(reference=speech(), degraded=degraded)
    assert score == metric.floor
    assert metric.normalise(score) < 0.15


@every_metric
def test_more_noise_is_worse_on_average(metric):
    means = [
        np.mean(
            [
                metric.score(
                    reference=speech(index), degraded=noisy(index, snr_db)
                )
                for index in (0, 20, 40)
            ]
        )
        for snr_db in (40.0, 10.0, -5.0)
    ]
    assert worse(metric, means[2], means[1])
    assert worse(metric, means[1], means[0])


@every_metric
def test_scoring_is_repeatable_and_changes_nothing(metric):
    clean, degraded = speech().copy(), noisy()
    copies = clean.copy(), degraded.copy()
    state = np.random.get_state()[1].copy()
    first, second = (
        metric.score(reference=clean, degraded=degraded) for _ in range(2)
    )
    assert first == second
    np.testing.assert_array_equal(clean, copies[0])
    np.testing.assert_array_equal(degraded, copies[1])
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@every_metric
def test_float32_scores_like_float64(metric):
    clean, degraded = speech(), noisy(snr_db=20.0)
    double = metric.score(reference=clean, degraded=degraded)
    single = metric.score(
        reference=clean.astype(np.float32), degraded=degraded.astype(np.float32)
    )
    assert single == pytest.approx(double, abs=1e-3)


@every_metric
def test_labels_rise_from_the_floor_and_stay_within_0_and_1(metric):
    # Without a perfect score, the end of the scale of opinions
    perfect = 5.0 if metric.perfect is None else metric.perfect
    best = min(perfect, 1e3)
    labels = metric.normalise(np.linspace(metric.floor, best, 50))
    assert labels.shape == (50,)
    assert np.all(np.diff(labels) >= 0)
    assert labels.min() >= 0 and labels.max() <= 1
    assert metric.normalise(perfect) > 0.95
    assert np.isnan(metric.normalise(np.nan))
    assert isinstance(metric.normalise(best), float)


def bad_pairs():
    """One pair for every rule, and what the error says."""
    clean = speech()
    with_nan, infinite = clean.copy(), clean.copy()
    with_nan[100], infinite[-1] = np.nan, np.inf
    return {
        "silent reference": (0 * clean, clean, "the reference is silent"),
        "constant reference": (0 * clean + 1, clean, "silent or constant"),
        "empty": (clean[:0], clean[:0], "needs at least .* has 0.000 s"),
        "short": (clean[:320], clean[:320], "needs at least .* has 0.020 s"),
        "NaN": (clean, with_nan, "degraded signal has NaN or infinity"),
        "NaN in reference": (with_nan, clean, "reference has NaN or infinity"),
        "infinity": (clean, infinite, "degraded signal has NaN or infinity"),
        "lengths": (
            clean,
            clean[:-1],
            f"{len(clean)} samples.*{len(clean) - 1}",
        ),
        "2-D": (clean[None], clean[None], r"1-D array of floats.*\(1, "),
        "integers": (clean.astype(int), clean, "1-D array of floats.*int64"),
        "no reference": (None, clean, "needs a reference"),
    }


@with_reference
@pytest.mark.parametrize("case", bad_pairs())
def test_an_undefined_score_is_an_error_naming_rule_and_values(metric, case):
    reference, degraded, message = bad_pairs()[case]
    with pytest.raises(ValueError, match=f"^{metric.name}: .*{message}"):
        metric.score(reference=reference, degraded=degraded)


@every_metric
def test_another_rate_is_an_error(metric):
    with pytest.raises(ValueError, match="needs 16000 Hz; got 48000 Hz"):
        metric.score(reference=speech(), degraded=speech(), sample_rate=48000)


def test_too_little_speech_for_stoi_is_an_error():
    clean = np.zeros(RATE)
    clean[:1000] = speech()[8000:9000]
    with pytest.raises(ValueError, match="30 active frames"):
        METRICS["stoi"].score(reference=clean, degraded=clean)


def test_composites_come_from_their_parts():
    pair = {"reference": speech(), "degraded": noisy(snr_db=30.0)}
    from okd_brain.measures.composite import CompositeReference

    wss, llr, segsnr = CompositeReference(speech()).distances(pair["degraded"])
    pesq = METRICS["pesq"].score(**pair)
    # Hu and Loizou 2008, table of the composite measures
    expected = {
        "csig": 3.093 - 1.029 * llr + 0.603 * pesq - 0.009 * wss,
        "cbak": 1.634 + 0.478 * pesq - 0.007 * wss + 0.063 * segsnr,
        "covl": 1.594 + 0.805 * pesq - 0.512 * llr - 0.007 * wss,
    }
    for name, value in expected.items():
        assert 1 < value < 5
        assert METRICS[name].score(**pair) == pytest.approx(value)


def test_labels_of_the_authors():
    assert METRICS["pesq"].normalise(2.5) == 0.5
    assert METRICS["pesq"].normalise(1.97) == pytest.approx(0.311, abs=1e-3)
    assert METRICS["pesq"].normalise(3.24) == pytest.approx(0.752, abs=1e-3)
    assert METRICS["csig"].normalise(3.0) == 0.5
    assert all(metric.clean_label == 1.0 for metric in METRICS.values())


def test_a_record_of_ones_own_is_guarded_too():
    metric = Metric("mine", quarter)
    assert metric.score(reference=speech(), degraded=noisy()) == 0.25
    assert metric.score(reference=speech(), degraded=0 * speech()) == 0.0
    with pytest.raises(ValueError, match="mine: the reference is silent"):
        metric.score(reference=0 * speech(), degraded=speech())


def test_a_metric_without_reference_needs_none():
    metric = Metric("blind", quarter, needs_reference=False)
    assert metric.score(degraded=noisy()) == 0.25


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


def test_a_curve_can_be_exchanged():
    steep = Logistic(slope=8.0, midpoint=0.25)
    assert METRICS["estoi"].normalise(0.25) == 0.25
    assert with_curve(metric="estoi", curve=steep).normalise(0.25) == 0.5
    assert METRICS["si_sdr"].curve == Linear(zero=-10.0, one=30.0)

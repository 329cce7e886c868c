"""A battery over every metric of the table."""

import numpy as np
import pytest
from scoring_signals import RATE, noisy, speech

from okd_brain.measures import CompositeReference, is_installed
from okd_brain.measures.siib import SIIBReference
from okd_brain.metrics import (
    METRICS,
    Linear,
    Logistic,
    tiled_siib,
    with_curve,
)

# The others are tested in measures/test_optional.py; with the extras installed,
# they go through this battery as well.
INSTALLED = [m for m in METRICS.values() if is_installed(m.extra)]
every_metric = pytest.mark.parametrize(
    "metric", INSTALLED, ids=lambda metric: metric.name
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


def test_too_little_speech_for_stoi_is_an_error():
    clean = np.zeros(RATE)
    clean[:1000] = speech()[8000:9000]
    with pytest.raises(ValueError, match="30 active frames"):
        METRICS["stoi"].score(reference=clean, degraded=clean)


def test_composites_come_from_their_parts():
    pair = {"reference": speech(), "degraded": noisy(snr_db=30.0)}
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


def test_siib_of_repeated_speech():
    """The number of the measure, under another version and the same name."""
    metric = tiled_siib(tile_seconds=6)
    pair = {"reference": speech(), "degraded": noisy(snr_db=0.0)}
    reference = SIIBReference(speech(), tile_seconds=6)
    assert metric.score(**pair) == reference.score(pair["degraded"])
    assert metric.score(**pair) < METRICS["siib"].score(**pair)
    assert metric.name == "siib" and metric == tiled_siib(tile_seconds=6)
    assert (
        len({m.version for m in (metric, tiled_siib(), METRICS["siib"])}) == 3
    )
    with pytest.raises(ValueError, match="tile_seconds is -1"):
        tiled_siib(tile_seconds=-1)


def test_a_curve_can_be_exchanged():
    steep = Logistic(slope=8.0, midpoint=0.25)
    assert METRICS["estoi"].normalise(0.25) == 0.25
    changed = with_curve(metric="estoi", curve=steep)
    assert changed.normalise(0.25) == 0.5
    assert with_curve(metric=changed, curve=None) == METRICS["estoi"]
    with pytest.raises(ValueError, match="'estio'; did you mean 'estoi'"):
        with_curve(metric="estio", curve=steep)
    assert METRICS["si_sdr"].curve == Linear(zero=-10.0, one=30.0)

"""The Scorer: same scores however they are made."""

import pickle
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scoring_signals import noisy, speech, wait_for, waits_for_go

from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, Metric
from okd_brain.scoring import Failure, Scorer

NAMES = ["pesq", "csig", "stoi", "estoi", "si_sdr"]


def good_pairs():
    return [(speech(index), noisy(index, 20.0)) for index in range(6)]


def test_columns_are_the_metrics_scores():
    pairs = good_pairs()[:2]
    scorer = Scorer(["si_sdr", METRICS["csig"]])
    scores = scorer.score(pairs)
    assert scorer.names == ("si_sdr", "csig")
    assert scores.shape == (2, 2) and scores.dtype == np.float64
    for row, (reference, degraded) in zip(scores, pairs, strict=True):
        for name, value in zip(scorer.names, row, strict=True):
            expected = METRICS[name].score(
                reference=reference, degraded=degraded
            )
            assert value == expected


def test_processes_give_the_same_scores_and_failures():
    clean = speech()
    pairs = good_pairs()
    pairs[2:2] = [(clean, 0 * clean), (0 * clean, clean), (clean, clean[1:])]
    names = [f"u{index}" for index in range(len(pairs))]
    results = []
    for n_jobs in (1, 2):
        with Scorer(NAMES, n_jobs=n_jobs) as scorer:
            scores = scorer.score(iter(pairs), names=names)
            results.append((scores, scorer.failures))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert {failure.utterance for failure in scorer.failures} == {"u3", "u4"}
    assert len(scorer.failures) == 2 * len(NAMES)
    assert np.isnan(scores).sum() == 2 * len(NAMES)


def test_processes_agree_on_intelligibility_up_to_rounding():
    names, pairs = ["siib", "haspi_linear"], good_pairs()[:3]
    with Scorer(names, n_jobs=2) as scorer:
        scores = scorer.score(pairs)
    expected = Scorer(names).score(pairs)
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=0)


def test_submitted_work_gives_the_same_scores():
    degraded = noisy()
    with Scorer(NAMES, n_jobs=2) as scorer:
        first = scorer.submit(good_pairs())
        second = scorer.submit([(speech(), degraded)])
        degraded[:] = 0  # was copied
        late = scorer.result(second)
        early = scorer.result(first)
        np.testing.assert_array_equal(early, scorer.score(good_pairs()))
    np.testing.assert_array_equal(
        late, Scorer(NAMES).score([(speech(), noisy())])
    )


def test_work_goes_on_while_the_caller_does_something_else(tmp_path):
    metric = Metric("patient", partial(waits_for_go, folder=tmp_path))
    with Scorer([metric], n_jobs=2) as scorer:
        scoring = scorer.submit(good_pairs()[:1])
        (tmp_path / "go").touch()  # only now: ``submit`` has returned
        wait_for(tmp_path / "done")  # nobody has asked for the result
        assert scorer.result(scoring) == 0.5


def test_twins_stay_out_of_the_workers():
    """A twin needs torch, and need not even be importable."""
    metric = replace(METRICS["si_sdr"], twin=lambda sample_rate: None)
    with Scorer([metric], n_jobs=2) as scorer:
        scores = scorer.score(good_pairs()[:1])
    assert scorer.metrics[0].twin is metric.twin
    np.testing.assert_array_equal(
        scores, Scorer(["si_sdr"]).score(good_pairs()[:1])
    )


@pytest.mark.parametrize("kind", [np.ascontiguousarray, torch.from_numpy])
def test_a_part_of_a_batch_is_sent_without_the_rest(monkeypatch, kind):
    sent = []
    monkeypatch.setattr(
        "okd_brain.scoring.scorer.ScoringPool",
        lambda *options: SimpleNamespace(
            submit=lambda item: sent.append(item) or SimpleNamespace(result=0),
            is_ours=True,
            close=lambda: None,
        ),
    )
    batch = kind(np.ones((64, 16000), np.float32))
    with Scorer(["si_sdr"], n_jobs=2) as scorer:
        scorer.submit([(batch[3], batch[4]), (batch[:, 3], batch[:, 4])])
    for item, samples in zip(sent, (16000, 64), strict=True):
        assert len(pickle.dumps(item)) < 2 * 4 * samples + 1000


def test_what_a_metric_raises_is_a_failure():
    def raises(*, reference, degraded, sample_rate):
        raise KeyError("missing")

    scorer = Scorer([Metric("faulty", raises), "si_sdr"])
    scores = scorer.score(good_pairs()[:1])
    assert np.isnan(scores[0, 0]) and np.isfinite(scores[0, 1])
    (failure,) = scorer.failures
    assert failure == Failure(0, "faulty", "faulty: KeyError: 'missing'")


def test_a_metric_without_memory_is_a_failure():
    def greedy(*, reference, degraded, sample_rate):
        raise MemoryError

    scorer = Scorer([Metric("greedy", greedy), "si_sdr"])
    scores = scorer.score(good_pairs()[:1])
    assert np.isnan(scores[0, 0]) and np.isfinite(scores[0, 1])
    reason = "greedy: needs more memory than there is"
    assert scorer.failures == [Failure(0, "greedy", reason)]


def test_no_pairs_give_no_rows():
    assert Scorer(["pesq", "stoi"]).score([]).shape == (0, 2)


def test_names_must_match_the_pairs():
    with pytest.raises(ValueError, match="2 names for 1 pair$"):
        Scorer(["si_sdr"]).score(good_pairs()[:1], names=["a", "b"])


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, "many"])
def test_impossible_numbers_of_processes_are_refused(n_jobs):
    with pytest.raises(ValueError, match="n_jobs must be a positive integer"):
        Scorer(["pesq"], n_jobs=n_jobs)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_impossible_time_limits_are_refused(seconds):
    with pytest.raises(UserError, match="timeout_seconds must be a positive"):
        Scorer(["pesq"], timeout_seconds=seconds)


def test_minus_one_means_every_core():
    assert Scorer(["pesq"], n_jobs=-1).n_jobs >= 1


def test_kept_scores_are_not_computed_again(tmp_path, monkeypatch):
    pairs = good_pairs()[:2]
    scorer = Scorer(["si_sdr", "stoi"], cache_dir=tmp_path)
    expected = scorer.score(pairs, cached=True)
    monkeypatch.setattr("okd_brain.scoring.scorer.ItemScorer.__call__", None)
    again = Scorer(["stoi", "si_sdr"], cache_dir=tmp_path)
    scores = again.score(pairs, cached=True)
    np.testing.assert_array_equal(scores, expected[:, ::-1])
    with pytest.raises(TypeError):
        again.score(pairs)


def test_the_ear_hears_the_noise_and_the_device_does_not(tmp_path):
    """Three signals: each metric as with the two that concern it, also from
    the disk and from another process."""
    clean, played, heard = speech(), noisy(snr_db=20.0), noisy(snr_db=0.0)
    names = ["estoi", "pesq", "si_sdr"]
    expected = [
        METRICS[name].score(reference=clean, degraded=degraded)
        for name, degraded in zip(names, (heard, played, played), strict=True)
    ]
    with Scorer(names, n_jobs=2, cache_dir=tmp_path) as scorer:
        for cached in (False, True, True):
            [scores] = scorer.score([(clean, heard, played)], cached=cached)
            assert scores.tolist() == expected
        # What is kept of one is not taken for the other.
        [swapped] = scorer.score([(clean, played, heard)], cached=True)
        assert not set(swapped) & set(expected)

"""The Scorer: same scores however they are made, and nothing stops it."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scoring_signals import (
    hangs,
    kills_itself,
    naps,
    noisy,
    process_id,
    speech,
)

from okd_brain.metrics import METRICS, Metric
from okd_brain.scoring import Failure, Scorer

TESTS = str(Path(__file__).parent)
NAMES = ["pesq", "csig", "stoi", "estoi", "si_sdr"]


def marked(value):
    """Noisy speech that begins with a given sample."""
    signal_ = noisy()
    signal_[0] = value
    return signal_


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


def test_work_goes_on_while_the_caller_does_something_else():
    with Scorer([Metric("nap", naps)], n_jobs=2) as scorer:
        scorer.score(good_pairs()[:2])  # starts the processes
        start = time.perf_counter()
        scoring = scorer.submit(good_pairs()[:4])
        assert time.perf_counter() - start < 0.25
        time.sleep(1.5)  # training
        start = time.perf_counter()
        assert (scorer.result(scoring) == 0.5).all()
        assert time.perf_counter() - start < 0.25


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


def test_a_killed_worker_is_replaced_and_costs_its_item_only():
    metrics = [Metric("fragile", kills_itself), "si_sdr"]
    pairs = [(speech(), marked(value)) for value in (0, 0, 1, 0, 1, 0, 0)]
    with Scorer(metrics, n_jobs=2) as scorer:
        scores = scorer.score(pairs)
        assert np.isnan(scores[[2, 4]]).all()
        assert np.isfinite(np.delete(scores, [2, 4], axis=0)).all()
        assert {f.utterance for f in scorer.failures} == {2, 4}
        assert all("SIGSEGV" in f.reason for f in scorer.failures)
        assert np.isfinite(scorer.score(pairs[:2])).all()
    assert scorer.failures == []


def test_an_item_that_hangs_is_given_up():
    pairs = [(speech(), marked(value)) for value in (0, 1, 0)]
    metrics = [Metric("slow", hangs)]
    with Scorer(metrics, n_jobs=2, timeout_seconds=1.0) as scorer:
        scores = scorer.score(pairs, names=["a", "b", "c"])
    np.testing.assert_array_equal(scores[:, 0], [0.5, np.nan, 0.5])
    reason = "not scored: it took longer than 1.0 s"
    assert scorer.failures == [Failure("b", "slow", reason)]


def test_what_a_metric_raises_is_a_failure():
    def raises(*, reference, degraded, sample_rate):
        raise KeyError("missing")

    scorer = Scorer([Metric("faulty", raises), "si_sdr"])
    scores = scorer.score(good_pairs()[:1])
    assert np.isnan(scores[0, 0]) and np.isfinite(scores[0, 1])
    (failure,) = scorer.failures
    assert failure == Failure(0, "faulty", "faulty: KeyError: 'missing'")


def test_no_pairs_give_no_rows():
    assert Scorer(["pesq", "stoi"]).score([]).shape == (0, 2)


def test_names_must_match_the_pairs():
    with pytest.raises(ValueError, match="2 names for 1 pairs"):
        Scorer(["si_sdr"]).score(good_pairs()[:1], names=["a", "b"])


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, "many"])
def test_impossible_numbers_of_processes_are_refused(n_jobs):
    with pytest.raises(ValueError, match="n_jobs must be a positive integer"):
        Scorer(["pesq"], n_jobs=n_jobs)


def test_minus_one_means_every_core():
    assert Scorer(["pesq"], n_jobs=-1).n_jobs >= 1


def test_a_local_function_cannot_go_to_a_worker():
    metric = Metric("local", lambda **signals: 0.5)
    with Scorer([metric], n_jobs=2) as scorer:
        with pytest.raises(ValueError, match="local: .*use n_jobs=1"):
            scorer.score(good_pairs())
    assert Scorer([metric]).score(good_pairs()[:1]) == 0.5


def test_the_pool_can_be_closed_and_used_again():
    scorer = Scorer(["si_sdr"], n_jobs=2)
    first = scorer.score(good_pairs()[:2])
    scorer.close()
    np.testing.assert_array_equal(first, scorer.score(good_pairs()[:2]))
    scorer.close()
    scorer.close()


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


def test_a_forked_process_gets_workers_of_its_own():
    torch.mm(*torch.ones(2, 300, 300))  # starts OpenMP's threads
    with Scorer(["si_sdr"], n_jobs=2) as scorer:
        expected = scorer.score(good_pairs())
        child = os.fork()
        if child == 0:
            equal = np.array_equal(scorer.score(good_pairs()), expected)
            scorer.close()
            os._exit(0 if equal else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        np.testing.assert_array_equal(scorer.score(good_pairs()), expected)


def test_a_worker_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr("okd_brain.scoring.worker.sys.executable", "/bin/false")
    with Scorer(["si_sdr"], n_jobs=2) as scorer:
        with pytest.raises(RuntimeError, match="ended with exit status 1"):
            scorer.score(good_pairs())


def test_a_metric_that_a_worker_cannot_import_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != TESTS])
    with Scorer([Metric("fragile", kills_itself)], n_jobs=2) as scorer:
        with pytest.raises(RuntimeError, match="No module named 'scoring_sig"):
            scorer.score(good_pairs())


def test_no_process_is_left_behind():
    scorer = Scorer(["si_sdr"], n_jobs=2)
    scorer.score(good_pairs())
    workers = [worker._process for worker in scorer._pool._workers]
    assert workers and all(worker.poll() is None for worker in workers)
    scorer.close()
    assert all(worker.poll() is not None for worker in workers)


def test_a_reference_comes_back_to_the_process_that_knows_it():
    rows = []
    with Scorer([Metric("where", process_id)], n_jobs=2) as scorer:
        for index in [*range(6)] * 3:
            rows.append(scorer.score([(speech(index), noisy(index))]).item())
            time.sleep(0.05)  # until both wait again: a busy one is helped
    by_reference = np.reshape(rows, (3, 6))
    assert (by_reference == by_reference[0]).all()
    assert len(set(rows)) == 2


def test_a_run_that_ends_early_waits_for_nobody():
    script = (
        f"import sys, time; sys.path[:] = {sys.path!r}\n"
        "import numpy as np\n"
        "from scoring_signals import hangs, speech\n"
        "from okd_brain.metrics import Metric\n"
        "from okd_brain.scoring import Scorer\n"
        "scorer = Scorer([Metric('slow', hangs)], n_jobs=2)\n"
        "endless = np.r_[1.0, speech()[1:]]\n"
        "scorer.submit([(speech(), endless)] * 8)\n"
        "while len(scorer._pool._workers) < 2: time.sleep(0.1)\n"
        "print(*(w._process.pid for w in scorer._pool._workers))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for pid in map(int, done.stdout.split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_do_not_load_torch():
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import okd_brain.metrics, okd_brain.scoring.worker\n"
        "assert not {'torch', 'speechbrain'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


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

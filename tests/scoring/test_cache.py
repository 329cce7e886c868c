"""Scores on disk."""

import logging
import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scoring_signals import noisy, speech

from okd_brain.metrics import METRICS, Metric
from okd_brain.scoring import Scorer
from okd_brain.scoring.cache import FILE_NAME, ScoreCache, score_keys
from okd_brain.scoring.item import Item, digest


def counts_calls(*, reference, degraded, sample_rate):
    counts_calls.calls += 1
    return counts_calls.calls / 100


counts_calls.calls = 0


def keys(metrics, reference, degraded, sample_rate=16000):
    item = Item(reference, degraded, sample_rate, (), digest(reference))
    return score_keys(metrics, item)


def test_unchanging_pairs_are_scored_once_per_version(tmp_path):
    metric = Metric("counted", counts_calls, version="1")
    pairs = [(speech(), noisy())]
    counts_calls.calls = 0

    def score(metric, **options):
        scorer = Scorer([metric], cache_dir=tmp_path)
        return scorer.score(pairs, **options).item()

    assert score(metric, cached=True) == 0.01
    assert score(metric, cached=True) == 0.01
    assert score(metric) == 0.02  # not asked for
    assert score(replace(metric, version="2"), cached=True) == 0.03
    assert score(metric, cached=True) == 0.01
    assert score(replace(metric, version=""), cached=True) == 0.04
    assert score(replace(metric, version=""), cached=True) == 0.05


def test_only_missing_metrics_and_pairs_are_computed(tmp_path):
    metric = Metric("counted", counts_calls, version="1")
    counts_calls.calls = 0
    first = [(speech(), noisy())]
    Scorer([metric], cache_dir=tmp_path).score(first, cached=True)
    both = [*first, (speech(1), noisy(1))]
    scorer = Scorer(["si_sdr", metric], cache_dir=tmp_path)
    scores = scorer.score(both, cached=True)
    assert scores[:, 1].tolist() == [0.01, 0.02]
    np.testing.assert_array_equal(
        scores[:, 0], Scorer(["si_sdr"]).score(both)[:, 0]
    )


def test_failures_are_not_kept_but_infinity_is(tmp_path):
    pairs = [(0 * speech(), noisy()), (speech(), speech())]
    for _ in range(2):
        scorer = Scorer(["si_sdr"], cache_dir=tmp_path)
        scores = scorer.score(pairs, cached=True)
        assert np.isnan(scores[0, 0]) and scores[1, 0] == np.inf
        assert len(scorer.failures) == 1


def test_keys_depend_on_everything_that_counts():
    metrics = [METRICS["stoi"], METRICS["estoi"]]
    clean, degraded = speech(), noisy()
    single = clean.astype(np.float32)
    all_keys = [
        *keys(metrics, clean, degraded),
        *keys(metrics, degraded, clean),
        *keys(metrics, clean, degraded, sample_rate=8000),
        *keys(metrics, single, degraded),
        *keys(metrics, None, degraded),
        *keys(metrics, clean[:-1], degraded[:-1]),
    ]
    assert len(set(all_keys)) == 12
    assert keys(metrics, clean.copy(), noisy()) == all_keys[:2]
    mine = Metric("mine", counts_calls)
    assert keys([mine], clean, degraded) == [None]


def test_the_oldest_scores_are_dropped(tmp_path):
    cache = ScoreCache(tmp_path, max_rows=20)
    for number in range(25):
        cache.put([(b"%d" % number, float(number))])
    names = [b"%d" % number for number in range(25)]
    kept = cache.get(names)
    assert len(kept) <= 20
    assert sorted(kept.values()) == [
        float(n) for n in range(25 - len(kept), 25)
    ]


def test_several_processes_write_at_once(tmp_path):
    script = (
        "import sys; from okd_brain.scoring.cache import ScoreCache\n"
        "first = int(sys.argv[2])\n"
        "cache = ScoreCache(sys.argv[1])\n"
        "for n in range(first, first + 40):\n"
        "    cache.put([(b'%d' % n, float(n)), (b'shared', 1.0)])\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(first)],
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for first in (0, 100)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    names = [b"%d" % n for start in (0, 100) for n in range(start, start + 40)]
    assert len(ScoreCache(tmp_path).get([*names, b"shared"])) == 81


def test_a_write_that_was_cut_off_leaves_no_trace(tmp_path):
    def interrupted():
        yield b"b", 2.0
        raise KeyboardInterrupt

    cache = ScoreCache(tmp_path)
    cache.put([(b"a", 1.0)])
    with pytest.raises(KeyboardInterrupt):
        cache.put(interrupted())
    assert cache.get([b"a", b"b"]) == {b"a": 1.0}


@pytest.mark.parametrize("damage", ["not a database", "a folder"])
def test_an_unusable_file_is_a_warning(tmp_path, caplog, damage):
    path = tmp_path / FILE_NAME
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_text("not a database " * 100)
    scorer = Scorer(["si_sdr"], cache_dir=tmp_path)
    pairs = [(speech(), noisy())]
    with caplog.at_level(logging.WARNING, logger="okd_brain.scoring.cache"):
        scores = scorer.score(pairs, cached=True)
        scorer.score(pairs, cached=True)
    np.testing.assert_array_equal(scores, Scorer(["si_sdr"]).score(pairs))
    assert caplog.text.count("Scores are not kept on disk") == 1


def test_a_file_that_another_process_locks_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("okd_brain.scoring.cache.WAIT_SECONDS", 0.1)
    cache = ScoreCache(tmp_path)
    cache.put([(b"a", 1.0)])
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert cache.get([b"a"]) == {}  # gives up after the wait, with a warning
    other.execute("ROLLBACK")
    assert ScoreCache(tmp_path).get([b"a"]) == {b"a": 1.0}

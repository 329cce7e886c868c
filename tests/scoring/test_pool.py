"""Who gets which job, and processes that die, hang or cannot start."""

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from scoring_signals import (
    RATE,
    hangs,
    kills_itself,
    noisy,
    process_id,
    speech,
)

from okd_brain.metrics import Metric
from okd_brain.scoring import Failure, Scorer
from okd_brain.scoring.item import Item, ItemScores
from okd_brain.scoring.pool import AffinityQueue
from okd_brain.scoring.worker import READY, Worker
from okd_brain.survival import SIGNALS

TESTS = str(Path(__file__).parents[1])
WAIT_SECONDS = 60.0  # a busy machine; a test that hangs fails after it


def pairs_of(indices):
    return [(speech(index), noisy(index, 20.0)) for index in indices]


def marked(value):
    """Noisy speech that begins with a given sample."""
    signal = noisy()
    signal[0] = value
    return signal


def wait_until_idle(queue):
    """Return when every worker of a queue waits for a job."""
    with queue._changed:
        everyone = range(len(queue._jobs))
        assert queue._changed.wait_for(
            lambda: queue._idle.issuperset(everyone), WAIT_SECONDS
        )


# --- the queue ---------------------------------------------------------------


def test_own_jobs_come_first_and_in_order():
    queue = AffinityQueue(workers=2)
    for job in range(6):
        queue.put(job, job)
    assert [queue.get(0) for _ in range(3)] == [0, 2, 4]
    assert [queue.get(1) for _ in range(3)] == [1, 3, 5]


def test_a_busy_workers_latest_job_is_taken_by_an_idle_one():
    queue = AffinityQueue(workers=3)
    for job in "abc":
        queue.put(0, job)
    assert queue.get(0) == "a"
    assert queue.get(1) == "c"
    assert queue.get(2) == "b"


@pytest.mark.parametrize("key", [0, 1])
def test_an_idle_worker_gets_its_own_job(key):
    queue, took = AffinityQueue(workers=2), []
    done = threading.Semaphore(0)

    def work(worker):
        while queue.get(worker) is not None:
            took.append(worker)
            done.release()

    with ThreadPoolExecutor(2) as threads:
        for worker in range(2):
            threads.submit(work, worker)
        try:
            for _ in range(20):
                wait_until_idle(queue)
                queue.put(key, "job")
                assert done.acquire(timeout=WAIT_SECONDS)
        finally:
            queue.close()
    assert took == [key] * 20


def test_every_job_is_done_once():
    queue, count = AffinityQueue(workers=3), 500
    with ThreadPoolExecutor(3) as threads:

        def work(worker):
            return [queue.get(worker) for _ in range(count // 5)]

        results = [threads.submit(work, worker) for worker in range(3)]
        for job in range(count):
            queue.put(job * job, job)
        done = [job for result in results for job in result.result()]
    rest = queue.close()
    assert sorted(done + rest) == list(range(count))
    assert queue.get(0) is None


# --- the processes -----------------------------------------------------------


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_item_that_hangs_is_given_up():
    pairs = [(speech(), marked(value)) for value in (0, 1, 0)]
    metrics = [Metric("slow", hangs)]
    with Scorer(metrics, n_jobs=2, timeout_seconds=2.0) as scorer:
        scores = scorer.score(pairs, names=["a", "b", "c"])
    np.testing.assert_array_equal(scores[:, 0], [0.5, np.nan, 0.5])
    reason = (
        "not scored: it took longer than its time limit of 2 s"
        " (timeout_seconds)"
    )
    assert scorer.failures == [Failure("b", "slow", reason)]


def test_a_pair_has_time_for_its_length_and_its_metrics(monkeypatch):
    """Ten minutes take ten times as long as one; 60 s were too few."""
    limits = []

    def ask(worker, request, timeout_seconds):
        if isinstance(request, Item):
            limits.append(timeout_seconds)
            return ItemScores.missing(request, "not asked")
        return READY

    monkeypatch.setattr("okd_brain.scoring.worker.Worker.ask", ask)
    long = np.zeros(600 * RATE, np.float32)
    for timeout_seconds, metrics, seconds in (
        (None, ["pesq"], 600),
        (None, ["pesq", "csig", "stoi"], 600),
        (None, ["pesq"], 3),
        (5.0, ["pesq"], 600),
    ):
        part = long[: seconds * RATE]
        options = {"n_jobs": 2, "timeout_seconds": timeout_seconds}
        with Scorer(metrics, **options) as scorer:
            scorer.score([(part, part)])
    assert limits == [60 + 1200, 60 + 3600, 60 + 6, 5]


def test_an_item_without_room_in_memory_costs_itself_only(monkeypatch):
    sent = Worker.ask

    def ask(worker, request, timeout_seconds):
        if isinstance(request, Item) and request.degraded[0] == 1:
            raise MemoryError  # as pickling a message does
        return sent(worker, request, timeout_seconds)

    monkeypatch.setattr("okd_brain.scoring.worker.Worker.ask", ask)
    pairs = [(speech(), marked(value)) for value in (0, 1, 0)]
    with Scorer(["si_sdr"], n_jobs=2) as scorer:
        scores = scorer.score(pairs)
    assert np.isnan(scores[:, 0]).tolist() == [False, True, False]
    reason = "needs more memory than there is"
    assert scorer.failures == [Failure(1, "si_sdr", reason)]


def test_a_local_function_cannot_go_to_a_worker():
    metric = Metric("local", lambda **signals: 0.5)
    with Scorer([metric], n_jobs=2) as scorer:
        with pytest.raises(ValueError, match="local: .*use n_jobs=1"):
            scorer.score(pairs_of([0]))
    assert Scorer([metric]).score(pairs_of([0])) == 0.5


def test_a_function_of_the_main_script_cannot_go_to_a_worker(monkeypatch):
    monkeypatch.setattr(process_id, "__module__", "__main__")
    with Scorer([Metric("where", process_id)], n_jobs=2) as scorer:
        with pytest.raises(ValueError, match="defined in the main script"):
            scorer.score(pairs_of([0]))


def test_a_worker_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr("okd_brain.scoring.worker.sys.executable", "/bin/false")
    with Scorer(["si_sdr"], n_jobs=2) as scorer:
        with pytest.raises(RuntimeError, match="ended with exit status 1"):
            scorer.score(pairs_of([0]))


def test_a_metric_that_a_worker_cannot_import_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != TESTS])
    with Scorer([Metric("fragile", kills_itself)], n_jobs=2) as scorer:
        with pytest.raises(RuntimeError, match="No module named 'scoring_sig"):
            scorer.score(pairs_of([0]))


def test_the_pool_can_be_closed_and_used_again():
    scorer = Scorer(["si_sdr"], n_jobs=2)
    first = scorer.score(pairs_of(range(2)))
    workers = [worker._process for worker in scorer._pool._workers]
    assert workers and all(worker.poll() is None for worker in workers)
    scorer.close()
    assert all(worker.poll() is not None for worker in workers)
    np.testing.assert_array_equal(first, scorer.score(pairs_of(range(2))))
    scorer.close()
    scorer.close()


@pytest.mark.slow
def test_a_forked_process_gets_workers_of_its_own():
    torch.mm(*torch.ones(2, 300, 300))  # starts OpenMP's threads
    pairs = pairs_of(range(6))
    with Scorer(["si_sdr"], n_jobs=2) as scorer:
        expected = scorer.score(pairs)
        child = os.fork()
        if child == 0:
            equal = np.array_equal(scorer.score(pairs), expected)
            scorer.close()
            os._exit(0 if equal else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        np.testing.assert_array_equal(scorer.score(pairs), expected)


def test_a_reference_comes_back_to_the_process_that_knows_it():
    rows = []
    with Scorer([Metric("where", process_id)], n_jobs=2) as scorer:
        for index in [*range(6)] * 3:
            if scorer._pool is not None:
                wait_until_idle(scorer._pool._jobs)  # a busy one is helped
            rows.append(scorer.score([(speech(index), noisy(index))]).item())
    by_reference = np.reshape(rows, (3, 6))
    assert (by_reference == by_reference[0]).all()
    assert len(set(rows)) == 2


@pytest.mark.slow
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
        timeout=2 * WAIT_SECONDS,
        check=True,
    )
    for pid in map(int, done.stdout.split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_signal_to_the_whole_job_costs_no_scores():
    """A scheduler ends a job by signals to all its processes, these included."""
    metrics = ["si_sdr"]
    with Scorer(metrics, n_jobs=2) as scorer:
        scorer.score(pairs_of([0, 1]))
        workers = list(scorer._pool._workers)
        for worker in workers:
            for number in SIGNALS:
                os.kill(worker._process.pid, number)
        rows = scorer.score(pairs_of([2, 3]))
        assert np.isfinite(rows).all()
        assert scorer._pool._workers == workers


def test_a_worker_whose_parent_is_gone_says_nothing(capfd):
    worker = Worker(pickle.dumps(len))
    worker._connection.send([1, 2])
    worker._connection.close()  # before the answer, as a kill does
    assert worker._process.wait(WAIT_SECONDS) == 0
    assert capfd.readouterr().err == ""


def test_workers_do_not_load_torch():
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import okd_brain.metrics, okd_brain.scoring.worker\n"
        "assert not {'torch', 'speechbrain'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

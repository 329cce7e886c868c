"""Who gets which job."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from okd_brain.scoring.affinity_queue import AffinityQueue


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

    def work(worker):
        while queue.get(worker) is not None:
            took.append(worker)
            done.set()

    with ThreadPoolExecutor(2) as threads:
        for worker in range(2):
            threads.submit(work, worker)
        while len(queue._idle) < 2:
            pass
        for _ in range(20):
            done = threading.Event()
            queue.put(key, "job")
            assert done.wait(10)
            while len(queue._idle) < 2:
                pass
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

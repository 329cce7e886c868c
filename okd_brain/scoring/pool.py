"""A pool of worker processes that outlives its workers."""

import os
import pickle
import signal
import threading
from collections import deque
from concurrent.futures import Future

from okd_brain.messages import UserError
from okd_brain.scoring.item import OUT_OF_MEMORY, ItemScores
from okd_brain.scoring.worker import Worker, WorkerLost
from okd_brain.survival import SIGNALS

TIMEOUT_SECONDS = 60.0  # for the shortest item
TIMEOUT_FACTOR = 2.0
"""Seconds that an item gets on top, for each metric and second of signal. HASPI
and DNSMOS take 0.2, PESQ and STOI 0.02, on a core of 2023 with nothing else."""


class ScoringPool:
    """Score items in processes, started when the first item comes.

    Each process is looked after by a thread of the parent, which does nothing
    but wait: for the answer, for the process to die, or for the time limit.
    In the last two cases the item is given up and the next one gets a new
    process. The threads are daemons, so that a run that ends early does not
    wait for scores that nobody will read.

    Arguments
    ---------
    item_scorer : ItemScorer
        Not used before; every process gets its own.
    n_jobs : int
        Number of processes.
    timeout_seconds : float or None
        Time limit for one item; None makes it fit each.

    Raises
    ------
    UserError
        If a metric's function cannot be sent to another process.
    """

    def __init__(self, item_scorer, n_jobs, timeout_seconds):
        self.timeout_seconds = timeout_seconds
        _check_importable(item_scorer.metrics)
        self._task = pickle.dumps(item_scorer)
        self._owner = os.getpid()
        self._jobs = AffinityQueue(n_jobs)
        self._workers = []
        self._threads = [
            threading.Thread(target=self._look_after, args=[n], daemon=True)
            for n in range(n_jobs)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_ours(self):
        """Whether this process made the pool, and did not inherit it by a fork.

        Threads do not survive a fork, and the workers answer to the parent.
        """
        return os.getpid() == self._owner

    def submit(self, item):
        """Queue an item; return a Future of its ``ItemScores``.

        The Future's exception is a RuntimeError if no process starts.
        """
        future = Future()
        # The process that has the reference's half in memory goes first.
        key = int.from_bytes(item.reference_digest[:8], "big")
        self._jobs.put(key, (item, future))
        return future

    def close(self):
        """End all processes; what has not been scored by now never is."""
        if not self.is_ours:
            return
        for _, future in self._jobs.close():
            future.cancel()
        for worker in list(self._workers):
            worker.kill()
        for thread in self._threads:
            thread.join()

    def _look_after(self, number):
        """Run in a thread: feed one process, and replace it when it is lost."""
        # A scheduler tells all processes of a job to end, but this one decides
        # when. Its workers, which inherit the mask, end with the pipe.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        worker = None
        while job := self._jobs.get(number):
            item, future = job
            try:
                if worker is None:
                    worker = Worker(self._task)
                    self._workers.append(worker)
                scores = worker.ask(item, self._limit(item))
            except WorkerLost as lost:
                self._workers.remove(worker)
                worker = None
                reason = f"not scored: {lost}"
                future.set_result(ItemScores.missing(item, reason))
            except MemoryError:  # of the message that would bring it there
                future.set_result(ItemScores.missing(item, OUT_OF_MEMORY))
            except Exception as error:  # for whoever waits for the scores
                future.set_exception(error)
            else:
                future.set_result(scores)
        if worker is not None:
            worker.close()

    def _limit(self, item):
        """Return how many seconds an item may take."""
        if self.timeout_seconds is not None:
            return self.timeout_seconds
        work = item.seconds * len(item.wanted)
        return TIMEOUT_SECONDS + TIMEOUT_FACTOR * work


def _check_importable(metrics):
    """Raise a UserError for a function that another process cannot import.

    Lambdas, local functions, and those that live in the main script.
    """
    for metric in metrics:
        function = metric.score.function
        reason = "it is defined in the main script"
        if getattr(function, "__module__", None) != "__main__":
            try:
                pickle.dumps(metric)
                continue
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                reason = str(error)
        raise UserError(
            f"{metric.name}: its function cannot be sent to another process"
            f" ({reason}). Define it at the top level of a module, or use"
            " n_jobs=1"
        )


class AffinityQueue:
    """Give jobs with one key to one worker, or to an idle one if it is busy.

    Workers remember what they have worked on: see ``item.HalvesCache``.

    Arguments
    ---------
    workers : int
        Number of workers.

    Example
    -------
    >>> queue = AffinityQueue(workers=2)
    >>> for key, job in ((2, "a"), (2, "b"), (3, "c")):
    ...     queue.put(key, job)
    >>> queue.get(worker=0), queue.get(worker=1), queue.get(worker=1)
    ('a', 'c', 'b')
    """

    def __init__(self, workers):
        self._jobs = [deque() for _ in range(workers)]
        self._idle = set()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, key, job):
        """Add a job (not None); jobs with one key (int) prefer one worker."""
        with self._changed:
            self._jobs[key % len(self._jobs)].append(job)
            self._changed.notify_all()

    def get(self, worker):
        """Wait for a job: the worker's own oldest, else a busy one's latest.

        Workers are numbered from 0. After ``close`` there is None.
        """
        with self._changed:
            self._idle.add(worker)
            while not self._is_closed:
                job = self._take(worker)
                if job is not None:
                    self._idle.remove(worker)
                    self._changed.notify_all()  # the rest may be taken now
                    return job
                self._changed.wait()
            return None

    def _take(self, worker):
        if self._jobs[worker]:
            return self._jobs[worker].popleft()
        busy = (n for n in range(len(self._jobs)) if n not in self._idle)
        longest = max((self._jobs[n] for n in busy), key=len, default=None)
        return longest.pop() if longest else None

    def close(self):
        """Tell all workers to stop; return the jobs that nobody will get."""
        with self._changed:
            self._is_closed = True
            dropped = [job for jobs in self._jobs for job in jobs]
            for jobs in self._jobs:
                jobs.clear()
            self._changed.notify_all()
            return dropped

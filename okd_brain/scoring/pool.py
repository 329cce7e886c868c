"""A pool of worker processes that outlives its workers."""

import os
import pickle
import threading
from concurrent.futures import Future

from okd_brain.scoring.affinity_queue import AffinityQueue
from okd_brain.scoring.item import failed
from okd_brain.scoring.worker import Worker, WorkerLost


class ScoringPool:
    """Scores items in processes, started when the first item comes.

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
    timeout_seconds : float
        For one item.

    Raises
    ------
    ValueError
        If a metric's function cannot be sent to another process.
    """

    def __init__(self, item_scorer, n_jobs, timeout_seconds):
        self.timeout_seconds = timeout_seconds
        check_importable(item_scorer.metrics)
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
        """False in a process forked from the one that made the pool: threads
        do not survive a fork, and the workers answer to the parent."""
        return os.getpid() == self._owner

    def submit(self, item):
        """Queues an item.

        Arguments
        ---------
        item : Item

        Returns
        -------
        concurrent.futures.Future
            Its result is an ItemScores; a RuntimeError if no process starts.
        """
        future = Future()
        # The process that has the reference's half in memory goes first.
        key = int.from_bytes(item.reference_digest[:8], "big")
        self._jobs.put(key, (item, future))
        return future

    def close(self):
        """Ends all processes; what has not been scored by now never is."""
        if not self.is_ours:
            return
        for _, future in self._jobs.close():
            future.cancel()
        for worker in list(self._workers):
            worker.kill()
        for thread in self._threads:
            thread.join()

    def _look_after(self, number):
        """Runs in a thread: one process, replaced when it is lost."""
        worker = None
        while job := self._jobs.get(number):
            item, future = job
            try:
                if worker is None:
                    worker = Worker(self._task)
                    self._workers.append(worker)
                scores = worker.ask(item, self.timeout_seconds)
            except WorkerLost as lost:
                self._workers.remove(worker)
                worker = None
                future.set_result(failed(item, f"not scored: {lost}"))
            except Exception as error:  # for whoever waits for the scores
                future.set_exception(error)
            else:
                future.set_result(scores)
        if worker is not None:
            worker.close()


def check_importable(metrics):
    """Raises if another process could not import a metric's functions.

    Arguments
    ---------
    metrics : list of Metric

    Raises
    ------
    ValueError
        If a function is a lambda, is local, or lives in the main script.
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
        raise ValueError(
            f"{metric.name}: its function cannot be sent to another process"
            f" ({reason}). Define it at the top level of a module, or use"
            " n_jobs=1"
        )

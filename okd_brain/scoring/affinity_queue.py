"""A queue for workers that remember what they have worked on."""

import threading
from collections import deque


class AffinityQueue:
    """Gives jobs with one key to one worker, or to an idle one if it is busy.

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
        """Adds a job.

        Arguments
        ---------
        key : int
            Jobs with the same key prefer the same worker.
        job : object
        """
        with self._changed:
            self._jobs[key % len(self._jobs)].append(job)
            self._changed.notify_all()

    def get(self, worker):
        """Waits for a job: the worker's own oldest, else a busy one's latest.

        Arguments
        ---------
        worker : int
            Number of the worker, from 0.

        Returns
        -------
        object or None
            None after ``close``.
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
        """Tells all workers to stop.

        Returns
        -------
        list
            The jobs that nobody will get.
        """
        with self._changed:
            self._is_closed = True
            dropped = [job for jobs in self._jobs for job in jobs]
            for jobs in self._jobs:
                jobs.clear()
            self._changed.notify_all()
            return dropped

"""The references' halves of measures, in memory, up to a number of bytes."""

from collections import OrderedDict
from contextlib import contextmanager

from okd_brain.measures.pair import ReferenceHalves


class HalvesCache:
    """Keeps ``ReferenceHalves`` of the references that were used last.

    A validation scores every generator against the same references, so that
    their halves are worth keeping from one generator to the next.

    Arguments
    ---------
    budget_bytes : float
        For all that is kept. What is larger by itself is used and dropped.

    Example
    -------
    >>> import numpy as np
    >>> cache = HalvesCache(budget_bytes=1e6)
    >>> speech = np.sin(np.arange(16000.0) ** 1.5)
    >>> with cache.halves(b"key", speech) as halves:
    ...     made = halves.composite
    >>> with cache.halves(b"key", speech.copy()) as halves:
    ...     halves.composite is made
    True
    """

    def __init__(self, budget_bytes):
        self.budget_bytes = budget_bytes
        self.nbytes = 0
        self._kept = OrderedDict()  # digest -> (halves, size), oldest first

    @contextmanager
    def halves(self, key, reference):
        """Gives a reference's halves, to be used within a ``with`` block.

        They are made on demand, hence weighed when the block ends.

        Arguments
        ---------
        key : bytes
            Equal for equal references only.
        reference : np.ndarray [samples] or None

        Returns
        -------
        context manager of ReferenceHalves
        """
        halves, size = self._kept.pop(key, (None, 0))
        self.nbytes -= size
        halves = halves or ReferenceHalves(reference)
        yield halves
        size = halves.nbytes
        if size == 0:  # no metric has made any
            return
        self._kept[key] = halves, size
        self.nbytes += size
        while self.nbytes > self.budget_bytes:
            _, (_, size) = self._kept.popitem(last=False)
            self.nbytes -= size

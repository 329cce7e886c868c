"""Score many pairs of signals on many metrics, in several processes.

A ``Scorer`` turns pairs into ``Item`` records (``item``: one pair under the
wanted metrics), asks the scores kept on disk for what never changes
(``cache``), and has the rest computed here or by a pool of worker processes
(``pool``), each of which (``worker``) outlives a metric that crashes or hangs.
A score that cannot be computed becomes NaN and a ``Failure``.

``okd_brain.scoring.board`` collects the scores of several systems while a
network works. It is not imported here, since workers import this room and it
needs torch: they start in a second and take 120 MB.
"""

from okd_brain.scoring.item import OUT_OF_MEMORY
from okd_brain.scoring.scorer import Failure, Scorer

__all__ = ["OUT_OF_MEMORY", "Failure", "Scorer"]

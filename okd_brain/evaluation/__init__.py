"""Score files, and compare systems on the same utterances.

``files`` matches files by name, reads and scores them; ``score`` is
``okd-score``, which does that once. ``command`` is ``evaluate.py``: ``systems``
finds out what each model on its command line is (an export, a checkpoint that
``checkpoints`` chooses, a folder of files), ``tasks`` knows what the systems
get and how they enhance it, and the scores become tables in ``results``.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__, {"command": ["main"], "tasks": ["ENHANCEMENT", "LISTENING"]}
)

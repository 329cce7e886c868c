"""The two tasks that okd trains for, and what only they need.

``base`` states what a ``Task`` promises; training, scoring, validation, tests
and exports know tasks by that alone. ``speech`` is speech enhancement.
``listening`` is listening enhancement, which changes the ``bands`` of clean
speech at equal power and is compared with ``ssdrc`` (imported from its module,
whose name the function has).
"""

from okd_brain.tasks.bands import BandGains, power_ratio
from okd_brain.tasks.base import Enhanced, Task
from okd_brain.tasks.listening import ListeningEnhancement
from okd_brain.tasks.speech import SpeechEnhancement

__all__ = [
    "BandGains",
    "Enhanced",
    "ListeningEnhancement",
    "SpeechEnhancement",
    "Task",
    "power_ratio",
]

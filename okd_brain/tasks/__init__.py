"""What distinguishes one task from another: speech and listening enhancement."""

from okd_brain.tasks.speech import (
    ListeningEnhancement,
    SpeechEnhancement,
)

__all__ = [
    "ListeningEnhancement",
    "SpeechEnhancement",
]

"""Enhance live streams, chunk by chunk."""

from okd_brain.streaming.speech import (
    StreamingEnhancer,
)

__all__ = [
    "StreamingEnhancer",
]

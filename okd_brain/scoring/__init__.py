"""Score many pairs of signals on many metrics, in several processes."""

from okd_brain.scoring.scorer import (
    Failure,
    ItemScorer,
    Scorer,
    ScoringPool,
)

__all__ = [
    "Failure",
    "ItemScorer",
    "Scorer",
    "ScoringPool",
]

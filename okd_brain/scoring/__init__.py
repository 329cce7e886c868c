"""Score many pairs of signals on many metrics, in several processes."""

from okd_brain.scoring.scorer import Failure, Scorer

__all__ = ["Failure", "Scorer"]

"""From raw scores to training labels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Logistic:
    """Training label 1 / (1 + exp(-slope * (raw - midpoint))).

    Arguments
    ---------
    slope : float
        Per unit of the metric; the label's steepness is slope / 4.
    midpoint : float
        The raw score that gets the label 0.5.

    Example
    -------
    >>> float(Logistic(slope=1.5, midpoint=2.5)(2.5))
    0.5
    """

    slope: float
    midpoint: float

    def __call__(self, raw):
        """Maps raw scores to labels; floats or arrays."""
        return 1 / (1 + np.exp(-self.slope * (raw - self.midpoint)))


@dataclass(frozen=True)
class Linear:
    """Training label that rises in a straight line between two raw scores.

    Arguments
    ---------
    zero, one : float
        The raw scores that get the labels 0 and 1.

    Example
    -------
    >>> Linear(zero=-10, one=30)(0.0)
    0.25
    """

    zero: float
    one: float

    def __call__(self, raw):
        """Maps raw scores to labels; floats or arrays."""
        return (raw - self.zero) / (self.one - self.zero)

"""The two kinds of callables behind ``Metric.score``."""

from collections.abc import Callable
from dataclasses import dataclass

from okd_brain.measures.pair import Pair


@dataclass(frozen=True)
class PairScore:
    """A score function that uses the shared measures of a ``Pair``.

    Arguments
    ---------
    of_pair : callable
        ``of_pair(pair) -> float``.
    """

    of_pair: Callable

    def __call__(self, *, reference, degraded, sample_rate):
        """Scores a pair of signals of its own."""
        return self.of_pair(
            Pair(
                reference=reference,
                degraded=degraded,
                sample_rate=sample_rate,
            )
        )


class CheckedScore:
    """``Metric.score``: the metric's function behind the failure policy."""

    def __init__(self, metric, function):
        self.metric = metric
        self.function = function

    def __call__(self, *, reference=None, degraded, sample_rate=16000):
        """Scores one pair; see ``Metric``.

        Arguments
        ---------
        reference, degraded : np.ndarray [samples]
            Equally long floating-point signals, full scale 1; not modified.
        sample_rate : int
            Of both, in Hz.

        Returns
        -------
        float
            The raw, published number; ``floor`` if ``degraded`` is silent or
            constant.

        Raises
        ------
        ValueError
            If the score is undefined, with the rule that is broken.
        """
        return self.metric.of_pair(
            Pair(
                reference=reference,
                degraded=degraded,
                sample_rate=sample_rate,
            )
        )

    def __eq__(self, other):
        return (
            isinstance(other, CheckedScore) and self.function == other.function
        )

    def __hash__(self):
        return hash(self.function)

    def __repr__(self):
        return repr(self.function)

"""The record of a metric: how to score with it and what the number means."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from okd_brain.metrics.curves import Linear
from okd_brain.metrics.failure_policy import check_pair
from okd_brain.metrics.score_functions import CheckedScore, PairScore

# "+" and "*" are for targets; names are those of folders and of modules.
FORBIDDEN_IN_NAMES = "+*./\\"
LISTENERS = ("ear", "device")


@dataclass(frozen=True)
class Metric:
    """One objective score of speech, with what its numbers mean.

    Arguments
    ---------
    name : str
        Key of the metric; also names columns and folders.
    score : callable
        ``score(*, reference, degraded, sample_rate) -> float``, on 1-D
        floating-point arrays that it must not modify. As an attribute of the
        record it is that function behind ``okd_brain.metrics.failure_policy``, with
        ``sample_rate=16000`` as default.
    floor : float
        The worst raw score, given to a silent or constant degraded signal.
    perfect : float or None
        The raw score of two equal signals; may be infinite, and is None where
        there is no best score (then a curve is needed).
    higher_is_better : bool
        Direction of the raw score.
    curve : callable or None
        From raw scores to training labels, larger is better; clipped to
        [0, 1]. None is the straight line from floor (0) to perfect (1).
    clean_label : float
        The label under which the discriminator sees the reference itself.
    hears : str
        "ear": what reaches the listener, noise included; "device": what the
        device plays.
    needs_reference : bool
        False if the metric judges the degraded signal alone.
    sample_rate : int
        The only rate that is accepted, in Hz.
    min_seconds : float
        Length of the shortest signal that has a score, in seconds.
    version : str
        Changes when the same signals get another number. It is a part of the
        key under which scores are kept on disk; a metric without one is
        scored afresh every time.
    source : str
        Where the definition comes from.
    extra : str
        The extra of this package that has to be installed, if any.

    Raises
    ------
    ValueError
        If the values contradict each other.

    Example
    -------
    >>> def loudness_match(*, reference, degraded, sample_rate):
    ...     return -abs(10 * np.log10(degraded.var() / reference.var()))
    >>> metric = Metric("loudness", loudness_match, floor=-60, perfect=0.0)
    >>> clean = np.sin(np.arange(8000))
    >>> raw = metric.score(reference=clean, degraded=0.5 * clean)
    >>> round(raw, 4), round(metric.normalise(raw), 4)
    (-6.0206, 0.8997)
    >>> metric.score(reference=clean, degraded=0 * clean)
    -60
    >>> metric.score(reference=0 * clean, degraded=clean)
    Traceback (most recent call last):
    ValueError: loudness: the reference is silent or constant; it must be speech
    """

    name: str
    score: Callable
    floor: float = 0.0
    perfect: float | None = 1.0
    higher_is_better: bool = True
    curve: Callable | None = None
    clean_label: float = 1.0
    hears: str = "ear"
    needs_reference: bool = True
    sample_rate: int = 16000
    min_seconds: float = 0.25
    version: str = ""
    source: str = ""
    extra: str = ""

    def __post_init__(self):
        self._check_fields()
        function = self.score
        if isinstance(function, CheckedScore):  # from dataclasses.replace
            function = function.function
        object.__setattr__(self, "score", CheckedScore(self, function))

    def of_pair(self, pair):
        """Scores a ``Pair``, whose shared measures are made once only.

        Arguments
        ---------
        pair : Pair

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the score is undefined, with the rule that is broken.
        """
        check_pair(self, pair)
        if pair.degraded_is_constant:
            return self.floor
        try:
            value = float(self._call(pair))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error
        if not math.isfinite(value) and value != self.perfect:
            raise ValueError(f"{self.name}: the score function gave {value}")
        return value

    def _call(self, pair):
        function = self.score.function
        if isinstance(function, PairScore):
            return function.of_pair(pair)
        return function(
            reference=pair.reference,
            degraded=pair.degraded,
            sample_rate=pair.sample_rate,
        )

    def normalise(self, raw):
        """Turns raw scores into training labels.

        Arguments
        ---------
        raw : float or np.ndarray
            Any shape; NaN stays NaN.

        Returns
        -------
        float or np.ndarray
            Within [0, 1], larger is better, same shape.
        """
        curve = self.curve or Linear(zero=self.floor, one=self.perfect)
        label = np.clip(curve(np.asarray(raw, np.float64)), 0.0, 1.0)
        return float(label) if np.ndim(raw) == 0 else label

    def _check_fields(self):
        if not self.name or any(c in self.name for c in FORBIDDEN_IN_NAMES):
            raise ValueError(
                f"A metric's name may not be empty nor contain any of"
                f" {FORBIDDEN_IN_NAMES!r}; got {self.name!r}"
            )
        if self.hears not in LISTENERS:
            raise ValueError(
                f"{self.name}: hears must be one of {LISTENERS};"
                f" got {self.hears!r}"
            )
        if not 0 <= self.clean_label <= 1:
            raise ValueError(
                f"{self.name}: clean_label must be within [0, 1];"
                f" got {self.clean_label}"
            )
        if self.perfect is not None:
            rises = self.perfect > self.floor
            if rises != self.higher_is_better:
                raise ValueError(
                    f"{self.name}: floor {self.floor} and perfect"
                    f" {self.perfect} contradict"
                    f" higher_is_better={self.higher_is_better}"
                )
        has_line = self.perfect is not None and math.isfinite(self.perfect)
        if self.curve is None and not has_line:
            raise ValueError(
                f"{self.name}: with perfect={self.perfect} there is no line"
                " from floor to perfect; give a curve"
            )

"""The record of a metric: how to score with it and what the number means.

Degenerate signals are treated alike by all metrics. A silent or constant
*degraded* signal is a result, the worst one: a generator can make it.
Everything else that has no score is a mistake in the data or in the call, and
raises an error instead of giving a number.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from okd_brain.measures import Pair
from okd_brain.measures.checks import (
    check_lengths,
    check_rate,
    check_signal,
    check_varies,
)
from okd_brain.messages import MissingPackage, UserError

# "+" and "*" are for targets; names are those of folders and of modules.
FORBIDDEN_IN_NAMES = "+*./\\"
LISTENERS = ("ear", "device")


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
        """Return the labels of raw scores; floats or arrays."""
        return 1 / (1 + np.exp(-self.slope * (raw - self.midpoint)))


@dataclass(frozen=True)
class Linear:
    """Training label that rises in a straight line between two raw scores.

    Arguments
    ---------
    zero : float
        The raw score that gets the label 0.
    one : float
        The raw score that gets the label 1.

    Example
    -------
    >>> Linear(zero=-10, one=30)(0.0)
    0.25
    """

    zero: float
    one: float

    def __call__(self, raw):
        """Return the labels of raw scores; floats or arrays."""
        return (raw - self.zero) / (self.one - self.zero)


@dataclass(frozen=True)
class PairScore:
    """A score function that takes a ``Pair``, with the measures it shares.

    Arguments
    ---------
    of_pair : callable
        ``of_pair(pair) -> float``.
    """

    of_pair: Callable


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
        record it is a ``CheckedScore``: that function behind the checks of
        this module, with ``sample_rate=16000`` as default.
    floor : float
        The worst raw score, given to a silent or constant degraded signal.
    perfect : float or None
        The raw score of two equal signals. It may be infinite, and is None
        where there is no best score (then a curve is needed).
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
        The only accepted sample rate, in Hz.
    min_seconds : float
        Length of the shortest signal that has a score, in seconds.
    version : str
        Changes when the same signals get another number. It is part of the
        key under which scores are kept on disk; a metric without one is
        scored afresh every time.
    source : str
        Where the definition comes from.
    extra : str
        The extra of this package that has to be installed, if any.
    twin : callable or None
        Factory of a differentiable torch module that imitates the metric,
        called with ``sample_rate``; see ``okd_brain.measures.twins``. None
        where there is none.

    Raises
    ------
    UserError
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
    twin: Callable | None = None

    def __post_init__(self):
        self._check_fields()
        function = self.score
        if isinstance(function, CheckedScore):  # from dataclasses.replace
            function = function.function
        object.__setattr__(self, "score", CheckedScore(self, function))

    def of_pair(self, pair):
        """Score a ``Pair``, whose shared measures are computed only once.

        Arguments
        ---------
        pair : Pair
            What to score.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the score is undefined; the message has the metric, the broken
            rule, the value found and what would be accepted.
        """
        self._check_pair(pair)
        if pair.degraded_is_constant:
            return self.floor
        try:
            value = float(self._call(pair))
        except MissingPackage:
            raise
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
        """Turn raw scores into training labels.

        Arguments
        ---------
        raw : float or numpy.ndarray
            Any shape; NaN stays NaN.

        Returns
        -------
        float or numpy.ndarray
            Within [0, 1], larger is better, same shape.
        """
        curve = self.curve or Linear(zero=self.floor, one=self.perfect)
        label = np.clip(curve(np.asarray(raw, np.float64)), 0.0, 1.0)
        return float(label) if np.ndim(raw) == 0 else label

    def _check_pair(self, pair):
        """Raise a ValueError if the pair has no defined score."""
        check_rate(pair.sample_rate, (self.sample_rate,), name=self.name)
        if self.needs_reference:
            if pair.reference is None:
                raise ValueError(f"{self.name}: needs a reference; got None")
            self._check_signal(pair.reference, "reference")
        self._check_signal(pair.degraded, "degraded signal")
        if self.needs_reference:
            lengths = len(pair.reference), len(pair.degraded)
            check_lengths(*lengths, name=self.name)
            check_varies(pair.reference, name=self.name)

    def _check_signal(self, signal, role):
        if signal.dtype.kind != "f":
            raise ValueError(
                f"{self.name}: the {role} must be an array of floats;"
                f" got {signal.dtype}"
            )
        check_signal(
            signal,
            name=self.name,
            role=role,
            sample_rate=self.sample_rate,
            min_seconds=self.min_seconds,
        )

    def _check_fields(self):
        if not self.name or any(c in self.name for c in FORBIDDEN_IN_NAMES):
            raise UserError(
                f"A metric's name may not be empty nor contain any of"
                f" {FORBIDDEN_IN_NAMES!r}; got {self.name!r}"
            )
        if self.hears not in LISTENERS:
            raise UserError(
                f"{self.name}: hears must be one of {LISTENERS};"
                f" got {self.hears!r}"
            )
        if not 0 <= self.clean_label <= 1:
            raise UserError(
                f"{self.name}: clean_label must be within [0, 1];"
                f" got {self.clean_label}"
            )
        if self.perfect is not None:
            rises = self.perfect > self.floor
            if rises != self.higher_is_better:
                raise UserError(
                    f"{self.name}: floor {self.floor} and perfect"
                    f" {self.perfect} contradict"
                    f" higher_is_better={self.higher_is_better}"
                )
        has_line = self.perfect is not None and math.isfinite(self.perfect)
        if self.curve is None and not has_line:
            raise UserError(
                f"{self.name}: with perfect={self.perfect} there is no line"
                " from floor to perfect; give a curve"
            )


class CheckedScore:
    """A metric's score function behind the checks of its record."""

    def __init__(self, metric, function):
        self.metric = metric
        self.function = function

    def __call__(self, *, reference=None, degraded, sample_rate=16000):
        """Score one pair of signals; see ``Metric``.

        Arguments
        ---------
        reference : numpy.ndarray or None
            [samples], floating point, full scale 1; not modified. None for
            metrics that need no reference.
        degraded : numpy.ndarray
            [samples], as long; not modified.
        sample_rate : int
            Sample rate of both, in Hz.

        Returns
        -------
        float
            The raw, published number; ``floor`` if ``degraded`` is silent or
            constant.

        Raises
        ------
        ValueError
            If the score is undefined; the message has the broken rule.
        """
        pair = Pair(
            reference=reference, degraded=degraded, sample_rate=sample_rate
        )
        return self.metric.of_pair(pair)

    def __eq__(self, other):
        return (
            isinstance(other, CheckedScore) and self.function == other.function
        )

    def __hash__(self):
        return hash(self.function)

    def __repr__(self):
        return repr(self.function)

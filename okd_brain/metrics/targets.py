"""What a generator optimises: terms, each one head of a discriminator."""

import math
from dataclasses import dataclass
from itertools import count

import numpy as np

from okd_brain.measures.optional import check_installed
from okd_brain.messages import offer
from okd_brain.metrics.record import Metric


@dataclass(frozen=True)
class Term:
    """One head of a discriminator: a metric, or the mean of several.

    Arguments
    ---------
    name : str
        Names of the metrics joined by "+".
    metrics : tuple of Metric
        At least one.
    """

    name: str
    metrics: tuple[Metric, ...]

    def label(self, raw):
        """The training label of raw scores.

        Arguments
        ---------
        raw : Mapping from metric name to float or np.ndarray
            May hold other metrics as well.

        Returns
        -------
        float or np.ndarray
            Mean of the normalised scores, within [0, 1], shaped like them.
        """
        labels = [m.normalise(raw[m.name]) for m in self.metrics]
        return sum(labels) / len(labels)

    @property
    def clean_label(self):
        """The label of the reference itself."""
        labels = [metric.clean_label for metric in self.metrics]
        return sum(labels) / len(labels)


@dataclass(frozen=True)
class Target:
    """What one generator optimises.

    Arguments
    ---------
    name : str
        Names the generator: the terms joined by "_", equal ones numbered.
    terms : tuple of Term
        At least one.
    weights : tuple of float
        Share of each term in the generator's loss and in ``selection_value``;
        positive, their sum is 1.
    """

    name: str
    terms: tuple[Term, ...]
    weights: tuple[float, ...]

    @property
    def module(self):
        """Name of the generator among an experiment's modules and optimizers."""
        return f"g_{self.name}"

    @property
    def metrics(self):
        """The distinct metrics, in order of first appearance (tuple)."""
        return tuple(
            dict.fromkeys(m for term in self.terms for m in term.metrics)
        )

    @property
    def higher_is_better(self):
        """The direction of ``selection_value``."""
        return len(self.metrics) > 1 or self.metrics[0].higher_is_better

    def selection_value(self, raw):
        """The number by which this generator's best checkpoint is chosen.

        Arguments
        ---------
        raw : Mapping from metric name to float or np.ndarray
            Mean raw scores of a validation, or those of its utterances.

        Returns
        -------
        value : float
            A single metric's mean raw score, else the weighted mean of the
            terms' training labels.
        higher_is_better : bool
            The single metric's direction, else True.
        """
        if len(self.metrics) == 1:
            (metric,) = self.metrics
            value = float(np.mean(raw[metric.name]))
            return value, self.higher_is_better
        labels = [np.mean(term.label(raw)) for term in self.terms]
        return float(np.dot(self.weights, labels)), self.higher_is_better


def heads_of(targets):
    """The heads that a discriminator of all targets needs.

    Arguments
    ---------
    targets : list of Target

    Returns
    -------
    list of Term
        Distinct, in order of first appearance.

    Example
    -------
    >>> from okd_brain.metrics import parse_targets
    >>> targets = parse_targets([["pesq"], ["csig"], ["pesq"]])
    >>> [head.name for head in heads_of(targets)]
    ['pesq', 'csig']
    """
    terms = (term for target in targets for term in target.terms)
    return list(dict.fromkeys(terms))


def read_metrics(metrics, table):
    """``okd_brain.metrics.resolve_metrics`` for any table of metrics."""
    known = _known_metrics(metrics, table)
    names = [m.name if isinstance(m, Metric) else m for m in metrics]
    return [_look_up(name, known) for name in dict.fromkeys(names)]


def read_targets(targets, table):
    """``okd_brain.metrics.parse_targets`` for any table of metrics."""
    _check_nesting(targets)
    items = [term for terms in targets for term in terms]
    known = _known_metrics(items, table)
    distinct, taken, parsed = {}, set(), []
    for items in targets:
        terms, weights, labels = [], [], []
        for item in items:
            weight, name = _parse_weight(item, alone=len(items) == 1)
            term = _parse_term(name, known)
            term = distinct.setdefault(frozenset(term.metrics), term)
            terms.append(term)
            weights.append(weight)
            labels.append(_weighted_name(weight, term.name))
        _check_distinct([term.name for term in terms], targets)
        name = _free_name("_".join(labels), taken)
        taken.add(name)
        shares = tuple(weight / sum(weights) for weight in weights)
        parsed.append(Target(name, tuple(terms), shares))
    return parsed


def _check_nesting(targets):
    def is_filled(items):
        return isinstance(items, list | tuple) and len(items) > 0

    if not is_filled(targets) or not all(map(is_filled, targets)):
        raise ValueError(
            "targets must be a list with one list of terms per generator,"
            f" e.g. [[pesq], [csig+cbak]]; got {targets!r}"
        )


def _known_metrics(items, table):
    """The table and the records among some items, by name."""
    own = {}
    for metric in items:
        if isinstance(metric, Metric):
            if own.setdefault(metric.name, metric) != metric:
                raise ValueError(
                    f"Two different metrics have the name {metric.name!r}"
                )
    return {**table, **own}


def _look_up(name, known):
    if name not in known:
        raise ValueError(f"Unknown metric {name!r}{offer(name, sorted(known))}")
    check_installed(name, known[name].extra)
    return known[name]


def _parse_weight(item, alone):
    """The weight that precedes a term, 1 by default, and the term's name."""
    text = item.name if isinstance(item, Metric) else str(item)
    written, star, name = map(str.strip, text.rpartition("*"))
    if not star:
        return 1.0, name
    if "+" in text:
        raise ValueError(
            f"{text!r}: a mean is one head, whose metrics weigh the same; to"
            " weigh metrics, list them, as in [3*pesq, csig]"
        )
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not (0 < weight < math.inf):
        raise ValueError(
            f"{text!r}: the weight of a term must be a positive number before"
            f' the "*", as in 3*pesq; got {written!r}'
        )
    if alone:
        raise ValueError(
            f"{text!r}: a weight compares the terms of one generator, and this"
            f" one has no other; write {name}, and set alpha to weigh it"
            " against the mimicry"
        )
    return weight, name


def _weighted_name(weight, name):
    # Names of modules may not contain a ".", those of folders no "*".
    return name if weight == 1 else f"{weight:g}".replace(".", "p") + name


def _parse_term(name, known):
    names = name.split("+")
    _check_distinct(names, name)
    return Term(name, tuple(_look_up(part, known) for part in names))


def _check_distinct(names, where):
    if len(set(names)) < len(names):
        raise ValueError(f"{where!r} names the same thing twice in one place")


def _free_name(name, taken):
    numbered = (f"{name}_{number}" for number in count(2))
    return (
        name
        if name not in taken
        else next(free for free in numbered if free not in taken)
    )

"""What each generator optimises: terms, each one head of a discriminator."""

import math
from dataclasses import dataclass
from itertools import chain, count

import numpy as np

from okd_brain.messages import UserError
from okd_brain.metrics.record import Metric
from okd_brain.metrics.table import METRICS, look_up


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
        """Return the training label of raw scores.

        Arguments
        ---------
        raw : dict
            Metric name -> float or numpy.ndarray; may hold other metrics.

        Returns
        -------
        float or numpy.ndarray
            Mean of the normalised scores, within [0, 1], shaped like them.
        """
        labels = [m.normalise(raw[m.name]) for m in self.metrics]
        return sum(labels) / len(labels)

    @property
    def clean_label(self):
        """Label of the reference itself."""
        labels = [metric.clean_label for metric in self.metrics]
        return sum(labels) / len(labels)


@dataclass(frozen=True)
class Target:
    """What one generator optimises.

    Arguments
    ---------
    name : str
        The terms joined by "_"; equal targets are numbered. It is also the name
        of the generator's export folder and of its row in tables.
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
        """Name of the generator among modules, optimizers and weight files."""
        return f"g_{self.name}"

    @property
    def warmup_optimizer(self):
        """Name of the optimizer that trains the generator in the warm-up."""
        return f"warmup_{self.module}"

    @property
    def metrics(self):
        """Distinct metrics, in order of first appearance."""
        return tuple(
            dict.fromkeys(m for term in self.terms for m in term.metrics)
        )

    @property
    def higher_is_better(self):
        """Direction of ``selection_value``."""
        return len(self.metrics) > 1 or self.metrics[0].higher_is_better

    def selection_value(self, raw):
        """Return the number by which the best checkpoint is chosen.

        Arguments
        ---------
        raw : dict
            Metric name -> float or numpy.ndarray: mean raw scores of a
            validation, or those of its utterances.

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
    """Return the heads that a discriminator of all targets needs.

    Arguments
    ---------
    targets : list of Target
        From ``parse_targets``.

    Returns
    -------
    list of Term
        Distinct, in order of first appearance.

    Example
    -------
    >>> targets = parse_targets([["pesq"], ["csig"], ["pesq"]])
    >>> [head.name for head in heads_of(targets)]
    ['pesq', 'csig']
    """
    terms = (term for target in targets for term in target.terms)
    return list(dict.fromkeys(terms))


def resolve_metrics(metrics):
    """Turn names into records, each metric once.

    Arguments
    ---------
    metrics : list of (str or Metric)
        Names of ``METRICS`` or of a record in the same list.

    Returns
    -------
    list of Metric
        In order of first appearance.

    Raises
    ------
    UserError
        If a name is unknown, or two different records share one.
    MissingPackage
        If a metric needs a package that is not installed.

    Example
    -------
    >>> [metric.name for metric in resolve_metrics(["pesq", "stoi", "pesq"])]
    ['pesq', 'stoi']
    """
    known = _known_metrics(metrics)
    names = [m.name if isinstance(m, Metric) else m for m in metrics]
    return [look_up(name, known) for name in dict.fromkeys(names)]


def parse_targets(targets):
    """Read what each generator is to optimise.

    Arguments
    ---------
    targets : list of list of (str or Metric)
        One list of terms per generator. A term is a record, a name, or names
        joined by "+", whose normalised scores are averaged. A name is one of
        ``METRICS`` or of a record anywhere in ``targets``. If a generator has
        several terms, any of them may have a weight: "3*pesq"; the others have
        weight 1.

    Returns
    -------
    list of Target
        Terms of the same metrics are one object, whatever their order.

    Raises
    ------
    UserError
        If the nesting is wrong, a name is unknown, a term or a target names
        something twice, or a weight is not a positive number or has no effect.
    MissingPackage
        If a metric needs a package that is not installed.

    Example
    -------
    >>> [t.name for t in parse_targets([["pesq"], ["csig+cbak"], ["pesq"]])]
    ['pesq', 'csig+cbak', 'pesq_2']
    >>> [t.name for t in parse_targets([["pesq", "csig"]])]
    ['pesq_csig']
    >>> (target,) = parse_targets([["3*pesq", "csig"]])
    >>> target.name, target.weights, target.module
    ('3pesq_csig', (0.75, 0.25), 'g_3pesq_csig')
    """
    _check_nesting(targets)
    known = _known_metrics([item for items in targets for item in items])
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
        raise UserError(
            "targets must be a list with one list of terms per generator,"
            f" e.g. [[pesq], [csig+cbak]]; got {targets!r}"
        )


def _known_metrics(items):
    """Return the table and the records among some items, by name."""
    own = {}
    for metric in items:
        if isinstance(metric, Metric):
            if own.setdefault(metric.name, metric) != metric:
                raise UserError(
                    f"Two different metrics have the name {metric.name!r}"
                )
    return {**METRICS, **own}


def _parse_weight(item, alone):
    """Return the weight that precedes a term (default 1), and its name."""
    text = item.name if isinstance(item, Metric) else str(item)
    written, star, name = map(str.strip, text.rpartition("*"))
    if not star:
        return 1.0, name
    if "+" in text:
        raise UserError(
            f"{text!r}: a mean is one head, whose metrics weigh the same; to"
            " weigh metrics, list them, as in [3*pesq, csig]"
        )
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not (0 < weight < math.inf):
        raise UserError(
            f"{text!r}: the weight of a term must be a positive number before"
            f' the "*", as in 3*pesq; got {written!r}'
        )
    if alone:
        raise UserError(
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
    return Term(name, tuple(look_up(part, known) for part in names))


def _check_distinct(names, where):
    if len(set(names)) < len(names):
        raise UserError(f"{where!r} names the same thing twice in one place")


def _free_name(name, taken):
    numbered = (f"{name}_{number}" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken)

"""The metrics table, and the targets that are made of it.

``METRICS`` holds one record per metric; a new one is one entry here (and a
file in ``okd_brain.measures`` if its algorithm is new), or a ``Metric`` of
the user's own wherever a name is accepted.

How degenerate signals are scored is the same for all of them
(``okd_brain.failure_policy``): a silent or constant degraded signal gets
``floor``; without a defined score there is a ``ValueError``.

The training labels of PESQ and of the composite scores are those of the
MetricGAN-OKD authors' code. Under the logistic PESQ label a perfect 4.644 is
0.961, yet the label of clean speech is 1 for every metric, as in that code.
NELE-GAN's labels for listening enhancement are in ``NELE_CURVES``.
"""

from dataclasses import replace
from difflib import get_close_matches
from importlib.metadata import version
from itertools import count

from okd_brain.curves import Linear, Logistic
from okd_brain.measures import distortion, scores, wideband_pesq
from okd_brain.measures.composite import SEGMENTAL_SNR_RANGE_DB
from okd_brain.metric_record import Metric, PairScore
from okd_brain.targets import Target, Term

__all__ = [
    "METRICS",
    "NELE_CURVES",
    "Linear",
    "Logistic",
    "Metric",
    "Target",
    "Term",
    "heads_of",
    "parse_targets",
    "resolve_metrics",
    "with_curve",
]

_PESQ_VERSION = f"1 pesq {version('pesq')}"
_STOI_VERSION = f"1 pystoi {version('pystoi')}"
_COMPOSITE_SOURCE = "Hu and Loizou, IEEE TASLP 16(1), 2008; wide-band PESQ"


def _composite(name, function):
    lowest, highest = scores.OPINION_RANGE
    return Metric(
        name,
        PairScore(function),
        floor=lowest,
        perfect=highest,
        version=_PESQ_VERSION,
        source=_COMPOSITE_SOURCE,
    )


def _stoi(name, function, source):
    # Correlations a little below 0 occur and are reported; their label is 0.
    return Metric(
        name,
        PairScore(function),
        floor=0.0,
        perfect=1.0,
        min_seconds=0.4,
        version=_STOI_VERSION,
        source=source,
    )


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "pesq",
            PairScore(scores.pesq),
            floor=wideband_pesq.WORST,
            perfect=wideband_pesq.PERFECT,
            curve=Logistic(slope=1.5, midpoint=2.5),
            version=_PESQ_VERSION,
            source="ITU-T P.862.2 (2007); label: MetricGAN-OKD's code",
        ),
        _composite("csig", scores.csig),
        _composite("cbak", scores.cbak),
        _composite("covl", scores.covl),
        Metric(
            "segsnr",
            PairScore(scores.segsnr),
            floor=SEGMENTAL_SNR_RANGE_DB[0],
            perfect=SEGMENTAL_SNR_RANGE_DB[1],
            version="1",
            source="Loizou, Speech Enhancement, 2007; as in CBAK",
        ),
        _stoi("stoi", scores.stoi, "Taal et al., IEEE TASLP 19(7), 2011"),
        _stoi(
            "estoi",
            scores.estoi,
            "Jensen and Taal, IEEE/ACM TASLP 24(11), 2016",
        ),
        Metric(
            "si_sdr",
            PairScore(scores.si_sdr),
            floor=distortion.WORST_DB,
            perfect=float("inf"),
            # From hopeless to inaudible; noisy VoiceBank is around 8 dB.
            curve=Linear(zero=-10.0, one=30.0),
            version="1",
            source="Le Roux et al., ICASSP 2019, eq. 3 and 4",
        ),
    )
}

NELE_CURVES = {
    "estoi": Logistic(slope=8.0, midpoint=0.25),
}
"""Labels for speech in loud noise, where raw scores are low (Li and Yamagishi,
NELE-GAN, ICASSP 2021, code). Not the default: in speech enhancement a noisy
ESTOI of 0.7 would already have the label 0.97."""


def with_curve(*, metric, curve):
    """The same metric with another training label.

    In YAML, to train listening enhancement with NELE-GAN's label:

    .. code-block:: yaml

        estoi: !apply:okd_brain.metrics.with_curve
            metric: estoi
            curve: !new:okd_brain.metrics.Logistic
                slope: 8.0
                midpoint: 0.25

    Arguments
    ---------
    metric : str or Metric
    curve : callable
        From raw scores to labels, larger is better.

    Returns
    -------
    Metric

    Example
    -------
    >>> METRICS["estoi"].normalise(0.25)
    0.25
    >>> estoi = with_curve(metric="estoi", curve=NELE_CURVES["estoi"])
    >>> estoi.normalise(0.25)
    0.5
    """
    (metric,) = resolve_metrics([metric])
    return replace(metric, curve=curve)


def resolve_metrics(metrics):
    """Turns names into records, each metric once.

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
    ValueError
        If a name is unknown, or two different records share one.

    Example
    -------
    >>> [metric.name for metric in resolve_metrics(["pesq", "stoi", "pesq"])]
    ['pesq', 'stoi']
    >>> resolve_metrics(["peqs"])
    Traceback (most recent call last):
    ValueError: Unknown metric 'peqs'; did you mean 'pesq'? Known: cbak, ...
    """
    known = _known_metrics(metrics)
    names = [m.name if isinstance(m, Metric) else m for m in metrics]
    return [_look_up(name, known) for name in dict.fromkeys(names)]


def parse_targets(targets):
    """Reads what each generator is to optimise.

    Arguments
    ---------
    targets : list of list of (str or Metric)
        One list per generator, of terms. A term is a record, a name, or names
        joined by "+", whose normalised scores are averaged. A name is one of
        ``METRICS`` or of a record anywhere in ``targets``.

    Returns
    -------
    list of Target
        Terms of the same metrics are one object, whatever their order.

    Raises
    ------
    ValueError
        If the nesting is wrong, a name is unknown, or a term or a target
        names something twice.

    Example
    -------
    >>> [t.name for t in parse_targets([["pesq"], ["csig+cbak"], ["pesq"]])]
    ['pesq', 'csig+cbak', 'pesq_2']
    >>> [t.name for t in parse_targets([["pesq", "csig"]])]
    ['pesq_csig']
    """
    is_list = isinstance(targets, list | tuple) and len(targets) > 0
    if not is_list or not all(
        isinstance(terms, list | tuple) and len(terms) > 0 for terms in targets
    ):
        raise ValueError(
            "targets must be a list with one list of terms per generator,"
            f" e.g. [[pesq], [csig+cbak]]; got {targets!r}"
        )
    known = _known_metrics([term for terms in targets for term in terms])
    distinct, parsed, taken = {}, [], set()
    for terms in targets:
        made = []
        for term in terms:
            term = _parse_term(term, known)
            made.append(distinct.setdefault(frozenset(term.metrics), term))
        _check_distinct([term.name for term in made], targets)
        name = _free_name("_".join(term.name for term in made), taken)
        taken.add(name)
        parsed.append(Target(name, tuple(made)))
    return parsed


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
    >>> targets = parse_targets([["pesq"], ["csig"], ["pesq"]])
    >>> [head.name for head in heads_of(targets)]
    ['pesq', 'csig']
    """
    terms = (term for target in targets for term in target.terms)
    return list(dict.fromkeys(terms))


def _known_metrics(items):
    """METRICS and the records among some items, by name."""
    own = {}
    for metric in items:
        if isinstance(metric, Metric):
            if own.setdefault(metric.name, metric) != metric:
                raise ValueError(
                    f"Two different metrics have the name {metric.name!r}"
                )
    return {**METRICS, **own}


def _look_up(name, known):
    if name in known:
        return known[name]
    close = get_close_matches(str(name), known)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
    raise ValueError(
        f"Unknown metric {name!r}{hint} Known: {', '.join(sorted(known))}"
    )


def _parse_term(term, known):
    if isinstance(term, Metric):
        return Term(term.name, (term,))
    names = str(term).split("+")
    _check_distinct(names, term)
    return Term(str(term), tuple(_look_up(name, known) for name in names))


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

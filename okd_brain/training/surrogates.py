"""Surrogates: what a generator's gradient comes from.

The metrics that users want are not differentiable.  MetricGAN's answer is a
discriminator D that learns to imitate them; where a metric has a *twin*, a torch
version of itself, there are two more:

=============== ============================================================
surrogate       estimate of the normalised score of generator k's output
=============== ============================================================
discriminator   ``D(clean, y_k)[k]`` (the paper)
twin            ``curve(twin(clean, wave_k))``
residual        ``curve(twin(clean, wave_k)) + D(clean, y_k)[k]``, where D's
                label is the true normalised score minus the twin's
=============== ============================================================

All three are pulled towards 1 by ``mean((estimate - 1)^2)``: the loss and its
scale do not depend on the surrogate.
"""

import torch
from speechbrain.utils.logger import get_logger

from okd_brain.measures.scores import OPINION_RANGE
from okd_brain.measures.twins import CompositeTwin, MeanOpinionTwin
from okd_brain.messages import UserError, listed, offer
from okd_brain.metrics import METRICS, Linear, Logistic

logger = get_logger(__name__)

KINDS = ("discriminator", "twin", "residual")


class Surrogates(torch.nn.Module):
    """Estimate the normalised scores of waves with the twins of their metrics.

    Arguments
    ---------
    targets : list of Target
        What the generators optimise.
    surrogate : str or dict
        One of `KINDS` for all targets, where those without a twin have
        "discriminator" whatever it is (the log says so); or target name -> one
        of them, where those that are not named have "discriminator".
    sample_rate : int
        Of the waves, in Hz.

    Raises
    ------
    UserError
        If a kind or a target is unknown, or a target is named whose metrics
        have no twin.

    Example
    -------
    >>> from okd_brain.metrics import parse_targets
    >>> targets = parse_targets([["si_sdr"], ["pesq"]])
    >>> surrogates = Surrogates(targets, {"si_sdr": "twin"})
    >>> [head.name for head in surrogates.discriminated]
    ['pesq']
    """

    def __init__(self, targets, surrogate="discriminator", sample_rate=16000):
        super().__init__()
        kinds = _kinds_by_target(targets, surrogate)
        self.kinds = {
            term.name: kinds[target.name]
            for target in targets
            for term in target.terms
        }
        self.terms = {
            term.name: term for target in targets for term in target.terms
        }
        self.twins = torch.nn.ModuleDict()
        self._scored = {}  # name -> metrics that each twin stands for
        for name, kind in self.kinds.items():
            if kind != "discriminator":
                metrics = self.terms[name].metrics
                self._scored[name], twins = _joined(metrics, sample_rate)
                self.twins[name] = torch.nn.ModuleList(twins)

    @property
    def discriminated(self):
        """Return the terms of which D learns something (list of Term)."""
        return [
            term
            for name, term in self.terms.items()
            if self.kinds[name] != "twin"
        ]

    def has_twin(self, term):
        """Tell whether a term's estimate contains its twin."""
        return term.name in self.twins

    def forward(self, term, pairs, lengths):
        """Estimate the training label of waves by the twins of a term.

        Arguments
        ---------
        term : Term
            Whose label.
        pairs : dict
            "ear" and "device", who listens, to (reference, degraded): [batch,
            samples] each.
        lengths : torch.Tensor
            [batch], int64, valid samples of each item.

        Returns
        -------
        torch.Tensor
            [batch], float32, mean over the term's metrics.  Not clipped to [0,
            1]: the gradient would vanish.
        """
        total = 0
        scored, twins = self._scored[term.name], self.twins[term.name]
        for metrics, twin in zip(scored, twins, strict=True):
            raw = twin(*pairs[metrics[0].hears], lengths)
            label = _differentiable(metrics[0])(raw)
            total = total + len(metrics) * label
        return total / len(term.metrics)


def _joined(metrics, sample_rate):
    """Make twins, one for all composite opinions; they share most of the work.

    Returns the metrics that each stands for, whose label is that of their mean
    score: the curve of these is a line.
    """
    twins = {metric: metric.twin(sample_rate) for metric in metrics}
    opinions = [metric for metric in metrics if _is_opinion(metric, twins)]
    if len(opinions) < 2:
        return [[metric] for metric in metrics], list(twins.values())
    joint = MeanOpinionTwin([twins.pop(metric) for metric in opinions])
    return [opinions, *([m] for m in twins)], [joint, *twins.values()]


def _is_opinion(metric, twins):
    """Tell whether a metric is one of those of Hu and Loizou, as it stands."""
    twin = twins[metric]
    return (
        isinstance(twin, CompositeTwin)
        and (twin.floor, twin.best) == (metric.floor, metric.perfect)
        and OPINION_RANGE == (metric.floor, metric.perfect)
        and metric.curve is None
        and metric.hears == METRICS["csig"].hears
    )


def _kinds_by_target(targets, surrogate):
    """Return target name -> kind."""
    names = [target.name for target in targets]
    lacking = {
        target.name: [m.name for m in target.metrics if m.twin is None]
        for target in targets
    }
    if surrogate in KINDS[1:]:
        for name, metrics in lacking.items():
            if metrics:
                logger.info(
                    "%s has no twin: %s learns from a discriminator.",
                    listed(metrics),
                    name,
                )
        surrogate = {n: surrogate for n in names if not lacking[n]}
    elif isinstance(surrogate, str):
        surrogate = dict.fromkeys(names, surrogate)
    if not isinstance(surrogate, dict):
        raise UserError(
            f"surrogate is {surrogate!r}, must be one of {', '.join(KINDS)}, or "
            "'target: one of these' lines."
        )
    for name, kind in surrogate.items():
        if name not in names:
            raise UserError(
                f"surrogate: no target {name!r}{offer(name, names)}"
            )
        if kind not in KINDS:
            raise UserError(
                f"surrogate of {name} is {kind!r}{offer(kind, KINDS)}"
            )
        if kind != KINDS[0] and lacking[name]:
            known = sorted(n for n, m in METRICS.items() if m.twin is not None)
            raise UserError(
                f"surrogate of {name} is {kind!r}, but {listed(lacking[name])} "
                "has no twin; use 'discriminator' for it. Twins: "
                f"{listed(known, limit=len(known))}."
            )
    return {name: surrogate.get(name, KINDS[0]) for name in names}


def _differentiable(metric):
    """Return a metric's curve as a function of tensors."""
    curve = metric.curve or Linear(zero=metric.floor, one=metric.perfect)
    if isinstance(curve, Logistic):
        return lambda raw: torch.sigmoid(curve.slope * (raw - curve.midpoint))
    return curve  # arithmetic, or a user's own function of tensors

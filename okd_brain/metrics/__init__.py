"""What a metric is, the table of them, and the targets made of them."""

from okd_brain.metrics.table import (
    METRICS,
    Linear,
    Logistic,
    Metric,
    heads_of,
    parse_targets,
    resolve_metrics,
    with_curve,
)

__all__ = [
    "Linear",
    "Logistic",
    "METRICS",
    "Metric",
    "heads_of",
    "parse_targets",
    "resolve_metrics",
    "with_curve",
]

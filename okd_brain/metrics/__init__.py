"""What a metric is, the table of them, and the targets made of them.

A ``Metric`` (``record``) is one objective score with all that its numbers mean:
direction, range, training label, and which pairs of signals have no score.
``METRICS`` (``table``) holds one record per metric, built on the functions of
``okd_brain.measures``. ``targets`` turns the names that an experiment gives
into records (``resolve_metrics``) and into what each generator optimises
(``parse_targets``), whose terms are the heads of the discriminator
(``heads_of``). ``power`` has a column of tables that is not a metric to
optimise. Scoring workers import this room, so nothing here imports torch.
"""

from okd_brain.metrics.power import POWER_RATIO_DB
from okd_brain.metrics.record import Linear, Logistic, Metric
from okd_brain.metrics.table import METRICS, tiled_siib, with_curve
from okd_brain.metrics.targets import (
    Target,
    Term,
    heads_of,
    parse_targets,
    resolve_metrics,
)

__all__ = [
    "METRICS",
    "POWER_RATIO_DB",
    "Linear",
    "Logistic",
    "Metric",
    "Target",
    "Term",
    "heads_of",
    "parse_targets",
    "resolve_metrics",
    "tiled_siib",
    "with_curve",
]

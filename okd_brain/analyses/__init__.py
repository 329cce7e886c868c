"""What the paper says of trained generators, measured: see ``ANALYSES.md``.

Each module measures one thing and returns rows, a dict each, for a CSV file:
``correlation`` between metrics, ``conflict`` between gradients, ``flatness``
around the weights, ``distance`` between generators, ``curves`` over training.
``plots`` draws them, ``checkpoints`` finds what a run has kept. No analysis
changes a run.
"""

from okd_brain.analyses.conflict import conflict_points, measure_conflict
from okd_brain.analyses.correlation import correlate, correlation_matrices
from okd_brain.analyses.curves import score_checkpoints
from okd_brain.analyses.distance import (
    distance_points,
    measure_distance,
    open_run,
)
from okd_brain.analyses.flatness import measure_flatness
from okd_brain.analyses.plots import draw_lines, draw_matrices, melt

__all__ = [
    "conflict_points",
    "correlate",
    "correlation_matrices",
    "distance_points",
    "draw_lines",
    "draw_matrices",
    "measure_conflict",
    "measure_distance",
    "measure_flatness",
    "melt",
    "open_run",
    "score_checkpoints",
]

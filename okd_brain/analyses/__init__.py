"""What the paper says of trained generators, measured: see docs/analyses.md.

Each module measures one thing and returns rows, a dict each, for a CSV file:
``correlation`` between metrics, ``conflict`` between gradients, ``flatness``
around the weights, ``distance`` between generators, ``fidelity`` of surrogates
to their metrics, what ``edited`` masks reach, the ``front`` of methods between
two metrics, and the scores of all ``checkpoints`` that a run has kept. ``plots``
draws them, ``command`` is the ``analyse.py`` of the recipes. No analysis changes
a run.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "checkpoints": ["score_checkpoints"],
        "command": ["OF_EXPERIMENTS", "main"],
        "conflict": ["conflict_points", "measure_conflict"],
        "correlation": ["correlate", "correlation_matrices"],
        "distance": ["distance_points", "measure_distance", "open_run"],
        "edited": ["score_edited"],
        "fidelity": ["fidelity_table", "measure_fidelity"],
        "flatness": ["measure_flatness"],
        "front": [
            "front_tables",
            "measure_front",
            "read_study_scores",
        ],
        "plots": [
            "check_plots",
            "draw_front",
            "draw_lines",
            "draw_matrices",
            "melt",
        ],
    },
)

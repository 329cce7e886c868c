"""What the paper says of trained generators, measured: see ``ANALYSES.md``.

Each module measures one thing and returns rows, a dict each, for a CSV file:
``correlation`` between metrics, ``conflict`` between gradients, ``flatness``
around the weights, ``distance`` between generators, ``curves`` over training,
``fidelity`` of surrogates to their metrics, what ``edited`` masks reach, the
``front`` of methods between two metrics. ``plots`` draws them, ``checkpoints``
finds what a run has kept, ``command`` is the ``analyse.py`` of the recipes. No
analysis changes a run.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "command": ["OF_EXPERIMENTS", "main"],
        "conflict": ["conflict_points", "measure_conflict"],
        "correlation": ["correlate", "correlation_matrices"],
        "curves": ["score_checkpoints"],
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

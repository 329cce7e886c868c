"""From scores to what people and programs read.

A test gives scores: system -> utterance -> metric -> value. ``report`` averages
them into ``results.json``, ``conditions`` groups them by SNR, noise type and
speaker, ``statistics`` says how certain means and differences are, and
``tables`` writes every Markdown and CSV table of the package. Training,
evaluation and studies all report through here.
"""

from okd_brain.results.conditions import (
    break_down,
    conditions_of,
    find_conditions,
    read_conditions,
)
from okd_brain.results.report import (
    make_results,
    write_breakdown,
    write_results,
)
from okd_brain.results.statistics import (
    CONFIDENCE,
    interval_factor,
    json_number,
    seed_difference,
    summarise_scores,
)
from okd_brain.results.tables import (
    chosen_on_test,
    markdown,
    read_scores,
    results_tables,
    summary_table,
    write_rows,
)

__all__ = [
    "CONFIDENCE",
    "break_down",
    "chosen_on_test",
    "conditions_of",
    "find_conditions",
    "interval_factor",
    "json_number",
    "make_results",
    "markdown",
    "read_conditions",
    "read_scores",
    "results_tables",
    "seed_difference",
    "summarise_scores",
    "summary_table",
    "write_breakdown",
    "write_results",
    "write_rows",
]

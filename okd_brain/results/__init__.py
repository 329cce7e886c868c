"""From scores to what people and programs read.

A test gives scores: system -> utterance -> metric -> value. ``report`` averages
them into ``results.json``, ``conditions`` groups them by SNR, noise type and
speaker, ``statistics`` says how certain means and differences are, and
``tables`` writes every Markdown and CSV table of the package. Training,
evaluation and studies all report through here.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "conditions": [
            "break_down",
            "conditions_of",
            "find_conditions",
            "read_conditions",
        ],
        "report": ["make_results", "write_breakdown", "write_results"],
        "samples": [
            "SampleFolder",
            "check_samples",
            "choose",
            "gains",
            "spectrogram_db",
        ],
        "statistics": [
            "CONFIDENCE",
            "interval_factor",
            "json_number",
            "resampled_means",
            "seed_difference",
            "summarise_scores",
        ],
        "tables": [
            "UNPROCESSED",
            "chosen_on_test",
            "markdown",
            "read_scores",
            "results_tables",
            "summary_table",
            "write_rows",
        ],
    },
)

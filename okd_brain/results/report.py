"""Results of a test: means of all systems, and the files that keep them."""

import math
from collections import Counter
from pathlib import Path

from okd_brain.files import write_json
from okd_brain.results.statistics import json_means
from okd_brain.results.tables import chosen_on_test, write_rows


def make_results(*, corpus, split, scores, origins):
    """Average the scores of a test.

    Arguments
    ---------
    corpus : str
        Name of the corpus.
    split : str
        "test" or "valid".
    scores : dict
        system -> utterance -> metric -> value.
    origins : dict
        system -> where its weights come from.

    Returns
    -------
    dict
        ``corpus``, ``split``, ``utterances``, ``systems`` (system -> metric ->
        mean; null where nothing could be scored, or the mean is infinite),
        ``not_scored`` (system -> metric -> utterances left out of the mean,
        where there are any) and ``checkpoints`` (the origins).
    """
    missing = {
        system: Counter(
            metric
            for values in rows.values()
            for metric, value in values.items()
            if math.isnan(value)
        )
        for system, rows in scores.items()
    }
    return {
        "corpus": corpus,
        "split": split,
        "utterances": max(len(rows) for rows in scores.values()),
        "systems": {
            system: json_means(rows) for system, rows in scores.items()
        },
        "not_scored": {s: dict(found) for s, found in missing.items() if found},
        "checkpoints": origins,
    }


def write_results(folder, results, scores):
    """Write the results of a test, for programs and for people.

    Arguments
    ---------
    folder : str or Path
        Receives ``results.json`` (``results_valid.json`` for validation) and
        ``scores_<split>.csv``: a row per system and utterance, with the split
        that chose the system's epoch, where that is known.
    results : dict
        From ``make_results``.
    scores : dict
        The scores that they were made from.
    """
    folder, split = Path(folder), results["split"]
    rows = []
    for system, by_utterance in scores.items():
        origin = results["checkpoints"].get(system, {})
        rows += [
            {
                "system": system,
                "utterance": utterance,
                "chosen_on": origin.get("chosen_on", ""),
                **values,
            }
            for utterance, values in by_utterance.items()
        ]
    write_rows(folder / f"scores_{split}.csv", rows)
    name = "results.json" if split == "test" else f"results_{split}.json"
    write_json(folder / name, results)  # last: its presence means completeness


def write_breakdown(path, breakdown, results):
    """Write means by condition.

    Arguments
    ---------
    path : str or Path
        The JSON file: the conditions, and "chosen_on_test" with the systems
        of ``chosen_on_test``, if there are any.
    breakdown : dict
        From ``break_down``.
    results : dict
        From ``make_results``, of the same scores.
    """
    systems = chosen_on_test(results)
    warning = {"chosen_on_test": systems} if systems else {}
    write_json(path, {**warning, **breakdown})

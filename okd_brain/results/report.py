"""Scores to files that people and programs read."""

import csv
import math
import os
from pathlib import Path

from okd_brain.files import write_json
from okd_brain.scoring.board import means


def make_results(*, corpus, split, scores, origins):
    """Average the scores of a test.

    Arguments
    ---------
    corpus : str
        What the figures were measured on.
    split : str
        "test" or "valid".
    scores : dict
        system -> utterance -> metric -> value.
    origins : dict
        system -> where its weights are from.

    Returns
    -------
    dict
        ``corpus``, ``split``, ``utterances``, ``systems`` (system -> metric ->
        mean; null where nothing could be scored, or the mean is infinite),
        ``not_scored`` (system -> metric -> utterances left out of the mean,
        where there are any) and ``checkpoints`` (the origins).
    """
    return {
        "corpus": corpus,
        "split": split,
        "utterances": max(len(rows) for rows in scores.values()),
        "systems": {
            system: {
                metric: mean if math.isfinite(mean) else None
                for metric, mean in means(rows).items()
            }
            for system, rows in scores.items()
        },
        "not_scored": {
            system: missing
            for system, rows in scores.items()
            if (missing := _count_missing(rows))
        },
        "checkpoints": origins,
    }


def write_results(folder, results, scores):
    """Write the results of a test, for programs and for people.

    Arguments
    ---------
    folder : str or Path
        Receives ``results.json`` (for the test split; ``results_valid.json``
        for validation), and ``scores_<split>.csv``, a row per system and
        utterance, with the split that chose the system's epoch, where known.
    results : dict
        From ``make_results``.
    scores : dict
        What they were made from.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    split = results["split"]
    name = "results.json" if split == "test" else f"results_{split}.json"
    _write_csv(folder / f"scores_{split}.csv", scores, results["checkpoints"])
    write_json(folder / name, results)  # last: says that all is there


def write_breakdown(path, breakdown, results):
    """Write means by condition.

    Arguments
    ---------
    path : str or Path
        The JSON file. Beside the conditions it has "chosen_on_test", the
        systems of ``chosen_on_test``, if there are any.
    breakdown : dict
        From ``breakdown.break_down``.
    results : dict
        From ``make_results``, of the same scores.
    """
    systems = chosen_on_test(results)
    warning = {"chosen_on_test": systems} if systems else {}
    write_json(path, {**warning, **breakdown})


def chosen_on_test(results):
    """Return the systems whose checkpoints were chosen on the test set.

    Arguments
    ---------
    results : dict
        From ``make_results``.

    Returns
    -------
    list of str
    """
    return [
        system
        for system, origin in results["checkpoints"].items()
        if origin.get("chosen_on") == "test"
    ]


def optimism(results):
    """Return what must stand beside figures that the test set has chosen.

    Arguments
    ---------
    results : dict
        From ``make_results``.

    Returns
    -------
    str
        Empty if there are none.
    """
    systems = chosen_on_test(results)
    return f"CHOSEN ON THE TEST SET: {', '.join(systems)}" if systems else ""


def table(results):
    """Return the results as a Markdown table.

    Its title names the systems that were chosen on the test set.

    Arguments
    ---------
    results : dict
        From ``make_results``.

    Returns
    -------
    str

    Example
    -------
    >>> print(table({
    ...     "corpus": "mini", "split": "test", "utterances": 9,
    ...     "systems": {"noisy": {"pesq": 1.5}, "pesq": {"pesq": None}},
    ...     "checkpoints": {"pesq": {"epoch": 3}},
    ... }))
    mini, test, 9 utterances
    <BLANKLINE>
    | system | epoch | pesq |
    | --- | --- | --- |
    | noisy |  | 1.500 |
    | pesq | 3 | n/a |
    """
    systems = results["systems"]
    metrics = list(next(iter(systems.values())))
    rows = [["system", "epoch", *metrics], ["---"] * (2 + len(metrics))]
    for system, values in systems.items():
        epoch = results["checkpoints"].get(system, {}).get("epoch", "")
        cells = [values[metric] for metric in metrics]
        cells = ["n/a" if cell is None else f"{cell:.3f}" for cell in cells]
        rows.append([system, str(epoch), *cells])
    title = (
        f"{results['corpus']}, {results['split']}, "
        f"{results['utterances']} utterances"
    )
    warning = optimism(results)
    if warning:
        title += f"; {warning}"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([title, "", *lines])


def _count_missing(rows):
    missing = {}
    for scores in rows.values():
        for metric, value in scores.items():
            if math.isnan(value):
                missing[metric] = missing.get(metric, 0) + 1
    return missing


def _write_csv(path, scores, origins):
    metrics = list(next(iter(next(iter(scores.values())).values())))
    aside = path.with_name(path.name + ".part")
    with open(aside, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "utterance", "chosen_on", *metrics])
        for system, rows in scores.items():
            chosen_on = origins.get(system, {}).get("chosen_on", "")
            for utterance, values in rows.items():
                cells = [values[metric] for metric in metrics]
                writer.writerow([system, utterance, chosen_on, *cells])
    os.replace(aside, path)

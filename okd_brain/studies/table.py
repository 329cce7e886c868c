"""The table of a study: means and spread over seeds, the paper's figures."""

import itertools
import statistics
from dataclasses import dataclass
from pathlib import Path

from okd_brain.files import read_json, write_json, write_text
from okd_brain.results import (
    CONFIDENCE,
    chosen_on_test,
    interval_factor,
    markdown,
    seed_difference,
    write_rows,
)

CELLS = (
    *("method", "generator", "metric", "seeds"),
    *("mean", "standard_deviation", "paper"),
)
"""Columns of table.csv."""


@dataclass(frozen=True)
class Row:
    """A generator of a method, or the unprocessed input."""

    method: str
    generator: str  # empty for the input
    scores: dict  # metric -> seed -> mean over the test set
    paper: dict  # metric -> published figure


def write_table(study, runs, folder):
    """Write ``table.json``, ``table.csv`` and ``table.md``.

    Arguments
    ---------
    study : Study
        Its metrics are the columns.
    runs : list of Run
        From ``plan_runs``; those without results are named as missing.
    folder : str or Path
        Receives the files.

    Returns
    -------
    str
        The Markdown.
    """
    folder = Path(folder)
    rows, corpus, optimistic = _collect(study, runs)
    content = {
        "study": study.name,
        "corpus": corpus,
        "split": "test",
        "chosen_on_test": optimistic,
        "seeds": sorted({run.seed for run in runs}),
        "missing": [run.name for run in runs if not run.is_done],
        "rows": [
            _cell(row, metric) for row in rows for metric in study.metrics
        ],
        "differences": _differences(rows, study.metrics),
    }
    write_json(folder / "table.json", content)
    write_rows(folder / "table.csv", content["rows"], CELLS)
    text = _markdown(content, study.metrics)
    write_text(folder / "table.md", text)
    return text


def _collect(study, runs):
    """Return rows, corpus, and methods whose epochs the test set has chosen."""
    inputs, rows, corpus, optimistic = {}, {}, None, set()

    def row_of(entry, generator):
        paper = entry.paper.get(generator, {})
        row = Row(entry.name, generator, {}, paper)
        return rows.setdefault((entry.name, generator), row)

    for run in runs:
        for generator in run.entry.paper:
            row_of(run.entry, generator)
        if not (run.is_done and run.entry.in_table):
            continue
        results = read_json(run.results_file)
        corpus = results["corpus"]
        if chosen_on_test(results):
            optimistic.add(run.entry.name)
        for system, means in results["systems"].items():
            if system in results["checkpoints"]:
                if "@" in system:  # the warm-up of a run without a preparation
                    continue
                row = row_of(run.entry, system)
            else:
                row = inputs.setdefault(system, Row(system, "", {}, {}))
                if row.scores:
                    continue  # the same in every run
            for metric in study.metrics:
                if means.get(metric) is not None:
                    row.scores.setdefault(metric, {})[run.seed] = means[metric]
    return [*inputs.values(), *rows.values()], corpus, sorted(optimistic)


def _cell(row, metric):
    """Return one score of one row, over the seeds."""
    scores = row.scores.get(metric, {})
    values = list(scores.values())
    return {
        "method": row.method,
        "generator": row.generator,
        "metric": metric,
        "seeds": len(values),
        "mean": statistics.fmean(values) if values else None,
        "standard_deviation": statistics.stdev(values) if values[1:] else None,
        "paper": row.paper.get(metric),
        "scores": scores,
    }


def _differences(rows, metrics):
    """Compare every two generators, seed by seed; no seed changes the input."""
    compared = [row for row in rows if row.generator]
    found = []
    for metric in metrics:
        for pair in itertools.combinations(compared, 2):
            scores = (row.scores.get(metric, {}) for row in pair)
            difference = seed_difference(*scores)
            if difference is not None:
                first, second = (f"{r.method} ({r.generator})" for r in pair)
                names = {"metric": metric, "first": first, "second": second}
                found.append({**names, **difference})
    return found


def _markdown(content, metrics):
    cells = content["rows"]
    with_paper = any(cell["paper"] is not None for cell in cells)
    head = ["method", "generator", "seeds"]
    for metric in metrics:
        head += [metric, f"{metric}, the paper's"] if with_paper else [metric]
    lines = [head]
    for start in range(0, len(cells), len(metrics)):
        row = cells[start : start + len(metrics)]
        line = [row[0]["method"], row[0]["generator"]]
        line.append(str(max(cell["seeds"] for cell in row)) if line[1] else "")
        for cell in row:
            line.append(_figure(cell))
            if with_paper:
                paper = cell["paper"]
                line.append("" if paper is None else f"{paper:.2f}")
        lines.append(line)
    chosen = "on validation, by its own target"
    if content["chosen_on_test"]:
        marked = ", ".join(content["chosen_on_test"])
        chosen += f", but CHOSEN ON THE TEST SET by {marked}"
    corpus = content["corpus"]
    parts = [
        f"Study {content['study']}, corpus {corpus or 'not known yet'}, test set: "
        "mean over seeds ± standard deviation. Each generator's epoch was chosen "
        f"{chosen}."
    ]
    scored = {
        cell["metric"] for cell in cells if cell["generator"] and cell["seeds"]
    }
    unscored = [metric for metric in metrics if metric not in scored]
    if unscored and corpus:
        parts.append(
            f"No run has scored {', '.join(unscored)}: the study's metrics must "
            "be among the report_metrics or the targets of its experiments."
        )
    if content["missing"]:
        parts.append(f"Missing: {'; '.join(content['missing'])}.")
    parts += [markdown(lines), _verdict(content["differences"])]
    return "\n\n".join(parts) + "\n"


def _figure(cell):
    if cell["mean"] is None:
        return "–"
    spread = cell["standard_deviation"]
    return f"{cell['mean']:.3f}" + (
        "" if spread is None else f" ± {spread:.3f}"
    )


def _verdict(found):
    """Say in words which differences exceed the seeds' spread, and the rule."""
    judged = [one for one in found if one["exceeds"] is not None]
    if not judged:
        return (
            "There are no two seeds of any two rows yet, so that nothing can "
            "be said about differences between them."
        )
    fewest = min(one["seeds"] for one in judged)
    factor = interval_factor(fewest)
    exceeding = [one for one in judged if one["exceeds"]]
    by_chance = (1 - CONFIDENCE) * len(judged)
    text = (
        f"A difference between two rows counts as larger than the seeds' "
        f"spread if zero is outside of its {100 * CONFIDENCE:.0f} % confidence "
        "interval (differences within each seed, Student's t): with "
        f"{fewest} seeds, if their mean is above {factor:.1f} times their "
        f"standard deviation. {len(exceeding)} of {len(judged)} are (below, "
        f"with half of that interval); {by_chance:.0f} would be by chance "
        "alone if no method differed."
    )
    if fewest == 2:
        text += (
            " Two seeds are too few for this to find any but the plainest "
            "differences: that one is not listed does not mean that there is "
            "none."
        )
    lines = [
        f"* {one['metric']}: {one['first']} − {one['second']} = "
        f"{one['mean']:+.3f} ± {one['half_width']:.3f}"
        for one in exceeding
    ]
    return "\n".join([text, "", *lines]).rstrip()

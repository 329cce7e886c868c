"""The table of a study: means and spread over seeds, the paper's figures."""

import csv
import io
import os
import statistics
from pathlib import Path

from okd_brain.files import write_json
from okd_brain.studies.differences import (
    CONFIDENCE,
    differences,
    interval_factor,
)
from okd_brain.studies.scores import Row, collect


def write_table(study, runs, folder):
    """Write ``table.json``, ``table.csv`` and ``table.md``.

    Arguments
    ---------
    study : Study
        What is compared.
    runs : list of Run
        Finished or not.
    folder : str or Path
        Receives the files.

    Returns
    -------
    str
        The Markdown.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows, corpus, optimistic = collect(study, runs)
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
        "differences": differences(rows, study.metrics),
    }
    write_json(folder / "table.json", content)
    text = io.StringIO()
    names = [key for key in _cell(Row("", "", {}, {}), "") if key != "scores"]
    writer = csv.DictWriter(text, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(content["rows"])
    _write(folder / "table.csv", text.getvalue())
    markdown = _markdown(content, study.metrics)
    _write(folder / "table.md", markdown)
    return markdown


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


def _write(path, text):
    """Write a text that appears under its name only when complete."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _markdown(content, metrics):
    cells = content["rows"]
    with_paper = any(cell["paper"] is not None for cell in cells)
    heads = ["method", "generator", "seeds"]
    for metric in metrics:
        heads += [metric, f"{metric}, the paper's"] if with_paper else [metric]
    lines = [heads, ["---"] * len(heads)]
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
        listed = ", ".join(content["chosen_on_test"])
        chosen += f", but CHOSEN ON THE TEST SET by {listed}"
    corpus = content["corpus"]
    parts = [
        f"Study {content['study']}, corpus {corpus or 'not known yet'}, test set: "
        "mean over seeds ± standard deviation. Each generator's epoch was chosen "
        f"{chosen}.",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
        _verdict(content["differences"]),
    ]
    if content["missing"]:
        parts.insert(1, f"Missing: {'; '.join(content['missing'])}.")
    scored = {
        cell["metric"] for cell in cells if cell["generator"] and cell["seeds"]
    }
    unscored = [metric for metric in metrics if metric not in scored]
    if unscored and corpus:
        parts.insert(
            1,
            f"No run has scored {', '.join(unscored)}: the study's metrics must "
            "be among the report_metrics or the targets of its experiments.",
        )
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
    listed = [
        f"* {one['metric']}: {one['first']} − {one['second']} = "
        f"{one['mean']:+.3f} ± {one['half_width']:.3f}"
        for one in exceeding
    ]
    return "\n".join([text, "", *listed]).rstrip()

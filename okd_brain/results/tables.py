"""Every Markdown and CSV table of the package."""

import csv

import numpy as np

from okd_brain.files import write_csv
from okd_brain.messages import UserError, counted
from okd_brain.results.statistics import CONFIDENCE, summarise_scores

DESCRIBED = ("system", "utterance", "chosen_on")  # the rest are metrics
UNPROCESSED = ("noisy", "unprocessed")  # the input, in tables of the two tasks


def markdown(rows):
    """Return a Markdown table.

    Arguments
    ---------
    rows : list of list of str
        The first one is the header.

    Returns
    -------
    str

    Example
    -------
    >>> print(markdown([["system", "pesq"], ["noisy", "1.500"]]))
    | system | pesq |
    | --- | --- |
    | noisy | 1.500 |
    """
    head, *body = rows
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def results_tables(results, breakdown=None, scores=None):
    """Return the results of a test as Markdown tables.

    Titles name the systems whose epoch was chosen on the test set.

    Arguments
    ---------
    results : dict
        From ``make_results``.
    breakdown : dict, optional
        From ``break_down``; one more table per condition.
    scores : dict, optional
        system -> utterance -> metric -> value, of which the results are means:
        the first table has their 95 % intervals, too (``summarise_scores``).

    Returns
    -------
    str

    Example
    -------
    >>> print(results_tables(
    ...     {
    ...         "corpus": "mini", "split": "test", "utterances": 9,
    ...         "systems": {"noisy": {"pesq": 1.5}, "pesq": {"pesq": None}},
    ...         "checkpoints": {"pesq": {"epoch": 3}},
    ...     },
    ...     {"noise": {
    ...         "bus": {"utterances": 4, "systems": {"noisy": {"pesq": 1.25}}},
    ...     }},
    ... ))
    mini, test, 9 utterances
    <BLANKLINE>
    | system | epoch | pesq |
    | --- | --- | --- |
    | noisy |  | 1.500 |
    | pesq | 3 | n/a |
    <BLANKLINE>
    | noise | utterances | system | pesq |
    | --- | --- | --- | --- |
    | bus | 4 | noisy | 1.250 |
    """
    origins = results["checkpoints"]
    title = (
        f"{results['corpus']}, {results['split']}, "
        f"{counted(results['utterances'], 'utterance')}"
    )
    if scores is not None:
        title += f"; in parentheses, {100 * CONFIDENCE:.0f} % of the mean"
    marked = ", ".join(chosen_on_test(results))
    warning = [f"CHOSEN ON THE TEST SET: {marked}"] if marked else []
    systems = results["systems"]
    metrics = list(next(iter(systems.values())))
    rows = [["system", "epoch", *metrics]]
    for system, means in systems.items():
        epoch = str(origins.get(system, {}).get("epoch", ""))
        cells = _cells(means, metrics)
        if scores is not None:
            intervals = _intervals(scores[system].values(), metrics)
            cells = map("".join, zip(cells, intervals, strict=True))
        rows.append([system, epoch, *cells])
    blocks = ["; ".join([title, *warning]), markdown(rows)]
    for condition, groups in (breakdown or {}).items():
        rows = [[condition, "utterances", "system", *metrics]]
        rows += [
            [label, str(group["utterances"]), system, *_cells(means, metrics)]
            for label, group in groups.items()
            for system, means in group["systems"].items()
        ]
        blocks += [*warning, markdown(rows)]
    return "\n\n".join(blocks)


def chosen_on_test(results):
    """Return the systems whose epoch was chosen on the test set.

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


def summary_table(summaries):
    """Return summaries as lines of plain text.

    Arguments
    ---------
    summaries : dict
        Metric -> Summary.

    Returns
    -------
    str

    Example
    -------
    >>> from okd_brain.results.statistics import Summary
    >>> print(summary_table({"pesq": Summary(1.97, 0.75, 1.92, 2.02, 824)}))
    metric     mean     std   95 % of the mean   scored
    pesq      1.970   0.750     1.920 to 2.020      824
    """
    width = max(len("metric"), *map(len, summaries))
    head = f"{'metric':{width}}  {'mean':>7} {'std':>7}"
    lines = [f"{head}   95 % of the mean   scored"]
    for name, s in summaries.items():
        interval = f"{s.low:.3f} to {s.high:.3f}" if s.scored > 1 else ""
        lines.append(
            f"{name:{width}}  {s.mean:7.3f} {s.std:7.3f}   {interval:>16}"
            f"   {s.scored:6d}"
        )
    return "\n".join(lines)


def write_rows(path, rows, columns=None):
    """Write rows to a CSV file.

    Arguments
    ---------
    path : str or Path
        The file.
    rows : list of dict
        At least one, unless ``columns`` are given.
    columns : list of str, optional
        Keys to write; those of the first row by default.
    """
    columns = list(columns or rows[0])
    write_csv(path, [columns, *([row[key] for key in columns] for row in rows)])


def read_scores(path, fewest=2):
    """Read a CSV file of scores per utterance.

    Arguments
    ---------
    path : Path
        A file of ``train.py`` or ``evaluate.py``, with the columns ``system``,
        ``utterance``, ``chosen_on`` and metrics; or one of ``okd-score``, which
        has no ``system``, so that the file's name takes its place.
    fewest : int
        Metrics that it must have; one has no correlation.

    Returns
    -------
    dict
        system -> utterance -> metric -> value; an empty cell is NaN.

    Raises
    ------
    UserError
        If the file has other columns, too few metrics or no utterance,
        names an utterance twice, or has a line that is not CSV, with more or
        fewer cells than the first or with a cell that is not a number.
    """
    # Names of files that are not UTF-8 are written as they are.
    with open(
        path, newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        reader = csv.DictReader(file, strict=True)
        try:
            return _scores(reader, path, fewest)
        except csv.Error as error:
            where = f"{path}, line {reader.reader.line_num}"
            raise UserError(f"{where}: {error}") from error


def _scores(reader, path, fewest):
    columns = reader.fieldnames or []
    metrics = [column for column in columns if column not in DESCRIBED]
    if "utterance" not in columns or len(metrics) < fewest:
        raise UserError(
            f"{path} has the columns {', '.join(columns) or '(none)'}, but "
            "a file of scores has utterance and at least "
            f"{'two metrics' if fewest == 2 else 'one metric'}, and "
            "may have system: as scores_test.csv of train.py and "
            "evaluate.py, or okd-score -o scores.csv"
        )
    scores = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            raise UserError(
                f"{where}: not {counted(len(columns), 'cell')}, as the first "
                "line has"
            )
        by_utterance = scores.setdefault(row.get("system", path.stem), {})
        if row["utterance"] in by_utterance:
            raise UserError(f"{where}: {row['utterance']} is there twice")
        by_utterance[row["utterance"]] = {
            metric: _number(row[metric], where) for metric in metrics
        }
    if not scores:
        raise UserError(f"{path} has no utterance")
    return scores


def _cells(means, metrics):
    found = [means[metric] for metric in metrics]
    return ["n/a" if mean is None else f"{mean:.3f}" for mean in found]


def _intervals(rows, metrics):
    """Return " (low to high)" for each metric, or "" where there is none."""
    for metric in metrics:
        values = np.array([row[metric] for row in rows])
        summary = summarise_scores(values)
        known = np.isfinite([summary.low, summary.high]).all()
        yield f" ({summary.low:.3f} to {summary.high:.3f})" if known else ""


def _number(cell, where):
    try:
        return float(cell or "nan")  # okd-score leaves a cell empty
    except ValueError as error:
        raise UserError(f"{where}: '{cell}' is not a number") from error

"""Files of the analyses: scores that are read, rows that are written."""

import csv

DESCRIBED = ("system", "utterance", "chosen_on")


def read_scores(path):
    """Read a file of scores per utterance.

    Arguments
    ---------
    path : Path
        A CSV file of ``train.py`` or ``evaluate.py``, with the columns
        ``system``, ``utterance``, ``chosen_on`` and metrics; or of ``okd-score``,
        without ``system``, which is then called as the file.

    Returns
    -------
    dict
        system -> utterance -> metric -> value; an empty cell is NaN.

    Raises
    ------
    ValueError
        If it is no such file, has fewer than two metrics or no utterance, an
        utterance is there twice, a line has other cells than the first, or one
        is not a number.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        columns = reader.fieldnames or []
        metrics = [column for column in columns if column not in DESCRIBED]
        if "utterance" not in columns or len(metrics) < 2:
            raise ValueError(
                f"{path} has the columns {', '.join(columns) or '(none)'}, but "
                "a file of scores has utterance and at least two metrics, and "
                "may have system: as scores_test.csv of train.py and "
                "evaluate.py, or okd-score -o scores.csv"
            )
        scores = {}
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"{path}, line {reader.line_num}: not {len(columns)} "
                    "cells, as the first line has"
                )
            by_utterance = scores.setdefault(row.get("system", path.stem), {})
            if row["utterance"] in by_utterance:
                raise ValueError(
                    f"{path}, line {reader.line_num}: {row['utterance']} is "
                    "there twice"
                )
            by_utterance[row["utterance"]] = {
                metric: _number(row[metric], f"{path}, line {reader.line_num}")
                for metric in metrics
            }
    if not scores:
        raise ValueError(f"{path} has no utterance")
    return scores


def write_rows(path, rows):
    """Write rows to a CSV file.

    Arguments
    ---------
    path : str or Path
        The file.
    rows : list of dict
        At least one; all with the keys of the first.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _number(cell, where):
    try:
        return float(cell or "nan")  # okd-score leaves a cell empty
    except ValueError as error:
        raise ValueError(f"{where}: '{cell}' is not a number") from error

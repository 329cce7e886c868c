"""Curves of a run, from the table that training writes after every epoch.

Nothing is locked and nothing is written to the run's folder: it may be at work,
on another machine, too.
"""

import json
import math
import re
import time
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from okd_brain.files import read_json
from okd_brain.messages import UserError, duration
from okd_brain.survival import PROGRESS
from okd_brain.training import TRAIN_LOG, EpochTable

DIGITS = 5  # of a value
SECONDS_OLD = 60  # what a run says of itself is written every few seconds

FIDELITY = {  # ``training.fidelity_stats``
    "r": "correlation with the metric, all edits",
    "sign": "sign agreement with the metric, all edits",
    "small r": "correlation, small changes",
    "small sign": "sign agreement, small changes",
    "own rises": "share of steps along the gradient that raise the score",
    "own gain": "gain of a step along the gradient",
    "sup rises": "share of supervised steps that raise the score",
    "sup gain": "gain of a supervised step",
}

VALIDATION = "Validation"
COLUMNS = {  # of the table -> group, chart, line
    r"(?:valid|test) (\S+) (\S+)": (VALIDATION, r"\2", r"\1"),
    r"train (\S+) (adversarial|mimicry)": ("Losses", r"\2", r"\1"),
    r"(?:valid|test) (\S+) spectral error": (
        *("Losses", "spectral error in validation"),
        r"\1",
    ),
    r"train (spectral error|loss)": ("Losses", r"\1", "all networks"),
    r"train D (\S+) (\S+)": ("Error of the discriminator", r"\1", r"\2"),
    r"(?:valid|test) fid (\S+) (.+)": ("Fidelity", r"\2", r"\1"),
    r"(?:valid|test) distance (\S+ \S+)": (
        *("Distance between generators", "mean squared difference"),
        r"\1",
    ),
    r"train (?:g_)?(\S+) gradient norm": ("Gradients", "norm", r"\1"),
    r"seconds (.+)": ("Time", "seconds", r"\1"),
}


@dataclass(frozen=True)
class Run:
    """What one run has come to so far.

    Attributes
    ----------
    rows : list of dict
        Of train_log.csv, a row per epoch; empty before the end of the first.
    state : str
        Where it is, as a person reads it.
    is_done : bool
        Whether it has its results.
    path : Path
        Of train_log.csv, for messages.
    """

    rows: list
    state: str
    is_done: bool
    path: Path


def read_run(folder):
    """Read what there is of a run.

    Arguments
    ---------
    folder : str or Path
        Output folder of ``train.py``, of a run that is at work, done, or
        neither.

    Returns
    -------
    Run or None
        None if the folder is not one of these, or holds the results of a run
        without its table.

    Raises
    ------
    UserError
        If the table is not one.
    """
    folder = Path(folder)
    path = folder / TRAIN_LOG
    is_done = (folder / "results.json").is_file()
    is_new = (folder / "run.json").is_file() and not (
        is_done or (folder / "train_log.txt").is_file()  # of an older okd
    )
    if not path.is_file() and not is_new:
        return None
    rows = EpochTable(path).rows
    return Run(rows, _state(folder, rows, is_done), is_done, path)


def experiment_of(folder):
    """Return the name of a run's experiment, and of the run.

    Arguments
    ---------
    folder : str or Path
        Of a run, or of anything else.

    Returns
    -------
    experiment, name : str
        "okd_50" and "okd_50/1" of a folder okd_50/1 whose run has seed 1;
        elsewhere, twice the name of the folder.
    """
    folder = Path(folder).resolve()
    try:
        seed = read_json(folder / "run.json")["options"]["seed"]
    except (UserError, LookupError, TypeError):
        seed = None
    if folder.name == str(seed):
        return folder.parent.name, f"{folder.parent.name}/{folder.name}"
    return folder.name, folder.name


def curves_of(run):
    """Return the numbers of a run as the page has them.

    Arguments
    ---------
    run : Run
        From ``read_run``.

    Returns
    -------
    dict
        "state", "is_done"; "epochs", "updates" (of generators) and "hours" at
        each row; "stages", pairs of the index of
        a row and of what begins there; and "curves": group -> chart -> line ->
        a value per row, None where there is none.

    Raises
    ------
    UserError
        If a value is no number.
    """
    rows = run.rows
    columns = list(rows[-1]) if rows else []
    values = {
        column: [_number(run.path, row, column) for row in rows]
        for column in columns
        if column != "stage"
    }
    curves = {}
    for pattern, names in COLUMNS.items():
        for match in filter(None, (re.fullmatch(pattern, c) for c in values)):
            group, chart, line = map(match.expand, names)
            charts = curves.setdefault(group, {})
            lines = charts.setdefault(FIDELITY.get(chart, chart), {})
            lines[line] = values[match.string]
    kinds = curves.get("Time", {}).get("seconds", {}).values()
    seconds = [sum(of[i] or 0 for of in kinds) for i in range(len(rows))]
    stages = [row.get("stage") for row in rows]
    return {
        "state": run.state,
        "is_done": run.is_done,
        "epochs": [row["epoch"] for row in rows],
        "updates": values.get("updates", [None] * len(rows)),
        "hours": [_short(s / 3600) for s in accumulate(seconds)],
        "stages": [
            [index, stage]
            for index, stage in enumerate(stages)
            if index == 0 or stage != stages[index - 1]
        ],
        "curves": curves,
    }


def _state(folder, rows, is_done):
    """Return where a run is, as it said last."""
    note = folder / PROGRESS
    try:
        text = json.loads(note.read_text("utf-8"))["text"]
        age = time.time() - note.stat().st_mtime
    except (OSError, ValueError, LookupError, TypeError):
        # It has ended, or is between two of its acts.
        at = f"after epoch {rows[-1]['epoch']}" if rows else "at its beginning"
        return "done" if is_done else f"{at}; not at work"
    return text if age < SECONDS_OLD else f"{text}, said {duration(age)} ago"


def _number(path, row, column):
    """Return a value of the table; None where there is none, or not finite."""
    text = row.get(column)
    if text in ("", None):
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise UserError(
            f"{path}: {column} of epoch {row['epoch']} is {text!r}, not a number"
        ) from error
    return _short(value) if math.isfinite(value) else None


def _short(value):
    return float(f"{value:.{DIGITS}g}")

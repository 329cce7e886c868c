"""Where a run stands: one bar, a line per validated epoch, a table of epochs.

People read the bar and the lines; ``train_log.csv`` has every number of every
epoch, and ``progress.json`` tells other programs where the run is now. What is
logged goes to ``log.txt`` whole; the console leaves out what only a developer
wants.
"""

import contextlib
import csv
import json
import logging
import time
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from okd_brain.distributed import world_size
from okd_brain.files import replacing
from okd_brain.messages import UserError, duration
from okd_brain.results import write_rows
from okd_brain.survival import PROGRESS

LOG_CONFIG = str(Path(__file__).with_name("log-config.yaml"))
"""For SpeechBrain's ``create_experiment_directory``."""

TRAIN_LOG = "train_log.csv"
SECONDS_BETWEEN = 5.0  # of one progress.json and the next
FEW = 3  # steps of the run are too few to tell how long the others take
BAR = "{desc} |{bar}|"
VERBOSE = ("speechbrain", "okd_brain.training.internals", "py.warnings")


class ConsoleFilter(logging.Filter):
    """Keep from the console what only the log file has to tell.

    Example
    -------
    >>> record = logging.LogRecord(
    ...     "speechbrain.core", logging.INFO, "", 0, "Going into epoch 1", (), None
    ... )
    >>> ConsoleFilter().filter(record)
    False
    """

    def filter(self, record):
        """Tell whether a record is for the console."""
        name = record.name
        verbose = any(name == n or name.startswith(f"{n}.") for n in VERBOSE)
        return record.levelno >= logging.WARNING or not verbose


class ConsoleFormatter(logging.Formatter):
    """Write messages as they are, with the level of those that warn.

    Example
    -------
    >>> record = logging.LogRecord(
    ...     "okd", logging.WARNING, "", 0, "The disk is full.", (), None
    ... )
    >>> ConsoleFormatter().format(record)
    'WARNING: The disk is full.'
    """

    def format(self, record):
        """Return the text of a record."""
        text = super().format(record)
        quiet = record.levelno < logging.WARNING
        return text if quiet else f"{record.levelname}: {text}"


def planned_epochs(brain, utterances):
    """Return what each epoch of a run visits, from the first to the last.

    Arguments
    ---------
    brain : OKDBrain
        Knows its phases.
    utterances : int
        Of the training set.

    Returns
    -------
    list of (int, list of Phase, int, int)
        Epoch, its phases, how many utterances are drawn for the current set,
        and how many waves the replay then holds.
    """
    curriculum, limit = brain.curriculum, brain.hparams.max_history
    planned, stored = [], 0
    for epoch in range(1, curriculum.last_epoch + 1):
        phases = brain.phases(epoch, utterances, stored)
        makes_set = curriculum.stage_of(epoch) != "warmup" and brain.heads
        drawn = curriculum.scored_size(utterances, epoch) if makes_set else 0
        stored = min(stored + drawn, limit or float("inf"))
        planned.append((epoch, phases, drawn, stored))
    return planned


class Progress:
    """Count the work of a run, and say how much is left.

    Work is counted in batches of each phase, in utterances of the current set
    and of validation, and in measurements of fidelity. What one of each takes
    is measured since the process began; what has not been done yet counts as
    the mean of the others.

    Arguments
    ---------
    brain : OKDBrain
        Of the run.
    shown : bool
        Whether there is a bar, if the terminal has room for one.

    Attributes
    ----------
    epoch : int
        The present one; 0 before the first.
    seconds : dict
        Kind of work -> seconds of the present epoch.
    """

    def __init__(self, brain, shown):
        self.brain = brain
        self.is_main = brain.rank == 0
        # None: tqdm has no bar where standard error is not a terminal.
        self._off = None if shown and self.is_main else True
        self._bar = None
        self.file = brain.artifacts_folder / PROGRESS
        self.epoch = 0
        self.is_noted = False  # analyses leave no note
        self.total, self.left = 0, Counter()
        self.seconds = Counter()
        self._spent, self._done = Counter(), Counter()
        self._last = self._line = time.monotonic()
        self._written = float("-inf")

    def begin_epoch(self, epoch, utterances, validated, done, has_set):
        """Count what is left at the start of an epoch, or where it goes on.

        Stages may have ended early, so that all is counted again.

        Arguments
        ---------
        epoch : int
            That starts, or goes on.
        utterances : int
            Of the training set.
        validated : int
            Batches of a validation.
        done : Counter
            Phase -> batches of the epoch that are done.
        has_set : bool
            Whether the current set is there.
        """
        brain, limit = self.brain, self.brain.debug_limit
        self.total, self.left = 0, Counter()
        for number, phases, drawn, _ in planned_epochs(brain, utterances):
            work = Counter()
            for phase in phases:
                work[phase.name] += phase.batches(world_size(), limit)
            if limit is not None:
                drawn = min(drawn, limit * brain.curriculum.batch_size)
            work["current set"] = -(-drawn // world_size())
            work["validation"] = validated * brain.is_validated(number)
            work["fidelity"] = int(
                brain.has_surrogates and brain.curriculum.is_measured(number)
            )
            self.total += work.total()
            if number == epoch:
                work.subtract(done)
                work["current set"] *= not has_set
            if number >= epoch:
                self.left.update(work)
        self.epoch = epoch
        self.is_noted = True
        self.seconds.clear()
        self._last = time.monotonic()

    def step(self, kind, done, of, number=1):
        """Count work that has been done since the last call.

        Arguments
        ---------
        kind : str
            A phase, "current set", "validation" or "fidelity".
        done : int
            How much of this pass is done.
        of : int
            How much there is.
        number : int
            How much of it since the last call.
        """
        now = time.monotonic()
        self.seconds[kind] += now - self._last
        self._spent[kind] += now - self._last
        self._last = now
        self._done[kind] += number
        self.left[kind] -= number
        self._tell(kind, done, of)

    def seconds_left(self):
        """Return the seconds that the rest takes; None if it is too early."""
        if self._done.total() < FEW:
            return None
        others = sum(self._spent.values()) / self._done.total()
        return sum(
            max(0, number)
            * (
                self._spent[kind] / self._done[kind]
                if self._done[kind]
                else others
            )
            for kind, number in self.left.items()
        )

    def epoch_seconds(self):
        """Return the seconds since the last call, or since the beginning."""
        now = time.monotonic()
        since, self._line = now - self._line, now
        return since

    def describe(self, kind, done, of):
        """Return where the run is: "epoch 19/750 okd, replay 34/120, 3 h left".

        Arguments
        ---------
        kind : str
            What is being done.
        done : int
            How much of it.
        of : int
            How much there is.

        Returns
        -------
        str
        """
        curriculum = self.brain.curriculum
        text = f"{kind} {done}/{of}"
        if self.epoch:
            where = f"epoch {self.epoch}/{curriculum.last_epoch}"
            text = f"{where} {curriculum.stage_of(self.epoch)}, {text}"
        seconds = self.seconds_left() if self.epoch else None
        return text if seconds is None else f"{text}, {duration(seconds)} left"

    def _tell(self, kind, done, of):
        """Show it, and write it down from time to time."""
        if not self.is_main:
            return
        text = self.describe(kind, done, of)
        self._show(text, done, of)
        if self.is_noted and time.monotonic() - self._written > SECONDS_BETWEEN:
            self._written = time.monotonic()
            state = {
                "epoch": self.epoch,
                "last_epoch": self.brain.curriculum.last_epoch,
                "doing": kind,
                "text": text,
                "seconds_left": self.seconds_left() if self.epoch else None,
            }
            with contextlib.suppress(OSError, UserError):  # a note, no more
                with replacing(self.file, durable=False) as partial:
                    partial.write_text(json.dumps(state))

    def _show(self, text, done, of):
        if self._bar is None:
            self._bar = tqdm(
                total=1.0,
                bar_format=BAR,
                disable=self._off,
                dynamic_ncols=True,
                leave=False,
            )
        share = done / max(1, of)
        if self.epoch:
            share = 1 - max(0, self.left.total()) / max(1, self.total)
        self._bar.desc = text
        self._bar.update(max(1e-9, share - self._bar.n))

    def begin_test(self):
        """Forget the epochs: what follows is counted by itself."""
        self.epoch = 0
        self.close()

    def close(self):
        """Take away the bar, and the note of where the run is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self.is_main:
            self.file.unlink(missing_ok=True)
            self._written = float("-inf")


class EpochTable:
    """The numbers of every epoch so far: ``train_log.csv``.

    A run that goes on repeats the epochs after its checkpoint: their rows are
    replaced. Columns are those of all epochs together, empty where an epoch has
    none.

    Arguments
    ---------
    path : str or Path
        The file; read if it is there.

    Raises
    ------
    UserError
        If what is there is not such a table.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train_log.csv"
    >>> EpochTable(path).add({"epoch": 1, "train loss": 0.5})
    >>> table = EpochTable(path)
    >>> table.add({"epoch": 2, "train loss": 0.25, "valid pesq pesq": 2.0})
    >>> print(path.read_text())
    epoch,train loss,valid pesq pesq
    1,0.5,
    2,0.25,2.0
    <BLANKLINE>
    """

    def __init__(self, path):
        self.path = Path(path)
        self.rows = []
        if self.path.is_file():
            try:
                with open(self.path, newline="", encoding="utf-8") as file:
                    self.rows = list(csv.DictReader(file, strict=True))
                for row in self.rows:
                    row["epoch"] = int(row["epoch"])
                    row.pop(None, None)
            except (ValueError, TypeError, LookupError, csv.Error) as error:
                raise UserError(
                    f"{self.path} is not the table of epochs that it was "
                    f"written as: {error}. Move it away, and the same command "
                    "goes on with a new one."
                ) from error

    def add(self, row):
        """Write an epoch in the place of itself and of all after it.

        Arguments
        ---------
        row : dict
            "epoch", and anything else.
        """
        self.rows = [old for old in self.rows if old["epoch"] < row["epoch"]]
        self.rows.append(row)
        columns = dict.fromkeys(key for row in self.rows for key in row)
        rows = [{**dict.fromkeys(columns, ""), **row} for row in self.rows]
        write_rows(self.path, rows, columns)


def epoch_line(epoch, last_epoch, stage, generators, agreements, seconds, left):
    """Return what a validated epoch has come to, in one line.

    Arguments
    ---------
    epoch : int
        Counted from 1.
    last_epoch : int
        Of the run.
    stage : str
        Of the curriculum.
    generators : list of dict
        Each with "name", "value", "unprocessed" (None if unknown), "best" and
        "best_epoch": the target's own metric.
    agreements : dict
        Name of each head -> its sign agreement in [0, 1]; empty if not measured.
    seconds : float
        Since the last line.
    left : float or None
        Seconds that remain.

    Returns
    -------
    str

    Example
    -------
    >>> pesq = {"name": "pesq", "value": 2.3, "unprocessed": 1.97}
    >>> print(epoch_line(
    ...     20, 750, "okd", [{**pesq, "best": 2.35, "best_epoch": 10}],
    ...     {"pesq": 0.81}, 754, 270_000,
    ... ))
    epoch 20/750 okd: pesq 2.300, best 2.350 in epoch 10 (unprocessed 1.970); sign agreement pesq 0.81; took 13 min, 3 days 3 h left
    """
    pieces = []
    for one in generators:
        text = f"{one['name']} {one['value']:.3f}, "
        if one["best_epoch"] == epoch:
            text += "the best so far"
        else:
            text += f"best {one['best']:.3f} in epoch {one['best_epoch']}"
        if one["unprocessed"] is not None:
            text += f" (unprocessed {one['unprocessed']:.3f})"
        pieces.append(text)
    if agreements:
        found = ", ".join(f"{n} {value:.2f}" for n, value in agreements.items())
        pieces.append(f"sign agreement {found}")
    time_text = f"took {duration(seconds)}"
    if left:
        time_text += f", {duration(left)} left"
    pieces.append(time_text)
    return f"epoch {epoch}/{last_epoch} {stage}: {'; '.join(pieces)}"

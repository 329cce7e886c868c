"""An estimate of how loud the noise around a listener is, over time."""

import contextlib
import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = ("seconds", "dbfs")
# 45 dB above speech at -25 dBFS; a larger number is a sound pressure level.
MAX_DBFS = 20.0


@dataclass(frozen=True)
class NoiseLevels:
    """Levels at some times; straight lines in dB between them.

    Before the first time and after the last, their levels hold.

    Attributes
    ----------
    seconds : numpy.ndarray
        [times], ascending.
    dbfs : numpy.ndarray
        [times], RMS in dB relative to full scale 1.
    """

    seconds: np.ndarray
    dbfs: np.ndarray

    def amplitude(self, seconds):
        """Return the RMS at some times.

        Arguments
        ---------
        seconds : numpy.ndarray
            [samples].

        Returns
        -------
        numpy.ndarray
            [samples], full scale 1.

        Example
        -------
        >>> levels = NoiseLevels(np.array([0.0, 2.0]), np.array([-40.0, -20.0]))
        >>> levels.amplitude(np.array([0, 1, 2, 3])).round(4).tolist()
        [0.01, 0.0316, 0.1, 0.1]
        """
        return 10 ** (np.interp(seconds, self.seconds, self.dbfs) / 20)


def read_noise_levels(path):
    """Read levels from a CSV file.

    Arguments
    ---------
    path : str or Path
        A time in seconds and a level in dBFS (RMS, full scale 1) in each line,
        times ascending; ``seconds,dbfs`` may stand above them, and lines may be
        empty.

    Returns
    -------
    NoiseLevels

    Raises
    ------
    ValueError
        If there is no such file or no level in it, or a line is not of this
        kind.

    Example
    -------
    >>> path = getfixture("tmp_path") / "levels.csv"
    >>> length = path.write_text("seconds,dbfs\\n0,-40\\n2.5,-20\\n")
    >>> read_noise_levels(path)
    NoiseLevels(seconds=array([0. , 2.5]), dbfs=array([-40., -20.]))
    """
    try:
        text = Path(path).read_text("utf-8-sig")  # as spreadsheets write it
    except (OSError, UnicodeError) as error:
        raise ValueError(
            f"{path}: cannot be read as levels of noise: {error}"
        ) from error
    points = []
    rows = csv.reader(text.splitlines())
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        cells = tuple(cell.strip() for cell in row)
        if not any(cells) or (not points and cells == COLUMNS):
            continue
        seconds, dbfs = _numbers(cells, where)
        if points and seconds <= points[-1][0]:
            raise ValueError(
                f"{where}: times must ascend, but {seconds:g} s comes after "
                f"{points[-1][0]:g} s."
            )
        if dbfs > MAX_DBFS:
            raise ValueError(
                f"{where}: {dbfs:g} dBFS is louder than any noise can be in a "
                f"file. Levels are RMS relative to full scale, up to "
                f"{MAX_DBFS:g} dBFS; is this a sound pressure level?"
            )
        points.append((seconds, dbfs))
    if not points:
        raise ValueError(
            f"{path}: holds no level; each line is a time in seconds and a "
            "level in dBFS, as in 0.5,-30"
        )
    return NoiseLevels(*np.array(points).T)


def _numbers(cells, where):
    """Return the two numbers of a line."""
    # Of text, or of another number of cells.
    with contextlib.suppress(ValueError):
        seconds, dbfs = (float(cell) for cell in cells)
        if math.isfinite(seconds) and math.isfinite(dbfs):
            return seconds, dbfs
    raise ValueError(
        f"{where}: '{','.join(cells)}' is not a time in seconds and a level in "
        "dBFS, as in 0.5,-30"
    )

"""Pictures of measurements; matplotlib comes with the extra ``plots``."""

import importlib
import itertools
from typing import NamedTuple

from okd_brain.messages import MissingPackage

DARK = 0.6  # values whose colours of "RdBu" are too dark for black figures


class Point(NamedTuple):
    """A value on a line in one panel of a picture."""

    down: str  # row of the panel; not written if it is empty
    across: str  # column of the panel; likewise
    line: str
    x: float
    y: float  # several at one x are drawn as their mean and range


def melt(rows, metrics, *, x, down="split", line="system"):
    """Return a point for every metric of every row.

    Arguments
    ---------
    rows : list of dict
        From an analysis.
    metrics : list of str
        The keys of the values; a column of panels each.
    x : str
        The key of the place on the line.
    down : str
        The key of the row of panels.
    line : str
        The key of the line.

    Returns
    -------
    list of Point

    Example
    -------
    >>> melt(
    ...     [{"epoch": 3, "split": "test", "system": "csig", "pesq": 1.5}],
    ...     ["pesq"],
    ...     x="epoch",
    ... )
    [Point(down='test', across='pesq', line='csig', x=3, y=1.5)]
    """
    return [
        Point(row[down], metric, row[line], row[x], row[metric])
        for row in rows
        for metric in metrics
    ]


def check_plots():
    """Raise a MissingPackage if matplotlib is not installed."""
    try:
        importlib.import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "Pictures need matplotlib: pip install 'okd[plots]'"
        ) from error


def draw_lines(points, path, *, x_label, y_label="", y_scale="linear"):
    """Draw lines in panels.

    Arguments
    ---------
    points : list of Point
        In the order in which panels and lines appear.
    path : str or Path
        The picture to write; its suffix gives the format.
    x_label : str
        Of all panels.
    y_label : str
        Of all panels.
    y_scale : str
        "linear" or "log".

    Raises
    ------
    MissingPackage
        If matplotlib is not installed.
    """
    down = _distinct(point.down for point in points)
    across = _distinct(point.across for point in points)
    figure, axes = _panels(len(down), len(across))
    for (i, row), (j, column) in itertools.product(
        enumerate(down), enumerate(across)
    ):
        axis = axes[i, j]
        panel = [p for p in points if (p.down, p.across) == (row, column)]
        for line in _distinct(point.line for point in panel):
            _draw_line(axis, [p for p in panel if p.line == line], line)
        title = ", ".join(filter(None, (column, row)))
        axis.set(title=title, xlabel=x_label, ylabel=y_label, yscale=y_scale)
    lines = axes[0, 0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center")
    figure.savefig(path)


def draw_matrices(matrices, names, path):
    """Draw matrices of values in [-1, 1], with the values.

    Arguments
    ---------
    matrices : dict
        Title -> numpy.ndarray, [n, n]; an even number of them, two side by
        side. NaN stays empty.
    names : list of str
        Of the n rows and columns.
    path : str or Path
        The picture to write; its suffix gives the format.

    Raises
    ------
    MissingPackage
        If matplotlib is not installed.
    """
    size = 1 + 0.6 * len(names)
    figure, axes = _panels(len(matrices) // 2, 2, width=size, height=size)
    places = range(len(names))
    for axis, (title, matrix) in zip(axes.flat, matrices.items(), strict=True):
        axis.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
        for i, j in itertools.product(places, places):
            value = matrix[i, j]
            if value == value:  # not NaN
                colour = "white" if abs(value) > DARK else "black"
                centred = {"ha": "center", "va": "center"}
                axis.text(j, i, f"{value:.2f}", color=colour, **centred)
        axis.set(title=title, xticks=places, yticks=places)
        axis.set_xticklabels(names, rotation=90)
        axis.set_yticklabels(names)
    figure.savefig(path)


def draw_front(points, metrics, path):
    """Draw methods in the plane of two metrics, and the front of each family.

    Arguments
    ---------
    points : list of dict
        From ``measure_front``.
    metrics : (str, str)
        The axes.
    path : str or Path
        The picture to write; its suffix gives the format.

    Raises
    ------
    MissingPackage
        If matplotlib is not installed.
    """
    figure, axes = _panels(1, 1, width=7, height=5)
    axis = axes[0, 0]
    x, y = metrics
    for family in _distinct(point["family"] for point in points):
        mine = [point for point in points if point["family"] == family]
        label = family or "unprocessed"
        drawn = axis.scatter(
            [p[x] for p in mine], [p[y] for p in mine], label=label
        )
        colour = drawn.get_facecolor()[0]
        front = sorted((p[x], p[y]) for p in mine if p["on_front"])
        if len(front) > 1 and family != "control":
            axis.step(*zip(*front, strict=True), where="pre", color=colour)
        for point in mine:
            text = point["generator"]
            if point["method"]:
                text = f"{point['method']} ({text})"
            place = point[x], point[y]
            axis.annotate(text, place, fontsize=6, xytext=(3, 3),
                          textcoords="offset points")  # fmt: skip
    axis.set(xlabel=x, ylabel=y)
    axis.legend()
    figure.savefig(path)


def _panels(rows, columns, width=4, height=3):
    """Return a figure and its axes [rows, columns]; sizes in inches."""
    check_plots()
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width * columns, height * rows), layout="constrained"
    )
    return figure, figure.subplots(rows, columns, squeeze=False)


def _draw_line(axis, points, label):
    """Draw the mean at every x, and the range where there are several."""
    by_x = {}
    for point in points:
        by_x.setdefault(point.x, []).append(point.y)
    places = sorted(by_x)
    means = [sum(by_x[x]) / len(by_x[x]) for x in places]
    (drawn,) = axis.plot(places, means, "o-", label=label)
    if any(len(values) > 1 for values in by_x.values()):
        low = [min(by_x[x]) for x in places]
        high = [max(by_x[x]) for x in places]
        axis.fill_between(places, low, high, color=drawn.get_color(), alpha=0.2)


def _distinct(values):
    return list(dict.fromkeys(values))

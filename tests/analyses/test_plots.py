"""Pictures: that they are drawn, of what, and what is said without matplotlib."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from okd_brain.analyses import draw_lines, draw_matrices
from okd_brain.analyses.plots import Point

POINTS = [
    Point(split, metric, system, epoch, 1.5 + 0.1 * epoch + offset)
    for epoch in (2, 1)
    for split in ("valid", "test")
    for metric in ("pesq", "csig", "cbak")
    for system in ("noisy", "pesq")
    for offset in ((0.0, 0.2) if system == "pesq" else (0.0,))
]


@pytest.fixture
def figures(monkeypatch):
    """Collects the figures that are saved."""
    figures = []
    save = Figure.savefig

    def savefig(figure, path):
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def test_lines_are_means_in_their_panels(tmp_path, figures):
    draw_lines(POINTS, tmp_path / "lines.png", x_label="epoch", y_scale="log")
    assert (tmp_path / "lines.png").read_bytes().startswith(b"\x89PNG")
    (figure,) = figures
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == ["pesq, valid", "csig, valid", "cbak, valid"]
    assert len(titles) == 6
    for axis in figure.axes:
        assert axis.get_xlabel() == "epoch"
        assert axis.get_yscale() == "log"
        noisy, pesq = axis.get_lines()
        np.testing.assert_allclose(noisy.get_xydata(), [[1, 1.6], [2, 1.7]])
        np.testing.assert_allclose(pesq.get_xydata(), [[1, 1.7], [2, 1.8]])
        (band,) = axis.collections  # only where there is more than one value
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((1.6, 1.9))


def test_matrices_show_their_numbers_but_not_nan(tmp_path, figures):
    matrix = np.array([[1.0, np.nan], [-0.25, 1.0]])
    draw_matrices({"a": matrix, "b": -matrix}, ["p", "q"], tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    first, second = figures[0].axes
    assert [text.get_text() for text in first.texts] == [
        "1.00",
        "-0.25",
        "1.00",
    ]
    assert [label.get_text() for label in second.get_xticklabels()] == [
        "p",
        "q",
    ]


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"okd\[plots\]"):
        draw_lines(POINTS, tmp_path / "lines.png", x_label="epoch")

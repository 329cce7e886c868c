"""Pictures of a training."""

import sys

import pytest

from okd_brain.plots import draw_curves

ROWS = [
    {
        "epoch": epoch,
        "stage": "okd",
        "split": split,
        "system": system,
        "pesq": 1.5 + 0.1 * epoch,
    }
    for epoch in (1, 2)
    for split in ("valid", "test")
    for system in ("noisy", "pesq")
]


def test_a_picture_is_drawn(tmp_path):
    draw_curves(ROWS, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"okd\[plots\]"):
        draw_curves(ROWS, tmp_path / "curves.png")

"""Scores of kept checkpoints against those that training wrote down."""

import pytest
from analysed_run import rebuild

from okd_brain.analyses import score_checkpoints


def test_curves_say_what_training_said(folder, datasets):
    brain = rebuild(folder)
    rows = score_checkpoints(brain, datasets)
    assert [row["epoch"] for row in rows[::6]] == [1, 3, 4]
    assert [row["stage"] for row in rows[::6]] == ["warmup", "okd", "okd"]
    said = {
        (kept.meta["epoch"], key.split("/")[1]): value
        for kept in brain.checkpointer.list_checkpoints()
        for key, value in kept.meta.items()
        if "/" in key
    }
    for row in rows:
        if row["split"] == "valid" and row["system"] != "noisy":
            value = said[row["epoch"], row["system"]]
            assert row[row["system"]] == pytest.approx(value, abs=1e-6)

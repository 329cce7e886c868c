"""Scores of what a run has kept, runs that kept nothing, and utterances spread over a set."""

import pytest
from analysed_run import rebuild

from okd_brain.analyses import (
    measure_conflict,
    measure_flatness,
    score_checkpoints,
)
from okd_brain.training import spread_batches


@pytest.mark.parametrize(
    "measure",
    [
        lambda brain, datasets: score_checkpoints(brain, datasets),
        lambda brain, datasets: measure_conflict(brain, datasets["valid"], 1),
    ],
)
def test_a_run_without_checkpoints_is_an_error(tmp_path, datasets, measure):
    brain = rebuild(tmp_path)
    with pytest.raises(ValueError, match="checkpoints_to_keep 1000"):
        measure(brain, datasets)
    with pytest.raises(ValueError, match="no validated checkpoint"):
        measure_flatness(brain, datasets, [0.1], 1)


def test_at_least_one_utterance(datasets):
    assert len(spread_batches(datasets["valid"], 99)) == 3
    with pytest.raises(ValueError, match="is 0, but it must be at least 1"):
        spread_batches(datasets["valid"], 0)


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

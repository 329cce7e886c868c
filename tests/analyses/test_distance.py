"""Distances between the generators of a run that is opened elsewhere."""

import dataclasses

import numpy as np
import pytest
import torch
from analysed_run import contents, describe, rebuild

from okd_brain.analyses import measure_distance, open_run
from okd_brain.training import spread_batches


def test_distance_of_a_run_that_has_moved(folder, datasets, tmp_path):
    elsewhere = tmp_path / "where it was trained"
    describe(folder, elsewhere)
    if (elsewhere / "save").exists():
        (elsewhere / "save").rmdir()
    before = contents(folder)
    run = open_run(folder)
    rows = measure_distance([run, run], datasets["valid"], 2)
    assert contents(folder) == before
    assert not (elsewhere / "save").exists()
    assert rows[:4] == rows[4:]
    assert [row["epoch"] for row in rows[:4]] == [1, 2, 3, 4]
    assert {row["alpha"] for row in rows} == {5.0}
    # In the second epoch only the discriminator learnt.
    assert rows[0]["mse"] == rows[1]["mse"] != rows[2]["mse"]

    brain = rebuild(folder)
    brain.modules.eval()
    brain.checkpointer.recover_if_possible()  # the newest
    expected = []
    for batch in spread_batches(datasets["valid"], 2):
        noisy = brain.task.inputs(batch).noisy
        with torch.no_grad():
            one, other = (
                brain.modules[name](noisy) * noisy
                for name in ("g_si_sdr", "g_segsnr")
            )
        expected.append(((one - other) ** 2).mean())
    assert rows[3]["mse"] == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_a_run_that_cannot_be_compared(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no hyperparams\.yaml or no folder"):
        open_run(tmp_path)
    (tmp_path / "save").mkdir()
    describe(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="no checkpoint from the end of an"):
        open_run(tmp_path)


def test_a_single_generator_has_no_distance(folder, datasets):
    describe(folder, folder)
    run = open_run(folder)
    target, generator = next(iter(run.generators.items()))
    alone = dataclasses.replace(run, generators={target: generator})
    with pytest.raises(ValueError, match=r"one generator \(si_sdr\)"):
        measure_distance([alone], datasets["valid"], 1)

"""Runs, done or not, to the curves of a page."""

import os
import re
import time

import pytest
from experiments import dataset, fit, make_small_brain
from pages import data_of, runs_of, write_results_folder, write_run_folder

from okd_brain.messages import UserError
from okd_brain.page import command, main, make_page, read_results
from okd_brain.page.curves import COLUMNS
from okd_brain.survival import owning
from okd_brain.training import TRAIN_LOG, EpochTable


@pytest.fixture
def run(tmp_path):
    return write_run_folder(tmp_path / "okd_50" / "1")


def test_a_run_at_work_has_its_curves(run, tmp_path, capsys):
    page = tmp_path / "page"
    with owning(run):  # nothing needs the lock
        before = sorted(path.name for path in run.iterdir())
        assert main([str(run), "-o", str(page)]) == 0
        assert sorted(path.name for path in run.iterdir()) == before
    assert "0 utterances to hear, curves of 1 run" in capsys.readouterr().out
    found = runs_of(page)["okd_50/1"]
    assert found["experiment"] == "okd_50" and not found["is_done"]
    assert found["state"] == "epoch 7/9 okd, 2 h left"
    assert found["epochs"] == [1, 2, 3, 4, 5, 6]
    assert found["updates"] == [10, 20, 30, 40, 50, 60]
    assert found["hours"] == pytest.approx([n / 60 for n in range(1, 7)], 1e-4)
    assert found["stages"] == [[0, "warmup"], [2, "okd"]]
    assert found["curves"] == {
        "Validation": {
            "pesq": {
                "noisy": [None, 1.5] * 3,
                "pesq": [None, 1.7, None, 1.9, None, -3.9],
                "csig": [None, 1.5] * 3,
            },
            "csig": {
                "noisy": [None, 2.5] * 3,
                "pesq": [None, 2.5] * 3,
                "csig": [None, 2.7, None, 2.9, None, -2.9],
            },
        },
        "Losses": {
            "loss": {"all networks": [1, 0.5, 0.33333, 0.25, 0.2, 0.16667]}
        },
        "Distance between generators": {
            "mean squared difference": {
                "pesq csig": [None, 2e-4, None, 4e-4, None, 6e-4]
            }
        },
        "Gradients": {
            "norm": {
                "pesq": [
                    *(0.05, 0.033333, 0.025, 0.02, 0.016667, 0.014286),
                ],
                "csig": [0.1, 0.066667, 0.05, 0.04, 0.033333, 0.028571],
            }
        },
        "Time": {"seconds": {"generator": [60.0] * 6}},
    }
    assert (
        data_of(page)["systems"] == [] and data_of(page)["title"] == "okd_50/1"
    )


@pytest.mark.slow
def test_the_page_knows_every_column_that_training_writes(tmp_path):
    stages = ["--warmup_epochs=1", "--discriminator_epochs=1"]
    stages += ["--number_of_epochs=1", "--fidelity_utterances=1"]
    brain = make_small_brain(tmp_path / "out", *stages)
    train = dataset(tmp_path / "train", 3)
    fit(brain, train, dataset(tmp_path / "valid", 2, first=5))
    columns = list(EpochTable(tmp_path / "out" / TRAIN_LOG).rows[-1])
    unknown = [
        column
        for column in columns
        if sum(bool(re.fullmatch(known, column)) for known in COLUMNS) != 1
    ]
    axes = ["epoch", "stage", "updates"]
    assert unknown == [*axes, "train left out of D's data"]
    make_page([read_results(tmp_path / "out")], tmp_path / "page")
    [run] = runs_of(tmp_path / "page").values()
    groups = [group for group, _, _ in COLUMNS.values()]
    assert list(run["curves"]) == list(dict.fromkeys(groups))
    errors = run["curves"]["Error of the discriminator"]
    assert list(errors) == ["si_sdr", "segsnr"]
    assert list(errors["si_sdr"]) == ["enhanced", "noisy", "clean"]
    gradients = run["curves"]["Gradients"]["norm"]
    assert list(gradients) == ["si_sdr", "segsnr", "d"]
    fidelity = run["curves"]["Fidelity"]
    assert "sign agreement with the metric, all edits" in fidelity
    assert not any(name.startswith("own ") for name in fidelity)


def test_a_run_before_its_first_epoch_ends_is_one(tmp_path):
    folder = write_run_folder(tmp_path / "run", epochs=0)
    make_page([read_results(folder)], tmp_path / "page")
    run = runs_of(tmp_path / "page")["run"]
    assert run["epochs"] == [] and run["curves"] == {}


def test_where_a_run_is_says_how_old_that_is(run):
    assert read_results(run).run.state == "epoch 7/9 okd, 2 h left"
    hours_ago = time.time() - 2 * 3600
    os.utime(run / "progress.json", (hours_ago, hours_ago))
    state = read_results(run).run.state
    assert state == "epoch 7/9 okd, 2 h left, said 2 h 0 min ago"
    (run / "progress.json").write_text("{")
    assert read_results(run).run.state == "after epoch 6; not at work"


def test_seeds_of_an_experiment_go_together(run, tmp_path):
    folders = [run, write_run_folder(tmp_path / "okd_50" / "2", seed=2)]
    folders += [write_run_folder(tmp_path / "control" / "1", seed=3)]
    sources = [read_results(folder) for folder in folders]
    sources.append(read_results(folders[0], "theirs/1"))
    make_page(sources, tmp_path / "page")
    found = {n: r["experiment"] for n, r in runs_of(tmp_path / "page").items()}
    assert found == {
        "okd_50/1": "okd_50",
        "okd_50/2": "okd_50",
        "1": "1",  # its seed is 3
        "theirs/1": "theirs",
    }


def test_a_run_that_is_done_has_curves_beside_its_results(run, tmp_path):
    done = write_results_folder(tmp_path / "done")
    for path in run.iterdir():
        path.rename(done / path.name)
    (done / "progress.json").unlink()
    running = write_run_folder(tmp_path / "running")
    page = tmp_path / "page"
    make_page([read_results(done), read_results(running)], page)
    systems = [s["name"] for s in data_of(page)["systems"]]
    assert systems == ["noisy", "pesq", "csig", "theirs"]
    assert {n: r["state"] for n, r in runs_of(page).items()} == {
        "done": "done",
        "running": "epoch 7/9 okd, 2 h left",
    }


def test_results_without_a_training_have_no_curves(tmp_path, capsys):
    folder = write_results_folder(tmp_path / "results")
    assert main([str(folder), "-o", str(tmp_path / "page")]) == 0
    assert runs_of(tmp_path / "page") == {}
    assert "curves of 0 runs" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("epoch,", "epochs,", "is not the table of epochs"),
        ("1.5", "1.5.1", "noisy pesq of epoch 2 is '1.5.1', not a number"),
    ],
)
def test_a_table_that_is_none_is_refused(run, tmp_path, old, new, reason):
    path = run / TRAIN_LOG
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=reason):
        make_page([read_results(run)], tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_values_that_are_not_finite_are_left_out(run, tmp_path):
    path = run / TRAIN_LOG
    path.write_text(
        path.read_text().replace("1.7", "nan").replace("1.9", "inf")
    )
    make_page([read_results(run)], tmp_path / "page")
    curves = runs_of(tmp_path / "page")["okd_50/1"]["curves"]
    assert curves["Validation"]["pesq"]["pesq"] == [*[None] * 5, -3.9]


def test_watching_brings_newer_curves_until_the_run_is_done(
    run, tmp_path, monkeypatch, capsys
):
    page, looks = tmp_path / "page", []

    def sleep(seconds):
        looks.append(len(runs_of(page)["okd_50/1"]["epochs"]))
        if len(looks) == 1:
            EpochTable(run / TRAIN_LOG).add({"epoch": 7, "train loss": 0.1})
        elif len(looks) == 2:
            results = write_results_folder(tmp_path / "results", heard=1)
            for path in results.iterdir():
                path.rename(run / path.name)
        else:
            raise AssertionError("it is done")

    monkeypatch.setattr(command.time, "sleep", sleep)
    assert main([str(run), "-o", str(page), "--watch"]) == 0
    assert looks == [6, 7]
    assert runs_of(page)["okd_50/1"]["is_done"]
    said = capsys.readouterr().out
    assert f"Watching {run} until done" in said
    assert "1 utterance to hear, curves of 1 run" in said
    assert len(data_of(page)["systems"]) == 4

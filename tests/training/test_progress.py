"""Where a run stands, as it says itself; and the table of its epochs."""

import csv
import json
import logging
import re

import pytest
from experiments import dataset, fit, make_small_brain

from okd_brain.messages import UserError
from okd_brain.training import progress
from okd_brain.training.progress import EpochTable, Progress

STAGES = (
    *("--warmup_epochs=1", "--discriminator_epochs=1"),
    *("--number_of_epochs=3", "--fidelity_utterances=1"),
)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def texts(monkeypatch):
    """What the bar says, without a terminal."""
    said = []
    monkeypatch.setattr(
        Progress, "_show", lambda self, text, done, of: said.append(text)
    )
    return said


def test_all_planned_work_is_done_at_the_end(tmp_path, texts):
    brain = make_small_brain(tmp_path / "out", *STAGES)
    train = dataset(tmp_path / "train", 3)
    fit(brain, train, dataset(tmp_path / "valid", 2, first=5))
    assert {k: n for k, n in brain.progress.left.items() if n} == {}
    assert brain.progress.seconds_left() == 0
    assert texts[0] == "epoch 1/5 warmup, warmup 1/1"
    assert any(
        re.fullmatch(r"epoch 5/5 okd, replay 2/\d+, \d+ s left", t)
        for t in texts
    )
    kinds = {t.split(", ")[1].split()[0] for t in texts}
    assert kinds == {
        *("warmup", "current", "replay", "generator"),
        *("validation", "fidelity"),
    }


def test_a_run_that_goes_on_counts_what_is_left(tmp_path, texts):
    train = dataset(tmp_path / "train", 3)
    valid = dataset(tmp_path / "valid", 2, first=5)
    saving = {"ckpt_interval_steps": 1, "ckpt_interval_minutes": 0}
    first = make_small_brain(tmp_path / "out", *STAGES, run_opts=saving)
    first.optimizer_step_limit = 22  # ends within an epoch, as a kill would
    fit(first, train, valid)
    texts.clear()
    second = make_small_brain(tmp_path / "out", *STAGES)
    fit(second, train, valid)
    assert not texts[0].startswith("epoch 1/")
    assert {k: n for k, n in second.progress.left.items() if n} == {}
    table = rows(tmp_path / "out" / "train_log.csv")
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4", "5"]
    assert all(float(row["train loss"]) > 0 for row in table)
    assert table[1]["valid si_sdr si_sdr"] == ""  # not validated
    assert float(table[4]["valid si_sdr si_sdr"])
    updates = [int(row["updates"]) for row in table]
    assert updates[0] == updates[1] == 1  # D alone learns in the second epoch
    assert updates[-1] == second.steps["g_si_sdr"]
    for network, stepped in (("g_si_sdr", "1345"), ("d", "2345")):
        for row in table:
            norm = row[f"train {network} gradient norm"]
            assert bool(norm) is (row["epoch"] in stepped), network
            assert not norm or float(norm) > 0


def test_a_validated_epoch_is_one_line(tmp_path, caplog):
    brain = make_small_brain(tmp_path / "out", "--number_of_epochs=3")
    train = dataset(tmp_path / "train", 3)
    with caplog.at_level(logging.INFO, "okd_brain.training.evaluating"):
        fit(brain, train, dataset(tmp_path / "valid", 1, first=5))
    lines = [r.message for r in caplog.records if r.message[:6] == "epoch "]
    lines = [line for line in lines if "took" in line]
    assert len(lines) == 3
    table = rows(tmp_path / "out" / "train_log.csv")
    for line, row in zip(lines, table, strict=True):
        value, unprocessed = (
            float(row[f"valid {system} si_sdr"])
            for system in ("si_sdr", "noisy")
        )
        assert f": si_sdr {value:.3f}, " in line
        assert f" (unprocessed {unprocessed:.3f}); segsnr " in line
    values = [float(row["valid si_sdr si_sdr"]) for row in table]
    best = max(range(3), key=values.__getitem__)
    said = lines[-1].split("si_sdr ")[1]
    if best == 2:
        assert "the best so far" in said
    else:
        assert f"best {values[best]:.3f} in epoch {best + 1}" in said


def test_other_programs_can_read_where_a_run_is(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.0)
    seen = []
    tell = Progress._tell

    def telling(self, *arguments):
        tell(self, *arguments)
        seen.append(json.loads(self.file.read_text()))

    monkeypatch.setattr(Progress, "_tell", telling)
    brain = make_small_brain(tmp_path / "out")
    fit(brain, dataset(tmp_path / "train", 3))
    assert seen[0]["epoch"] == 1 and seen[-1]["epoch"] == 2
    assert seen[-1]["seconds_left"] == 0
    brain.progress.close()
    assert not brain.progress.file.exists()


def test_a_table_that_is_none_is_refused_before_training(tmp_path):
    path = tmp_path / "train_log.csv"
    path.write_text("epoch,train loss\nfirst,0.5\n")
    with pytest.raises(UserError, match="train_log.csv is not the table of"):
        EpochTable(path)


def test_epochs_that_are_done_again_replace_their_rows(tmp_path):
    path = tmp_path / "train_log.csv"
    table = EpochTable(path)
    for epoch in (1, 2, 3):
        table.add({"epoch": epoch, "train loss": float(epoch)})
    EpochTable(path).add({"epoch": 2, "train loss": 9.0})
    assert [list(row.values()) for row in rows(path)] == [
        ["1", "1.0"],
        ["2", "9.0"],
    ]

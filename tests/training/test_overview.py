"""What is said at the start, and that saying it changes nothing."""

import types

import pytest
from experiments import dataset, fit, make_small_brain

from okd_brain.metrics import Metric
from okd_brain.training import overview


def datasets(folder):
    train = dataset(folder / "train", 3)
    return {"train": train, "valid": dataset(folder / "valid", 1, first=5)}


def test_a_run_that_was_measured_ends_as_any_other(tmp_path, monkeypatch):
    """Weights, spectral norm's vectors and the steps, warm-up included."""
    monkeypatch.setattr(overview, "FEW_STEPS", 0)
    ends = []
    for name in ("silent", "announced"):
        brain = make_small_brain(tmp_path / name, "--warmup_epochs=1")
        sets = datasets(tmp_path / name)
        if name == "announced":
            overview.announce(brain, sets, corpus="pairs")
        fit(brain, sets["train"], sets["valid"])
        ends.append((brain.modules.state_dict(), dict(brain.steps)))
    (silent, steps), (announced, same_steps) = ends
    assert steps == same_steps
    assert all(announced[key].equal(value) for key, value in silent.items())


def test_a_metric_of_ones_own_is_tried_first(tmp_path, monkeypatch):
    """It would fail after the warm-up, which may take days."""

    def good_or_bad(*, reference, degraded, sample_rate):
        return "good" if len(reference) else 0.0

    mine = Metric("mine", good_or_bad, floor=0.0, perfect=1.0)
    brain = make_small_brain(tmp_path / "out")
    brain.board.scorer.metrics = [*brain.board.scorer.metrics, mine]
    reason = "The metric mine has no score of the training utterance.*'good'"
    with pytest.raises(ValueError, match=reason):
        overview.announce(brain, datasets(tmp_path), corpus="pairs")


def test_the_planned_steps_are_those_that_are_made(tmp_path):
    options = ("--warmup_epochs=1", "--discriminator_epochs=1")
    brain = make_small_brain(tmp_path / "out", *options)
    sets = datasets(tmp_path)
    plan = overview.Plan(brain, len(sets["train"]))
    fit(brain, sets["train"], sets["valid"])
    generator = plan.updates["warmup"] + plan.updates["generator"]
    assert brain.steps["g_si_sdr"] == generator
    assert brain.steps["d"] == plan.updates["D"]
    assert plan.stored == len(brain.replay.past)
    done = overview.Plan(brain, len(sets["train"]))
    assert (done.stages, sum(done.updates.values())) == ({}, 0)
    assert done.stored == plan.stored


def test_measurements_of_fidelity_are_planned(tmp_path):
    options = (
        *("--warmup_epochs=1", "--discriminator_epochs=3"),
        *("--fidelity_utterances=2", "--valid_interval=2"),
    )
    brain = make_small_brain(tmp_path, *options)
    plan = overview.Plan(brain, 3)
    assert plan.measurements == 3  # epochs 2, 4 and 6
    assert plan.validations == 2  # epochs 1 and 6
    costs = types.SimpleNamespace(
        updates={}, enhancing=0, learnt=0, reported=0, systems=2, fidelity=7
    )
    assert plan.seconds(costs, 1) == 3 * 2 * 7


def test_too_little_disk_is_said(tmp_path, monkeypatch):
    """However short the run is; what is there already counts."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(overview.shutil, "disk_usage", lambda _: usage)
    said = {"info": [], "warning": []}
    for level, lines in said.items():
        monkeypatch.setattr(
            overview.logger,
            level,
            lambda text, *values, lines=lines: lines.append(text % values),
        )
    brain = make_small_brain(tmp_path / "out")
    sets = datasets(tmp_path)
    overview.announce(brain, sets, corpus="pairs")
    assert "1000 bytes are free; NOT ENOUGH" in said["info"][-1].replace(
        "1 kB", "1000 bytes"
    )
    (warning,) = said["warning"]
    assert str(tmp_path / "out" / "save") in warning
    assert "--max_history bounds the replay" in warning
    needs = overview.Needs(brain, overview.Plan(brain, 3), sets["train"].data)
    # Three seconds of speech in float32, drawn twice in two epochs.
    assert needs.replay == 4 * 2 * 2 * 16000
    (brain.checkpointer.checkpoints_dir / "big").write_bytes(bytes(10**6))
    more = overview.Needs(brain, overview.Plan(brain, 3), sets["train"].data)
    assert more.missing == needs.missing - 10**6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (59.9, "59 s"),
        (61, "1 min"),
        (3660, "1 h 1 min"),
        (90_000, "1 day 1 h"),
    ],
)
def test_durations(seconds, text):
    assert overview.duration(seconds) == text

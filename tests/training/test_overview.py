"""What is said at the start, and that saying it changes nothing."""

import pytest
from experiments import dataset, fit, make_small_brain

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


def test_too_little_disk_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "FEW_STEPS", 0)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(overview.shutil, "disk_usage", lambda _: usage)
    said = []
    monkeypatch.setattr(
        overview.logger,
        "info",
        lambda text, *values: said.append(text % values),
    )
    brain = make_small_brain(tmp_path / "out")
    overview.announce(brain, datasets(tmp_path), corpus="pairs")
    assert "NOT ENOUGH: --max_history bounds the replay" in said[-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 min"), (3660, "1 h 1 min"), (90_000, "1 day 1 h")],
)
def test_durations(seconds, text):
    assert overview.duration(seconds) == text

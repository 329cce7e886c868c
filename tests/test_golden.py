"""What users see stays what it was, wherever the code that does it moves."""

import json
import shutil
import sys

import pytest
from experiments import TESTS, fit

sys.path.insert(0, str(TESTS / "golden"))
import record  # noqa: E402


@pytest.mark.parametrize("name", sorted(record.commands()))
def test_help_says_what_it_said(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    expected = (record.GOLDEN / "help" / f"{name}.txt").read_text()
    assert record.help_of(name) == expected


@pytest.mark.slow
@pytest.mark.parametrize("task", record.SCRIPTS)
def test_a_tiny_run_leaves_what_it_left(task, tmp_path):
    expected = json.loads((record.GOLDEN / f"run_{task}.json").read_text())
    found = record.summary(record.tiny_run(task, tmp_path))
    systems = found["results"].pop("systems")
    for system, means in expected["results"].pop("systems").items():
        # Other processors round otherwise; PESQ is the least smooth.
        assert systems.pop(system) == pytest.approx(means, abs=0.02, rel=0.01)
    assert not systems
    breakdown, known = found.pop("breakdown"), expected.pop("breakdown")
    assert (breakdown or {}).keys() == (known or {}).keys()
    assert found == expected


def test_a_run_of_an_earlier_tree_resumes(tmp_path):
    """Its second half ends as the run that was never interrupted."""
    train, valid = record.datasets(tmp_path)
    shutil.copytree(record.CHECKPOINT / "save", tmp_path / "out" / "save")
    brain = record.small_brain(tmp_path / "out")
    fit(brain, train, valid)
    expected = json.loads((record.CHECKPOINT / "end.json").read_text())
    found = record.state(brain)
    assert found["steps"] == expected["steps"]
    assert found["replay"] == expected["replay"]
    for name, sums in expected["parameters"].items():
        assert found["parameters"][name] == pytest.approx(sums, abs=1e-4)

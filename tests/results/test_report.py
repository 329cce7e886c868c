"""Results for programs and people."""

import csv
import json
import math

from okd_brain.results import make_results, write_breakdown, write_results

SCORES = {
    "noisy": {
        "u1": {"pesq": 1.0, "stoi": math.nan},
        "u2": {"pesq": 2.0, "stoi": math.nan},
    },
    "csig+cbak": {
        "u1": {"pesq": 3.0, "stoi": 0.5},
        "u2": {"pesq": math.nan, "stoi": 0.7},
    },
}


def write(tmp_path, split="test", scores=SCORES):
    results = make_results(
        corpus="tiny",
        split=split,
        scores=scores,
        origins={"csig+cbak": {"epoch": 4}},
    )
    write_results(tmp_path, results, scores)
    return results


def test_infinity_is_no_json(tmp_path):
    """SI-SDR of clean speech against itself."""
    results = write(tmp_path, scores={"clean": {"u1": {"si_sdr": math.inf}}})
    assert results["systems"]["clean"]["si_sdr"] is None
    assert "Infinity" not in (tmp_path / "results.json").read_text()


def test_results_are_plain_means(tmp_path):
    results = write(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert results["corpus"] == "tiny" and results["split"] == "test"
    assert results["systems"]["noisy"] == {"pesq": 1.5, "stoi": None}
    assert results["systems"]["csig+cbak"]["pesq"] == 3.0
    assert results["not_scored"] == {
        "noisy": {"stoi": 2},
        "csig+cbak": {"pesq": 1},
    }
    assert results["checkpoints"]["csig+cbak"] == {"epoch": 4}


def test_every_utterance_is_in_the_csv(tmp_path):
    write(tmp_path, "valid")
    assert (tmp_path / "results_valid.json").is_file()
    with open(tmp_path / "scores_valid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert rows[2] == {
        "system": "csig+cbak",
        "chosen_on": "",
        "utterance": "u1",
        "pesq": "3.0",
        "stoi": "0.5",
    }


def test_a_breakdown_says_what_the_test_set_has_chosen(tmp_path):
    path = tmp_path / "breakdown_test.json"
    for chosen_on, expected in (
        ("valid", {"noise": {}}),
        ("test", {"chosen_on_test": ["pesq"], "noise": {}}),
    ):
        results = {"checkpoints": {"pesq": {"chosen_on": chosen_on}}}
        write_breakdown(path, {"noise": {}}, results)
        assert json.loads(path.read_text()) == expected

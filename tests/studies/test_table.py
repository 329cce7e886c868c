"""The table of a study against figures made by hand and by scipy."""

import csv
import json

import numpy as np
import pytest
from studies import write_recipe

from okd_brain.studies import plan_runs, read_study
from okd_brain.studies.table import write_table


@pytest.fixture
def finished(tmp_path):
    """A function that gives runs their scores, and the table of all."""
    study = read_study(write_recipe(tmp_path), tmp_path / "hparams")

    def finished(scores, seeds, chosen_on="valid"):
        runs = plan_runs(study, seeds, {}, tmp_path / "out")
        for run in runs:
            if (run.entry.name, run.seed) in scores:
                (run.folder / "export").mkdir(parents=True)
                pesq, csig = scores[run.entry.name, run.seed]
                systems = {
                    "noisy": {"pesq": 1.97, "csig": 3.35},
                    "pesq@warmup": {"pesq": 9.0, "csig": 9.0},
                    "pesq": {"pesq": pesq, "csig": csig},
                }
                results = {
                    "corpus": "tiny",
                    "systems": systems,
                    "checkpoints": {
                        "pesq@warmup": {},
                        "pesq": {"chosen_on": chosen_on},
                    },
                }
                run.results_file.write_text(json.dumps(results))
        markdown = write_table(study, runs, tmp_path)
        assert (tmp_path / "table.md").read_text() == markdown
        with open(tmp_path / "table.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        return markdown, rows, json.loads((tmp_path / "table.json").read_text())

    return finished


def test_means_and_spread_beside_the_papers_figures(finished):
    scores = {
        ("warm", 1): (5.0, 5.0),  # is not in the table
        ("warm", 2): (5.0, 5.0),
        ("first", 1): (3.0, 4.0),
        ("first", 2): (3.2, 4.1),
        ("second", 1): (2.5, None),
        ("second", 2): (2.5, 4.0),
    }
    markdown, rows, content = finished(scores, [1, 2])
    lines = [line for line in markdown.splitlines() if line[:1] == "|"]
    assert lines[0].count("the paper's") == 2
    assert lines[2:] == [
        "| noisy |  |  | 1.970 |  | 3.350 |  |",
        "| first | pesq | 2 | 3.100 ± 0.141 | 3.24 | 4.050 ± 0.071 |  |",
        "| second | pesq | 2 | 2.500 ± 0.000 |  | 4.000 |  |",
    ]
    assert "Missing" not in markdown
    first = rows[2]
    assert (first["method"], first["metric"]) == ("first", "pesq")
    assert float(first["mean"]) == pytest.approx(3.1)
    assert float(first["standard_deviation"]) == pytest.approx(
        np.std([3.0, 3.2], ddof=1)
    )
    assert (first["paper"], first["seeds"]) == ("3.24", "2")
    assert content["rows"][2]["scores"] == {"1": 3.0, "2": 3.2}
    assert content["corpus"] == "tiny" and content["missing"] == []


def test_an_unfinished_study_says_what_is_missing(finished):
    markdown, rows, content = finished({("second", 1): (2.5, 4.0)}, [1])
    missing = ["warm, seed 1", "first, seed 1"]
    assert content["missing"] == missing
    assert f"Missing: {'; '.join(missing)}." in markdown
    assert "| first | pesq | 0 | – | 3.24 | – |  |" in markdown
    assert "nothing can be said about differences" in markdown


@pytest.mark.parametrize("split, marked", [("valid", []), ("test", ["second"])])
def test_what_was_chosen_on_the_test_set_is_marked(finished, split, marked):
    scores = {("second", 1): (2.5, 4.0)}
    markdown, _, content = finished(scores, [1], chosen_on=split)
    assert content["chosen_on_test"] == marked
    said = "but CHOSEN ON THE TEST SET by second" in markdown
    assert said == bool(marked)


def test_a_metric_that_no_run_has_scored(finished):
    """A misspelt one, for instance."""
    first = "No run has scored csig: the study's metrics must be among the"
    assert first in finished({("first", 1): (3.0, None)}, [1])[0]


def test_nothing_run_yet(finished):
    markdown, rows, content = finished({}, [1])
    assert "corpus not known yet" in markdown and "scored" not in markdown
    assert len(content["missing"]) == 3 and content["differences"] == []
    assert [row["mean"] for row in rows] == ["", ""]


def test_what_exceeds_the_spread_is_listed_with_the_rule(finished):
    scores = {("first", s): (3.0 + s / 100, 4.0) for s in (1, 2, 3)}
    scores |= {("second", s): (2.0 + s / 99, 4.0 + s / 9) for s in (1, 2, 3)}
    markdown, _, content = finished(scores, [1, 2, 3])
    assert "with 3 seeds, if their mean is above 2.5 times" in markdown
    assert "1 of 2 are (below, with half of that interval); 0 wo" in markdown
    assert "* pesq: first (pesq) − second (pesq) = +1.000 ± 0.000" in markdown
    assert "too few" not in markdown
    assert [one["exceeds"] for one in content["differences"]] == [True, False]


def test_only_seeds_that_two_methods_have_are_compared(finished):
    scores = {("first", s): (3.0, 4.0) for s in (1, 2)}
    scores[("second", 2)] = (2.0, 4.5)
    [pesq, csig] = finished(scores, [1, 2])[2]["differences"]
    assert pesq == {
        "metric": "pesq",
        "first": "first (pesq)",
        "second": "second (pesq)",
        "seeds": 1,
        "mean": 1.0,
        "half_width": None,
        "exceeds": None,
    }
    assert csig["mean"] == -0.5


def test_two_seeds_come_with_a_warning(finished):
    scores = {("first", s): (3.0 + s, 4.0) for s in (1, 2)}
    scores |= {("second", s): (2.0, 4.0) for s in (1, 2)}
    assert "Two seeds are too few" in finished(scores, [1, 2])[0]

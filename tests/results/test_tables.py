"""Tables for people, and CSV files that are read again."""

import math

import numpy as np
import pytest

from okd_brain.results import (
    make_results,
    read_scores,
    results_tables,
    summary_table,
    write_results,
    write_rows,
)
from okd_brain.results.statistics import Summary


def make(origins, scores=None):
    scores = scores or dict.fromkeys(["noisy", *origins], {"u": {"pesq": 1.5}})
    return make_results(
        corpus="tiny", split="test", scores=scores, origins=origins
    )


def test_the_table_shows_what_could_not_be_scored():
    scores = {
        "noisy": {"u": {"pesq": 1.5, "stoi": math.nan}},
        "csig+cbak": {"u": {"stoi": 0.6, "pesq": 3.0}},  # in another order
    }
    lines = results_tables(make({"csig+cbak": {"epoch": 4}}, scores))
    assert lines.splitlines()[-2:] == [
        "| noisy |  | 1.500 | n/a |",
        "| csig+cbak | 4 | 3.000 | 0.600 |",
    ]


def test_every_table_says_what_was_chosen_on_the_test_set():
    group = {"utterances": 1, "systems": {"published": {"pesq": 2.5}}}
    breakdown = {"noise": {"bus": group}, "snr_db": {"5": group}}
    origins = {
        "honest": {"epoch": 1, "chosen_on": "valid"},
        "published": {"epoch": 2, "chosen_on": "test"},
        "imported": {},
    }
    text = results_tables(make(origins), breakdown)
    warning = "CHOSEN ON THE TEST SET: published"
    assert text.splitlines()[0] == f"tiny, test, 1 utterance; {warning}"
    assert text.count(f"{warning}\n\n| ") == 3
    del origins["published"]["chosen_on"]
    assert "CHOSEN" not in results_tables(make(origins), breakdown)


def test_a_summary_shows_missing_numbers():
    nothing = Summary(math.nan, math.nan, math.nan, math.nan, 0)
    line = summary_table({"pesq": nothing}).splitlines()[1]
    assert line.split()[:2] == ["pesq", "nan"]


def test_scores_are_read_as_they_are_written(tmp_path):
    rows = {
        "u0": {"pesq": 1.5, "csig": math.nan},
        "u1": {"pesq": 2.5, "csig": 3.0},
    }
    scores = {"pesq": rows}
    write_results(tmp_path, make({}, scores), scores)
    write_rows(
        tmp_path / "theirs.csv",  # as okd-score, which leaves a cell empty
        [
            {"utterance": "u0", "pesq": 1.5, "csig": ""},
            {"utterance": "u1", "pesq": 2.5, "csig": 3.0},
        ],
    )
    for name, system in (("scores_test.csv", "pesq"), ("theirs.csv", "theirs")):
        np.testing.assert_equal(read_scores(tmp_path / name), {system: rows})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the columns \(none\)"),
        ("utterance,pesq\nu0,1\n", "at least two metrics"),
        ("name,pesq,csig\nu0,1,2\n", "the columns name, pesq, csig"),
        ("utterance,pesq,csig\n", "no utterance"),
        ("utterance,pesq,csig\nu0,1,2\nu0,1,2\n", "line 3: u0 is there twice"),
        ("utterance,pesq,csig\nu0,1\n", "line 2: not 3 cells"),
        ("utterance,pesq,csig\nu0,1,2,3\n", "line 2: not 3 cells"),
        ("utterance,pesq,csig\nu0,1,n/a\n", "line 2: 'n/a' is not a number"),
        ('utterance,pesq,csig\nu0,"1"x,2\n', "line 2: .*expected"),
        (f"utterance,pesq,csig\n{'x' * 200000},1,2\n", "line 2: field larger"),
        ('utterance,pesq,csig\nu0,"1,2\n', "line 2: unexpected end of data"),
    ],
)
def test_other_files_are_not_scores(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_scores(path)
    assert str(path) in str(error.value)

"""Fronts of methods: areas by hand, intervals that know what was resampled."""

import csv
import json
import zlib

import numpy as np
import pytest

from okd_brain.analyses import (
    draw_front,
    front_tables,
    measure_front,
    read_study_scores,
)
from okd_brain.analyses.front import front_area
from okd_brain.messages import UserError
from okd_brain.results import resampled_means

UTTERANCES = [f"{speaker}_{n}" for speaker in "abcd" for n in range(5)]


def write_run(folder, systems, noise=0.0, unprocessed="noisy"):
    """Write a run with so much (x, y) for each generator, and (1, 1) for the input."""
    rng = np.random.default_rng(zlib.crc32(bytes(folder)))
    folder.mkdir(parents=True)
    results = {"checkpoints": {name: {} for name in systems}}
    (folder / "results.json").write_text(json.dumps(results))
    entries = {u: {"speaker": u[0], "length": 1} for u in UTTERANCES}
    (folder / "test.json").write_text(json.dumps(entries))
    with open(folder / "scores_test.csv", "w", newline="") as file:
        write = csv.writer(file).writerow
        write(["system", "utterance", "chosen_on", "x", "y"])
        for name, (x, y) in {unprocessed: (1, 1), **systems}.items():
            for number, utterance in enumerate(UTTERANCES):
                dx, dy = noise * rng.standard_normal(2)
                write([name, utterance, "", x + number + dx, y + dy])


@pytest.fixture
def study(tmp_path):
    for seed in (1, 2, 3):
        runs = {
            "control": {"x": (2, 2)},
            "okd_1": {"x": (4, 3), "y": (3, 4)},
            "okd_9": {"x": (3.5, 3.5), "y": (3.4, 3.4)},
            "both": {"x_y": (3, 3)},
        }
        for method, systems in runs.items():
            write_run(tmp_path / method / str(seed), systems, 0.1)
    return tmp_path


def test_listening_enhancement_calls_its_input_otherwise(tmp_path):
    write_run(tmp_path / "okd" / "1", {"x": (2, 2)}, unprocessed="unprocessed")
    scores = read_study_scores(tmp_path, ["okd"])
    assert scores.points == [("", "unprocessed"), ("okd", "x")]
    write_run(tmp_path / "other" / "1", {"x": (2, 2)}, unprocessed="else")
    with pytest.raises(UserError, match="other/1 has no scores of unprocessed"):
        read_study_scores(tmp_path, ["other"])


FAMILIES = {"okd": ["okd_1", "okd_9"], "multi-metric": ["both"]}


def test_points_areas_tables_and_picture(study, tmp_path):
    methods = ["control", "okd_1", "okd_9", "both"]
    scores = read_study_scores(study, methods)
    assert scores.seeds == ["1", "2", "3"]
    assert scores.values.shape == (7, 3, 20, 2)
    points, areas = measure_front(scores, FAMILIES, ["control"], ("x", "y"))
    by_name = {(row["method"], row["generator"]): row for row in points}
    best = by_name["okd_1", "x"]
    assert best["x gain"] == pytest.approx(2, abs=0.1)
    assert best["x low"] < best["x gain"] < best["x high"]
    assert best["x high"] - best["x low"] < 0.5  # paired: the utterances cancel
    assert best["on_front"] and not by_name["okd_9", "y"]["on_front"]
    assert by_name["", "noisy"]["family"] == ""
    okd, multi = areas
    # Beyond (1, 1): (3, 2), (2.5, 2.5) and (2, 3); and (2, 2).
    assert okd["area"] == pytest.approx(3 * 2 + 2.5 * 0.5 + 2 * 0.5, abs=0.4)
    assert multi["area"] == pytest.approx(4, abs=0.3)
    assert multi["low"] > 0
    text = front_tables(points, areas, scores.metrics)
    assert "| okd | okd_1 | x |" in text and "| multi-metric |" in text
    draw_front(points, ("x", "y"), tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 1000


def test_area_is_that_of_the_union():
    points = np.array([[4.0, 1.0], [2.0, 2.0], [1.0, 1.0], [9.0, -1.0]])
    assert front_area(points, np.zeros(2)) == 4 + 2
    assert front_area(points, np.array([3.0, 3.0])) == 0


def test_few_seeds_widen_the_interval():
    rng = np.random.default_rng(0)
    values = np.zeros((1, 3, 20, 1)) + rng.standard_normal((1, 3, 1, 1))
    assert np.ptp(resampled_means(values, UTTERANCES)) > 0.5
    of_utterances = np.zeros((1, 3, 20, 1)) + np.arange(20.0)[:, None]
    alone = resampled_means(of_utterances, UTTERANCES).std()
    by_speaker = resampled_means(
        of_utterances, [u[0] for u in UTTERANCES]
    ).std()
    assert by_speaker > 1.2 * alone  # speakers differ more than utterances


def test_what_cannot_be_compared_is_refused(study):
    with pytest.raises(UserError, match="no finished run of nothing"):
        read_study_scores(study, ["control", "nothing"])
    write_run(study / "late" / "7", {"x": (1, 1)})
    with pytest.raises(UserError, match="no seed in common"):
        read_study_scores(study, ["control", "late"])
    scores = read_study_scores(study, ["control"])
    with pytest.raises(UserError, match="z was not scored"):
        measure_front(scores, {}, ["control"], ("x", "z"))

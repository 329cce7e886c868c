"""Which utterances become files, and what is in them."""

import json
import logging
import math

import numpy as np
import pytest
import soundfile

from okd_brain.messages import UserError
from okd_brain.results import samples
from okd_brain.results.samples import (
    SampleFolder,
    check_samples,
    choose,
    gains,
    spectrogram_db,
)

RATE = 16000


def tone(hz, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(seconds * RATE) / RATE)


def test_gains_know_the_direction_and_leave_out_what_is_not_scored():
    noisy = {u: {"pesq": 2.0, "wer": 50.0} for u in "abc"}
    scores = {"noisy": noisy, "g": {u: dict(noisy[u]) for u in "abc"}}
    scores["g"]["a"]["pesq"] = 3.0
    scores["g"]["b"]["wer"] = 90.0
    scores["g"]["c"]["pesq"] = math.nan
    found = gains(scores, "noisy", {"pesq": True, "wer": False})
    assert found["a"] > 0 == found["c"] > found["b"]


def test_best_worst_and_others_are_chosen_once_each():
    gained = {f"u{n:02d}": float(n) for n in range(30)}
    chosen = choose(gained, 7)
    kinds = list(chosen.values())
    assert [kinds.count(k) for k in ("best", "worst", "random")] == [3, 3, 1]
    best = [name for name, kind in chosen.items() if kind == "best"]
    assert best == ["u29", "u28", "u27"]
    assert choose(gained, 7) == chosen
    assert choose(gained, 0) == {}
    assert choose(gained, 99).keys() == gained.keys()
    assert len(choose({"a": 1.0, "b": 2.0}, 2)) == 2


def test_files_hold_the_waves_and_names_stay_apart(tmp_path):
    chosen = {"a/b c": "best", "a_b c": "worst"}
    folder = SampleFolder(tmp_path, RATE, chosen)
    folder.can_draw = False
    waves = {"clean": tone(500), "x/pesq": 3 * tone(900), "x_pesq": tone(90)}
    for utterance in chosen:
        folder.add(utterance, waves)
    folder.close()
    index = json.loads((tmp_path / "samples" / "samples.json").read_text())
    assert index["sample_rate"] == RATE
    files = [
        file
        for one in index["utterances"].values()
        for file in one["files"].values()
    ]
    assert len(set(files)) == 6
    assert [one["kind"] for one in index["utterances"].values()] == [
        "best",
        "worst",
    ]
    for one in index["utterances"].values():
        for system, file in one["files"].items():
            wave, rate = soundfile.read(tmp_path / "samples" / file)
            assert rate == RATE
            # Float: nothing is clipped.
            assert np.abs(wave - waves[system]).max() < 1e-6


def test_the_index_comes_when_the_waves_are_on_disk(tmp_path, flushed):
    folder = SampleFolder(tmp_path, RATE, {"a": "best"})
    folder.add("a", {"clean": tone(500), "noisy": tone(900)})
    written = set(folder.folder.rglob("*"))
    folder.close()
    *before, index, _ = flushed
    assert written < set(before)
    assert index.suffix == ".json" and index not in before


def test_samples_of_an_earlier_test_go(tmp_path):
    old = SampleFolder(tmp_path, RATE, {"a": "best"})
    old.can_draw = False
    old.add("a", {"clean": tone(500)})
    old.close()
    SampleFolder(tmp_path, RATE, {}).close()
    assert not (tmp_path / "samples").exists()


def test_without_matplotlib_the_log_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    with caplog.at_level(logging.INFO, "okd_brain.results.samples"):
        folder = SampleFolder(tmp_path, RATE, {"a": "best"})
        folder.add("a", {"clean": tone(500)})
    assert "pip install 'okd[plots]'" in caplog.text
    assert [p.suffix for p in (tmp_path / "samples").glob("*/*")] == [".wav"]


def test_with_matplotlib_there_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    folder = SampleFolder(tmp_path, RATE, {"a": "best"})
    folder.add("a", {"clean": tone(500), "noisy": tone(900)})
    [picture] = (tmp_path / "samples").glob("*/*.png")
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_tone_is_at_its_frequency():
    levels = spectrogram_db(tone(2000), RATE)
    assert levels.shape == (257, 30)
    assert set(levels.argmax(axis=0)) == {64}  # 2000 Hz of 31.25 Hz
    # An amplitude of 0.5, in one of two sidebands, under a Hann window.
    assert levels.max() == pytest.approx(20 * np.log10(0.125), abs=0.1)
    assert spectrogram_db(np.zeros(9), RATE).shape == (257, 1)


@pytest.mark.parametrize("count", [-1, 2.5, True, "3"])
def test_what_is_no_number_of_utterances_is_refused(count):
    with pytest.raises(UserError, match="must be a whole number of utterances"):
        check_samples("samples", count, None)


def test_samples_of_users_are_not_replaced(tmp_path):
    check_samples("samples", 3, tmp_path)
    place = tmp_path / "samples"
    (place / "001_a").mkdir(parents=True)  # of a test that was killed
    check_samples("samples", 3, tmp_path)
    (place / "mine.wav").touch()
    with pytest.raises(
        UserError, match="samples would be replaced, but no test"
    ):
        check_samples("samples", 3, tmp_path)
    (place / "samples.json").touch()
    check_samples("samples", 3, tmp_path)

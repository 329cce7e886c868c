"""Pieces of speech: cut where it is quiet, none too short, nothing in between."""

import importlib.util

import numpy as np
import pytest
import soundfile
from experiments import RECIPE

RATE = 8000


@pytest.fixture(scope="module")
def cut_speech():
    spec = importlib.util.spec_from_file_location(
        "cut_speech", RECIPE / "cut_speech.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recording(*pauses, seconds=10.0):
    """Return noise with pauses of 0.1 s that begin at these times."""
    wave = np.random.default_rng(0).standard_normal(int(seconds * RATE)) / 10
    for pause in pauses:
        wave[int(pause * RATE) : int((pause + 0.1) * RATE)] = 0
    return wave.astype(np.float32)


def test_cut_at_pauses(cut_speech):
    wave = recording(1.0, 3.0, 6.5)
    first, second, third = cut_speech.cut(wave, RATE)
    assert len(first) / RATE == pytest.approx(3.05, abs=0.05)
    assert len(first) + len(second) == pytest.approx(6.55 * RATE, abs=400)
    assert 2.5 <= len(third) / RATE < 4.5
    joined = np.concatenate([first, second, third])
    assert np.array_equal(joined, wave[: len(joined)])
    assert cut_speech.cut(recording(seconds=2.4), RATE) == []


def test_a_folder(cut_speech, tmp_path, capsys):
    speech = tmp_path / "speech"
    (speech / "84").mkdir(parents=True)
    soundfile.write(speech / "84" / "84-1-0.flac", recording(3.0), RATE)
    soundfile.write(speech / "19-1-0.wav", recording(seconds=1.0), RATE)
    assert cut_speech.main([str(speech), str(tmp_path / "out")]) == 0
    written = sorted((tmp_path / "out").rglob("*.flac"))
    assert [path.name for path in written] == [
        f"84-1-0_{n:02d}.flac" for n in range(len(written))
    ]
    assert {path.parent.name for path in written} == {"84"}
    assert f"{len(written)} pieces" in capsys.readouterr().out
    assert cut_speech.main([str(tmp_path / "none"), str(tmp_path / "o")]) == 2

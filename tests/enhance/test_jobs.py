"""Which files a command reads, and which ones it writes."""

from pathlib import Path

import pytest
import soundfile
from enhancing import (
    FIRST,
    SECOND,
    recordings,
)

from okd_brain.enhance.jobs import plan


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder to work in: in/a.flac, in/sub/b.wav, in/sub/notes.txt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.flac").symlink_to(FIRST)
    soundfile.write("in/sub/b.wav", recordings(SECOND).numpy(), 16000)
    (tmp_path / "in" / "sub" / "notes.txt").write_text("not audio")
    return tmp_path


def destinations(*inputs, folder="out"):
    return [job.destination.as_posix() for job in plan(list(inputs), folder)[0]]


def test_where_files_folders_and_patterns_go(corpus):
    folder = ["out/a.flac", "out/sub/b.wav"]
    assert destinations("in") == folder
    assert destinations("in/**/*.[fw]*") == folder
    assert destinations("in/sub/b.wav", "in/a.flac") == [
        "out/b.wav",
        "out/a.flac",
    ]
    assert destinations("in/s*/*.wav") == ["out/sub/b.wav"]
    assert destinations("in/sub/*.wav", "in/sub/b.wav") == ["out/b.wav"]
    assert destinations("in/x.mp3", "y") == ["out/x.wav", "out/y.wav"]


def test_special_characters_of_existing_files_are_no_pattern(corpus):
    Path("in/a[1]*.wav").touch()
    assert destinations("in/a[1]*.wav") == ["out/a[1]*.wav"]


def test_hidden_files_are_no_input(corpus):
    Path("in/.b.wav").touch()
    Path("in/.cache").mkdir()
    Path("in/.cache/b.wav").touch()
    assert destinations("in") == ["out/a.flac", "out/sub/b.wav"]


def test_earlier_output_below_the_input_is_no_input(corpus):
    Path("in/enhanced").mkdir()
    Path("in/enhanced/a.flac").touch()
    assert destinations("in", folder="in/enhanced") == [
        "in/enhanced/a.flac",
        "in/enhanced/sub/b.wav",
    ]


@pytest.mark.parametrize(
    "inputs, folder, message",
    [
        (["in/sub/*.flac"], "out", r"in/sub/\*.flac: no audio file found"),
        (["empty"], "out", "empty: no audio file found"),
        (["in", "in/sub/c/../b.wav", "b.wav"], "out/sub", "both be written to"),
        (["in"], "in", "the output of .*, is an input"),
        (["in/a.flac"], "in/sub/..", "the output of .*, is an input"),
        (["in/b.ogg", "in/sub/b.wav"], "in/sub", "both be written"),
        (["in/b.ogg", "in/sub"], "in/sub", "both be written"),
        (["in"], "in/a.flac", "is one file, but in/a.flac and in/sub/b.wav"),
        (["in"], "in/sub/notes.txt", "cannot be the output folder.* is a file"),
        (["in"], "in/sub/notes.txt/out", "as .*notes.txt is a file"),
        (
            ["in/a.flac"],
            "b.mp3",
            r"b.mp3: can write .wav and .flac, not '.mp3'",
        ),
        (["in/a.flac"], "in/a.flac", "is an input. Name another output file"),
    ],
)
def test_plans_that_cannot_work(corpus, inputs, folder, message):
    Path("empty").mkdir()
    Path("in/sub/c").mkdir()
    with pytest.raises(ValueError, match=message):
        plan(inputs, folder)

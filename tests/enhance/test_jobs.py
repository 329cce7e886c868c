"""Which files a command reads, and which ones it writes."""

import os
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


def test_a_folder_may_be_called_like_a_file(corpus):
    """Not for one file, unless a slash says so: it could be meant as one."""
    assert destinations("in", folder="v1.5") == [
        "v1.5/a.flac",
        "v1.5/sub/b.wav",
    ]
    assert destinations("in/a.flac", folder="a.xyz/") == ["a.xyz/a.flac"]
    Path("there.xyz").mkdir()
    assert destinations("in/a.flac", folder="there.xyz") == ["there.xyz/a.flac"]


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


def test_a_link_to_the_output_below_the_input_is_no_input(corpus):
    Path("elsewhere").mkdir()
    Path("in/enhanced").symlink_to(corpus / "elsewhere")
    Path("elsewhere/a.flac").touch()
    for folder in ("in/enhanced", "elsewhere"):
        assert destinations("in", folder=folder) == [
            f"{folder}/a.flac",
            f"{folder}/sub/b.wav",
        ]


def test_a_pipe_does_not_hold_up_the_plan(corpus):
    os.mkfifo("in/pipe.wav")
    assert destinations("in") == ["out/a.flac", "out/pipe.wav", "out/sub/b.wav"]


def written_by(tag, path):
    """Write a second of audio with the tag of a program."""
    path.parent.mkdir(exist_ok=True)
    with soundfile.SoundFile(path, "w", 16000, 1) as sound:
        sound.software = tag
        sound.write([0.0] * 16000)


def test_what_was_enhanced_before_is_no_input_among_others(corpus):
    """Alone it is: a folder may be enhanced twice, by another model."""
    written_by("okd-enhance 0.1", Path("in/clean/a.wav"))
    written_by("okd-enhance 0.1", Path("in/clean/b.flac"))
    written_by("Audacity", Path("in/sub/c.wav"))
    for text in ("in", "in/**/*.[fw]*"):
        jobs, _, written = plan([text], "out")
        names = [job.destination.as_posix() for job in jobs]
        assert names == ["out/a.flac", "out/sub/b.wav", "out/sub/c.wav"]
        assert written == [Path("in/clean/a.wav"), Path("in/clean/b.flac")]
    assert destinations("in/clean") == ["out/a.wav", "out/b.flac"]
    assert destinations("in/clean/*.wav") == ["out/a.wav"]
    assert destinations("in/clean/b.flac") == ["out/b.flac"]


@pytest.mark.parametrize(
    "inputs, folder, message",
    [
        (["in/sub/*.flac"], "out", r"in/sub/\*.flac: no audio file found"),
        (["empty"], "out", "empty: no audio file found"),
        (["in", ""], "out", "An input is empty: is a variable not set"),
        (["in", "in/sub/c/../b.wav", "b.wav"], "out/sub", "both be written to"),
        (["in"], "in", "the output of .*, is an input"),
        (["in/a.flac"], "in/sub/..", "the output of .*, is an input"),
        (["in/b.ogg", "in/sub/b.wav"], "in/sub", "both be written"),
        (["in/b.ogg", "in/sub"], "in/sub", "both be written"),
        (["in"], "in/a.flac", "is one file, but in/a.flac and in/sub/b.wav"),
        (["in"], "in/sub/notes.txt", "cannot be the output folder.* is a file"),
        (["in"], "in/sub/notes.txt/out", "as .*notes.txt is a file"),
        (["in"], "/proc/x/", "/proc/x: nothing can be written to /proc: .+"),
        (["in/a.flac"], "/proc/x.wav", "/proc: nothing can be written"),
        (
            ["in/a.flac"],
            "b.mp3",
            r"b.mp3: can write .wav and .flac, not '.mp3'",
        ),
        (["in/a.flac"], "a.xyz", "not '.xyz'. For a folder .* write a.xyz/"),
        (["in/a.flac"], "in/a.flac", "is an input. Name another output file"),
    ],
)
def test_plans_that_cannot_work(corpus, inputs, folder, message):
    Path("empty").mkdir()
    Path("in/sub/c").mkdir()
    with pytest.raises(ValueError, match=message):
        plan(inputs, folder)

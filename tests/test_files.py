"""Writing files: what cannot be written is known before the work."""

import contextlib
import csv
import json
import os
import resource

import numpy as np
import pytest
import soundfile
import torch

from okd_brain.files import (
    WriteError,
    check_writable,
    make_folder,
    remove_partial,
    replacing,
    replacing_folder,
    write_csv,
    write_json,
)
from okd_brain.messages import UserError

LATIN_1 = os.fsdecode(b"caf\xe9")


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    for path, reason in (
        ("file/s.csv", f"cannot be written: {tmp_path}/file is a file"),
        ("file/new/s.csv", "Not a directory"),
        ("folder.csv", "it is a folder"),
        (f"{'n' * 252}.csv", "File name too long"),
    ):
        with pytest.raises(UserError, match="cannot be written") as error:
            check_writable(tmp_path / path)
        assert reason in str(error.value)
        assert str(tmp_path / path) in str(error.value)


def test_new_folders_have_their_names_on_disk(tmp_path, flushed):
    make_folder(tmp_path / "results" / "pesq" / "1")
    make_folder(tmp_path / "results" / "pesq")  # is there
    names = [tmp_path, tmp_path / "results", tmp_path / "results" / "pesq"]
    assert flushed == names


def test_a_folder_without_the_right_to_write(tmp_path, monkeypatch):
    def forbidden(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", forbidden)
    with pytest.raises(UserError, match="s.csv: .* Permission denied"):
        check_writable(tmp_path / "s.csv")


def test_a_file_that_can_be_written_is_left_alone(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("mine")
    check_writable(path)
    check_writable(tmp_path / "new" / "s.csv")
    assert path.read_text() == "mine"
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "new",
        "s.csv",
    ]
    assert not list((tmp_path / "new").iterdir())


def test_json_with_names_that_are_not_utf8_can_be_read(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {LATIN_1: "café"})
    assert path.read_bytes().decode("utf-8").split() == [
        *("{", r'"caf\udce9":', '"café"', "}")
    ]
    [name] = json.loads(path.read_text(encoding="utf-8"))
    assert os.fsencode(name) == b"caf\xe9"


# Disks that are full ----------------------------------------------------------


@contextlib.contextmanager
def small_disk():
    """Let no file grow beyond 4096 bytes, which the system enforces.

    Around a single write only: pytest's own output may be a file, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_weights(path):
    with replacing(path) as partial:
        torch.save(torch.zeros(5000), partial)


def write_sound(path):
    with replacing(path) as partial:
        soundfile.write(partial, np.zeros(5000), 16000, "FLOAT", format="WAV")


def write_folder(path):
    with replacing_folder(path) as staged:
        (staged / "a").write_bytes(bytes(5000))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_json(path, ["text"] * 1000),
        lambda path: write_csv(path, [["cell"] * 1000] * 9),
        write_weights,
        write_sound,
        write_folder,
    ],
    ids=["JSON", "CSV", "PyTorch", "libsndfile", "folder"],
)
def test_a_write_that_fails_names_the_path(tmp_path, write):
    path = tmp_path / "result.wav"
    with pytest.raises(WriteError) as error, small_disk():
        write(path)
    text = str(error.value)
    assert text.startswith(f"{path}: cannot be written: File too large")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_is_kept(tmp_path):
    path = tmp_path / "scores.csv"
    write_csv(path, [["old"]])
    was_kept = pytest.raises(WriteError, match="What was there before")
    with was_kept, small_disk():
        write_csv(path, [["new" * 5000]])
    assert list(csv.reader(path.open())) == [["old"]]


def test_litter_of_killed_writers_is_removed(tmp_path):
    for name in (".discriminator.0badcafe.new", ".1a2b3c4d.old"):
        (tmp_path / "export" / name).mkdir(parents=True)
    (tmp_path / "save").mkdir()
    (tmp_path / "save" / ".0123abcd.wav").touch()
    other = tmp_path / "other"  # a run that is at work
    names = (
        ".gitignore",
        "save/a.wav",
        ".settings.old",
        "other/.0badcafe.new/b",
    )
    kept = [tmp_path / name for name in names]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    remove_partial(tmp_path, spare=lambda path: path == other)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(kept)
    assert list((tmp_path / "export").iterdir()) == []

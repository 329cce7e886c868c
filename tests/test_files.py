"""Writing files: what cannot be written is known before the work."""

import json
import os

import pytest

from okd_brain.files import check_writable, write_json
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

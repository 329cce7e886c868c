"""What all corpora have in common: which files there are, which are bad."""

import json

import pytest

from okd_brain.corpora import Violation, list_audio
from okd_brain.corpora.preparation import (
    manifest_paths,
    prepare_once,
    report_bad_files,
)
from okd_brain.files import write_json


def test_audio_files_are_listed_sorted(tmp_path):
    for name in ("b/2.flac", "b/10.WAV", "a.wav", "._a.wav", "b/.x/c.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    (tmp_path / "readme.txt").touch()
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    listing = list_audio(tmp_path)
    assert list(listing) == ["a.wav", "b/10.WAV", "b/2.flac", "broken.wav"]
    assert listing["broken.wav"] == [0, 0]  # reported where it is read
    assert listing["a.wav"] == [5, (tmp_path / "a.wav").stat().st_mtime_ns]


def test_folders_without_audio(tmp_path):
    with pytest.raises(ValueError, match="nowhere: there is no such folder"):
        list_audio(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="there is no audio file in it"):
        list_audio(tmp_path)


def test_report_names_twenty_and_stores_all(tmp_path, caplog):
    violations = [Violation(f"{n}.wav", "is bad") for n in range(30)]
    with pytest.raises(ValueError, match="^30 files break a rule") as error:
        report_bad_files(violations, tmp_path, False)
    assert "  19.wav: is bad\n  ... and 10 more\nRepair" in str(error.value)
    assert "20.wav" not in str(error.value)
    stored = (tmp_path / "bad_files.txt").read_text().splitlines()
    assert stored == [f"{n}.wav\tis bad" for n in range(30)]
    report_bad_files(violations, tmp_path, True)
    assert "29.wav: is bad" in caplog.text


def test_formats_that_cannot_be_read_are_named(tmp_path, caplog):
    (tmp_path / "a.wav").touch()
    (tmp_path / "voice.m4a").touch()
    assert list(list_audio(tmp_path)) == ["a.wav"]
    assert "1 file is left out" in caplog.text
    assert f"ffmpeg -i {tmp_path / 'voice.m4a'} out.wav" in caplog.text


@pytest.mark.parametrize("name", ["corpus.json", "train.json", "valid.json"])
@pytest.mark.parametrize("harm", ["half", "empty", "other"])
def test_damaged_manifests_are_made_again(tmp_path, caplog, name, harm):
    made = []

    def make():
        made.append(True)
        for path in manifest_paths(tmp_path).values():
            entry = {"clean_wav": str(tmp_path / "a.wav"), "length": 5}
            write_json(path, {"u1": entry})
        return {"root": "somewhere"}

    def prepare():
        return prepare_once(tmp_path, ["input"], lambda record: {}, make)

    (tmp_path / "a.wav").touch()
    record = prepare()
    assert prepare() == record and len(made) == 1
    path = tmp_path / name
    whole = path.read_text()
    text = {"half": whole[: len(whole) // 2], "empty": "", "other": "[]"}[harm]
    path.write_text(text)
    assert prepare() == record and len(made) == 2
    assert path.read_text() == whole
    assert json.loads(whole)
    assert f"{path} is damaged" in caplog.text

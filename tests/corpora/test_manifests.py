"""Manifests become datasets, or an error that names the utterance."""

import json
import os

import numpy as np
import pytest
import soundfile
import torch
from tiny_corpus import burst, write_wave

from okd_brain.corpora.manifests import (
    make_dataset,
    manifest_entry,
    write_manifest,
)
from okd_brain.files import write_json
from okd_brain.messages import UserError


@pytest.fixture
def folder(tmp_path):
    """Make one pair whose noisy file has a tail."""
    clean = burst().astype(np.float32)
    write_wave(tmp_path / "c" / "a.wav", clean, subtype="FLOAT")
    noisy = np.append(clean / 2, np.ones(100))
    write_wave(tmp_path / "n" / "a.wav", noisy, subtype="FLOAT")
    return tmp_path


def manifest(folder, **changes):
    entry = manifest_entry(
        clean="c/a.wav", noisy="n/a.wav", samples=4800, speaker="a"
    )
    entry.update(changes)
    entry = {key: value for key, value in entry.items() if value is not None}
    write_json(folder / "train.json", {"a": entry})
    return folder / "train.json"


def test_items_are_the_files_cut_to_the_shorter(folder):
    dataset = make_dataset(manifest(folder), folder)
    (item,) = dataset
    assert set(item) == {"id", "noisy_sig", "clean_sig"}
    assert item["id"] == "a"
    assert item["clean_sig"].dtype == torch.float32
    expected = torch.from_numpy(burst().astype(np.float32))
    assert torch.equal(item["clean_sig"], expected)
    assert torch.equal(item["noisy_sig"], expected / 2)


def test_the_corpus_may_move(folder, tmp_path):
    path = manifest(folder)
    (folder / "c").rename(tmp_path / "elsewhere_c")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere_c").rename(tmp_path / "elsewhere" / "c")
    (folder / "n").rename(tmp_path / "elsewhere" / "n")
    assert len(make_dataset(path, tmp_path / "elsewhere")[0]["noisy_sig"])


def test_braces_in_a_name_are_not_placeholders(folder):
    (folder / "c" / "a.wav").rename(folder / "c" / "{a}.wav")
    entry = manifest_entry(
        clean="c/{a}.wav", noisy="n/a.wav", samples=4800, speaker="a"
    )
    write_json(folder / "train.json", {"a": entry})
    assert len(make_dataset(folder / "train.json", folder)[0]["clean_sig"])


def test_own_manifests_need_three_fields_only(folder):
    path = manifest(folder, speaker=None, duration=None)
    assert len(make_dataset(path, folder)[0]["clean_sig"]) == 4800


@pytest.mark.parametrize("field", ["noisy_wav", "clean_wav", "length"])
def test_missing_field(folder, field):
    path = manifest(folder, **{field: None})
    with pytest.raises(ValueError, match=f"utterance a: lacks {field}"):
        make_dataset(path, folder)


@pytest.mark.parametrize("length", [0.3, "4800", 0, True, 2**40])
def test_length_in_seconds_is_refused(folder, length):
    path = manifest(folder, length=length)
    with pytest.raises(ValueError, match="must be a whole number of samples"):
        make_dataset(path, folder)


def test_empty_manifest(folder):
    write_json(folder / "none.json", {})
    with pytest.raises(ValueError, match="none.json has no utterance"):
        make_dataset(folder / "none.json", folder)


def test_file_that_changed_since(folder):
    dataset = make_dataset(manifest(folder), folder)
    for samples, rate in ((burst()[:-1], 16000), (burst(), 8000)):
        write_wave(folder / "c" / "a.wav", samples, rate)
        with pytest.raises(ValueError, match="c/a.wav holds .* has changed"):
            dataset[0]


def replace_by_silence(path, later=True):
    """Write silence of the same length, as an hour later or at the same time."""
    before = path.stat()
    wave, rate = soundfile.read(path)
    soundfile.write(path, 0 * wave, rate, subtype=soundfile.info(path).subtype)
    assert path.stat().st_size == before.st_size
    time = before.st_mtime_ns + 3600 * 10**9 * later
    os.utime(path, ns=(time, time))


@pytest.mark.parametrize("kind", ["c", "n"])
def test_silence_of_the_same_length_is_noticed(folder, kind):
    path = manifest(folder)
    entries = json.loads(path.read_text())
    write_manifest(path, entries, {"data_root": folder})
    dataset = make_dataset(path, folder)
    assert len(dataset[0]["clean_sig"])
    replace_by_silence(folder / kind / "a.wav")
    with pytest.raises(UserError, match=f"{kind}/a.wav has changed since"):
        dataset[0]


def test_a_file_that_grew_at_the_same_time_is_noticed(folder):
    path = manifest(folder)
    write_manifest(path, json.loads(path.read_text()), {"data_root": folder})
    dataset = make_dataset(path, folder)
    noisy = folder / "n" / "a.wav"
    time = noisy.stat().st_mtime_ns
    with open(noisy, "ab") as file:
        file.write(b"LIST")
    os.utime(noisy, ns=(time, time))
    with pytest.raises(UserError, match="had .* bytes, of .*, and has"):
        dataset[0]


def test_stamps_are_those_from_before_the_files_were_examined(folder):
    path = manifest(folder)
    listed = {f"{folder}/c/a.wav": [5, 7]}
    write_manifest(
        path, json.loads(path.read_text()), {"data_root": folder}, listed
    )
    (entry,) = json.loads(path.read_text()).values()
    status = (folder / "n" / "a.wav").stat()
    assert entry["clean_stamp"] == [5, 7]
    assert entry["noisy_stamp"] == [status.st_size, status.st_mtime_ns]


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "cannot be read as JSON"),
        (b"\xff\xfe", "cannot be read as JSON"),
        (b"[" * 10**5, "cannot be read as JSON"),
        (b"[1]", "holds no JSON object"),
        (b'"a"', "holds no JSON object"),
        (b'{"a": null}', "utterance a: is None, must be an entry"),
        (b'{"a": [1]}', r"utterance a: is \[1\], must be an entry"),
    ],
)
def test_what_is_no_manifest(folder, content, reason):
    path = folder / "train.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"train.json.*{reason}"):
        make_dataset(path, folder)


@pytest.mark.parametrize("wav", [0, 1, None, ["a"], True, 2.5])
def test_a_path_that_is_none(folder, wav):
    """The number of an open file would be read as audio."""
    path = manifest(folder)
    entries = json.loads(path.read_text())
    entries["a"]["noisy_wav"] = wav
    write_json(path, entries)
    with pytest.raises(UserError, match="utterance a: noisy_wav is .*a path"):
        make_dataset(path, folder)


@pytest.mark.parametrize(
    "wav, placeholder",
    [
        ("{root}/a.wav", "{root}"),
        ("{}/a.wav", "{}"),
        ("{0}/a.wav", "{0}"),
        ("{data_root:>999999999}/a.wav", "{data_root:>999999999}"),
        ("{data_root.__class__}/a.wav", "{data_root.__class__}"),
        ("{data_root/a.wav", "{"),
        ("data_root}/a.wav", "}"),
    ],
)
def test_placeholders_that_are_none(folder, wav, placeholder):
    path = manifest(folder, noisy_wav=wav)
    with pytest.raises(UserError) as error:
        make_dataset(path, folder)
    assert f"placeholder {placeholder!r}" in str(error.value)
    assert "Known: {data_root}." in str(error.value)


def test_braces_elsewhere_mean_nothing(folder):
    path = manifest(folder, speaker="{x}")
    dataset = make_dataset(path, folder)
    assert dataset.data["a"]["speaker"] == "{x}"


@pytest.mark.parametrize("stamp", [3, [1], [1, 2.5], [True, 1], "12", {}])
def test_a_stamp_that_is_none(folder, stamp):
    path = manifest(folder, clean_stamp=stamp)
    with pytest.raises(UserError, match="utterance a: clean_stamp is"):
        make_dataset(path, folder)

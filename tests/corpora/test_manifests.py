"""Manifests become datasets, or an error that names the utterance."""

import numpy as np
import pytest
import torch
from tiny_corpus import burst, write_wave

from okd_brain.corpora.manifests import make_dataset, manifest_entry
from okd_brain.files import write_json


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


@pytest.mark.parametrize("length", [0.3, "4800", 0])
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

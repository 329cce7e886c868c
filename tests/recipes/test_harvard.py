"""Harvard sentences: numbers, splits, padded copies; their mixtures."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from experiments import LE_RECIPE, train_script
from tiny_corpus import burst, write_streamed_flac, write_wave

from okd_brain.corpora import MixingPlan, list_audio, mini
from okd_brain.messages import UserError

sys.path.insert(0, str(LE_RECIPE))
from harvard_prepare import (  # noqa: E402
    find_sentences,
    is_harvard,
    prepare_harvard,
)

sys.path.remove(str(LE_RECIPE))
PLAN = MixingPlan(
    train_snrs_db=[-11, -7, -3],
    test_snrs_db=[-13, -9, -5, -1],
    max_mixtures={"train": None, "valid": None, "test": 7},
    loop_noise=False,
)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Make all 720 files of both speakers; what is in them is looked at later."""
    folder = tmp_path_factory.mktemp("harvard")
    for number in range(1, 721):
        for name in ("male/harvard", "female/EndPointed/f_hvd"):
            path = folder / f"{name}_{number:03d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    return folder


@pytest.fixture
def corpus(complete, tmp_path):
    """Return a copy that may be spoilt."""
    for path in sorted(complete.rglob("*.wav")):
        link = tmp_path / path.relative_to(complete)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return tmp_path


def find(folder):
    return find_sentences(folder, list_audio(folder))


def test_splits_are_by_number_for_both_speakers(complete):
    assert is_harvard(complete)
    utterances, violations = find(complete)
    assert violations == []
    splits = {(u.speaker, u.split): [] for u in utterances}
    for utterance in utterances:
        number = int(Path(utterance.path).stem[-3:])
        assert utterance.name == f"{utterance.speaker}_{number:03d}"
        assert utterance.path.startswith(f"{utterance.speaker}/")
        splits[utterance.speaker, utterance.split].append(number)
    for speaker in ("male", "female"):
        assert splits[speaker, "train"] == list(range(1, 601))
        assert splits[speaker, "valid"] == list(range(601, 661))
        assert splits[speaker, "test"] == list(range(661, 721))


def test_one_speaker_is_enough(corpus):
    (corpus / "female").rename(corpus / "not_needed")
    utterances, violations = find(corpus)
    assert len(utterances) == 720 and violations == []
    assert {utterance.speaker for utterance in utterances} == {"male"}


def test_missing_sentences_are_named(corpus):
    for number in (5, 17, 18, 19, 720):
        (corpus / "male" / f"harvard_{number:03d}.wav").unlink()
    utterances, (violation,) = find(corpus)
    assert len(utterances) == 1435
    assert violation.file == str(corpus / "male")
    assert "lacks sentence 5, 17-19, 720, must have 1-720" in violation.rule


@pytest.mark.parametrize(
    "name", ["harvard_5.wav", "harvard_000.wav", "harvard_721.wav", "hello.wav"]
)
def test_name_without_a_sentence_number(corpus, name):
    (corpus / "male" / name).touch()
    _, (violation,) = find(corpus)
    assert violation.file == str(corpus / "male" / name)
    assert "number of its sentence at the end, 001 to 720" in violation.rule


def test_sentence_that_is_there_twice(corpus):
    (corpus / "male" / "take2_005.wav").touch()
    utterances, (violation,) = find(corpus)
    assert len(utterances) == 1440
    assert violation.file == str(corpus / "male" / "take2_005.wav")
    assert "sentence 5 once more, after male/harvard_005" in violation.rule


def test_padded_copies_are_ignored(corpus, caplog):
    write_wave(corpus / "female" / "5s" / "f_hvd_001.wav", np.zeros(80000))
    write_wave(corpus / "female" / "x" / "f_hvd_002_padded.wav", burst())
    with caplog.at_level("INFO"):
        utterances, violations = find(corpus)
    assert violations == [] and len(utterances) == 1440
    assert all("EndPointed" in u.path for u in utterances if "f" == u.name[0])
    assert "2 padded copies are ignored" in caplog.text


def test_padded_copies_alone_are_not_the_corpus(corpus):
    path = corpus / "female" / "EndPointed" / "f_hvd_001.wav"
    path.unlink()
    soundfile.write(path, np.zeros(5 * 44100), 44100)
    _, (violation,) = find(corpus)
    assert "lacks sentence 1, must have" in violation.rule
    assert "(1 padded copies do not count)" in violation.rule


# Mixtures


def manifests(corpus):
    return {
        split: json.loads(Path(path).read_text())
        for split, path in corpus.manifests.items()
    }


def test_sentences_in_noise(tmp_path):
    for speaker in ("male", "female"):
        for number in (1, 600, 601, 660, 661, 720):
            path = tmp_path / "speech" / speaker / f"h_{number:03d}.wav"
            write_wave(path, burst(1.0, 48000), 48000)
    for seed, name in enumerate(["train/hum_2", "train/hum_1", "test/bus_1"]):
        path = tmp_path / "noise" / f"noise_{name}.wav"
        write_wave(path, burst(3.0, seed=seed))
    arguments = [tmp_path / name for name in ("speech", "noise", "output")]
    with pytest.raises(ValueError, match="lacks sentence 2-599, 602-659, 662-"):
        prepare_harvard(*arguments, PLAN, progressbar=False)
    corpus = prepare_harvard(
        *arguments, PLAN, skip_bad_files=True, progressbar=False
    )
    assert corpus.corpus == "Harvard sentences"
    assert corpus.data_root == str(tmp_path / "output" / "speech_16k")
    assert corpus.mixtures == {"train": 12, "valid": 12, "test": 7}
    assert "male_601_hum_-7dB" in manifests(corpus)["valid"]
    shutil.rmtree(tmp_path / "output")
    with pytest.raises(ValueError, match="divided by their number"):
        prepare_harvard(*arguments, PLAN, valid_speakers=["male"])


def test_without_folders_the_mini_corpus_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "FILES_PER_TYPE", 2)
    corpus = prepare_harvard(None, None, tmp_path, PLAN, progressbar=False)
    assert corpus.corpus == "mini corpus"
    assert corpus.noises == {
        "train": ["babble", "pink", "speech_shaped"],
        "valid": ["babble", "pink", "speech_shaped"],
        "test": ["hum", "modulated"],
    }
    for split, entries in manifests(corpus).items():
        speakers = {entry["speaker"] for entry in entries.values()}
        assert speakers == set(mini.SPEAKERS[split])
    assert len(corpus.datasets()["test"][0]["clean_sig"])
    noises = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("noise_*/*")}
    assert len(noises) == 10
    assert prepare_harvard(None, None, tmp_path, PLAN) == corpus
    assert noises == {
        p: p.stat().st_mtime_ns for p in tmp_path.rglob("noise_*/*")
    }


def test_both_folders_or_none(tmp_path):
    with pytest.raises(ValueError, match="name both, .* or neither"):
        prepare_harvard(tmp_path, None, tmp_path / "output", PLAN)


@pytest.mark.parametrize(
    ("mixing", "valid", "message"),
    [
        ({"test_speakers": ["x"]}, None, "^test_talkers names x, but "),
        ({}, ["x"], "^valid_talkers names x, but "),
        (
            {"test_speakers": ["a"]},
            ["a"],
            "both test_talkers and valid_talkers",
        ),
    ],
)
def test_errors_name_the_options_that_are_typed_here(
    tmp_path, mixing, valid, message
):
    for name in "abc":
        write_wave(tmp_path / "speech" / f"{name}_1.wav", burst(1.0))
    write_wave(tmp_path / "noise" / "hum.wav", burst(3.0))
    hparams = {
        "data_folder": tmp_path / "speech",
        "noise_folder": tmp_path / "noise",
        "output_folder": tmp_path / "output",
        "preparation": MixingPlan(**mixing),
        "valid_talkers": valid,
        "skip_bad_files": False,
    }
    with (
        train_script(LE_RECIPE) as train,
        pytest.raises(UserError, match=message),
    ):
        train.prepare(hparams)


def test_padded_copies_may_have_any_header(corpus, caplog):
    path = corpus / "female" / "5s" / "f_hvd_001.flac"
    write_streamed_flac(path, burst())
    _, violations = find(corpus)
    assert "sentence 1 once more" in violations[0].rule

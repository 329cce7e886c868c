"""Harvard sentences: numbers, splits, padded copies."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import burst, write_wave

from okd_brain.corpora.audio_folders import list_audio
from okd_brain.corpora.harvard import find_sentences, is_harvard


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Make all 720 files of both talkers; what is in them is looked at later."""
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


def test_splits_are_by_number_for_both_talkers(complete):
    assert is_harvard(complete)
    utterances, violations = find(complete)
    assert violations == []
    splits = {(u.speaker, u.split): [] for u in utterances}
    for utterance in utterances:
        number = int(Path(utterance.path).stem[-3:])
        assert utterance.name == f"{utterance.speaker}_{number:03d}"
        assert utterance.path.startswith(f"{utterance.speaker}/")
        splits[utterance.speaker, utterance.split].append(number)
    for talker in ("male", "female"):
        assert splits[talker, "train"] == list(range(1, 601))
        assert splits[talker, "valid"] == list(range(601, 661))
        assert splits[talker, "test"] == list(range(661, 721))


def test_one_talker_is_enough(corpus):
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

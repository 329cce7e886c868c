"""Every rule about a pair of files, broken on purpose."""

import numpy as np
import pytest
from tiny_corpus import burst, write_wave

from okd_brain.corpora.checks import read_checked, read_checked_pair


def rules(path, sample_rate=16000):
    return [v.rule for v in read_checked(path, sample_rate=sample_rate)[1]]


@pytest.fixture
def wav(tmp_path):
    """Write samples and return the path."""

    def write(samples, name="a.wav", **kwargs):
        write_wave(tmp_path / name, samples, **kwargs)
        return tmp_path / name

    return write


def test_a_good_file_breaks_no_rule_and_is_read_unchanged(wav):
    samples = burst()
    found, violations = read_checked(
        wav(samples, subtype="FLOAT"), sample_rate=16000
    )
    assert violations == []
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, samples.astype(np.float32))


def test_sample_rate(wav):
    samples, violations = read_checked(
        wav(burst(), sample_rate=48000), sample_rate=16000
    )
    assert samples is None
    assert "sample rate of 48000 Hz, must be 16000 Hz" in violations[0].rule


def test_channels(wav):
    samples, violations = read_checked(
        wav(np.stack([burst(), burst()], axis=1)), sample_rate=16000
    )
    assert samples is None
    assert violations[0].rule == "has 2 channels, must have 1 (mono)"


def test_shortest_length_is_the_receptive_field(wav):
    assert rules(wav(burst()[:4096])) == []
    (rule,) = rules(wav(burst()[:4095]))
    assert rule.startswith("has 4095 samples, must have at least 4096 (0.256 s")
    (rule,) = rules(wav(burst()[:0]))
    assert rule.startswith("has 0 samples")


def test_silence_is_a_matter_of_level_about_the_mean(wav):
    unit = burst() / np.std(burst())
    quiet = 10 ** (-71 / 20) * unit
    assert rules(wav(quiet + 0.1, subtype="FLOAT")) == [
        "is silent: level -71.0 dBFS, must be above -70 dBFS"
    ]
    assert rules(wav(10 ** (-69 / 20) * unit, subtype="FLOAT")) == []
    assert "level -inf dBFS" in rules(wav(np.zeros(8000)))[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_finite(wav, value):
    samples = burst()
    samples[[7, 9]] = value
    assert rules(wav(samples, subtype="FLOAT")) == [
        "must not hold NaN or infinite samples, has 2 of them"
    ]


def test_unreadable(tmp_path):
    (tmp_path / "text.wav").write_text("not audio at all")
    (tmp_path / "empty.wav").touch()
    for name, rule in (
        ("text.wav", "cannot be read as audio: "),
        ("empty.wav", "cannot be read as audio: "),
        ("absent.wav", "does not exist"),
    ):
        samples, violations = read_checked(tmp_path / name, sample_rate=16000)
        assert samples is None
        assert violations[0].rule.startswith(rule)
        assert violations[0].file == str(tmp_path / name)


def test_header_that_promises_more_than_the_file_has(wav):
    path = wav(burst())
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert rules(path) == [
        "is truncated: its header announces 4800 samples (0.300 s), it has "
        "4750 (0.297 s)"
    ]


@pytest.mark.parametrize("left_open", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_header_of_a_pipe_is_no_violation(wav, left_open):
    path = wav(burst())
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + left_open + whole[8:])
    assert rules(path) == []


def test_all_rules_that_a_file_breaks_are_reported(wav):
    found = rules(wav(np.zeros((100, 2)), sample_rate=8000))
    assert [rule.split()[0] for rule in found] == ["has", "has", "has", "is"]


def test_lengths_within_a_hop_are_cut_to_the_shorter(wav):
    clean, noisy, violations = read_checked_pair(
        reference=wav(burst(), "clean.wav"),
        degraded=wav(burst()[:-256], "noisy.wav"),
        sample_rate=16000,
    )
    assert violations == []
    assert len(clean) == len(noisy) == len(burst()) - 256


@pytest.mark.parametrize("longer", ["clean", "noisy"])
def test_lengths_further_apart_are_a_violation(wav, longer):
    paths = {
        kind: wav(burst() if kind == longer else burst()[:-257], f"{kind}.wav")
        for kind in ("clean", "noisy")
    }
    _, _, (violation,) = read_checked_pair(
        reference=paths["clean"], degraded=paths["noisy"], sample_rate=16000
    )
    relation = "shorter" if longer == "clean" else "longer"
    assert violation.file == str(paths["noisy"])
    assert f"is 257 samples {relation} than its clean" in violation.rule


def test_tolerance_is_a_time_not_a_number_of_samples(wav):
    samples = burst(sample_rate=48000)
    _, _, violations = read_checked_pair(
        reference=wav(samples, "clean.wav", sample_rate=48000),
        degraded=wav(samples[:-768], "noisy.wav", sample_rate=48000),
        sample_rate=48000,
    )
    assert violations == []

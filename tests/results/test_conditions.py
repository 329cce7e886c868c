"""Logs and manifests, and the groups that they make."""

import json

import pytest

from okd_brain.results import break_down, find_conditions, read_conditions


def scores_of(names):
    return {
        system: {name: {"pesq": gain + i} for i, name in enumerate(names)}
        for system, gain in (("noisy", 0.0), ("pesq", 10.0))
    }


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("log.txt", "a bus 2.5\nb bus\n", "line 2: must be a name, a noise"),
        ("log.txt", "a bus loud\n", "line 1: .* is 'a bus loud'"),
        ("log.txt", "a bus nan\n", "line 1: "),
        ("log.txt", "\nc bus 2.5\n", "does not describe a, b"),
        ("log.json", "a bus 2.5", "is not a manifest"),
        ("log.json", "[1]", "is not a manifest"),
        ("log.json", "[" * 10**5, "is not a manifest"),
        ("log.json", '{"a": {"snr_db": 1%s}}' % ("0" * 400), "is not a man"),
        ("log.json", '{"a": 1}', "is not a manifest"),
        ("log.json", '{"a": {"snr_db": "loud"}}', "is not a manifest"),
        (
            "log.json",
            '{"a": {}, "b": {"speaker": "p1"}}',
            "any of snr_db, noise",
        ),
    ],
)
def test_files_that_say_nothing(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_conditions(tmp_path / file, ["a", "b"])


def test_bytes_are_no_log(tmp_path):
    (tmp_path / "log_a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot be read"):
        read_conditions(tmp_path / "log_a.txt", ["a"])


def test_a_manifest_gives_what_all_utterances_have(tmp_path):
    path = tmp_path / "test.json"
    entries = {
        "a": {"length": 9, "speaker": 1, "snr_db": 5, "noise": None},
        "b": {"length": 9, "speaker": 2, "snr_db": "-2.5", "noise": "bus"},
    }
    path.write_text(json.dumps(entries))
    assert read_conditions(path, ["a", "b"]) == {
        "a": {"snr_db": 5.0, "speaker": "1"},
        "b": {"snr_db": -2.5, "speaker": "2"},
    }


def test_the_log_that_knows_all_utterances_is_found(tmp_path):
    noisy = tmp_path / "noisy_testset_wav"
    noisy.mkdir()
    (tmp_path / "log_another.txt").write_text("p1_a bus 0\n")
    assert find_conditions(noisy, ["p1_a", "p1_b"]) is None
    (tmp_path / "log_testset.txt").write_text("p1_a bus 0\np1_b car 5\n")
    assert find_conditions(noisy, ["p1_a", "p1_b"])["p1_b"]["noise"] == "car"


def test_groups_are_in_the_order_of_their_values():
    names = list("abcdef")
    snrs_db = [10.0, -5.0, 2.5, 10.0, -5.0, 2.5]
    conditions = {
        name: {"snr_db": snr_db, "noise": "bus", "speaker": name}
        for name, snr_db in zip(names, snrs_db, strict=True)
    }
    found = break_down(scores_of(names), conditions)
    # One noise, and a speaker each: no groups.
    assert list(found) == ["snr_db"]
    assert list(found["snr_db"]) == ["-5", "2.5", "10"]
    group = found["snr_db"]["-5"]
    assert group["utterances"] == 2
    assert group["systems"] == {"noisy": {"pesq": 2.5}, "pesq": {"pesq": 12.5}}


def test_many_ratios_become_bands():
    names = [f"u{i}" for i in range(12)]
    conditions = {name: {"snr_db": i - 1.0} for i, name in enumerate(names)}
    found = break_down(scores_of(names), conditions)["snr_db"]
    assert {label: group["utterances"] for label, group in found.items()} == {
        "-5 to 0": 1,
        "0 to 5": 5,
        "5 to 10": 5,
        "10 to 15": 1,
    }


def test_what_was_not_scored_has_no_mean():
    scores = {"noisy": {name: {"pesq": float("nan")} for name in "abc"}}
    conditions = {
        name: {"noise": noise} for name, noise in zip("abc", "xxy", strict=True)
    }
    found = break_down(scores, conditions)["noise"]
    assert found["x"]["systems"] == {"noisy": {"pesq": None}}


def test_noises_and_ratios_cross():
    names = list("abcdefgh")
    conditions = {
        name: {"snr_db": snr_db, "noise": noise}
        for name, snr_db, noise in zip(
            names, [-1.0, -13.0] * 4, ["bus"] * 4 + ["air"] * 4, strict=True
        )
    }
    found = break_down(scores_of(names), conditions)["noise, snr_db"]
    assert list(found) == ["air, -13", "air, -1", "bus, -13", "bus, -1"]
    assert found["bus, -1"]["systems"]["noisy"] == {"pesq": 1.0}  # a and c
    for name in names:  # one noise: no crossing
        conditions[name]["noise"] = "bus"
    assert list(break_down(scores_of(names), conditions)) == ["snr_db"]

"""Who trains, who validates."""

import pytest

from okd_brain.corpora.layouts import Pair
from okd_brain.corpora.splits import (
    choose_speakers,
    known_speakers,
    split_pairs,
)


def good(train, test=("t",)):
    """Return pairs of one second for these speakers, one for each mention."""
    return [
        (Pair(split, f"{speaker}_{n}.wav", "c", "n"), 16000)
        for split, speakers in (("train", train), ("test", test))
        for n, speaker in enumerate(speakers)
    ]


def test_voicebank_validates_on_p226_and_p287():
    assert choose_speakers(["p225", "p287", "p226"]) == ["p226", "p287"]


def test_one_of_the_two_is_not_voicebank():
    assert choose_speakers(["p226"] * 20 + ["p225"] * 20) == ["p225"]


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (7, ["a", "b", "c"]),  # 14 are fewer than 20
        (20, ["a"]),  # 20 are enough, and more than 5 %
        (200, ["a"]),  # 200 of 2000: 10 %
    ],
)
def test_first_speakers_until_twenty_utterances(each, expected):
    assert choose_speakers(list("jihgfedcba") * each) == expected


def test_first_speakers_until_five_per_cent():
    many = [f"s{n:02d}" for n in range(50)] * 20  # 1000, 5 % are 50
    assert choose_speakers(many) == ["s00", "s01", "s02"]


def test_named_speakers_are_sorted_and_may_be_numbers():
    assert known_speakers([61, 7, "7"], ["7", "61", "8"]) == ["61", "7"]


@pytest.mark.parametrize("wanted", ["p226", [], {"p226": 1}, 226])
def test_named_speakers_must_be_a_list(wanted):
    with pytest.raises(ValueError, match="must be a list of at least one"):
        known_speakers(wanted, ["p226"])


def test_unknown_speakers_are_named():
    with pytest.raises(ValueError, match="names p9, p99, but .* only p1, p2 "):
        known_speakers(["p99", "p1", "p9"], ["p2", "p1"])
    with pytest.raises(ValueError, match="has only no speaker at all"):
        known_speakers(["p99"], [])


def test_speaker_is_the_name_before_the_first_underscore():
    pair = Pair("train", "p226_001_mic1.wav", "p287/p287_p287.wav", "n")
    assert (pair.speaker, pair.utterance) == ("p226", "p226_001_mic1")


def test_no_utterance_is_in_two_splits():
    splits, speakers = split_pairs(good("aaabbbccc"), ["b"])
    assert speakers == ["b"]
    assert list(splits["valid"]) == ["b_3", "b_4", "b_5"]
    assert list(splits["train"]) == [
        f"{s}_{n}" for n, s in zip((0, 1, 2, 6, 7, 8), "aaaccc", strict=True)
    ]
    assert list(splits["test"]) == ["t_0"]
    assert splits["test"]["t_0"]["duration"] == 1.0


@pytest.mark.parametrize(
    ("pairs", "speakers", "empty"),
    [
        (good("aab"), ["a", "b"], "train"),
        (good("aab"), None, "train"),  # fewer than 20 altogether
        (good("aab", test=""), ["a"], "test"),
        (good("aab"), ["c"], "valid"),  # all of c's files were bad
        ([], None, "train and valid and test"),
    ],
)
def test_a_split_without_utterances(pairs, speakers, empty):
    with pytest.raises(ValueError, match=f"no utterance is left for {empty}:"):
        split_pairs(pairs, speakers)


def test_a_test_speaker_who_is_heard_in_training_is_reported(caplog):
    split_pairs(good("aab", test="bc"), ["a"])
    assert "also heard in training: b" in caplog.text

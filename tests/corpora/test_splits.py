"""Who trains, who validates, who tests."""

import pytest

from okd_brain.corpora.paired import FilePair
from okd_brain.corpora.speech import utterance_of
from okd_brain.corpora.splits import (
    choose_speakers,
    known_speakers,
    speaker_of,
    split_by_speaker,
    split_pairs,
)


def good(train, test=("t",)):
    """Return pairs of one second for these speakers, one for each mention."""
    return [
        (FilePair(split, f"{speaker}_{n}", speaker, "c", "n"), 16000)
        for split, speakers in (("train", train), ("test", test))
        for n, speaker in enumerate(speakers)
    ]


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


def test_no_utterance_is_in_two_splits():
    splits = split_pairs(good("aaabbbccc"), ["b"])
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
        (good("aab", test=""), ["a"], "test"),
        (good("aab"), ["c"], "valid"),  # all of c's files were bad
        ([], ["a"], "train and valid and test"),
    ],
)
def test_a_split_without_utterances(pairs, speakers, empty):
    with pytest.raises(ValueError, match=f"no utterance is left for {empty}:"):
        split_pairs(pairs, speakers)


def test_a_test_speaker_who_is_heard_in_training_is_reported(caplog):
    split_pairs(good("aab", test="bc"), ["a"])
    assert "also heard in training: b" in caplog.text


# Folders of speech


def files(counts):
    """Return so many files of each speaker, in an order that is not sorted."""
    return {
        f"{speaker}/{number:02d}.wav": speaker
        for speaker in sorted(counts, reverse=True)
        for number in range(counts[speaker], 0, -1)
    }


def heard(splits):
    return {
        split: sorted({path.split("/")[0] for path in paths})
        for split, paths in splits.items()
    }


@pytest.mark.parametrize(
    ("path", "speaker", "utterance"),
    [
        ("p225_001.wav", "p225", "p225_001"),
        ("84-121123-0001.flac", "84", "84-121123-0001"),
        ("84_a-b.flac", "84", "84_a-b"),
        ("anna/p225_001.wav", "anna", "anna_p225_001"),
        ("84/121123/84-121123-0001.flac", "84", "84_121123_84-121123-0001"),
        ("hello.wav", "hello", "hello"),
    ],
)
def test_speaker_and_name_come_from_the_path(path, speaker, utterance):
    assert speaker_of(path) == speaker
    assert utterance_of(path) == utterance


def test_first_speakers_test_and_next_validate():
    splits = split_by_speaker(files({"a": 5, "b": 5, "c": 5, "d": 45, "e": 60}))
    assert heard(splits) == {
        "test": ["a", "b"],  # 10 of 120 are a twelfth
        "valid": ["c", "d"],
        "train": ["e"],
    }
    assert all(paths == sorted(paths) for paths in splits.values())
    assert sum(map(len, splits.values())) == 120


def test_named_speakers_are_held_out():
    counts = {"a": 1, "b": 1, "c": 9, "d": 9}
    splits = split_by_speaker(files(counts), test_speakers=["d"])
    assert heard(splits) == {
        "test": ["d"],
        "valid": ["a", "b"],
        "train": ["c"],
    }
    splits = split_by_speaker(
        files(counts), valid_speakers=["b", "c"], test_speakers=["a"]
    )
    assert heard(splits) == {
        "test": ["a"],
        "valid": ["b", "c"],
        "train": ["d"],
    }


@pytest.mark.parametrize("counts", [{"a": 25}, {"a": 25, "b": 25}])
def test_fewer_than_three_speakers_are_divided_by_file(counts):
    splits = split_by_speaker(files(counts))
    for speaker in counts:
        numbers = {
            split: [int(p[2:4]) for p in paths if p.startswith(speaker)]
            for split, paths in splits.items()
        }
        assert numbers == {
            "train": list(range(1, 20)),
            "valid": [20, 21, 22],
            "test": [23, 24, 25],
        }


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        (
            {"a": 2},
            {},
            "no speech is left for train: .* provide at least three",
        ),
        ({"a": 1}, {}, "left for train and valid"),
        (
            {"a": 9, "b": 9},
            {"valid_speakers": ["a"], "test_speakers": ["b"]},
            "left for train: the corpus has 18 files of 2 speakers",
        ),
        (
            {"a": 9, "b": 9, "c": 9},
            {"test_speakers": ["x"]},
            "test_speakers names",
        ),
        ({"a": 9, "b": 9, "c": 9}, {"valid_speakers": "a"}, "must be a list"),
        (
            {"a": 9, "b": 9, "c": 9},
            {"valid_speakers": ["a"], "test_speakers": ["a"]},
            "a is among both",
        ),
    ],
)
def test_impossible_splits(counts, options, message):
    with pytest.raises(ValueError, match=message):
        split_by_speaker(files(counts), **options)

"""Who speaks in a folder of speech, and who is held out."""

import pytest

from okd_brain.corpora.audio_folders import list_audio, utterance_of
from okd_brain.corpora.talkers import split_by_talker, talker_of


def files(counts):
    """Return so many files of each talker, in an order that is not sorted."""
    return {
        f"{talker}/{number:02d}.wav": talker
        for talker in sorted(counts, reverse=True)
        for number in range(counts[talker], 0, -1)
    }


def talkers(splits):
    return {
        split: sorted({path.split("/")[0] for path in paths})
        for split, paths in splits.items()
    }


@pytest.mark.parametrize(
    ("path", "talker", "utterance"),
    [
        ("p225_001.wav", "p225", "p225_001"),
        ("84-121123-0001.flac", "84", "84-121123-0001"),
        ("84_a-b.flac", "84", "84_a-b"),
        ("anna/p225_001.wav", "anna", "anna_p225_001"),
        ("84/121123/84-121123-0001.flac", "84", "84_121123_84-121123-0001"),
        ("hello.wav", "hello", "hello"),
    ],
)
def test_talker_and_name_come_from_the_path(path, talker, utterance):
    assert talker_of(path) == talker
    assert utterance_of(path) == utterance


def test_first_talkers_test_and_next_validate():
    splits = split_by_talker(files({"a": 5, "b": 5, "c": 5, "d": 45, "e": 60}))
    assert talkers(splits) == {
        "test": ["a", "b"],  # 10 of 120 are a twelfth
        "valid": ["c", "d"],
        "train": ["e"],
    }
    assert all(paths == sorted(paths) for paths in splits.values())
    assert sum(map(len, splits.values())) == 120


def test_named_talkers_are_held_out():
    counts = {"a": 1, "b": 1, "c": 9, "d": 9}
    splits = split_by_talker(files(counts), test_talkers=["d"])
    assert talkers(splits) == {
        "test": ["d"],
        "valid": ["a", "b"],
        "train": ["c"],
    }
    splits = split_by_talker(
        files(counts), valid_talkers=["b", "c"], test_talkers=["a"]
    )
    assert talkers(splits) == {
        "test": ["a"],
        "valid": ["b", "c"],
        "train": ["d"],
    }


@pytest.mark.parametrize("counts", [{"a": 25}, {"a": 25, "b": 25}])
def test_fewer_than_three_talkers_are_divided_by_file(counts):
    splits = split_by_talker(files(counts))
    for talker in counts:
        numbers = {
            split: [int(p[2:4]) for p in paths if p.startswith(talker)]
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
            "no speech is left for train: .* needed are three files",
        ),
        ({"a": 1}, {}, "left for train and valid"),
        (
            {"a": 9, "b": 9},
            {"valid_talkers": ["a"], "test_talkers": ["b"]},
            "left for train: there are 18 files of 2 talkers",
        ),
        (
            {"a": 9, "b": 9, "c": 9},
            {"test_talkers": ["x"]},
            "test_talkers names",
        ),
        ({"a": 9, "b": 9, "c": 9}, {"valid_talkers": "a"}, "must be a list"),
        (
            {"a": 9, "b": 9, "c": 9},
            {"valid_talkers": ["a"], "test_talkers": ["a"]},
            "a is among both",
        ),
    ],
)
def test_impossible_splits(counts, options, message):
    with pytest.raises(ValueError, match=message):
        split_by_talker(files(counts), **options)


def test_audio_files_are_listed_sorted(tmp_path):
    for name in ("b/2.flac", "b/10.WAV", "a.wav", "._a.wav", "b/.x/c.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    (tmp_path / "readme.txt").touch()
    (tmp_path / "folder.wav").mkdir()
    listing = list_audio(tmp_path)
    assert list(listing) == ["a.wav", "b/10.WAV", "b/2.flac"]
    assert listing["a.wav"] == [5, (tmp_path / "a.wav").stat().st_mtime_ns]


def test_folders_without_audio(tmp_path):
    with pytest.raises(ValueError, match="nowhere: there is no such folder"):
        list_audio(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="there is no audio file in it"):
        list_audio(tmp_path)

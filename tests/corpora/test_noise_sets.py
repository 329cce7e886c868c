"""No type of noise, no file and no stretch is heard in two splits."""

from pathlib import Path

import pytest

from okd_brain.corpora.examination import Recording
from okd_brain.corpora.layouts import read_noise_path
from okd_brain.corpora.noise_sets import (
    MS_SNSD_TYPES,
    choose_noises,
    divide_noises,
)

FOLDER = Path("noises")
SNSD = [
    f"{folder}/{kind}_{number}.wav"
    for folder in ("noise_train", "noise_test")
    for kind in (*MS_SNSD_TYPES["train"], *MS_SNSD_TYPES["test"], "Munching")
    for number in (1, 2, 10)
]
PLAIN = ["bus.wav", "cafe_1.wav", "cafe_2.wav", "metro.wav", "x/rain.flac"]


def types(listing, **options):
    noises = choose_noises(FOLDER, listing, **options)
    return {use: list(found) for use, found in noises.items()}


def test_type_is_the_name_without_its_number():
    for path, kind in (
        ("noise_test/Babble_12.wav", "Babble"),
        ("esc10_rain_0.flac", "esc10_rain"),
        ("a_1/cafe2.wav", "cafe2"),
    ):
        assert read_noise_path(path).source == kind


def test_ms_snsd_by_default():
    noises = choose_noises(FOLDER, SNSD)
    assert {use: tuple(found) for use, found in noises.items()} == MS_SNSD_TYPES
    assert noises["train"]["Babble"] == [
        f"noise_train/Babble_{number}.wav" for number in (1, 2, 10)
    ]
    assert noises["test"]["NeighborSpeaking"][0].startswith("noise_test/")


def test_other_divided_folders_have_what_they_have():
    listing = ["noise_train/a_1.wav", "noise_train/b.wav", "noise_test/c.wav"]
    assert types(listing) == {"train": ["a", "b"], "test": ["c"]}


def test_plain_folders_are_divided_by_name():
    assert types(PLAIN) == {"train": ["bus", "cafe"], "test": ["metro", "rain"]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"test_noises": ["bus"]}, ["cafe", "metro", "rain"]),
        ({"test_noises": ["bus"], "train_noises": ["rain"]}, ["rain"]),
        ({"test_noises": ["bus"], "valid_noises": ["cafe"]}, ["metro", "rain"]),
        ({"valid_noises": ["bus"]}, ["cafe"]),
    ],
)
def test_named_types(options, expected):
    chosen = types(PLAIN, **options)
    assert chosen["train"] == expected
    for use in ("test", "valid"):
        if f"{use}_noises" in options:
            assert chosen[use] == options[f"{use}_noises"]
    assert not set(chosen["train"]) & set(chosen["test"])


def test_only_training_named():
    assert types(PLAIN, train_noises=["bus", "rain"]) == {
        "train": ["bus", "rain"],
        "test": ["cafe", "metro"],
    }


@pytest.mark.parametrize(
    ("listing", "options", "message"),
    [
        (
            PLAIN,
            {"train_noises": ["bus"], "test_noises": ["rain", "bus"]},
            "noises: bus would be heard in train and elsewhere",
        ),
        (
            PLAIN,
            {"valid_noises": ["rain"]},
            "rain would be heard in test and elsewhere",
        ),
        (
            ["noise_train/a_1.wav", "noise_test/a_2.wav"],
            {},
            "a would be heard in train",
        ),
        (
            PLAIN,
            {"test_noises": ["bsu"]},
            "names bsu, but noises has only bus, ",
        ),
        (PLAIN, {"test_noises": "bus"}, "must be a list of types"),
        (PLAIN, {"train_noises": []}, "train_noises is .*, must be a list"),
        (
            ["cafe_1.wav", "cafe_2.wav"],
            {},
            "no type of noise is left for train",
        ),
    ],
)
def test_impossible_types(listing, options, message):
    with pytest.raises(ValueError, match=message):
        choose_noises(FOLDER, listing, **options)


def divide(lengths, noises, loop=False, **longest):
    recordings = {
        path: Recording(f"16k/{path}", samples, 10.0)
        for path, samples in lengths.items()
    }
    longest = {"train": 100, "valid": 100, "test": 100} | longest
    return divide_noises(FOLDER, noises, recordings, longest, loop=loop)


def test_last_fifth_of_the_files_validates():
    paths = [f"a_{number}.wav" for number in range(1, 12)]
    sources, violations = divide(
        dict.fromkeys([*paths, "b.wav"], 100),
        {"train": {"a": paths}, "test": {"b": ["b.wav"]}},
    )
    assert violations == []
    found = {
        s: [source.path for source in sources[s].get("a", [])] for s in sources
    }
    assert found["train"] == [f"16k/{path}" for path in paths[:8]]
    assert found["valid"] == [f"16k/{path}" for path in paths[8:]]
    assert found["test"] == []
    assert sources["test"] == {"b": [("16k/b.wav", 0, 100)]}


@pytest.mark.parametrize(("samples", "cut"), [(1000, 800), (250, 150)])
def test_end_of_a_single_file_validates(samples, cut):
    sources, violations = divide(
        {"a.wav": samples, "b.wav": 100},
        {"train": {"a": ["a.wav"]}, "test": {"b": ["b.wav"]}},
    )
    assert violations == []
    assert sources["train"]["a"] == [("16k/a.wav", 0, cut)]
    assert sources["valid"]["a"] == [("16k/a.wav", cut, samples)]


def test_validation_with_types_of_its_own_takes_whole_files():
    noises = {
        "train": {"a": ["a.wav"]},
        "valid": {"c": ["c.wav"]},
        "test": {"b": ["b.wav"]},
    }
    sources, _ = divide({"a.wav": 150, "b.wav": 100, "c.wav": 120}, noises)
    assert sources == {
        "train": {"a": [("16k/a.wav", 0, 150)]},
        "valid": {"c": [("16k/c.wav", 0, 120)]},
        "test": {"b": [("16k/b.wav", 0, 100)]},
    }


def test_noise_shorter_than_speech_is_rejected():
    sources, violations = divide(
        {"a.wav": 190, "b.wav": 8000, "c.wav": 100},
        {"train": {"a": ["a.wav"]}, "test": {"b": ["b.wav"], "c": ["c.wav"]}},
        test=16000,
    )
    assert sources["test"] == {} and sources["train"] == {}
    assert len(sources["valid"]["a"]) == 1
    assert [violation.file for violation in violations] == [
        "noises/a.wav",
        "noises/b.wav",
        "noises/c.wav",
    ]
    assert violations[1].rule == (
        "has 0.500 s of noise for test (from 0.000 s on), must have at least "
        "the 1.000 s of the longest speech there"
    )


def test_short_noise_may_be_looped():
    noises = {"train": {"a": ["a.wav"]}, "test": {}}
    sources, violations = divide({"a.wav": 90}, noises, loop=True)
    assert not violations
    assert sources["train"]["a"] == [("16k/a.wav", 0, 90)]


def test_a_part_of_a_file_is_never_looped():
    """It would go on with the part that another split hears."""
    noises = {"train": {"a": ["a.wav"]}, "test": {}}
    sources, _ = divide({"a.wav": 150}, noises, loop=True, train=140, valid=50)
    assert not sources["valid"]
    assert sources["train"]["a"] == [("16k/a.wav", 0, 150)]

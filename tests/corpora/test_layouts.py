"""Published corpora are read as they are meant; no leak between splits."""

import itertools
import json
from pathlib import Path

import pytest
from tiny_corpus import burst, write_wave

from okd_brain.corpora import (
    MixingPlan,
    find_utterances,
    prepare_mixture_corpus,
)
from okd_brain.corpora.examination import Recording
from okd_brain.corpora.noise_sets import (
    choose_noises,
    divide_noises,
    noise_files,
)

FOLDER = Path("corpus")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def heard(listing, folder=FOLDER, **options):
    """Return split -> its speakers, and all paths that are taken."""
    _, utterances, violations = find_utterances(folder, listing, **options)
    assert violations == []
    speakers = {}
    for utterance in utterances:
        speakers.setdefault(utterance.split, set()).add(utterance.speaker)
    for one, other in itertools.combinations(speakers.values(), 2):
        assert not one & other
    return speakers, [utterance.path for utterance in utterances]


LIBRI = [
    f"LibriSpeech/{subset}/{speaker}/{chapter}/{speaker}-{chapter}-{n:04d}.flac"
    for subset, speakers in (
        ("train-clean-100", (19, 26, 27)),
        ("dev-clean", (84, 174)),
        ("test-clean", (61, 121)),
    )
    for speaker in speakers
    for chapter in (198, 199)
    for n in (0, 1)
]
TIMIT = [
    f"{split}/DR{dialect}/{speaker}/{sentence}.WAV"
    for split, speakers in (
        ("TRAIN", ("FCJF0", "MDAB0", "MWBT0")),
        ("TEST", ("FELC0", "MREB0")),
    )
    for dialect, speaker in enumerate(speakers, start=1)
    for sentence in ("SA1", "SI1027", "SX37")
]
VCTK = [
    f"wav48_silence_trimmed/{speaker}/{speaker}_{n:03d}_mic{mic}.flac"
    for speaker in ("p225", "p226", "p227", "s5")
    for n in (1, 2)
    for mic in (1, 2)
]
VOICEBANK = [
    f"{kind}_{split}set{speakers}_wav/{speaker}_{n:03d}.wav"
    for kind in ("clean", "noisy")
    for split, speakers, names in (
        ("train", "_28spk", ("p226", "p287", "p234")),
        ("test", "", ("p232", "p257")),
    )
    for speaker in names
    for n in (1, 2)
]


def test_librispeech_from_its_root(caplog):
    with caplog.at_level("INFO"):
        speakers, paths = heard(LIBRI)
    assert speakers == {
        "train": {"19", "26", "27"},
        "valid": {"84", "174"},
        "test": {"61", "121"},
    }
    assert sorted(paths) == sorted(LIBRI)
    assert "LibriSpeech: 7 speakers in 28 recordings" in caplog.text


def test_a_subset_of_librispeech_is_divided_by_speaker():
    subset = [path for path in LIBRI if "train-clean" in path]
    speakers, _ = heard(subset)
    assert speakers == {"test": {"19"}, "valid": {"26"}, "train": {"27"}}
    # and is named as it was before LibriSpeech was recognised
    below = [path.split("/", 2)[2] for path in subset]
    _, utterances, _ = find_utterances(FOLDER, below)
    assert utterances[0].name == "27_198_27-198-0000"


def test_timit_keeps_its_test_set():
    speakers, _ = heard(TIMIT)
    assert speakers == {
        "train": {"MDAB0", "MWBT0"},
        "valid": {"FCJF0"},
        "test": {"FELC0", "MREB0"},
    }
    speakers, _ = heard(TIMIT, test_speakers=["FCJF0"])
    assert speakers["test"] == {"FCJF0"}
    speakers, _ = heard(TIMIT, valid_speakers=["MWBT0"])
    assert speakers["test"] == {"FELC0", "MREB0"}
    assert speakers["valid"] == {"MWBT0"}


def test_vctk_has_two_microphones_and_one_utterance(caplog):
    with caplog.at_level("INFO"):
        speakers, paths = heard(VCTK)
    assert speakers == {
        "test": {"p225"},
        "valid": {"p226"},
        "train": {"p227", "s5"},
    }
    assert len(paths) == 8 and all("_mic1" in path for path in paths)
    assert "8 files of other microphones of the same recordings" in caplog.text


def test_clean_speech_of_voicebank():
    speakers, paths = heard(VOICEBANK)
    assert speakers["test"] == {"p232", "p257"}
    assert all(path.startswith("clean_") for path in paths)


def test_common_voice_with_its_tables(tmp_path, caplog):
    clips = [f"common_voice_en_{n}.mp3" for n in range(8)]
    clients = ["a" * 128, "b" * 128, "c" * 128, "d" * 128] * 2
    rows = "".join(
        f'{client}\t{clip}\tAn "odd sentence\n'
        for client, clip in zip(clients, clips, strict=True)
    )
    (tmp_path / "validated.tsv").write_text(
        f"client_id\tpath\tsentence\n{rows}"
    )
    (tmp_path / "clips").mkdir()
    expected = {"test": {"a" * 16}, "valid": {"b" * 16}}
    for folder, prefix in ((tmp_path, "clips/"), (tmp_path / "clips", "")):
        speakers, _ = heard([prefix + clip for clip in clips], folder)
        assert expected.items() <= speakers.items()
        assert speakers["train"] == {"c" * 16, "d" * 16}
    assert "counts as a speaker of its own" not in caplog.text
    (tmp_path / "validated.tsv").unlink()
    speakers, _ = heard(clips, tmp_path / "clips")
    assert sum(map(len, speakers.values())) == 8
    assert "says who speaks in 8 files" in caplog.text


def test_folders_of_splits_are_not_speakers(caplog):
    listing = [
        f"{split}/{speaker}/{n}.wav"
        for split, speaker in (
            ("training", "anna"),
            ("training", "bert"),
            ("valid", "carl"),
            ("test", "dora"),
        )
        for n in (1, 2)
    ]
    speakers, _ = heard(listing)
    assert speakers == {
        "train": {"anna", "bert"},
        "valid": {"carl"},
        "test": {"dora"},
    }
    find_utterances(FOLDER, [*listing, "test/anna/3.wav"])
    assert "1 speaker is in several splits: anna, as your" in caplog.text


def test_a_speaker_on_both_sides_is_refused_where_the_split_is_published():
    both = "LibriSpeech/test-clean/19/198/19-198-0001.flac"
    with pytest.raises(ValueError, match="1 speaker is in several .*: 19; "):
        find_utterances(FOLDER, [*LIBRI, both])
    find_utterances(FOLDER, [*LIBRI, both], test_speakers=["61"])


def test_a_small_first_speaker_does_not_take_the_others_along():
    listing = ["a/1.wav", "b/1.wav", *(f"c/{n}.wav" for n in range(98))]
    assert heard(listing)[0] == {"test": {"a"}, "valid": {"b"}, "train": {"c"}}


def test_speakers_whose_accents_are_stored_in_two_ways_are_one():
    listing = ["Rene\u0301/1.wav", "Ren\u00e9/2.wav", "b/1.wav", "c/1.wav"]
    speakers, _ = heard(listing, test_speakers=["Rene\u0301"])
    assert speakers["test"] == {"Ren\u00e9"}


# Noise


def chosen(listing, **options):
    listing = noise_files(FOLDER, dict.fromkeys(sorted(listing)))
    return choose_noises(FOLDER, listing, **options)


def test_an_environment_of_demand_is_in_one_split(tmp_path, caplog):
    """With audio: as published, 16 channels of each environment."""
    places = ("DKITCHEN", "NFIELD", "OOFFICE", "PCAFETER")
    for seed, place in enumerate(places):
        for channel in range(1, 17):
            path = tmp_path / "noise" / place / f"ch{channel:02d}.wav"
            write_wave(path, burst(5.0, seed=seed))
    for speaker in "abc":
        path = tmp_path / "speech" / f"{speaker}_1.wav"
        write_wave(path, burst(1.0, seed=9))
    with caplog.at_level("INFO"):
        corpus = prepare_mixture_corpus(
            tmp_path / "speech",
            tmp_path / "noise",
            tmp_path / "output",
            MixingPlan(),
            progressbar=False,
        )
    assert corpus.noises == {
        "train": ["DKITCHEN", "NFIELD"],
        "valid": ["DKITCHEN", "NFIELD"],
        "test": ["OOFFICE", "PCAFETER"],
    }
    spans = {}
    for path in corpus.manifests.values():
        for entry in json.loads(Path(path).read_text()).values():
            assert entry["noise_wav"].endswith("/ch01.wav")
            span = (entry["noise_start"], entry["length"])
            spans.setdefault(entry["noise_wav"], set()).add(span)
    assert len(spans) == 4
    assert (
        "DEMAND: 4 types of noise in 4 recordings; left out: 60 files of other "
        in (caplog.text)
    )


def test_esc_50_has_types_by_class_and_clips_in_one_split(caplog):
    listing = [
        f"audio/{clip % 5 + 1}-{clip}-{take}-{kind}.wav"
        for kind in range(6)
        for clip in range(100 * kind, 100 * kind + 5)
        for take in "AB"
    ]
    noises = chosen(listing)
    assert list(noises["train"]) == [f"class_{n}" for n in range(4)]
    assert list(noises["test"]) == ["class_4", "class_5"]
    recordings = {path: Recording(path, 80000, 10.0) for path in listing}
    longest = dict.fromkeys(("train", "valid", "test"), 16000)
    sources, _ = divide_noises(FOLDER, noises, recordings, longest)
    clips = {
        split: {
            source.path.split("-")[1]
            for found in types.values()
            for source in found
        }
        for split, types in sources.items()
    }
    assert all(clips.values())
    assert not clips["train"] & clips["valid"]
    # A clip of two classes is heard where it tests.
    both = "audio/1-401-A-0.wav"
    with caplog.at_level("INFO"):
        assert both not in chosen([*listing, both])["train"]["class_0"]
    assert f"is left out elsewhere: {both}" in caplog.text
    noises = chosen([*listing, both], test_noises=["class_4", "class_5"])
    assert both in noises["train"]["class_0"]
    assert "as types are named" in caplog.text


def test_musan_is_divided_by_recording():
    listing = [
        f"musan/{kind}/{source}/{kind}-{source}-{n:04d}.wav"
        for kind, source in (
            ("noise", "free-sound"),
            ("noise", "sound-bible"),
            ("music", "fma"),
            ("speech", "librivox"),
        )
        for n in range(6)
    ]
    noises = chosen(listing)
    assert list(noises["train"]) == list(noises["test"]) == ["music", "noise"]
    train, test = (
        {path for paths in noises[use].values() for path in paths}
        for use in ("train", "test")
    )
    assert (len(train), len(test)) == (12, 6)
    assert not train & test
    named = chosen(listing, test_noises=["music"])
    assert (len(named["train"]["noise"]), len(named["test"]["music"])) == (
        12,
        6,
    )


def test_wham_keeps_its_splits():
    listing = [
        f"wham_noise/{folder}/01{n}a0101_0.061105_401c020r_-0.061105.wav"
        for folder in ("tr", "cv", "tt")
        for n in range(3)
    ]
    noises = chosen(listing)
    for use, folder in (("train", "tr"), ("valid", "cv"), ("test", "tt")):
        assert noises[use] == {
            "wham": [path for path in listing if f"/{folder}/" in path]
        }


def test_ms_snsd_may_lie_deeper():
    listing = [
        "MS-SNSD/noise_train/a_1.wav",
        "MS-SNSD/noise_test/b_1.wav",
        "MS-SNSD/clean_train/c_1.wav",
    ]
    noises = chosen(listing)
    assert noises["train"] == {"a": [listing[0]]}
    assert noises["test"] == {"b": [listing[1]]}

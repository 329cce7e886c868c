"""Speech and noise become mixtures: exact, apart, repeatable, all or none."""

import itertools
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_corpus import burst, write_streamed_flac, write_wave

import okd_brain.corpora.mixture_corpus
from okd_brain.corpora import (
    MixingPlan,
    make_dataset,
    prepare_corpus,
    prepare_mixture_corpus,
)
from okd_brain.corpora.mixing_plan import MAX_MIXTURES
from okd_brain.results import find_conditions, read_conditions

SPLITS = ("train", "valid", "test")
PLAN = {
    "train_snrs_db": [-11, -7, -3],
    "test_snrs_db": [-13, -9, -5, -1],
    "max_mixtures": dict.fromkeys(SPLITS),
    "loop_noise": False,
}


def level_db(samples):
    return 10 * np.log10(np.mean(np.asarray(samples, dtype=np.float64) ** 2))


@pytest.fixture
def folders(tmp_path):
    """Make three speakers, five types of noise and a single-file type."""
    for seed, name in enumerate(["c_2", "c_1", "b_2", "b_1", "a_2", "a_1"]):
        samples = burst(1.0 + 0.01 * seed, seed=seed)
        write_wave(tmp_path / "speech" / f"{name}.wav", 0.2 * samples)
    noise = tmp_path / "noise"
    for seed, name in enumerate(["hum_2", "hum_1", "cafe"], start=10):
        write_wave(noise / "noise_train" / f"{name}.wav", burst(3.0, seed=seed))
    for seed, name in enumerate(["bus_1", "rain_1"], start=20):
        write_wave(noise / "noise_test" / f"{name}.wav", burst(1.5, seed=seed))
    return tmp_path


def prepare(folders, output="output", plan=None, **options):
    return prepare_mixture_corpus(
        folders / "speech",
        folders / "noise",
        folders / output,
        MixingPlan(**PLAN | (plan or {})),
        progressbar=False,
        **options,
    )


def manifests(corpus):
    return {
        split: json.loads(Path(path).read_text())
        for split, path in corpus.manifests.items()
    }


def stretches(corpus):
    """Return split -> {noise file: samples of it that are heard}."""
    heard = {}
    for split, entries in manifests(corpus).items():
        heard[split] = {}
        for entry in entries.values():
            start = entry["noise_start"]
            samples = heard[split].setdefault(entry["noise_wav"], set())
            samples |= set(range(start, start + entry["length"]))
    return heard


# Mixtures


@pytest.mark.parametrize("paper_mixing", [False, True])
def test_every_mixture_has_the_ratio_of_its_name(folders, paper_mixing):
    corpus = prepare(folders, plan={"paper_mixing": paper_mixing})
    asked = {"train": {-11, -7, -3}, "valid": {-11, -7, -3}}
    asked["test"] = {-13, -9, -5, -1}
    for split, dataset in corpus.datasets().items():
        nominal = set()
        for item in dataset:
            snr_db = float(item["id"].split("_")[-1].removesuffix("dB"))
            nominal.add(snr_db)
            found = level_db(item["clean_sig"]) - level_db(item["noise_sig"])
            expected = snr_db / 2 if paper_mixing else snr_db
            assert found == pytest.approx(expected, abs=1e-4)
            assert level_db(item["clean_sig"]) == pytest.approx(-25, abs=1e-4)
        assert nominal == asked[split]


def test_every_speech_in_every_noise_at_every_ratio(folders):
    corpus = prepare(folders)
    assert corpus.corpus == "speech"
    assert corpus.mixtures == {"train": 12, "valid": 12, "test": 16}
    assert corpus.noises == {
        "train": ["cafe", "hum"],
        "valid": ["cafe", "hum"],
        "test": ["bus", "rain"],
    }
    for (split, entries), speaker in zip(
        manifests(corpus).items(), "cba", strict=True
    ):
        ratios = MixingPlan(**PLAN).snrs_db(split)
        expected = {
            f"{speaker}_{number}_{noise}_{snr_db}dB"
            for number, noise, snr_db in itertools.product(
                (1, 2), corpus.noises[split], ratios
            )
        }
        assert set(entries) == expected
        assert list(entries) == sorted(entries)
        assert {entry["speaker"] for entry in entries.values()} == {speaker}


@pytest.mark.parametrize("number", [1, 5, 6, 7, 11])
def test_drawn_mixtures_are_even_over_noises_and_ratios(folders, number):
    most = dict.fromkeys(SPLITS, number)
    corpus = prepare(folders, plan={"max_mixtures": most})
    assert set(corpus.mixtures.values()) == {number}
    everything = manifests(prepare(folders, "all"))
    for split, entries in manifests(corpus).items():
        # The draw leaves the mixtures themselves as they are.
        assert entries.items() <= everything[split].items()
        met = Counter((e["noise"], e["snr_db"]) for e in entries.values())
        conditions = len(everything[split]) // 2
        assert max(met.values()) - min(met.values()) <= 1
        assert len(met) == min(number, conditions)


@pytest.mark.parametrize("offset", ["random", "start"])
def test_no_noise_is_heard_in_two_splits(folders, offset):
    heard = stretches(prepare(folders, plan={"noise_offset": offset}))
    for one, other in itertools.combinations(SPLITS, 2):
        for path in set(heard[one]) & set(heard[other]):
            assert not heard[one][path] & heard[other][path]
    single = "{noise_root}/noise_train/cafe.wav"
    assert single in heard["train"] and single in heard["valid"]
    assert set(heard["test"]).isdisjoint({*heard["train"], *heard["valid"]})


def test_noise_starts_where_it_may(folders):
    starts = {
        offset: [
            entry["noise_start"]
            for entry in manifests(
                prepare(folders, offset, plan={"noise_offset": offset})
            )["test"].values()
        ]
        for offset in ("random", "start")
    }
    assert set(starts["start"]) == {0}
    assert len(set(starts["random"])) == 16
    # Two lengths of speech in 1.5 s of noise.
    assert 0 <= min(starts["random"]) and max(starts["random"]) <= 0.5 * 16000


def test_validation_may_have_noises_of_its_own(folders):
    corpus = prepare(folders, plan={"valid_noises": ["hum"]})
    assert corpus.noises["train"] == ["cafe"]
    assert corpus.noises["valid"] == ["hum"]


def test_speech_with_high_peaks_is_made_softer(folders):
    click = np.full(16000, 1e-3) * (-1.0) ** np.arange(16000)
    click[8000] = 0.9
    write_wave(folders / "speech" / "a_3.wav", click)
    for item in prepare(folders).datasets()["test"]:
        peak_db = 20 * np.log10(float(item["clean_sig"].abs().max()))
        if item["id"].startswith("a_3"):
            assert peak_db == pytest.approx(-0.1, abs=1e-3)
            assert level_db(item["clean_sig"]) < -35
        else:
            assert level_db(item["clean_sig"]) == pytest.approx(-25, abs=1e-4)


# Repeatable


def test_seed_decides(folders):
    first = manifests(prepare(folders))
    assert manifests(prepare(folders, "again")) == first
    other = manifests(prepare(folders, "other", plan={"mixing_seed": 1}))
    assert other.keys() == first.keys() and other != first


def test_order_does_not_depend_on_the_file_system(folders, monkeypatch):
    first = manifests(prepare(folders, n_jobs=1))
    walk = os.walk

    def backwards(*args, **kwargs):
        for root, inside, files in walk(*args, **kwargs):
            inside.sort(reverse=True)
            yield root, inside, sorted(files, reverse=True)

    monkeypatch.setattr(os, "walk", backwards)
    assert manifests(prepare(folders, "again", n_jobs=3)) == first


def test_same_files_and_options_are_not_read_again(folders, monkeypatch):
    first = prepare(folders)

    def examine_files(*args, **kwargs):
        raise AssertionError("read again")

    monkeypatch.setattr(
        okd_brain.corpora.mixture_corpus, "examine_files", examine_files
    )
    assert prepare(folders) == first
    (folders / "output").rename(folders / "moved")
    assert prepare(folders, "moved").mixtures == first.mixtures
    with pytest.raises(AssertionError):
        prepare(folders, "moved", plan={"mixing_seed": 1})


def test_changed_noise_is_read_again(folders):
    prepare(folders)
    write_wave(folders / "noise" / "noise_test" / "bus_1.wav", burst(0.5))
    with pytest.raises(ValueError, match="bus_1.wav: has 0.500 s of noise"):
        prepare(folders)


# Any sample rate


def test_other_rates_are_resampled_once(folders):
    time = np.arange(3 * 48000) / 48000
    tone = 0.1 * np.sin(2 * np.pi * 1000 * time)
    noise = folders / "noise" / "noise_test" / "bus_1.wav"
    write_wave(noise, tone, 48000)
    before = noise.read_bytes()
    corpus = prepare(folders)
    assert corpus.data_root == str(folders / "speech")
    assert corpus.noise_root == str(folders / "output" / "noise_16k")
    copies = list(Path(corpus.noise_root).rglob("*.wav"))
    assert len(copies) == 5
    assert {soundfile.info(path).samplerate for path in copies} == {16000}
    assert noise.read_bytes() == before
    for item in corpus.datasets()["test"]:
        if "bus" in item["id"]:
            power = torch.fft.rfft(item["noise_sig"]).abs()
            hz = float(power.argmax()) * 16000 / len(item["noise_sig"])
            assert hz == pytest.approx(1000, abs=1)
    times = {path: path.stat().st_mtime_ns for path in copies}
    assert prepare(folders) == corpus
    assert times == {path: path.stat().st_mtime_ns for path in copies}


def test_two_files_of_one_copy(folders):
    write_wave(folders / "noise" / "noise_test" / "bus_1.aif", burst(2.0))
    write_wave(folders / "noise" / "noise_test" / "x_1.wav", burst(2.0), 8000)
    with pytest.raises(
        ValueError, match="bus_1.wav: has the same name as .*aif"
    ):
        prepare(folders)


# Written


def test_written_mixtures_are_those_mixed_on_the_fly(folders, caplog):
    plan = {"test_snrs_db": [-30, -1]}
    fly = prepare(folders, "fly", plan=plan)
    with caplog.at_level("INFO"):
        written = prepare(
            folders, "written", plan={**plan, "write_mixtures": True}
        )
    assert "test: wrote 8 mixtures" in caplog.text
    assert "; beyond full scale: 4" in caplog.text
    for split in SPLITS:
        for mixed, read, pair in zip(
            fly.datasets()[split],
            written.datasets()[split],
            make_dataset(written.manifests[split], written.data_root),
            strict=True,
        ):
            assert mixed["id"] == read["id"] == pair["id"]
            for name in ("clean_sig", "noise_sig", "noisy_sig"):
                torch.testing.assert_close(
                    read[name], mixed[name], rtol=1e-5, atol=1e-6
                )
            for name in ("clean_sig", "noisy_sig"):
                assert torch.equal(pair[name], mixed[name])
    shutil.rmtree(folders / "speech")  # the files stand for themselves
    assert len(written.datasets()["test"][0]["clean_sig"])


def test_logs_of_written_mixtures_can_be_read_whatever_the_names(folders):
    for old, new in (
        ("speech/a_1", "speech/ann lee/take 1"),
        ("noise/noise_test/rain_1", "noise/noise_test/heavy rain_1"),
    ):
        (folders / f"{new}.wav").parent.mkdir(exist_ok=True)
        (folders / f"{old}.wav").rename(folders / f"{new}.wav")
    corpus = prepare(
        folders, plan={"write_mixtures": True, "test_speakers": ["ann_lee"]}
    )
    entries = manifests(corpus)["test"]
    assert len(entries) == 8
    log = Path(corpus.data_root) / "test" / "log_test.txt"
    known = read_conditions(log, list(entries))
    for name, entry in entries.items():
        assert known[name]["noise"] == entry["noise"]
        assert known[name]["snr_db"] == entry["snr_db"]
    assert {entry["noise"] for entry in entries.values()} == {
        "bus",
        "heavy_rain",
    }


def test_written_mixtures_are_used_again_and_replaced_if_lost(folders, flushed):
    first = prepare(folders, plan={"write_mixtures": True})
    (lost, *others) = sorted((folders / "output" / "mixtures").rglob("*.wav"))
    assert {lost, *others} <= set(flushed)  # a power cut would go unnoticed
    times = {path: path.stat().st_mtime_ns for path in others}
    assert prepare(folders, plan={"write_mixtures": True}) == first
    assert times == {path: path.stat().st_mtime_ns for path in others}
    lost.unlink()
    assert prepare(folders, plan={"write_mixtures": True}) == first
    assert lost.exists()


# Bad input


def test_all_bad_files_are_in_one_report(folders):
    speech, noise = folders / "speech", folders / "noise"
    stereo = np.stack([burst(1.0)] * 2, axis=1)
    write_wave(speech / "a_3.wav", stereo)
    write_wave(speech / "a_4.wav", burst(0.9))
    write_wave(speech / "b_3.wav", np.zeros(16000))
    write_wave(
        speech / "c_3.wav", np.append(burst(1.0), np.nan), subtype="FLOAT"
    )
    (speech / "c_4.wav").write_text("no audio")
    write_wave(noise / "noise_test" / "bus_2.wav", np.zeros(32000))
    write_wave(noise / "noise_test" / "bus_3.wav", burst(1.0))
    expected = {
        speech / "a_3.wav": "2 channels",
        speech / "a_4.wav": "lasts 0.900 s, must last at least 1.0 s",
        speech / "b_3.wav": "is silent",
        speech / "c_3.wav": "NaN",
        speech / "c_4.wav": "cannot be read",
        noise / "noise_test" / "bus_2.wav": "is silent",
        noise / "noise_test" / "bus_3.wav": "must have at least the 1.050 s",
    }
    with pytest.raises(ValueError, match="7 files break a rule") as error:
        prepare(folders)
    for path, rule in expected.items():
        lines = [li for li in str(error.value).splitlines() if str(path) in li]
        assert any(rule in line for line in lines), (path, rule)
    assert [p.name for p in (folders / "output").iterdir()] == ["bad_files.txt"]
    corpus = prepare(folders, skip_bad_files=True)
    assert corpus.mixtures == {"train": 12, "valid": 12, "test": 16}


def test_silent_stretches_are_avoided(folders):
    gap = np.concatenate([burst(1.2), np.zeros(32000), burst(1.2)])
    write_wave(folders / "noise" / "noise_test" / "bus_1.wav", gap)
    for item in prepare(folders).datasets()["test"]:
        assert item["noise_sig"].any()


def test_silence_at_the_start(folders):
    late = np.concatenate([np.zeros(32000), burst(1.2)])
    write_wave(folders / "noise" / "noise_test" / "bus_1.wav", late)
    with pytest.raises(ValueError, match="bus_1.wav: .* have only silence"):
        prepare(folders, plan={"noise_offset": "start"})


def test_nothing_left(folders):
    for path in (folders / "noise" / "noise_test").iterdir():
        write_wave(path, burst(0.5))
    with pytest.raises(ValueError, match="no mixture is left for test"):
        prepare(folders, skip_bad_files=True)


def test_two_utterances_of_one_name(folders):
    write_wave(folders / "speech" / "a" / "1.wav", burst(1.0))
    with pytest.raises(ValueError, match="a_1.wav: has the same name as a/1"):
        prepare(folders)


@pytest.mark.parametrize("inside", ["speech/results", "noise", "noise/x"])
def test_nothing_is_written_into_the_folders(folders, inside):
    with pytest.raises(ValueError, match="into which nothing is written"):
        prepare(folders, inside)


@pytest.mark.parametrize(
    ("speech", "noise", "files"),
    [("", "noise", 5), ("speech", "speech", 6), ("noise", "noise", 5)],
)
def test_noise_among_the_speech(folders, speech, noise, files):
    with pytest.raises(
        ValueError,
        match=f"have {files} files in common, .*name a folder of speech alone",
    ):
        prepare_mixture_corpus(
            folders / speech,
            folders / noise,
            folders.parent / "output",
            MixingPlan(),
        )


def test_speech_beside_the_noise_of_ms_snsd(folders):
    expected = manifests(prepare(folders))
    clean = folders / "noise" / "clean_train"
    (folders / "speech").rename(clean)
    corpus = prepare_mixture_corpus(
        clean,
        folders / "noise",
        folders / "other",
        MixingPlan(**PLAN),
        progressbar=False,
    )
    assert manifests(corpus) == expected


def test_switches_are_said_in_full(folders):
    with pytest.raises(ValueError, match="must be True or False"):
        prepare(folders, skip_bad_files="False")


@pytest.mark.parametrize("absent", [0, 1])
def test_speech_needs_noise_and_noise_needs_speech(folders, absent):
    names = [folders / "speech", folders / "noise"]
    names[absent] = None
    with pytest.raises(ValueError, match="is None.*: name both, a folder of"):
        prepare_mixture_corpus(*names, folders / "output", MixingPlan())


# Recordings of one's own, with the defaults of speech enhancement


@pytest.fixture
def own(tmp_path):
    """Make four speakers with two utterances each, and short noises."""
    for seed, speaker in enumerate(("anna", "bert", "carl", "male")):
        for number in (1, 2):
            path = tmp_path / "speech" / speaker / f"{number}.wav"
            write_wave(path, 0.2 * burst(1.2, seed=10 * seed + number))
    for seed, name in enumerate(["bus", "cafe", "hum_1", "hum_2", "rain"]):
        write_wave(
            tmp_path / "noise" / f"{name}.wav", burst(0.5, seed=99 + seed)
        )
    return tmp_path


def mix(own, output="output", **plan):
    return prepare_mixture_corpus(
        own / "speech",
        own / "noise",
        own / output,
        MixingPlan(**plan),
        progressbar=False,
    )


def test_speakers_and_noise_files_are_in_one_split_each(own):
    for field in ("speaker", "noise_wav"):
        heard = {
            split: {entry[field] for entry in found.values()}
            for split, found in manifests(mix(own)).items()
        }
        assert all(heard.values())
        assert len(set.union(*heard.values())) == sum(map(len, heard.values()))


def test_the_split_is_reported(own):
    mix(own, test_speakers=["anna"], test_noises=["hum"])
    report = json.loads((own / "output" / "corpus.json").read_text())
    assert report["talkers"] == {
        "train": ["carl", "male"],
        "valid": ["bert"],
        "test": ["anna"],
    }
    assert report["noises"] == {
        "train": ["bus", "cafe"],
        "valid": ["rain"],
        "test": ["hum"],
    }


def test_noise_shorter_than_speech_is_repeated_at_the_exact_ratio(own):
    for split, dataset in mix(own).datasets().items():
        wanted = MixingPlan().snrs_db(split)
        found = {
            round(level_db(item["clean_sig"]) - level_db(item["noise_sig"]), 4)
            for item in dataset
        }
        assert found == set(wanted)
        item = dataset[0]
        period = 8000  # 0.5 s
        start = item["noise_sig"][:period]
        assert torch.equal(start, item["noise_sig"][period : 2 * period])
        assert torch.allclose(
            item["clean_sig"] + item["noise_sig"], item["noisy_sig"], atol=1e-7
        )


def test_short_noises_start_anywhere(own):
    starts = {
        entry["noise_start"]
        for found in manifests(mix(own)).values()
        for entry in found.values()
    }
    assert len(starts) > 10 and max(starts) > 4000  # of 8000


def test_numbers_of_mixtures(own):
    assert mix(own, max_mixtures={"train": 3}).mixtures["train"] == 3
    every = mix(own, "all", max_mixtures={"train": None}).mixtures["train"]
    # two utterances of two speakers, in the one noise that trains
    assert every == 4 * len(MixingPlan().train_snrs_db) <= MAX_MIXTURES["train"]


def test_written_mixtures_are_a_corpus_with_logs(own):
    most = {"train": 8, "valid": 2, "test": 6}
    written = mix(own, "written", max_mixtures=most, write_mixtures=True)
    corpus = own / "written" / "mixtures"
    again = prepare_corpus(
        corpus, own / "again", valid_speakers=["carl"], progressbar=False
    )
    assert again.utterances["test"] == written.mixtures["test"]
    assert again.utterances["valid"] == 4
    names = list(manifests(written)["test"])
    known = find_conditions(corpus / "test" / "noisy", names)
    for name, entry in manifests(written)["test"].items():
        for condition in ("snr_db", "noise", "speaker"):
            assert known[name][condition] == entry[condition]


# Names, folders and channels as users have them


def test_linked_speakers_are_found(own):
    elsewhere = own / "disk2" / "dora"
    elsewhere.parent.mkdir()
    shutil.move(own / "speech" / "anna", elsewhere)
    (own / "speech" / "anna").symlink_to(elsewhere)
    (own / "speech" / "bert" / "loop").symlink_to(own / "speech")
    mix(own, test_speakers=["anna"])
    report = json.loads((own / "output" / "corpus.json").read_text())
    assert report["talkers"]["test"] == ["anna"]


def test_noise_of_several_channels_is_averaged_and_said_once(own, caplog):
    left, right = burst(0.5, seed=1), burst(0.5, seed=2)
    stereo = np.stack([left, right], axis=1)
    for name in ("bus.wav", "rain.wav"):
        write_wave(own / "noise" / name, stereo)
    with caplog.at_level("INFO"):
        corpus = mix(own, test_noises=["rain"])
    assert caplog.text.count("which are averaged") == 1
    assert "noise: 2 files have several channels" in caplog.text
    entries = manifests(corpus)["test"]
    for item in corpus.datasets()["test"]:
        start = entries[item["id"]]["noise_start"]
        heard = item["noise_sig"].numpy()
        mean = np.resize(np.roll((left + right) / 2, -start), len(heard))
        assert np.corrcoef(heard, mean)[0, 1] == pytest.approx(1, abs=1e-6)


def test_speech_of_several_channels_is_a_violation(own):
    stereo = np.stack([burst(1.2)] * 2, axis=1)
    write_wave(own / "speech" / "anna" / "1.wav", stereo)
    with pytest.raises(ValueError, match="1.wav: has 2 channels, must have 1"):
        mix(own)


def test_twins_of_noise_are_a_violation(own):
    for name in ("hum_1.WAV", "hum_1.flac"):
        soundfile.write(own / "noise" / name, burst(0.5), 16000)
    with pytest.raises(
        ValueError, match="hum_1.wav: has the same name as hum_1"
    ):
        mix(own)


def test_names_that_are_not_utf8_are_violations(own):
    latin = os.fsdecode(b"ren\xe9")
    (own / "speech" / "anna").rename(own / "speech" / latin)
    bad = own / "noise" / os.fsdecode(b"m\xfcll.wav")
    (own / "noise" / "rain.wav").rename(bad)
    with pytest.raises(ValueError, match="3 files break a rule") as error:
        mix(own)
    for name in ("ren\\xe9/1.wav", "ren\\xe9/2.wav", "m\\xfcll.wav"):
        assert f"{name}: has a name, or is in a folder" in str(error.value)
    corpus = prepare_mixture_corpus(
        own / "speech",
        own / "noise",
        own / "output",
        MixingPlan(),
        skip_bad_files=True,
        progressbar=False,
    )
    assert len(corpus.datasets()["test"][0]["noisy_sig"])
    for path in (own / "noise").iterdir():
        path.rename(
            path.with_name(os.fsdecode(b"\xe9" + os.fsencode(path.name)))
        )
    with pytest.raises(ValueError, match="5 files break a rule"):
        mix(own, "other")  # nothing that could be mixed is left


def test_long_names_become_short_ones(own):
    """Folders joined are too long for a file name; copies have it, too."""
    deep = own / "speech" / "anna" / ("b" * 120) / ("c" * 120)
    write_wave(deep / "1.wav", burst(1.2, 8000), 8000)
    write_wave(deep / "2.wav", burst(1.2), 16000)
    write_wave(own / "noise" / f"{'d' * 240}.aiff", burst(0.5), 16000)
    corpus = mix(own, write_mixtures=True, test_noises=["d" * 240, "rain"])
    names = [name for found in manifests(corpus).values() for name in found]
    assert max(map(len, names)) == 240
    assert len(set(names)) == sum(corpus.mixtures.values())
    for dataset in corpus.datasets().values():
        for item in dataset:
            assert item["noisy_sig"].any()


def test_speech_and_noise_of_unknown_length(own):
    for folder, name, seconds in (
        ("speech/anna", "1", 1.2),
        ("noise", "rain", 0.5),
    ):
        path = own / folder / f"{name}.wav"
        path.unlink()
        write_streamed_flac(path.with_suffix(".flac"), burst(seconds, seed=3))
    corpus = mix(own, test_speakers=["anna"], test_noises=["rain"])
    for item in corpus.datasets()["test"]:
        assert item["clean_sig"].shape == (19200,)
        assert item["noise_sig"].std() > 0


def test_damaged_noise_is_a_violation(own):
    path = own / "noise" / "rain.wav"
    whole = path.read_bytes()
    path.write_bytes(
        whole[:24] + (2**31 - 1).to_bytes(4, "little") + whole[28:]
    )
    other = own / "noise" / "bus.wav"
    other.write_bytes(other.read_bytes()[:9000])
    with pytest.raises(ValueError, match="2 files break a rule") as error:
        mix(own)
    assert "rain.wav: has a sample rate of 2147483647 Hz" in str(error.value)
    assert "bus.wav: is truncated: its header announces 8000 samples" in str(
        error.value
    )

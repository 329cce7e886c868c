"""Speech and noise become mixtures: exact, apart, repeatable, all or none."""

import importlib.util
import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_corpus import burst, write_wave

import okd_brain.corpora.mixture_corpus
from okd_brain.corpora import mini_listening
from okd_brain.corpora.manifests import make_dataset
from okd_brain.corpora.mini import TALKERS
from okd_brain.corpora.mixing_plan import MixingPlan
from okd_brain.corpora.mixture_corpus import prepare_mixture_corpus
from okd_brain.corpora.mixtures import make_mixture_dataset
from okd_brain.results import read_conditions

SPLITS = ("train", "valid", "test")


def level_db(samples):
    return 10 * np.log10(np.mean(np.asarray(samples, dtype=np.float64) ** 2))


@pytest.fixture
def folders(tmp_path):
    """Make three talkers, five types of noise and a single-file type."""
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
        plan=MixingPlan(**plan or {}),
        progressbar=False,
        **options,
    )


def manifests(corpus):
    return {
        split: json.loads(Path(path).read_text())
        for split, path in corpus.manifests.items()
    }


def datasets(corpus):
    return {
        split: make_mixture_dataset(path, corpus.data_root, corpus.noise_root)
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
    for split, dataset in datasets(corpus).items():
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
    for (split, entries), talker in zip(
        manifests(corpus).items(), "cba", strict=True
    ):
        ratios = MixingPlan().snrs_db(split)
        expected = {
            f"{talker}_{number}_{noise}_{snr_db}dB"
            for number, noise, snr_db in itertools.product(
                (1, 2), corpus.noises[split], ratios
            )
        }
        assert set(entries) == expected
        assert list(entries) == sorted(entries)
        assert {entry["speaker"] for entry in entries.values()} == {talker}


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
    corpus = prepare(folders, valid_noises=["hum"])
    assert corpus.noises["train"] == ["cafe"]
    assert corpus.noises["valid"] == ["hum"]


def test_speech_with_high_peaks_is_made_softer(folders):
    click = np.full(16000, 1e-3) * (-1.0) ** np.arange(16000)
    click[8000] = 0.9
    write_wave(folders / "speech" / "a_3.wav", click)
    for item in datasets(prepare(folders))["test"]:
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
    other = manifests(prepare(folders, "other", plan={"seed": 1}))
    assert other.keys() == first.keys() and other != first


def test_order_does_not_depend_on_the_file_system(folders, monkeypatch):
    first = manifests(prepare(folders, n_jobs=1))
    rglob = Path.rglob
    monkeypatch.setattr(
        Path, "rglob", lambda *args: sorted(rglob(*args), reverse=True)
    )
    assert manifests(prepare(folders, "again", n_jobs=3)) == first


def test_same_files_and_options_are_not_read_again(folders, monkeypatch):
    first = prepare(folders)

    def examine_and_plan(*args, **kwargs):
        raise AssertionError("read again")

    monkeypatch.setattr(
        okd_brain.corpora.mixture_corpus, "examine_and_plan", examine_and_plan
    )
    assert prepare(folders) == first
    (folders / "output").rename(folders / "moved")
    assert prepare(folders, "moved").mixtures == first.mixtures
    with pytest.raises(AssertionError):
        prepare(folders, "moved", plan={"seed": 1})


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
    for item in datasets(corpus)["test"]:
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
        written = prepare(folders, "written", plan=plan, written=True)
    assert "test: wrote 8 mixtures" in caplog.text
    assert "; 4 exceed full scale" in caplog.text
    for split in SPLITS:
        for mixed, read, pair in zip(
            datasets(fly)[split],
            datasets(written)[split],
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
    assert len(datasets(written)["test"][0]["clean_sig"])


def test_logs_of_written_mixtures_can_be_read_whatever_the_names(folders):
    for old, new in (
        ("speech/a_1", "speech/ann lee/take 1"),
        ("noise/noise_test/rain_1", "noise/noise_test/heavy rain_1"),
    ):
        (folders / f"{new}.wav").parent.mkdir(exist_ok=True)
        (folders / f"{old}.wav").rename(folders / f"{new}.wav")
    corpus = prepare(folders, written=True, test_talkers=["ann_lee"])
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


def test_written_mixtures_are_used_again_and_replaced_if_lost(folders):
    first = prepare(folders, written=True)
    (lost, *others) = sorted((folders / "output" / "mixtures").rglob("*.wav"))
    times = {path: path.stat().st_mtime_ns for path in others}
    assert prepare(folders, written=True) == first
    assert times == {path: path.stat().st_mtime_ns for path in others}
    lost.unlink()
    assert prepare(folders, written=True) == first
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
    write_wave(noise / "noise_train" / "hum_3.wav", stereo)
    expected = {
        speech / "a_3.wav": "2 channels",
        speech / "a_4.wav": "lasts 0.900 s, must last at least 1.0 s",
        speech / "b_3.wav": "is silent",
        speech / "c_3.wav": "NaN",
        speech / "c_4.wav": "cannot be read",
        noise / "noise_test" / "bus_2.wav": "is silent",
        noise / "noise_test" / "bus_3.wav": "must have at least the 1.050 s",
        noise / "noise_train" / "hum_3.wav": "2 channels",
    }
    with pytest.raises(ValueError, match="8 files break a rule") as error:
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
    for item in datasets(prepare(folders))["test"]:
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
    [("", "noise", 5), ("speech", "", 6), ("noise", "noise", 5)],
)
def test_noise_among_the_speech(folders, speech, noise, files):
    with pytest.raises(
        ValueError,
        match=f"have {files} files in common, .*name a folder of speech alone",
    ):
        prepare_mixture_corpus(
            folders / speech, folders / noise, folders.parent / "output"
        )


def test_speech_beside_the_noise_of_ms_snsd(folders):
    expected = manifests(prepare(folders))
    clean = folders / "noise" / "clean_train"
    (folders / "speech").rename(clean)
    corpus = prepare_mixture_corpus(
        clean, folders / "noise", folders / "other", progressbar=False
    )
    assert manifests(corpus) == expected


@pytest.mark.parametrize("option", ["written", "skip_bad_files"])
def test_switches_are_said_in_full(folders, option):
    with pytest.raises(ValueError, match="must be True or False"):
        prepare(folders, **{option: "False"})


@pytest.mark.parametrize("option", ["paper_mixing", "loop_noise"])
def test_switches_of_a_plan_are_said_in_full(option):
    with pytest.raises(ValueError, match=f"{option} is 'no', must be True or"):
        MixingPlan(**{option: "no"})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("train_snrs_db", []),
        ("train_snrs_db", -5),
        ("test_snrs_db", [0, "5"]),
        ("test_snrs_db", [float("nan")]),
        ("test_snrs_db", [5, 5]),
        ("noise_offset", "end"),
        ("level_dbfs", 3),
        ("level_dbfs", "-25"),
    ],
)
def test_impossible_plan(option, value):
    with pytest.raises(ValueError, match=f"{option} is .*, must be"):
        MixingPlan(**{option: value})


@pytest.mark.parametrize("number", [0, 2.5, "all"])
def test_impossible_number_of_mixtures(number):
    with pytest.raises(ValueError, match="max_test_mixtures is"):
        MixingPlan(max_mixtures={"test": number})


# Recipe


@pytest.fixture(scope="module")
def prepare_harvard():
    path = "recipes/LE/okd/harvard_prepare.py"
    spec = importlib.util.spec_from_file_location(
        "harvard_prepare", Path(__file__).parents[2] / path
    )
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe.prepare_harvard


def test_recipe_prepares_harvard(folders, prepare_harvard):
    shutil.rmtree(folders / "speech")
    for talker in ("male", "female"):
        for number in (1, 600, 601, 660, 661, 720):
            path = folders / "speech" / talker / f"h_{number:03d}.wav"
            write_wave(path, burst(1.0, 48000), 48000)
    arguments = [str(folders / name) for name in ("speech", "noise", "output")]
    with pytest.raises(ValueError, match="lacks sentence 2-599, 602-659, 662-"):
        prepare_harvard(*arguments, progressbar=False)
    corpus = prepare_harvard(
        *arguments,
        max_test_mixtures=7,
        skip_bad_files=True,
        progressbar=False,
    )
    assert corpus.corpus == "Harvard sentences"
    assert corpus.data_root == str(folders / "output" / "speech_16k")
    assert corpus.mixtures == {"train": 24, "valid": 24, "test": 7}
    assert "male_601_hum_-7dB" in manifests(corpus)["valid"]
    with pytest.raises(ValueError, match="divided by their number"):
        prepare_harvard(*arguments, test_talkers=["male"])


def test_recipe_without_folders_prepares_the_mini_corpus(
    tmp_path, prepare_harvard, monkeypatch
):
    monkeypatch.setattr(mini_listening, "FILES_PER_TYPE", 2)
    corpus = prepare_harvard(None, None, str(tmp_path), progressbar=False)
    assert corpus.corpus == "mini corpus"
    assert corpus.noises == {
        "train": ["babble", "pink", "speech_shaped"],
        "valid": ["babble", "pink", "speech_shaped"],
        "test": ["hum", "modulated"],
    }
    for split, entries in manifests(corpus).items():
        speakers = {entry["speaker"] for entry in entries.values()}
        assert speakers == set(TALKERS[split])
    assert len(datasets(corpus)["test"][0]["clean_sig"])
    noises = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("noise_*/*")}
    assert len(noises) == 10
    assert prepare_harvard(None, None, str(tmp_path)) == corpus
    assert noises == {
        p: p.stat().st_mtime_ns for p in tmp_path.rglob("noise_*/*")
    }


def test_recipe_needs_both_folders_or_none(tmp_path, prepare_harvard):
    with pytest.raises(ValueError, match="name both, or neither"):
        prepare_harvard(str(tmp_path), None, str(tmp_path / "output"))

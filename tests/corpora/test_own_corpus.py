"""A folder of speech and a folder of noise train like any corpus."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments import BASE, RECIPE, TESTS, train_script
from tiny_corpus import burst, write_wave

from okd_brain.corpora.examination import Recording
from okd_brain.corpora.noise_splits import divide_noises
from okd_brain.corpora.own_corpus import (
    MAX_MIXTURES,
    TEST_SNRS_DB,
    TRAIN_SNRS_DB,
    mix_recordings,
)
from okd_brain.corpora.paired import prepare_corpus
from okd_brain.results import find_conditions

TALKERS = ("anna", "bert", "carl", "male")


@pytest.fixture
def folders(tmp_path):
    """Make four talkers with two utterances each, and short noises."""
    for seed, talker in enumerate(TALKERS):
        for number in (1, 2):
            path = tmp_path / "speech" / talker / f"{number}.wav"
            write_wave(path, 0.2 * burst(1.2, seed=10 * seed + number))
    for seed, name in enumerate(["bus", "cafe", "hum_1", "hum_2", "rain"]):
        write_wave(
            tmp_path / "noise" / f"{name}.wav", burst(0.5, seed=99 + seed)
        )
    return tmp_path


def mix(folders, output="output", **options):
    return mix_recordings(
        folders / "speech",
        folders / "noise",
        folders / output,
        progressbar=False,
        **options,
    )


def entries(corpus):
    return {
        split: json.loads(Path(manifest).read_text())
        for split, manifest in corpus.manifests.items()
    }


def snr_db(item):
    clean, noise = (item[f"{name}_sig"].double() for name in ("clean", "noise"))
    return 10 * torch.log10((clean**2).mean() / (noise**2).mean()).item()


def test_talkers_and_noise_files_are_in_one_split_each(folders):
    for field in ("speaker", "noise_wav"):
        heard = {
            split: {entry[field] for entry in found.values()}
            for split, found in entries(mix(folders)).items()
        }
        assert all(heard.values())
        assert len(set.union(*heard.values())) == sum(map(len, heard.values()))


def test_the_split_is_reported(folders):
    mix(folders, test_speakers=["anna"], test_noises=["hum"])
    report = json.loads((folders / "output" / "corpus.json").read_text())
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


def test_noise_shorter_than_speech_is_repeated_at_the_exact_ratio(folders):
    for split, dataset in mix(folders).datasets().items():
        wanted = TEST_SNRS_DB if split == "test" else TRAIN_SNRS_DB
        found = {round(snr_db(item), 4) for item in dataset}
        assert found == set(wanted)
        item = dataset[0]
        period = 8000  # 0.5 s
        start = item["noise_sig"][:period]
        assert torch.equal(start, item["noise_sig"][period : 2 * period])
        assert torch.allclose(
            item["clean_sig"] + item["noise_sig"], item["noisy_sig"], atol=1e-7
        )


def test_short_noises_start_anywhere(folders):
    starts = {
        entry["noise_start"]
        for found in entries(mix(folders)).values()
        for entry in found.values()
    }
    assert len(starts) > 10 and max(starts) > 4000  # of 8000


def test_without_looping_short_noises_are_errors():
    longest = dict.fromkeys(("train", "valid", "test"), 9000)
    noises = {"train": {"a": ["a.wav"]}, "test": {}}
    recordings = {"a.wav": Recording("a.wav", 8000, 10.0)}
    _, violations = divide_noises(Path("n"), noises, recordings, longest)
    assert "must have at least" in violations[0].rule
    sources, violations = divide_noises(
        Path("n"), noises, recordings, longest, loop=True
    )
    assert not violations
    assert [source.end for source in sources["train"]["a"]] == [8000]


def test_a_part_of_a_file_is_never_looped():
    """It would go on with the part that another split hears."""
    recordings = {"a.wav": Recording("a.wav", 10000, 10.0)}
    noises = {"train": {"a": ["a.wav"]}, "test": {}}
    longest = {"train": 9000, "valid": 500, "test": 500}
    sources, _ = divide_noises(
        Path("n"), noises, recordings, longest, loop=True
    )
    assert not sources["valid"]
    (source,) = sources["train"]["a"]
    assert (source.begin, source.end) == (0, 10000)


def test_numbers_of_mixtures(folders):
    assert mix(folders, max_mixtures={"train": 3}).mixtures["train"] == 3
    every = mix(folders, "all", max_mixtures={"train": None}).mixtures["train"]
    # two utterances of two talkers, in the one noise that trains
    assert every == 4 * len(TRAIN_SNRS_DB) <= MAX_MIXTURES["train"]
    with pytest.raises(ValueError, match="max_mixtures has 'tset', but the"):
        mix(folders, max_mixtures={"tset": 3})


def test_the_same_call_gives_the_same_mixtures(folders):
    first, second, other = (
        entries(mix(folders, str(number), mixing_seed=seed))
        for number, seed in enumerate((0, 0, 1))
    )
    assert first == second != other


def test_written_mixtures_are_a_corpus_with_logs(folders):
    most = {"train": 8, "valid": 2, "test": 6}
    on_the_fly = mix(folders, max_mixtures=most).datasets()
    written = mix(folders, "written", max_mixtures=most, write_mixtures=True)
    for split, dataset in written.datasets().items():
        for item, expected in zip(dataset, on_the_fly[split], strict=True):
            assert item["id"] == expected["id"]
            torch.testing.assert_close(item["noisy_sig"], expected["noisy_sig"])
    corpus = folders / "written" / "mixtures"
    again = prepare_corpus(
        corpus, folders / "again", valid_speakers=["carl"], progressbar=False
    )
    assert again.utterances["test"] == written.mixtures["test"]
    assert again.utterances["valid"] == 4
    names = list(entries(written)["test"])
    known = find_conditions(corpus / "test" / "noisy", names)
    for name, entry in entries(written)["test"].items():
        for condition in ("snr_db", "noise", "speaker"):
            assert known[name][condition] == entry[condition]


def test_any_rate_is_resampled_and_all_bad_files_are_named(folders):
    speech, noise = folders / "speech", folders / "noise"
    write_wave(speech / "anna" / "1.wav", 0.2 * burst(1.2, 48000), 48000)
    corpus = mix(folders)
    assert corpus.data_root == str(folders / "output" / "speech_16k")
    assert snr_db(corpus.datasets()["test"][0]) in map(
        pytest.approx, TEST_SNRS_DB
    )
    write_wave(speech / "bert" / "2.wav", 0.2 * np.ones((16000, 2)))
    write_wave(noise / "rain.wav", np.zeros(8000))
    (speech / "anna" / "2.wav").write_text("no audio")
    with pytest.raises(ValueError, match="3 files break a rule") as error:
        mix(folders)
    for reason in ("2 channels, must have 1", "is silent", "cannot be read"):
        assert reason in str(error.value)


def test_one_number_of_mixtures_for_all_is_refused(folders):
    with pytest.raises(ValueError, match="max_mixtures is 100, must be a numb"):
        mix(folders, max_mixtures=100)


@pytest.mark.parametrize(
    "mixing, reason",
    [
        ({"train_snr_db": [0]}, "no option 'train_snr_db'; .* 'train_snrs_db'"),
        ({"data_folder": "x"}, "mixing has no option 'data_folder'"),
        ({"valid_speakers": ["anna"]}, "mixing has no option 'valid_speakers'"),
        ([1], r"mixing is \[1\], but 'key: value' lines are expected"),
    ],
)
def test_misspelt_options_of_mixing(folders, mixing, reason):
    with pytest.raises(ValueError, match=reason):
        prepare(folders, mixing, folders / "noise")


def prepare(folders, mixing, noise_folder):
    """Prepare as the recipe does."""
    hparams = {
        "data_folder": folders / "speech",
        "noise_folder": noise_folder,
        "output_folder": folders / "output",
        "valid_speakers": None,
        "skip_bad_files": False,
        "mixing": mixing,
    }
    with train_script(RECIPE) as train:
        return train.prepare(hparams)


def test_options_of_mixing_need_noise(folders):
    reason = "mixing has train_snrs_db: .-5., but there is no noise_folder"
    with pytest.raises(ValueError, match=reason):
        prepare(folders, {"train_snrs_db": [-5]}, None)
    # Those of the base experiment mean nothing then: it is another corpus.
    base = {"train_snrs_db": [0, 5, 10, 15], "write_mixtures": False}
    with pytest.raises(ValueError, match="clean_trainset"):
        prepare(folders, base, None)


def test_noise_needs_speech(folders):
    with pytest.raises(ValueError, match="but data_folder is not set"):
        mix_recordings(None, folders / "noise", folders / "output")


def test_the_recipe_trains_on_speech_and_noise(folders):
    """As its README says; the talkers are those of the samples."""
    output = folders / "run"
    options = {
        "data_folder": TESTS / "samples",
        "noise_folder": folders / "noise",
        "output_folder": output,
        "valid_speakers": "[june]",
        "mixing": "{test_speakers: [carlo], max_mixtures: {train: 8, valid: 1, test: 2}}",
        "number_of_epochs": 2,
        "number_of_samples": 1,
        "max_train_seconds": 1.0,
        "report_metrics": "[pesq]",
        "n_jobs": 1,
        "device": "cpu",
    }
    argv = [str(BASE), *(f"--{key}={options[key]}" for key in options)]
    with train_script(RECIPE) as train:
        train.main([*argv, "--noprogressbar"])
    results = json.loads((output / "results.json").read_text())
    assert results["corpus"] == "samples"
    assert results["utterances"] == 2
    assert results["checkpoints"]["pesq"]["epoch"] == 2
    report = json.loads((output / "corpus.json").read_text())
    assert report["talkers"]["test"] == ["carlo"]
    ratios = {
        entry["snr_db"]
        for entry in json.loads((output / "train.json").read_text()).values()
    }
    assert ratios == set(TRAIN_SNRS_DB)

"""Preparing VoiceBank-DEMAND, and recordings of one's own in its place."""

import json
import sys

import pytest
from experiments import BASE, RECIPE, TESTS, train_script
from tiny_corpus import burst, write_corpus, write_wave

from okd_brain.corpora import LAYOUTS, MixingPlan
from okd_brain.messages import UserError

sys.path.insert(0, str(RECIPE))
from voicebank_prepare import (  # noqa: E402
    choose_valid_speakers,
    prepare_voicebank,
)

sys.path.remove(str(RECIPE))


def test_p226_and_p287_validate():
    assert choose_valid_speakers(["p225", "p287", "p226"]) == ["p226", "p287"]


def test_one_of_the_two_is_another_corpus():
    speakers = ["p226"] * 20 + ["p225"] * 20
    assert choose_valid_speakers(speakers) == ["p225"]


def test_preparation(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", LAYOUTS[0])
    for valid_speakers, expected in (
        (None, ["p226", "p287"]),
        (["p287"], ["p287"]),
    ):
        prepared = prepare_voicebank(
            str(corpus),
            str(tmp_path / "output"),
            valid_speakers=valid_speakers,
            n_jobs=1,
            progressbar=False,
        )
        assert prepared.valid_speakers == expected
        assert (tmp_path / "output" / "train.json").exists()


# Speech and noise


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate(["bus", "cafe", "hum_1", "hum_2", "rain"]):
        write_wave(tmp_path / "noise" / f"{name}.wav", burst(0.5, seed=seed))
    return tmp_path


def test_mixing_needs_noise_and_noise_needs_speech(folders):
    """The script prepares as its options say; what is mixed is tested elsewhere."""
    hparams = {
        "data_folder": folders,
        "noise_folder": None,
        "output_folder": folders / "output",
        "valid_speakers": None,
        "skip_bad_files": False,
        "mixing": MixingPlan(train_snrs_db=[-5]),
    }
    with train_script(RECIPE) as train:
        with pytest.raises(ValueError, match="but there is no noise_folder"):
            train.prepare(hparams)
        with pytest.raises(ValueError, match="holds audio, but no folders"):
            train.prepare({**hparams, "mixing": MixingPlan()})
        speechless = {"data_folder": None, "noise_folder": folders / "noise"}
        with pytest.raises(
            ValueError, match="data_folder is None .* name both"
        ):
            train.prepare(hparams | speechless)


def test_speech_without_noise_and_folders_that_are_not_there(folders):
    """What `train.py --data_folder` says of a folder that is no corpus."""
    hparams = {
        "noise_folder": None,
        "output_folder": folders / "output",
        "valid_speakers": None,
        "skip_bad_files": False,
        "mixing": MixingPlan(),
    }
    with train_script(RECIPE) as train:
        with pytest.raises(UserError, match="nowhere does not exist$"):
            train.prepare({**hparams, "data_folder": folders / "nowhere"})
        with pytest.raises(UserError, match=r"\(--noise_folder\)"):
            train.prepare({**hparams, "data_folder": folders / "noise"})


@pytest.mark.slow
def test_the_recipe_trains_on_speech_and_noise(folders):
    """As its README says; the speakers are those of the samples."""
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
    assert ratios == set(MixingPlan().train_snrs_db)

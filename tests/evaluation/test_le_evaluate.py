"""evaluate.py of listening enhancement: who hears what, at which power."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from experiments import (
    LE_RECIPE,
    RATE,
    train_script,
    write_speech_and_noise,
)

from okd_brain.evaluation import LISTENING, main
from okd_brain.export import export_generator
from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator
from okd_brain.metrics import METRICS

pytestmark = pytest.mark.slow  # trains first

NAMES = [f"{t}_1_wind_{snr_db}dB" for t in ("b", "d") for snr_db in (-5, 5)]
CHEAP = ["estoi", "si_sdr"]  # one of the ear, one of the device
DECIMALS = 1e-4  # SI-SDR, in dB, of waves that were scaled and scaled back


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An experiment with equal power in every frame, and its mixtures."""
    folder = write_speech_and_noise(tmp_path_factory.mktemp("trained"))
    with train_script(LE_RECIPE) as train:
        train.main(
            [
                str(LE_RECIPE / "hparams" / "real_time.yaml"),
                f"--data_folder={folder / 'speech'}",
                f"--noise_folder={folder / 'noise'}",
                f"--output_folder={folder / 'run'}",
                "--write_mixtures=True",
                "--train_noises=[hiss]",
                "--test_noises=[wind]",
                "--valid_talkers=[c]",
                "--test_talkers=[b, d]",
                "--test_snrs_db=[-5, 5]",
                "--max_valid_mixtures=1",
                "--targets=[[estoi]]",
                "--report_metrics=[si_sdr]",
                "--number_of_epochs=2",
                "--number_of_samples=1",
                "--valid_interval=2",
                "--n_jobs=1",
                "--device=cpu",
                "--noprogressbar",
            ]
        )
    return folder / "run"


@pytest.fixture
def mixtures(trained, tmp_path):
    """A copy of the mixtures to spoil."""
    shutil.copytree(trained / "mixtures" / "test", tmp_path / "test")
    return tmp_path / "test"


def run(mixtures, *models, output=None):
    arguments = [*models, "--clean", mixtures / "clean", "--noise"]
    arguments += [mixtures / "noise", "--n_jobs", "1", "--device", "cpu"]
    arguments += ["--metrics", *CHEAP]
    arguments += ["-o", output] if output else []
    return main([str(argument) for argument in arguments], LISTENING)


def results(folder, name="results.json"):
    return json.loads((folder / name).read_text())


def rows(folder):
    """Return (system, utterance) -> metric -> score."""
    with (folder / "scores_test.csv").open(newline="") as file:
        return {
            (row.pop("system"), row.pop("utterance")): {
                metric: float(value)
                for metric, value in row.items()
                if metric != "chosen_on"
            }
            for row in csv.DictReader(file)
        }


def signals(mixtures, name):
    return (
        soundfile.read(mixtures / kind / f"{name}.wav", dtype="float32")[0]
        for kind in ("clean", "noise")
    )


def refused(capsys, mixtures, *models):
    """Return what a wrong command says."""
    assert run(mixtures, *models) == 2
    return capsys.readouterr().err


def export(folder, generator, **details):
    return export_generator(
        generator.eval(), folder, name=folder.name, details=details
    )


def test_scores_are_those_of_the_test_after_training(trained, tmp_path, capsys):
    """Checkpoints and export know that power is equal in every frame."""
    mixtures = trained / "mixtures" / "test"
    export = f"{trained / 'export' / 'estoi'}=export"
    assert run(mixtures, trained, export, output=tmp_path) == 0
    found, expected = rows(tmp_path), rows(trained)
    systems = ["unprocessed", "ssdrc", "estoi"]
    assert list(expected) == [(s, name) for s in systems for name in NAMES]
    assert list(found) == [
        (s, name) for s in [*systems, "export"] for name in NAMES
    ]
    for (system, name), scores in found.items():
        same = expected[system.replace("export", "estoi"), name]
        assert list(scores) == [*CHEAP, "power_ratio_db"]
        for metric, score in scores.items():
            assert score == pytest.approx(same[metric], abs=DECIMALS)
    means = results(tmp_path)["systems"]
    assert abs(means["estoi"]["power_ratio_db"]) > 10 * DECIMALS
    origins = results(tmp_path)["checkpoints"]
    for name, origin in results(trained)["checkpoints"].items():
        assert origins[name] == {"source": str(trained), **origin}
    assert results(tmp_path)["corpus"] == "mixtures"
    assert "| estoi | 2 | " in capsys.readouterr().out


def test_the_log_of_written_mixtures_is_found(trained, tmp_path, capsys):
    run(trained / "mixtures" / "test", trained, output=tmp_path)
    found = results(tmp_path, "breakdown.json")
    expected = results(trained, "breakdown_test.json")
    assert list(found) == list(expected) == ["snr_db", "speaker"]
    for condition, groups in expected.items():
        assert list(found[condition]) == list(groups)
        for label, group in groups.items():
            for system, means in group["systems"].items():
                same = found[condition][label]["systems"][system]
                assert same["estoi"] == pytest.approx(
                    means["estoi"], abs=DECIMALS
                )
    out = capsys.readouterr().out
    assert "| snr_db | utterances | system | estoi | si_sdr |" in out


def test_a_copied_checkpoint_keeps_the_power_of_utterances(trained, tmp_path):
    """Nothing beside it says otherwise."""
    [weights] = trained.glob("save/CKPT+*/g_estoi.ckpt")
    (tmp_path / "a" / "copy").mkdir(parents=True)
    shutil.copy(weights, tmp_path / "a" / "copy")
    models = [f"{weights.parent}=there", f"{tmp_path / 'a' / 'copy'}=copy"]
    run(trained / "mixtures" / "test", *models, output=tmp_path)
    found = results(tmp_path)["systems"]
    assert found["copy"]["power_ratio_db"] == pytest.approx(0, abs=1e-5)
    there = results(trained)["systems"]["estoi"]["power_ratio_db"]
    assert found["there"]["power_ratio_db"] == pytest.approx(there, abs=1e-4)


def test_the_ear_gets_the_noise_and_power_is_shown(trained, tmp_path):
    """A system that is only louder: intelligible, and not at equal power."""
    mixtures = trained / "mixtures" / "test"
    (tmp_path / "louder").mkdir()
    for name in NAMES:
        clean, _ = signals(mixtures, name)
        path = tmp_path / "louder" / f"{name}.wav"
        soundfile.write(path, 2 * clean, RATE, subtype="FLOAT")
    assert run(mixtures, tmp_path / "louder", output=tmp_path) == 0
    found = rows(tmp_path)
    for name in NAMES:
        clean, noise = signals(mixtures, name)
        assert found["louder", name] == {
            "estoi": METRICS["estoi"].score(
                reference=clean, degraded=2 * clean + noise
            ),
            "si_sdr": np.inf,
            "power_ratio_db": pytest.approx(20 * np.log10(2)),
        }
        plain = found["unprocessed", name]
        assert plain["estoi"] < found["louder", name]["estoi"]
        assert plain["power_ratio_db"] == 0


def test_the_level_of_files_does_not_change_the_gains(
    trained, mixtures, tmp_path
):
    """Speech goes through the network at the level of training."""
    for kind in ("clean", "noise"):
        for path in (mixtures / kind).iterdir():
            wave, _ = soundfile.read(path, dtype="float32")
            soundfile.write(path, wave / 8, RATE, subtype="FLOAT")
    torch.manual_seed(0)
    model = export(tmp_path / "gains", BandGainGenerator())
    run(mixtures, model, output=tmp_path / "quiet")
    run(trained / "mixtures" / "test", model, output=tmp_path / "as_trained")
    quiet, as_trained = rows(tmp_path / "quiet"), rows(tmp_path / "as_trained")
    for key, scores in as_trained.items():
        for metric, score in scores.items():
            assert quiet[key][metric] == pytest.approx(score, abs=DECIMALS)


def test_generators_of_the_other_task_are_refused(trained, tmp_path, capsys):
    mixtures = trained / "mixtures" / "test"
    model = export(tmp_path / "pesq", CausalLSTMGenerator())
    said = refused(capsys, mixtures, model)
    assert f"{model} is a generator for speech enhancement" in said
    assert "those of recipes/LE/okd can" in said
    (tmp_path / "copy").mkdir()
    weights = shutil.copy(
        model / "enhance_model.ckpt", tmp_path / "copy" / "g_pesq.ckpt"
    )
    assert f"{weights} is a generator" in refused(
        capsys, mixtures, tmp_path / "copy"
    )
    [weights] = trained.glob("save/CKPT+*/g_estoi.ckpt")
    for source, named in (
        (trained, weights),
        (trained / "export" / "estoi", trained / "export" / "estoi"),
    ):
        code = main(
            [str(source), "--clean", str(mixtures / "clean")]
            + ["--noisy", str(mixtures / "noisy"), "--n_jobs", "1"]
        )
        assert code == 2
        said = capsys.readouterr().err
        assert f"{named} is a generator for listening enhancement" in said
        assert "those of recipes/VoiceBank/okd can" in said


def test_an_export_with_an_unknown_rule_of_power(trained, tmp_path, capsys):
    model = tmp_path / "estoi"
    shutil.copytree(trained / "export" / "estoi", model)
    text = (model / "model.json").read_text()
    (model / "model.json").write_text(text.replace('"frame"', '"word"'))
    said = refused(capsys, trained / "mixtures" / "test", model)
    assert f"{model}: equal_power is 'word'" in said


def test_rows_of_every_table_keep_their_names(trained, capsys):
    mixtures = trained / "mixtures" / "test"
    for name, what in (
        ("unprocessed", "the speech as it is"),
        ("ssdrc", "a baseline"),
    ):
        said = refused(capsys, mixtures, f"{mixtures / 'clean'}={name}")
        assert f"'{name}' is the row of {what}: name {mixtures}" in said


def test_noise_that_does_not_fit(mixtures, capsys):
    clean = mixtures / "clean"
    path = mixtures / "noise" / f"{NAMES[1]}.wav"
    noise, _ = soundfile.read(path)
    for wave, rate, message in [
        (noise[:-400], RATE, f"{path} has {len(noise) - 400} samples, {clean}"),
        (noise, 8000, f"{path} has 8000 Hz, {clean}/{NAMES[1]}.wav 16000 Hz"),
        (np.stack([noise] * 2, 1), RATE, f"{path} has 2 channels, must have 1"),
    ]:
        soundfile.write(path, wave, rate)
        assert message in refused(capsys, mixtures, f"{clean}=x")
    path.unlink()
    said = refused(capsys, mixtures, f"{clean}=x")
    assert f"{mixtures / 'noise'}: no file for {NAMES[1]}" in said
    shutil.copy(clean / f"{NAMES[1]}.wav", path)
    shutil.copy(path, path.with_name("more.wav"))
    assert "clean: no clean file for more" in refused(
        capsys, mixtures, f"{clean}=x"
    )


def test_noise_that_a_model_cannot_take_is_a_failure(
    trained, mixtures, tmp_path, caplog
):
    path = mixtures / "noise" / f"{NAMES[0]}.wav"
    noise, _ = soundfile.read(path)
    noise[100] = np.nan
    soundfile.write(path, noise, RATE, subtype="FLOAT")
    assert run(mixtures, trained, output=tmp_path) == 1
    assert f"{NAMES[0]}.wav in {path}: A wave must be finite" in caplog.text
    missing = results(tmp_path)["not_scored"]
    assert missing["estoi"] == dict.fromkeys([*CHEAP, "power_ratio_db"], 1)
    assert missing["ssdrc"] == {"estoi": 1}  # the device knows no noise

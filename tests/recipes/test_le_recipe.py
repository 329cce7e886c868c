"""The recipe of listening enhancement as users call it."""

import csv
import json

import numpy as np
import pytest
import soundfile
from experiments import (
    LE_BASE,
    LE_RECIPE,
    train_script,
    write_speech_and_noise,
)
from hyperpyyaml import load_hyperpyyaml

from okd_brain.config import read_experiment
from okd_brain.metrics import heads_of, parse_targets, tiled_siib
from okd_brain.training import discriminator_heads

HPARAMS = sorted((LE_RECIPE / "hparams").glob("*.yaml"))


@pytest.fixture(scope="module")
def train():
    with train_script(LE_RECIPE) as module:
        yield module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_speech_and_noise(tmp_path_factory.mktemp("le"))


def run(train, corpus, output, yaml, *extra, test_talkers="[d]", heard=0):
    train.main(
        [
            str(yaml),
            f"--data_folder={corpus / 'speech'}",
            f"--noise_folder={corpus / 'noise'}",
            "--valid_talkers=[c]",
            f"--test_talkers={test_talkers}",
            "--train_noises=[hiss]",
            "--test_noises=[wind]",
            "--max_valid_mixtures=1",
            f"--output_folder={output}",
            "--number_of_epochs=2",
            "--number_of_samples=1",
            "--valid_interval=2",
            "--n_jobs=1",
            f"--samples={heard}",
            "--device=cpu",
            "--noprogressbar",
            *extra,
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("yaml", HPARAMS, ids=lambda path: path.stem)
def test_every_yaml_trains_tests_and_exports(
    train, corpus, tmp_path, yaml, monkeypatch
):
    monkeypatch.setattr(
        "speechbrain.utils.logger.get_environment_description", lambda: ""
    )
    run(
        train,
        corpus,
        tmp_path,
        yaml,
        "--report_metrics=[estoi]",
        "--max_test_mixtures=1",
    )
    with open(tmp_path / "hyperparams.yaml") as stream:
        hparams = load_hyperpyyaml(stream)
    targets = parse_targets(hparams["targets"])
    names = [target.name for target in targets]
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results["systems"]) == ["unprocessed", "ssdrc", *names]
    # In every frame, some power is lost where frames overlap.
    within_db = 0.1 if hparams["equal_power"] == "utterance" else 0.5
    for means in results["systems"].values():
        assert abs(means["power_ratio_db"]) < within_db
    judged = hparams["adversarial_weight"] > 0
    for name in names:
        steps = results["checkpoints"][name]["steps"]
        assert steps[f"g_{name}"] == (1 if judged else 2)
        assert (tmp_path / "export" / name / "enhance_model.ckpt").is_file()
    networks = {}
    if judged:
        networks = discriminator_heads(
            heads_of(targets), hparams["discriminator"]
        )
    steps = results["checkpoints"][names[0]]["steps"]
    generators = {target.module for target in targets}
    assert set(steps) == {*generators, *networks}
    # Two sources in each current pass, one in replay; two epochs of one mixture.
    assert all(steps[name] == 2 * (2 + 1 + 2) for name in networks)


def test_the_papers_mixtures_have_siib_of_repeated_speech(tmp_path):
    argv = [str(LE_RECIPE / "hparams/paper_mixing.yaml")]
    argv += [
        "--data_folder=x",
        "--noise_folder=x",
        f"--output_folder={tmp_path}",
    ]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    siib, haspi, estoi = parse_targets(hparams["targets"])
    assert siib.metrics == (tiled_siib(tile_seconds=25),)
    assert (siib.name, haspi.name) == ("siib", "haspi_linear")
    assert estoi.metrics[0].normalise(0.25) == 0.5


def test_tables_by_noise_and_ratio(train, corpus, tmp_path):
    """Two ratios and two speakers."""
    run(
        train,
        corpus,
        tmp_path,
        LE_BASE,
        "--targets=[[estoi]]",
        "--report_metrics=[si_sdr]",
        "--test_snrs_db=[-5, 5]",
        test_talkers="[b, d]",
        heard=2,
    )
    breakdown = json.loads((tmp_path / "breakdown_test.json").read_text())
    assert list(breakdown) == ["snr_db", "speaker"]
    estoi = {
        snr_db: group["systems"]["unprocessed"]["estoi"]
        for snr_db, group in breakdown["snr_db"].items()
    }
    assert list(estoi) == ["-5", "5"]
    assert estoi["5"] > estoi["-5"]
    index = json.loads((tmp_path / "samples" / "samples.json").read_text())
    for utterance, sample in index["utterances"].items():
        heard = {
            system: soundfile.read(tmp_path / "samples" / file)[0]
            for system, file in sample["files"].items()
        }
        assert list(heard) == ["clean", "unprocessed", "ssdrc", "estoi"]
        # The clean speech alone, and in the noise at the ratio of its name.
        noise = heard["unprocessed"] - heard["clean"]
        ratio = (heard["clean"] ** 2).sum() / (noise**2).sum()
        assert utterance.endswith(f"{10 * np.log10(ratio):.0f}dB")
    log = (tmp_path / "log.txt").read_text()
    assert "| snr_db | utterances | system |" in log
    with open(tmp_path / "scores_test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    unprocessed = [row for row in rows if row["system"] == "unprocessed"]
    assert len(unprocessed) == 4
    # Quality is that of the device: untouched, whatever the noise.
    assert {row["si_sdr"] for row in unprocessed} == {"inf"}

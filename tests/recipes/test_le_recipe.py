"""The recipe of listening enhancement as users call it."""

import csv
import json

import pytest
from experiments import (
    LE_BASE,
    LE_RECIPE,
    train_script,
    write_speech_and_noise,
)
from hyperpyyaml import load_hyperpyyaml

from okd_brain.metrics import parse_targets
from okd_brain.training import discriminator_heads

HPARAMS = sorted((LE_RECIPE / "hparams").glob("*.yaml"))


@pytest.fixture(scope="module")
def train():
    with train_script(LE_RECIPE) as module:
        yield module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_speech_and_noise(tmp_path_factory.mktemp("le"))


def run(train, corpus, output, yaml, *extra, test_talkers="[d]"):
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
    for name in names:
        assert results["checkpoints"][name]["steps"][f"g_{name}"] == 1
        assert (tmp_path / "export" / name / "enhance_model.ckpt").is_file()
    networks = discriminator_heads(targets, hparams["discriminator"])
    steps = results["checkpoints"][names[0]]["steps"]
    generators = {target.module for target in targets}
    assert set(steps) == {*generators, *networks}
    # Two sources in each current pass, one in replay; two epochs of one mixture.
    assert {steps[name] for name in networks} == {2 * (2 + 1 + 2)}


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
    )
    breakdown = json.loads((tmp_path / "breakdown_test.json").read_text())
    assert list(breakdown) == ["snr_db", "speaker"]
    estoi = {
        snr_db: group["systems"]["unprocessed"]["estoi"]
        for snr_db, group in breakdown["snr_db"].items()
    }
    assert list(estoi) == ["-5", "5"]
    assert estoi["5"] > estoi["-5"]
    log = (tmp_path / "log.txt").read_text()
    assert "| snr_db | utterances | system |" in log
    with open(tmp_path / "scores_test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    unprocessed = [row for row in rows if row["system"] == "unprocessed"]
    assert len(unprocessed) == 4
    # Quality is that of the device: untouched, whatever the noise.
    assert {row["si_sdr"] for row in unprocessed} == {"inf"}

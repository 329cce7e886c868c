"""okd-score: which files meet, what comes out, and what is said."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scoring_signals import RATE, noisy, speech

from okd_brain.evaluation.files import Files, match, read, score_files
from okd_brain.evaluation.score import main
from okd_brain.metrics import METRICS
from okd_brain.scoring import Failure, Scorer

UTTERANCES = ["a", "b", "sub/c"]


def store(path, signal, rate=RATE):
    """Writes a 16-bit file and returns what a reader gets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(signal, -1, 1), rate, subtype="PCM_16")
    return soundfile.read(path, dtype="float32")[0]


@pytest.fixture
def folders(tmp_path):
    """clean/, enhanced/ and noise/ with three utterances each."""
    for index, name in enumerate(UTTERANCES):
        store(tmp_path / "clean" / f"{name}.flac", speech(index))
        store(tmp_path / "enhanced" / f"{name}.wav", noisy(index, 20.0))
        store(
            tmp_path / "noise" / f"{name}.wav", noisy(index, 0) - speech(index)
        )
    return tmp_path


def score(files, metrics):
    with Scorer(metrics) as scorer:
        return score_files(scorer, files)


def run(*arguments):
    return main([*map(str, arguments), "--n_jobs", "1"])


def test_folders_are_scored_like_their_files(folders):
    metrics = ["pesq", "csig", "si_sdr"]
    files = match(folders / "clean", folders / "enhanced")
    scores, failures, _ = score(files, metrics)
    assert [utterance.utterance for utterance in files] == UTTERANCES
    assert failures == []
    for utterance in files:
        clean, _ = soundfile.read(utterance.clean, dtype="float32")
        enhanced, _ = soundfile.read(utterance.enhanced, dtype="float32")
        assert scores[utterance.utterance] == {
            name: METRICS[name].score(reference=clean, degraded=enhanced)
            for name in metrics
        }


def test_the_ear_hears_the_noise_and_the_device_does_not(folders):
    device = METRICS["si_sdr"]
    ear = replace(device, name="ear", hears="ear")
    paths = [folders / name for name in ("clean", "enhanced", "noise")]
    scores, *_ = score(match(*paths), [device, ear])
    without, *_ = score(match(*paths[:2]), [device, ear])
    for name in UTTERANCES:
        assert scores[name]["si_sdr"] == without[name]["si_sdr"]
        assert scores[name]["ear"] < without[name]["ear"] - 10
    _, heard, played = read(match(*paths)[0]).compared
    np.testing.assert_allclose(
        heard - played,
        soundfile.read(folders / "noise" / "a.wav", dtype="float32")[0],
        atol=1e-6,
    )


def test_the_command_writes_csv_and_prints_a_summary(folders, capsys):
    output = folders / "new" / "scores.csv"
    paths = folders / "clean", folders / "enhanced"
    options = ["--metrics", "stoi", "si_sdr", "-o", output]
    assert run(*paths, *options) == 0
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["utterance"] for row in rows] == UTTERANCES
    expected, *_ = score(match(*paths), ["stoi", "si_sdr"])
    for row in rows:
        found = {name: float(row[name]) for name in ("stoi", "si_sdr")}
        assert found == expected[row["utterance"]]
    head, stoi, si_sdr = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["metric", "mean"]
    mean = np.mean([scores["stoi"] for scores in expected.values()])
    assert stoi.split()[:2] == ["stoi", f"{mean:.3f}"]
    assert si_sdr.split()[-1] == "3"


def test_the_command_writes_json_and_reports_what_failed(
    folders, capsys, caplog
):
    store(folders / "clean" / "silent.wav", np.zeros(RATE))
    store(folders / "enhanced" / "silent.wav", noisy()[:RATE])
    (folders / "clean" / "text.wav").write_text("not audio")
    store(folders / "enhanced" / "text.wav", noisy())
    output = folders / "scores.json"
    paths = folders / "clean", folders / "enhanced"
    assert run(*paths, "--metrics", "segsnr", "stoi", "-o", output) == 1
    content = json.loads(output.read_text())
    assert list(content) == ["summary", "utterances", "failures"]
    assert content["summary"]["stoi"]["scored"] == 3
    assert content["utterances"]["silent"] == {"segsnr": None, "stoi": None}
    assert content["utterances"]["a"]["stoi"] > 0.5
    failed = [(f["utterance"], f["metric"]) for f in content["failures"]]
    names = ["segsnr", "stoi"]
    assert sorted(failed) == [(u, m) for u in ("silent", "text") for m in names]
    assert "silent: stoi: the reference is silent" in caplog.text
    assert caplog.text.count("text.wav: cannot be read") == 1


def test_two_files_can_be_scored(folders, capsys):
    paths = folders / "clean" / "a.flac", folders / "enhanced" / "a.wav"
    assert run(*paths, "--metrics", "si_sdr") == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("1")


def test_other_rates_are_converted(tmp_path):
    found = []
    for rate in (8000, RATE, 48000):
        time = np.arange(2 * rate) / rate
        tone = np.sin(2 * np.pi * 440 * time) * (1 + np.sin(9 * time)) / 4
        hum = np.sin(2 * np.pi * 50 * time) / 40
        clean, enhanced = tmp_path / f"c{rate}.wav", tmp_path / f"e{rate}.wav"
        store(clean, tone, rate), store(enhanced, tone + hum, rate)
        scores, *_ = score([Files("x", clean, enhanced)], ["si_sdr"])
        found.append(scores["x"]["si_sdr"])
    assert found == pytest.approx([found[1]] * 3, abs=0.05)


def test_tails_of_a_hop_are_cut(folders):
    store(folders / "enhanced" / "a.wav", noisy()[:-256])
    signals = read(match(folders / "clean", folders / "enhanced")[0])
    assert len(signals.clean) == len(signals.enhanced) == len(speech()) - 256


@pytest.mark.parametrize(
    ("name", "signal", "rate", "message"),
    [
        ("longer", noisy()[:-300], RATE, "52262 samples, .*may differ by 256"),
        ("rate", noisy()[::2], 8000, "has 8000 Hz, .* 16000 Hz"),
        ("stereo", np.stack([noisy()] * 2, 1), RATE, "2 channels, must have 1"),
    ],
)
def test_files_that_do_not_fit_are_failures(
    tmp_path, name, signal, rate, message
):
    clean, enhanced = tmp_path / "clean.wav", tmp_path / "enhanced.wav"
    store(clean, speech()), store(enhanced, signal, rate)
    files = [Files(name, clean, enhanced)]
    scores, failures, _ = score(files, ["stoi", "si_sdr"])
    assert np.isnan([*scores[name].values()]).all()
    assert [f.metric for f in failures] == ["stoi", "si_sdr"]
    with pytest.raises(ValueError, match=message) as error:
        read(files[0])
    assert failures[0] == Failure(name, "stoi", str(error.value))


def test_wrong_commands_end_with_2_and_say_why(folders, capsys):
    clean, enhanced = folders / "clean", folders / "enhanced"
    empty = folders / "empty"
    empty.mkdir()
    doubled = folders / "doubled"
    store(doubled / "a.wav", speech()), store(doubled / "a.flac", speech())
    few = folders / "few"
    store(few / "a.wav", speech())
    for arguments, message in [
        ((clean, enhanced, "--metrics", "peqs"), "did you mean 'pesq'"),
        ((clean, enhanced, "-o", "x.txt"), "must end in .csv or .json"),
        ((clean, folders / "gone"), "gone: no such file or folder"),
        ((clean, enhanced / "a.wav"), "clean is a folder, enhanced is a file"),
        ((clean, empty), "empty: no audio files"),
        ((clean, doubled), "have the same name"),
        ((few, enhanced), "few: no clean file for b, sub/c"),
        ((clean, enhanced, "--noise", few), "few: no noise file for b"),
        ((clean, enhanced, "--n_jobs", "0"), "n_jobs must be a positive"),
    ]:
        assert main(list(map(str, arguments))) == 2
        assert message in capsys.readouterr().err


def test_the_script_is_declared():
    setup = Path(__file__).parents[2] / "setup.cfg"
    assert "okd-score = okd_brain.evaluation.score:main" in setup.read_text()

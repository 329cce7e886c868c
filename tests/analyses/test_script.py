"""``analyse.py``: its options, and the files that it writes."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from analysed_run import describe, rebuild
from experiments import (
    LE_BASE,
    LE_RECIPE,
    RECIPE,
    train_script,
    write_speech_and_noise,
)

from okd_brain.training import CORPUS_FILES


@pytest.fixture
def analyse(folder, datasets, monkeypatch):
    """The script, with a ``train.py`` that has built the run already."""
    train = ModuleType("train")
    train.asked = []

    def build(argv):
        train.asked.append(argv)
        return rebuild(folder), datasets, "corpus"

    train.build = build
    train.manifest = "{}"

    def prepare(hparams):
        for name in CORPUS_FILES:
            Path(hparams["output_folder"], name).write_text(train.manifest)
        return SimpleNamespace(datasets=lambda: datasets)

    train.prepare = prepare
    monkeypatch.setitem(sys.modules, "train", train)
    spec = importlib.util.spec_from_file_location(
        "analyse", RECIPE / "analyse.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "command",
    [
        ["conflict", "some.yaml", "--utterances", "2", "--alpha", "5"],
        [
            "flatness",
            "some.yaml",
            "--alpha",
            "5",
            "--sizes",
            "0.1",
            "--draws=1",
        ],
    ],
)
def test_options_go_where_they_belong(analyse, folder, command, capsys):
    assert analyse.main(command) == 0
    written = [f"{folder}/{command[0]}.{kind}" for kind in ("csv", "png")]
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"Written: {', '.join(written)}"
    assert sys.modules["train"].asked == [["some.yaml", "--alpha", "5"]]
    with open(folder / f"{command[0]}.csv", newline="") as file:
        assert list(csv.DictReader(file))
    assert (folder / f"{command[0]}.png").is_file()


def test_distance_and_correlation_write_elsewhere(
    analyse, folder, tmp_path, capsys
):
    describe(folder, folder)
    for name in CORPUS_FILES:
        (folder / name).write_text("{ }")
    out = tmp_path / "new" / "out"
    analyse.main(["distance", str(folder), str(folder), "-o", str(out)])
    scores = tmp_path / "scores.csv"
    scores.write_text("utterance,a,b\nu0,1,2\nu1,2,3\nu2,3,1\n")
    capsys.readouterr()
    assert analyse.main(["correlation", str(scores), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert said == f"Written: {out}/correlation.csv, {out}/correlation.png\n"
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{kind}"
        for name in ("distance", "correlation")
        for kind in ("csv", "png")
    }

    # The run is as it was, also where its corpus is another one now.
    sys.modules["train"].manifest = '{"u": {"length": 1, "duration": 1}}'
    assert analyse.main(["distance", str(folder), "-o", str(out)]) == 2
    assert "its corpus has changed since" in capsys.readouterr().err
    assert {(folder / name).read_text() for name in CORPUS_FILES} == {"{ }"}


def test_errors_are_one_line_before_the_work(
    analyse, folder, tmp_path, capsys, monkeypatch
):
    scores = tmp_path / "scores.csv"
    scores.write_text("utterance,a,b\nu0,1,2\n")
    (tmp_path / "file").touch()
    correlation = ["correlation", str(scores), "-o"]
    for command, message in (
        ([*correlation, str(tmp_path / "file")], f"{tmp_path}/file is a file"),
        ([*correlation, str(tmp_path / "out")], "1 enhanced file of scores"),
        (
            ["correlation", str(tmp_path / "gone.csv"), "-o", str(tmp_path)],
            "gone.csv",
        ),
    ):
        assert analyse.main(command) == 2
        [said] = capsys.readouterr().err.splitlines()
        assert said.startswith("error: ") and message in said
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("okd_brain.analyses.conflict.measure_conflict", None)
    assert analyse.main(["conflict", "some.yaml"]) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert "pip install 'okd[plots]'" in said


def test_help_imports_no_torch():
    """It answers at once."""
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import runpy; sys.argv = ['analyse.py', '--help']\n"
        f"try: runpy.run_path({str(RECIPE / 'analyse.py')!r}, {{}}, '__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'speechbrain', 'scipy.signal'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_option_of_correlation(analyse, capsys):
    with pytest.raises(SystemExit):
        analyse.main(
            ["correlation", "scores.csv", "-o", "out", "--method", "x"]
        )
    assert "unrecognized arguments: --method" in capsys.readouterr().err


def test_fidelity_writes_rows_and_logs_its_table(
    analyse, folder, capsys, caplog
):
    command = ["fidelity", "some.yaml", "--utterances=1", "--epoch", "3"]
    with caplog.at_level("INFO"):
        assert analyse.main([*command, "--alpha", "5"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"Written: {folder}/fidelity.csv"
    assert sys.modules["train"].asked == [["some.yaml", "--alpha", "5"]]
    with open(folder / "fidelity.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["epoch"] == "3" and rows[0]["kind"] == "all edits"
    assert {row["generator"] for row in rows} == {"si_sdr", "segsnr"}
    assert "| si_sdr | si_sdr | discriminator | 3 | all edits |" in caplog.text


@pytest.mark.slow
def test_fidelity_of_listening_enhancement(tmp_path, capsys):
    """Of a run of ``train.py``, whose log has a line of it, too."""
    (tmp_path / "in").mkdir()
    corpus = write_speech_and_noise(tmp_path / "in")
    argv = [
        str(LE_BASE),
        f"--data_folder={corpus / 'speech'}",
        f"--noise_folder={corpus / 'noise'}",
        f"--output_folder={tmp_path / 'out'}",
        *("--valid_talkers=[c]", "--test_talkers=[d]"),
        *("--train_noises=[hiss]", "--test_noises=[wind]"),
        *("--max_valid_mixtures=1", "--max_test_mixtures=1"),
        *("--targets=[[stoi]]", "--report_metrics=[stoi]"),
        *("--surrogate=twin", "--fidelity_utterances=1"),
        *("--number_of_epochs=1", "--number_of_samples=1"),
        *("--n_jobs=1", "--device=cpu", "--noprogressbar"),
    ]
    with train_script(LE_RECIPE) as train:
        train.main(argv)
        spec = importlib.util.spec_from_file_location(
            "analyse", LE_RECIPE / "analyse.py"
        )
        analyse = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(analyse)
        assert analyse.main(["fidelity", *argv, "--utterances=1"]) == 0
        with pytest.raises(SystemExit):
            analyse.main(["curves", *argv])
    assert "invalid choice: 'curves'" in capsys.readouterr().err
    log = (tmp_path / "out" / "train_log.txt").read_text()
    assert "valid fid stoi r: " in log
    with open(tmp_path / "out" / "fidelity.csv", newline="") as file:
        rows = {row["kind"]: row for row in csv.DictReader(file)}
    assert {"gain power", "blend with SSDRC", "supervised 0.01"} < rows.keys()
    assert float(rows["all edits"]["sign_agreement"]) > 0.95
    assert float(rows["own gradient 0.01"]["gain"]) > 0

"""``study.py`` as users call it, and the studies that come with the recipe."""

import json
import signal
import subprocess
import sys

import pytest
from experiments import RECIPE
from studies import STUDY, write_recipe

from okd_brain.studies import main, plan_runs, read_study, record_options

STUDIES = sorted(RECIPE.parents[1].glob("*/okd/studies/*.yaml"))


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr("okd_brain.studies.runs.POLL_SECONDS", 0.02)
    file = write_recipe(tmp_path)

    def study(*arguments):
        before = signal.getsignal(signal.SIGTERM)
        try:
            out = f"--output_folder={tmp_path}/out"
            return main(tmp_path, [str(file), out, *arguments])
        finally:
            signal.signal(signal.SIGTERM, before)

    return study


def test_from_yaml_to_table(study, tmp_path, capsys):
    assert study("--seeds", "1", "2", "--jobs", "2", "--alpha", "2") == 0
    markdown = (tmp_path / "out" / "table.md").read_text()
    assert markdown == capsys.readouterr().out
    assert "| first | pesq | 2 | 1.150 ± 0.071 | 3.24 |" in markdown
    assert "| second | pesq | 2 | 2.150 ± 0.071 |" in markdown
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    assert content["missing"] == []
    started = tmp_path / "out" / "order.txt"
    assert len(started.read_text().splitlines()) == 6
    assert study("--seeds", "1", "2", "3", "--alpha", "2") == 0
    assert len(started.read_text().splitlines()) == 9


def test_a_done_run_with_other_options_is_an_error(study, tmp_path, capsys):
    assert study() == 0
    capsys.readouterr()
    assert study("--alpha=2") == 2
    [said] = capsys.readouterr().err.splitlines()
    assert "out/warm/1 holds a run with other options" in said
    assert "alpha: 5.0 there, 2 asked for" in said
    started = tmp_path / "out" / "order.txt"
    assert len(started.read_text().splitlines()) == 3


def test_failures_are_in_the_exit_code_and_the_table(study, tmp_path, caplog):
    assert study("--breaks", "2", "--seeds", "1", "2") == 1
    assert "3 of 6 runs are missing: " in caplog.text
    markdown = (tmp_path / "out" / "table.md").read_text()
    assert "Missing: warm, seed 2; first, seed 2; second, seed 2." in markdown
    assert "| second | pesq | 1 | 2.100 |" in markdown


def test_a_run_that_ends_without_results_is_missing(study, tmp_path, caplog):
    (tmp_path / "train.py").write_text("print('nothing')")
    assert study() == 1
    assert "3 of 3 runs are missing: warm, seed 1; first" in caplog.text


def test_the_table_alone_starts_nothing(study, tmp_path, capsys):
    assert study("--table_only") == 1
    assert "Missing: warm, seed 1" in capsys.readouterr().out
    assert not (tmp_path / "out" / "order.txt").exists()
    assert study() == 0
    assert study("--table_only") == 0


def test_ctrl_c_is_no_traceback(study, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("okd_brain.studies.runs.run_all", interrupted)
    assert study() == 130
    said = capsys.readouterr().err
    assert said.endswith("Interrupted. The same command goes on from here.\n")


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--jobs", "0"], "--jobs: '0' is not a number of runs, which"),
        (["--jobs", "2", "--devices", "cpu"], "not allowed with"),
        (["--seeds", "1", "1"], "--seeds: 1 is given twice"),
    ],
)
def test_mistakes_on_the_command_line(study, capsys, arguments, reason):
    with pytest.raises(SystemExit, match="2"):
        study(*arguments)
    assert reason in capsys.readouterr().err


def test_what_cannot_be_written_is_known_before_the_runs(
    study, tmp_path, capsys
):
    (tmp_path / "out").write_text("a file")
    assert study() == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ") and f"{tmp_path}/out is a file" in said


def test_a_missing_study_is_one_line(tmp_path, capsys):
    assert main(tmp_path, [str(tmp_path / "gone.yaml")]) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("error: There is no file") and "gone.yaml" in said


def test_help_imports_no_torch():
    """It answers at once."""
    script = (
        "import sys; from pathlib import Path; from okd_brain.studies import main\n"
        "try: main(Path(), ['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'speechbrain', 'scipy.signal'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_mistakes_in_the_study_are_named(study, tmp_path, capsys):
    file = tmp_path / "tiny.yaml"
    file.write_text(STUDY.replace("score: 2", "scor: 2"))
    assert study() == 2
    said = capsys.readouterr().err
    assert "no key 'scor' to set; did you mean 'score'" in said
    assert not (tmp_path / "out" / "order.txt").exists()


@pytest.mark.parametrize(
    "path", STUDIES, ids=lambda path: f"{path.parts[-4]} {path.stem}"
)
def test_the_studies_that_come_with_it(path, tmp_path):
    """Every experiment takes its options; what others export is named so."""
    study = read_study(path, path.parents[1] / "hparams")
    runs = plan_runs(study, [1], {"data_folder": "/corpus"}, tmp_path)
    for run in runs:
        record_options(run, None)
    assert len(runs) == len(study.entries) > 1

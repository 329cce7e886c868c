"""``analyse.py``: its options, and the files that it writes."""

import csv
import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest
from analysed_run import describe, rebuild
from experiments import RECIPE


@pytest.fixture
def analyse(folder, datasets, monkeypatch):
    """The script, with a ``train.py`` that has built the run already."""
    train = ModuleType("train")
    train.asked = []

    def build(argv):
        train.asked.append(argv)
        return rebuild(folder), datasets, "corpus"

    train.build = build
    train.prepare = lambda hparams: SimpleNamespace(datasets=lambda: datasets)
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
def test_options_go_where_they_belong(analyse, folder, command):
    analyse.main(command)
    assert sys.modules["train"].asked == [["some.yaml", "--alpha", "5"]]
    with open(folder / f"{command[0]}.csv", newline="") as file:
        assert list(csv.DictReader(file))
    assert (folder / f"{command[0]}.png").is_file()


def test_distance_and_correlation_write_elsewhere(analyse, folder, tmp_path):
    describe(folder, folder)
    out = tmp_path / "new" / "out"
    analyse.main(["distance", str(folder), str(folder), "-o", str(out)])
    scores = tmp_path / "scores.csv"
    scores.write_text("utterance,a,b\nu0,1,2\nu1,2,3\nu2,3,1\n")
    analyse.main(["correlation", str(scores), "--output", str(out)])
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{kind}"
        for name in ("distance", "correlation")
        for kind in ("csv", "png")
    }


def test_an_unknown_option_of_correlation(analyse, capsys):
    with pytest.raises(SystemExit):
        analyse.main(
            ["correlation", "scores.csv", "-o", "out", "--method", "x"]
        )
    assert "unrecognized arguments: --method" in capsys.readouterr().err

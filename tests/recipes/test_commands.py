"""``okd-train``, ``okd-study``, ``okd-analyse``: recipes by name, or copied."""

import filecmp
import shutil
import sys
from pathlib import Path

import pytest
from experiments import BASE, LE_BASE, LE_RECIPE, RECIPE

from okd_brain import recipes


@pytest.fixture
def trained(monkeypatch):
    """What ``main`` of which recipe's train.py was given, without training."""
    calls = []
    monkeypatch.setattr(
        "okd_brain.training.carry_out",
        lambda run, argv: calls.append((Path(run.__code__.co_filename), argv)),
    )
    return calls


@pytest.mark.parametrize(
    "name, file",
    [
        ("okd_pesq_csig", BASE),
        ("VoiceBank/okd_pesq_csig", BASE),
        ("okd_siib_haspi_estoi", LE_BASE),
        ("control", RECIPE / "hparams" / "control.yaml"),
        ("LE/control", LE_RECIPE / "hparams" / "control.yaml"),
        (str(BASE), BASE),
        ("fast/okd_pesq_csig", RECIPE / "hparams/fast/okd_pesq_csig.yaml"),
        (
            str(RECIPE / "hparams/fast/okd_pesq_csig.yaml"),
            RECIPE / "hparams/fast/okd_pesq_csig.yaml",
        ),
    ],
)
def test_train_runs_the_recipe_of_an_experiment(trained, name, file):
    assert recipes.train([name, "--data_folder", "x", "--debug"]) == 0
    script = (LE_RECIPE if LE_RECIPE in file.parents else RECIPE) / "train.py"
    assert trained == [(script, [str(file), "--data_folder", "x", "--debug"])]
    assert "train" not in sys.modules


@pytest.mark.parametrize(
    "command, argv, message",
    [
        ("train", ["okd_pesq_csg"], "did you mean 'okd_pesq_csig'"),
        ("train", ["LE/okd_v1"], "There is no experiment 'LE/okd_v1'"),
        ("train", ["XY/okd_v1"], "There is no experiment 'XY/okd_v1'"),
        ("train", ["okd_v1.yaml"], "goes by its name, without .yaml"),
        ("train", ["own/own.yaml"], "belongs to no recipe"),
        ("study", ["table3"], "There is no study 'table3'; did you mean"),
        ("analyse", ["conflict", "okd_v3"], "There is no experiment 'okd_v3'"),
        ("train", ["--copy", "own"], "own: exists already"),
    ],
)
def test_wrong_names_end_in_one_line(
    trained, tmp_path, monkeypatch, capsys, command, argv, message
):
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("own/own.yaml").write_text("base: okd_pesq_csig.yaml\n")
    assert getattr(recipes, command)(argv) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert trained == []


@pytest.mark.parametrize(
    "argv, said",
    [
        (["okd-train", "okd_v1"], "> okd-train okd_pesq_csig --data_folder"),
        (["okd-train", "LE/control"], "> okd-train okd_siib_haspi_estoi"),
        (["okd-study", "small"], "goes to every run of okd-train."),
        (["okd-analyse"], "> okd-analyse curves okd_pesq_csig ..."),
    ],
)
def test_help_speaks_of_the_command_that_was_typed(
    argv, said, monkeypatch, capsys
):
    monkeypatch.setattr("sys.argv", [argv[0]])
    with pytest.raises(SystemExit):
        getattr(recipes, argv[0].removeprefix("okd-"))([*argv[1:], "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {argv[0]} ") and said in text
    assert "python " not in text and "train.py" not in text


@pytest.mark.parametrize("command", ["train", "study"])
@pytest.mark.parametrize("argv", [[], ["--version", "x", "--list", "y"]])
def test_the_name_comes_first(command, argv, capsys):
    with pytest.raises(SystemExit) as end:
        getattr(recipes, command)(argv)
    assert end.value.code == (0 if argv else 2)
    said = capsys.readouterr()
    assert "okd 0.1.0" in said.out or "comes first" in said.err


@pytest.mark.parametrize(
    "command, kind", [("train", "hparams"), ("study", "studies")]
)
def test_the_list_has_all_of_them(command, kind, capsys):
    assert getattr(recipes, command)(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    files = [
        path
        for recipe in (RECIPE, LE_RECIPE)
        for path in (recipe / kind).rglob("*.yaml")
        if path.parent.name != "schedules"
    ]
    assert len(listed) == len(files)
    for name, summary in listed.items():
        assert recipes.find_yaml(name, kind)[1] in files
        assert len(summary) > 20 and "#" not in summary


@pytest.mark.parametrize(
    "name, recipe", [("VoiceBank", RECIPE), ("LE", LE_RECIPE)]
)
def test_a_copied_recipe_is_whole_and_ones_own(
    trained, tmp_path, monkeypatch, name, recipe
):
    monkeypatch.chdir(tmp_path)
    assert recipes.train(["--copy", "mine/okd", name]) == 0
    copied = filecmp.dircmp(
        recipe, "mine/okd", ignore=["__pycache__", "results"]
    )
    assert not (copied.left_only or copied.right_only or copied.diff_files)
    experiment = next(Path("mine/okd/hparams").glob("*.yaml"))
    shutil.copy(experiment, "mine/okd/hparams/own.yaml")
    assert recipes.train(["mine/okd/hparams/own.yaml"]) == 0
    [(script, argv)] = trained
    assert script == tmp_path / "mine/okd/train.py"
    assert argv == ["mine/okd/hparams/own.yaml"]


def test_a_study_goes_by_its_name(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "okd_brain.studies.main", lambda *given: calls.append(given) or 0
    )
    assert recipes.study(["LE/small", "--seeds", "1"]) == 0
    assert recipes.study(["small"]) == 0
    assert calls == [
        (LE_RECIPE, [str(LE_RECIPE / "studies/small.yaml"), "--seeds", "1"]),
        (RECIPE, [str(RECIPE / "studies/small.yaml")]),
    ]


def test_an_analysis_is_that_of_the_recipe(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "okd_brain.analyses.main",
        lambda argv, said, recipe, names=None: calls.append(
            (argv, Path(recipe().__file__).parent)
        ),
    )
    monkeypatch.delitem(sys.modules, "train", raising=False)
    recipes.analyse(["fidelity", "LE/real_time", "--epoch", "3"])
    del sys.modules["train"]
    recipes.analyse(["distance", "run", "-o", "out"])
    del sys.modules["train"]
    experiment = str(LE_RECIPE / "hparams" / "real_time.yaml")
    assert calls == [
        (["fidelity", experiment, "--epoch", "3"], LE_RECIPE),
        (["distance", "run", "-o", "out"], RECIPE),
    ]

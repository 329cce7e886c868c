"""base < experiment < schedule < command line."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from okd_brain.config import read_experiment
from okd_brain.messages import UserError

BASE = """\
seed: 1 # the comment stays
data_folder: null
schedule: null
output_folder: !ref results/base/<seed>
number_of_epochs: 750
warmup_epochs: 0
thing: !new:collections.OrderedDict
    alpha: !ref <seed>
    beta: 2
options: {one: 1, two: 2}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "base.yaml": BASE,
        "mini.yaml": "number_of_epochs: 6\nwarmup_epochs: 12\n",
        "small.yaml": "number_of_epochs: 40\n",
        "child.yaml": "base: base.yaml\nseed: 7\nnumber_of_epochs: 3\n",
        "grandchild.yaml": "base: child.yaml\noptions: {two: 22}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def load(*argv, default_schedule=None):
    return load_hyperpyyaml(read_experiment(list(argv), default_schedule).yaml)


def test_each_layer_wins_over_the_one_below(folder):
    assert load("base.yaml")["number_of_epochs"] == 750
    assert load("child.yaml")["number_of_epochs"] == 3
    mini = load("child.yaml", default_schedule="mini.yaml")
    assert (mini["number_of_epochs"], mini["warmup_epochs"]) == (6, 12)
    mine = load(
        "child.yaml", "--number_of_epochs=2", default_schedule="mini.yaml"
    )
    assert (mine["number_of_epochs"], mine["warmup_epochs"]) == (2, 12)


def test_the_default_schedule_is_for_runs_without_data(folder):
    mini = {"default_schedule": "mini.yaml"}
    assert load("base.yaml", "--data_folder=x", **mini)["warmup_epochs"] == 0
    chosen = load("base.yaml", "--schedule=small.yaml", **mini)
    assert (chosen["number_of_epochs"], chosen["warmup_epochs"]) == (40, 0)


def test_a_schedule_may_lie_beside_the_base(folder, tmp_path_factory):
    import os

    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    chosen = load(str(folder / "child.yaml"), "--schedule", "small.yaml")
    assert chosen["number_of_epochs"] == 40


def test_references_follow_the_merged_values(folder):
    assert load("grandchild.yaml", "--seed", "9")["thing"] == {
        "alpha": 9,
        "beta": 2,
    }
    assert load("grandchild.yaml")["options"] == {"one": 1, "two": 22}


def test_another_object_replaces_the_old_one_whole(folder):
    """HyperPyYAML's own overrides keep the class and the old arguments."""
    (folder / "other.yaml").write_text(
        "base: base.yaml\nthing: !new:collections.Counter\n    gamma: 3\n"
    )
    thing = load("other.yaml")["thing"]
    assert type(thing).__name__ == "Counter"
    assert thing == {"gamma": 3}


def test_an_experiment_may_bring_objects_of_its_own(folder):
    (folder / "own.yaml").write_text(
        "base: base.yaml\nmine: !new:collections.Counter\n    a: 3\n"
        "options: {one: !ref <mine>}\n"
    )
    assert load("own.yaml")["options"] == {"one": {"a": 3}, "two": 2}


def test_comments_survive_for_the_record(folder):
    experiment = read_experiment(["child.yaml", "--device=cpu"])
    assert "the comment stays" in experiment.yaml
    assert "base:" not in experiment.yaml
    assert experiment.run_opts.device == "cpu"
    with experiment.loaded() as (hparams, file):
        assert file.read_text() == experiment.yaml
        assert hparams["seed"] == 7
    assert not file.exists()


@pytest.mark.parametrize(
    "argv, reason",
    [
        (["absent.yaml"], "no file absent.yaml"),
        (
            ["base.yaml", "--numbr_of_epochs=3"],
            "mean 'number_of_epochs'.*Known: seed, d",
        ),
        (["base.yaml", "--zzz=3"], "no key 'zzz' to set"),
        (["base.yaml", "--warmup_epochs"], "--warmup_epochs True"),
        (["base.yaml", "--seed=1", "--seed=2"], "--seed is given twice"),
        (["base.yaml", "--schedule=none.yaml"], "no file .*none.yaml"),
    ],
)
def test_mistakes_are_named(folder, argv, reason):
    with pytest.raises(ValueError, match=reason):
        read_experiment(argv)


def test_a_base_that_is_not_there_is_one(folder):
    (folder / "own.yaml").write_text("base: okd_pesq_csig.yaml\nseed: 1\n")
    reason = "own.yaml: its base: There is no file okd_pesq_csig.yaml"
    with pytest.raises(ValueError, match=reason):
        read_experiment(["own.yaml"])


def test_bases_must_end(folder):
    (folder / "loop.yaml").write_text("base: pool.yaml\nseed: 1\n")
    (folder / "pool.yaml").write_text("base: loop.yaml\nseed: 1\n")
    with pytest.raises(ValueError, match="leads back"):
        read_experiment(["loop.yaml"])
    (folder / "list.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(ValueError, match="no 'key: value' lines"):
        read_experiment(["list.yaml"])


def test_a_base_in_a_folder_of_too_long_a_name_is_not_there(folder):
    (folder / "odd.yaml").write_text(f"base: {'s' * 300}/base.yaml\n")
    with pytest.raises(UserError, match="There is no file .*base.yaml"):
        read_experiment(["odd.yaml"])


@pytest.mark.parametrize(
    "text, reason",
    [
        ("base: 3\n", "its base is 3, must be the name of a file"),
        ("base: [base.yaml]\n", r"its base is \['base.yaml'\]"),
        ("base: base.yaml\n3: 4\n", "the key 3 is not a name"),
        ("base: base.yaml\n? [a]\n: 4\n", "the key .*a.* is not a name"),
        ("!!!!set {a}", "cannot be written as YAML"),
        ("base: base.yaml\nmine: !new:#a.B\n", "is not YAML"),
        ("? " * 40 + "a\n: 4\n", "the key in line 1.* is not a name"),
        ("a: &a {b: 1}\nc: {*a : 1}\n", "the key in line 1.* is not a name"),
        ("base: base.yaml\nseed: " + "[" * 3000, "is nested"),
        ("base: base.yaml\nseed: " + "[" * 40, "is not YAML"),
        ("base: base.yaml\nseed: !!int x\n", "is not YAML"),
        ("base: base.yaml\nseed: \xff\n", "is not YAML"),
        ("a " * 45 + "a: 1\n", "names of keys"),  # what ruamel folds
        ("seed: 1\n", "is not an experiment: it has no data_folder"),
    ],
)
def test_strange_files_are_named(folder, text, reason):
    (folder / "odd.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"odd.yaml.*{reason}"):
        read_experiment(["odd.yaml"])


def test_a_base_of_a_name_too_long_is_a_missing_one(folder):
    (folder / "odd.yaml").write_text(f"base: {'a' * 300}.yaml\n")
    with pytest.raises(UserError, match="no file a.*; a YAML file is expect"):
        read_experiment(["odd.yaml"])


def test_aliases_do_not_multiply_for_ever(folder):
    """Each of 30 lists holds the one before it ten times."""
    lines = ["base: base.yaml", "seed:", "    - &a0 [1]"]
    for n in range(1, 31):
        lines.append(f"    - &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    (folder / "odd.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="odd.yaml is nested or refers"):
        read_experiment(["odd.yaml"])

"""The runs of a study, their command lines, and what was run with what."""

import functools
import json
import re
from itertools import pairwise

import pytest
import yaml
from experiments import BASE, RECIPE
from studies import plan_tiny, write_recipe

from okd_brain.config import read_experiment
from okd_brain.metrics import parse_targets
from okd_brain.studies import (
    parse_overrides,
    plan_runs,
    read_study,
    record_options,
)


@pytest.fixture
def plan(tmp_path):
    write_recipe(tmp_path)
    return functools.partial(plan_tiny, tmp_path)


def test_each_seed_has_runs_of_its_own(plan, tmp_path):
    runs = plan(seeds=(3, 5))
    assert [run.name for run in runs] == [
        f"{name}, seed {seed}"
        for seed in (3, 5)
        for name in ("warm", "first", "second")
    ]
    assert runs[4].folder == tmp_path / "out" / "first" / "5"
    assert runs[4].needs == [runs[3]]
    assert runs[4].arguments == [
        str(tmp_path / "hparams" / "first.yaml"),
        "--seed=5",
        f"--output_folder={tmp_path}/out/first/5",
        "--data_folder=/corpus",
        f"--pretrained={tmp_path}/out/warm/5/export/pesq",
        "--score=1.0",
    ]


def test_the_default_model_goes_on_where_each_run_ended(tmp_path):
    """What a run exports under its target's name is what the next one loads."""
    study = read_study(RECIPE / "studies/default_model.yaml", BASE.parent)
    runs = plan_runs(study, [1], {"data_folder": "x"}, tmp_path)
    assert len(runs) == 4
    for run, following in pairwise(runs):
        options = read_experiment(run.arguments).options()
        [target] = parse_targets(yaml.safe_load(options["targets"]))
        start = read_experiment(following.arguments).options()["pretrained"]
        assert start == str(run.folder / "export" / target.name)


def test_the_command_line_wins(plan):
    run = plan("--score=7", "--alpha", "1", "--debug")[1]
    assert run.arguments[-4:] == [
        run.arguments[-4],
        "--score=7",
        "--alpha=1",
        "--debug",
    ]
    assert not any(one.startswith("--score=1") for one in run.arguments)


def test_values_are_written_as_yaml(plan, tmp_path):
    study = tmp_path / "tiny.yaml"
    text = study.read_text().replace(
        "score: 2", "a: null, b: true, c: [[pesq]], d: {x: '{warm}'}"
    )
    study.write_text(text)
    assert plan()[2].arguments[-4:] == [
        "--a=null",
        "--b=true",
        '--c=[["pesq"]]',
        f'--d={{"x": "{tmp_path}/out/warm/1"}}',
    ]


@pytest.mark.parametrize(
    "tokens, reason",
    [
        (["5"], "'5' belongs to no option"),
        (["--alpha", "5", "6"], "'6' belongs to no option"),
        (["--seed=1"], "--seed is set for each run"),
        (["--output_folder", "x"], "--output_folder is set for each run"),
    ],
)
def test_mistakes_on_the_command_line(tokens, reason):
    with pytest.raises(ValueError, match=reason):
        parse_overrides(tokens)


def start(run):
    """Do what `train.py` does first, after the options are noted."""
    record_options(run, None)
    (run.folder / "hyperparams.yaml").touch()


def test_the_same_options_are_no_difference(plan, tmp_path):
    start(plan("--alpha=2")[1])
    hparams = tmp_path / "hparams" / "first.yaml"
    hparams.write_text(hparams.read_text().replace("alpha", "# Why\nalpha"))
    record_options(plan("--alpha=2")[1], None)


def test_how_many_processes_score_is_no_difference(plan, tmp_path):
    hparams = tmp_path / "hparams" / "first.yaml"
    hparams.write_text(hparams.read_text() + "n_jobs: -1\n")
    start(plan()[1])
    record_options(plan("--n_jobs=4")[1], None)


def test_what_has_not_started_may_change(plan):
    record_options(plan()[1], None)
    start(plan("--alpha=2")[1])
    record_options(plan("--alpha=2")[1], None)


@pytest.mark.parametrize(
    "option, there",
    [("--alpha=7", "5.0"), ("--precision=bf16", "null")],
)
def test_other_options_are_an_error(plan, option, there):
    """Those of the experiment, and SpeechBrain's own."""
    run = plan()[1]
    start(run)
    key, asked = option[2:].split("=")
    reason = (
        f"{run.folder} holds a run with other options: {key}: {there} there, "
        f"{asked} asked for"
    )
    with pytest.raises(ValueError, match=re.escape(reason)):
        record_options(plan(option)[1], None)
    noted = json.loads((run.folder / "study_options.json").read_text())
    assert noted.get(key, "null") == there


@pytest.mark.parametrize(
    "option", ["--ckpt_interval_minutes=5", "--noprogressbar"]
)
def test_options_that_results_do_not_depend_on_may_change(plan, option):
    run = plan()[1]
    start(run)
    record_options(plan(option)[1], None)


def test_an_edited_experiment_is_an_error(plan, tmp_path):
    start(plan()[2])
    second = tmp_path / "hparams" / "second.yaml"
    second.write_text("base: first.yaml\nalpha: 2.0\n")
    with pytest.raises(ValueError, match="alpha: 1.0 there, 2.0 asked for"):
        record_options(plan()[2], None)


def test_a_run_of_unknown_options_is_an_error(plan):
    run = plan()[0]
    run.folder.mkdir(parents=True)
    (run.folder / "hyperparams.yaml").touch()
    with pytest.raises(ValueError, match="no study has started"):
        record_options(run, None)

"""The options of a mixture: one list, in YAML, on the command line, in Python."""

import inspect
from dataclasses import asdict, fields

import pytest
from experiments import BASE, LE_BASE
from hyperpyyaml import load_hyperpyyaml

from okd_brain.config import read_experiment
from okd_brain.corpora import MixingPlan, check_mixing
from okd_brain.corpora.mixing_plan import MAX_MIXTURES

LE_PLAN = MixingPlan(
    train_snrs_db=[-11, -7, -3],
    test_snrs_db=[-13, -9, -5, -1],
    max_mixtures={"train": None, "valid": 240, "test": None},
    loop_noise=False,
)


def load(base, *overrides):
    """Return the plan of an experiment."""
    argv = [str(base), "--data_folder=x", *overrides]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    return hparams["preparation" if base == LE_BASE else "mixing"]


def as_lists(plan):
    """Return the options as YAML has them, without tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(plan).items()
    }


# Where options come from


def test_experiments_state_a_plan():
    assert as_lists(load(BASE)) == as_lists(MixingPlan())
    assert as_lists(load(LE_BASE)) == as_lists(LE_PLAN)


def test_a_mapping_on_the_command_line_changes_the_plan_of_the_experiment():
    """An untagged mapping is laid over `!new:`, whose class and rest it keeps."""
    plan = load(BASE, "--mixing={train_snrs_db: [0], max_mixtures: {valid: 7}}")
    assert isinstance(plan, MixingPlan)
    assert plan.train_snrs_db == [0]
    assert plan.test_snrs_db == [2.5, 7.5, 12.5, 17.5]
    assert plan.max_mixtures == {**MAX_MIXTURES, "valid": 7}


def test_an_experiment_of_ones_own_changes_the_plan(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        f"base: {BASE}\nmixing:\n    test_noises: [cafe]\n"
    )
    plan = load(tmp_path / "mine.yaml", "--mixing={write_mixtures: True}")
    assert plan == load(
        BASE, "--mixing={write_mixtures: True, test_noises: [cafe]}"
    )


def test_flags_of_listening_enhancement_change_the_plan():
    plan = load(
        LE_BASE,
        "--train_snrs_db=[0]",
        "--test_talkers=[d]",
        "--test_noises=[wind]",
        "--max_valid_mixtures=1",
        "--paper_mixing=True",
        "--noise_offset=start",
        "--mixing_seed=3",
        "--level_dbfs=-30",
        "--write_mixtures=True",
    )
    assert as_lists(plan) == as_lists(LE_PLAN) | {
        "train_snrs_db": [0],
        "test_speakers": ["d"],
        "test_noises": ["wind"],
        "max_mixtures": {"train": None, "valid": 1, "test": None},
        "paper_mixing": True,
        "noise_offset": "start",
        "mixing_seed": 3,
        "level_dbfs": -30,
        "write_mixtures": True,
    }


def test_the_signature_lists_the_options():
    names = [option.name for option in fields(MixingPlan)]
    assert list(inspect.signature(MixingPlan.__init__).parameters)[1:] == names
    assert all(f"{name}" in MixingPlan.__doc__ for name in names)


# Mistakes


@pytest.mark.parametrize(
    "mixing, reason",
    [
        ("train_snr_db: [0]", "no option 'train_snr_db'; .* 'train_snrs_db'"),
        ("data_folder: x", "mixing has no option 'data_folder'"),
        ("valid_speakers: [anna]", "mixing has no option 'valid_speakers'"),
    ],
)
def test_unknown_options(mixing, reason):
    with pytest.raises(ValueError, match=reason):
        load(BASE, f"--mixing={{{mixing}}}")


def test_a_value_that_is_not_a_plan():
    reason = r"mixing is \[1\], but 'key: value' lines are expected"
    with pytest.raises(ValueError, match=reason):
        check_mixing(load(BASE, "--mixing=[1]"), "noise")


def test_options_need_noise():
    plan = load(BASE, "--mixing={train_snrs_db: [-5]}")
    reason = "mixing has train_snrs_db: .-5., but there is no noise_folder"
    check_mixing(plan, "noise")
    with pytest.raises(ValueError, match=reason):
        check_mixing(plan, None)
    # Those of the base experiment do not: it is made for another corpus.
    check_mixing(load(BASE), None)


@pytest.mark.parametrize(
    "option", ["paper_mixing", "loop_noise", "write_mixtures"]
)
def test_switches_of_a_plan_are_said_in_full(option):
    with pytest.raises(ValueError, match=f"{option} is 'no', must be True or"):
        MixingPlan(**{option: "no"})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_mixtures", 100),
        ("train_snrs_db", []),
        ("train_snrs_db", -5),
        ("test_snrs_db", [0, "5"]),
        ("test_snrs_db", [float("nan")]),
        ("test_snrs_db", [5, 5]),
        ("noise_offset", "end"),
        ("level_dbfs", 3),
        ("level_dbfs", "-25"),
        ("level_dbfs", []),
        ("level_dbfs", [-25, 3]),
    ],
)
def test_impossible_plan(option, value):
    with pytest.raises(ValueError, match=f"{option} is .*, must be"):
        MixingPlan(**{option: value})


@pytest.mark.parametrize("number", [0, 2.5, "all"])
def test_impossible_number_of_mixtures(number):
    with pytest.raises(ValueError, match="max_test_mixtures is"):
        MixingPlan(max_mixtures={"test": number})


def test_a_number_of_mixtures_for_an_unknown_split():
    with pytest.raises(ValueError, match="max_mixtures has 'tset', but the"):
        MixingPlan(max_mixtures={"tset": 3})

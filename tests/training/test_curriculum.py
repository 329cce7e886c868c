"""Stage, excerpts and validation of each epoch."""

import random

import pytest

from okd_brain.training import Curriculum

LENGTHS = {f"u{number}": 16000 for number in range(10)}


def test_stages_follow_one_another():
    curriculum = Curriculum(
        number_of_epochs=4,
        seed=1,
        warmup_epochs=2,
        discriminator_epochs=1,
        valid_interval=3,
    )
    assert [curriculum.stage_of(epoch) for epoch in range(1, 8)] == (
        ["warmup"] * 2 + ["discriminator"] + ["okd"] * 4
    )
    validated = [e for e in range(1, 8) if curriculum.is_validated(e)]
    assert validated == [2, 6, 7]  # each stage's end, and every third
    assert len(curriculum.draw(LENGTHS, 1)) == 10
    assert curriculum.last_epoch == 7


@pytest.mark.parametrize(
    "lengths, stages, validated",
    [
        ({"warmup_epochs": 2}, ["warmup"], [2]),
        ({"warmup_epochs": 2, "discriminator_epochs": 1}, ["warmup"], [2]),
        ({"discriminator_epochs": 2}, [], []),
    ],
)
def test_a_warm_start_has_no_stage_of_okd(lengths, stages, validated):
    curriculum = Curriculum(
        number_of_epochs=0, seed=1, valid_interval=9, **lengths
    )
    assert curriculum.generator_stages == stages
    epochs = range(1, curriculum.last_epoch + 1)
    assert [e for e in epochs if curriculum.is_validated(e)] == validated
    assert "okd" not in map(curriculum.stage_of, epochs)


@pytest.mark.parametrize("epochs, last", [(750, 4), (1, 3), (0, 2)])
def test_a_debug_run_ends_as_the_whole_one_does(epochs, last):
    curriculum = Curriculum(
        number_of_epochs=epochs,
        seed=1,
        warmup_epochs=9,
        discriminator_epochs=9,
        valid_interval=10,
    )
    stage = curriculum.stage_of(curriculum.last_epoch)
    curriculum.shorten(2)
    assert curriculum.last_epoch == last
    assert curriculum.stage_of(last) == stage
    assert curriculum.is_validated(1)
    assert curriculum.is_validated(last) == (stage == "okd")


def test_epochs_differ_and_repeat():
    curriculum = Curriculum(number_of_epochs=9, seed=1, number_of_samples=4)
    drawn = [tuple(curriculum.draw(LENGTHS, epoch)) for epoch in range(1, 9)]
    assert len(set(drawn)) > 5
    again = Curriculum(number_of_epochs=2, seed=1, number_of_samples=4)
    assert tuple(again.draw(LENGTHS, 3)) == drawn[2]
    other = Curriculum(number_of_epochs=9, seed=2, number_of_samples=4)
    assert tuple(other.draw(LENGTHS, 3)) != drawn[2]


def test_some_of_an_epoch_are_scored():
    options = {"number_of_epochs": 2, "seed": 1, "number_of_samples": 4}
    curriculum = Curriculum(**options, scored_samples=3)
    drawn = curriculum.draw(LENGTHS, 2)
    assert curriculum.draw_scored(LENGTHS, 2) == drawn[:3]
    assert curriculum.draw_unscored(LENGTHS, 2) == drawn
    assert curriculum.scored_size(2, 2) == 2
    assert Curriculum(**options).draw_scored(LENGTHS, 2) == drawn


def test_a_choice_can_be_rebuilt_by_any_process():
    value = Curriculum(number_of_epochs=1, seed=5).rng("generator", 7).random()
    assert value == random.Random("generator 5 7").random()


@pytest.mark.parametrize(
    "option, reason",
    [
        ({"history_portion": 1.5}, r"history_portion is 1.5.*\[0, 1\]"),
        ({"number_of_epochs": -1}, "number_of_epochs is -1.*at least 0"),
        ({"number_of_epochs": 0}, "epochs are all 0, but one of them must be"),
        ({"warmup_epochs": 2.5}, "warmup_epochs is 2.5.*whole number"),
        ({"valid_interval": 0}, "valid_interval is 0"),
        ({"scored_samples": 0}, "scored_samples is 0.*surrogate: twin"),
        ({"scored_samples": True}, "scored_samples is True.*whole number"),
        ({"number_of_samples": True}, "number_of_samples is True"),
        ({"scored_samples": 2.0}, "scored_samples is 2.0.*whole number"),
        ({"max_train_seconds": 0.1}, "max_train_seconds is 0.1.*at least 1"),
    ],
)
def test_impossible_values_are_refused(option, reason):
    with pytest.raises(ValueError, match=reason):
        Curriculum(**{"number_of_epochs": 1, "seed": 1, **option})

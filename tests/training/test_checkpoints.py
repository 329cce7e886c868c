"""The best checkpoint is the best of its stage, in the metric's direction."""

import pytest
import torch

from okd_brain.metrics import METRICS, Metric, parse_targets
from okd_brain.training import AtomicCheckpointer, Selection, StepCounter


def test_step_counter_round_trip(tmp_path):
    steps = StepCounter()
    steps.update(["d", "d", "g_pesq"])
    steps._save(tmp_path / "steps")
    other = StepCounter()
    other.update(["old"])
    other._load(tmp_path / "steps", True)
    assert other == {"d": 2, "g_pesq": 1}


def save(tmp_path, metas):
    """Save a generator whose weight tells the epoch."""
    layer = torch.nn.Linear(1, 1, bias=False)
    checkpointer = AtomicCheckpointer(tmp_path, {"g_pesq": layer})
    for epoch, meta in enumerate(metas, start=1):
        layer.weight.data.fill_(epoch)
        meta = {"epoch": epoch, "phase": "okd", "steps": {}, **meta}
        checkpointer.save_checkpoint(meta=meta)
    return checkpointer, layer


@pytest.mark.parametrize("upward, best", [(True, 2), (False, 1)])
def test_best_follows_the_metrics_direction(tmp_path, upward, best):
    metric = Metric(
        "mine",
        METRICS["si_sdr"].score,
        floor=0.0 if upward else 1.0,
        perfect=1.0 if upward else 0.0,
        higher_is_better=upward,
    )
    (target,) = parse_targets([[metric]])
    selection = Selection([target])
    layer = torch.nn.Linear(1, 1, bias=False)
    checkpointer = AtomicCheckpointer(tmp_path, {"g_mine": layer})
    for epoch, value in enumerate((1.0, 3.0, 2.0, float("nan")), start=1):
        layer.weight.data.fill_(epoch)
        meta = selection.meta("okd", {"mine": value})
        checkpointer.save_and_keep_only(
            meta={"epoch": epoch, "phase": "okd", "steps": {}, **meta},
            importance_keys=[],
            **selection.keep(("okd",)),
        )
    origins = selection.load_best(checkpointer, "okd", {target: layer})
    assert origins["mine"]["epoch"] == best
    assert layer.weight.item() == best
    assert len(checkpointer.list_checkpoints()) == 2  # best and latest


def test_checkpoints_say_on_which_set_they_were_validated(tmp_path):
    targets = parse_targets([["pesq"]])
    meta = Selection(targets, "test").meta("okd", {"pesq": 2.0})
    checkpointer, layer = save(tmp_path, [meta])
    generators = {targets[0]: layer}
    for split in ("test", "valid"):
        origins = Selection(targets, split).load_best(
            checkpointer, "okd", generators
        )
        assert origins["pesq"]["chosen_on"] == "test"
    Selection(targets, "test").check(checkpointer)
    with pytest.raises(ValueError, match="selection is 'valid', but .*'test'"):
        Selection(targets).check(checkpointer)


def test_only_two_sets_choose():
    with pytest.raises(ValueError, match="selection is 'train', but it must"):
        Selection(parse_targets([["pesq"]]), "train")


def test_warm_up_is_never_taken_for_okd(tmp_path):
    targets = parse_targets([["pesq"]])
    selection = Selection(targets)
    checkpointer, layer = save(
        tmp_path, [{"warmup/pesq": 4.0}, {"okd/pesq": 2.0}]
    )
    generators = {targets[0]: layer}
    for stage, epoch in (("okd", 2), ("warmup", 1)):
        origins = selection.load_best(checkpointer, stage, generators)
        assert origins["pesq"]["epoch"] == epoch
        assert layer.weight.item() == epoch


def test_without_a_checkpoint_there_is_no_best(tmp_path):
    targets = parse_targets([["pesq"]])
    selection = Selection(targets)
    checkpointer, layer = save(tmp_path, [{"warmup/pesq": 4.0}])
    with pytest.raises(ValueError, match="no validated checkpoint of .*'okd'"):
        selection.load_best(checkpointer, "okd", {targets[0]: layer})

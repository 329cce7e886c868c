"""The best checkpoint is the best of its stage, in the metric's direction."""

import logging
import os
import time

import pytest
import torch

from okd_brain import files
from okd_brain.files import WriteError
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, Metric, parse_targets
from okd_brain.training import (
    AtomicCheckpointer,
    Selection,
    StepCounter,
    checkpoints,
    internals,
)


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


# Which is the newest ----------------------------------------------------------


@pytest.mark.parametrize("clock", ["back", "ahead and back"])
def test_a_clock_that_was_set_back_changes_nothing(
    tmp_path, monkeypatch, clock
):
    """Saving, finding, pruning and recovering go by what was done."""
    layer = torch.nn.Linear(1, 1, bias=False)
    checkpointer = AtomicCheckpointer(tmp_path, {"g_pesq": layer})
    now = time.time()
    times = {"back": [now, now - 1e6, now - 2e6]}
    times["ahead and back"] = [now, now + 1e6, now - 1e6]
    for epoch, seconds in enumerate(times[clock], start=1):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: seconds)
        layer.weight.data.fill_(epoch)
        checkpointer.save_and_keep_only(
            meta={"epoch": epoch}, importance_keys=[]
        )
        assert [c.meta["epoch"] for c in checkpointer.list_checkpoints()] == [
            epoch
        ]
    layer.weight.data.fill_(0)
    again = AtomicCheckpointer(tmp_path, {"g_pesq": layer})
    assert again.find_checkpoint().meta["epoch"] == 3
    again.recover_if_possible()
    assert layer.weight.item() == 3


# Damage -----------------------------------------------------------------------


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path):
    path.unlink()


@pytest.mark.parametrize("harm", [empty, halve, flip, remove])
@pytest.mark.parametrize("name", ["CKPT.yaml", "g_pesq.ckpt", "SHA256SUMS"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    tmp_path, caplog, harm, name
):
    checkpointer, layer = save(tmp_path, [{}, {}, {}])
    newest = checkpointer.find_checkpoint().path
    harm(newest / name)
    again = AtomicCheckpointer(tmp_path, {"g_pesq": layer})
    with caplog.at_level(logging.WARNING):
        assert again.recover_if_possible().meta["epoch"] == 2
    assert layer.weight.item() == 2
    named = "" if (harm, name) == (flip, "SHA256SUMS") else name
    assert f"{newest}: {named}" in caplog.text
    assert "the end of epoch 2" in caplog.text
    assert "done again" in caplog.text
    if name == "g_pesq.ckpt":
        assert "1 epoch is done again, 3" in caplog.text
    # The next one is the newest, and what is damaged is kept aside.
    again.save_checkpoint(meta={"epoch": 3})
    assert again.find_checkpoint().meta["epoch"] == 3
    assert (tmp_path / f"damaged-{newest.name}").is_dir()


def test_where_none_is_whole_nothing_begins_anew(tmp_path):
    checkpointer, layer = save(tmp_path, [{}, {}])
    for checkpoint in checkpointer.list_checkpoints():
        halve(checkpoint.paramfiles["g_pesq"])
    again = AtomicCheckpointer(tmp_path, {"g_pesq": layer})
    with pytest.raises(UserError, match="No checkpoint in .* is whole.*g_pesq"):
        again.recover_if_possible()
    assert len(again.list_checkpoints()) == 2


def test_what_a_checkpoint_names_counts(tmp_path):
    checkpointer, layer = save(tmp_path, [{}, {}])
    newest = checkpointer.find_checkpoint().paramfiles["g_pesq"]
    checkpointer.checks["g_pesq"] = lambda path: (
        "a wave is missing" if path == newest else None
    )
    assert checkpointer.find_checkpoint().meta["epoch"] == 2  # has its weights
    assert checkpointer.recover_if_possible().meta["epoch"] == 1


def test_a_damaged_best_checkpoint_is_not_tested(tmp_path, caplog):
    targets = parse_targets([["pesq"]])
    selection = Selection(targets)
    checkpointer, layer = save(
        tmp_path, [{"okd/pesq": 3.0}, {"okd/pesq": 2.0}, {"okd/pesq": 1.0}]
    )
    best = checkpointer.find_checkpoint(max_key="okd/pesq")
    flip(best.paramfiles["g_pesq"])
    origins = selection.load_best(checkpointer, "okd", {targets[0]: layer})
    assert origins["pesq"]["epoch"] == 2
    assert f"{best.path} is damaged" in caplog.text


def test_checkpoints_of_earlier_versions_have_no_checksums(tmp_path):
    checkpointer, layer = save(tmp_path, [{}, {}])
    for checkpoint in checkpointer.list_checkpoints():
        (checkpoint.path / "SHA256SUMS").unlink()
        text = (checkpoint.path / "CKPT.yaml").read_text()
        (checkpoint.path / "CKPT.yaml").write_text(
            text.replace("checksums: SHA256SUMS\n", "")
        )
    again = AtomicCheckpointer(tmp_path, {"g_pesq": layer})
    assert again.recover_if_possible().meta["epoch"] == 2


def test_the_words_for_what_is_lost():
    def checkpoint(**meta):
        return checkpoints_of(None, meta, {})

    checkpoints_of = internals.Checkpoint
    within = checkpoint(within_epoch=7)
    lost = checkpoints.what_is_lost
    assert (
        lost([within], checkpoint(epoch=6)) == "part of an epoch is done again"
    )
    assert lost([within], checkpoint(epoch=5)) == "1 epoch is done again, 6"
    assert lost([], within) == "what was done since is done again"
    assert lost([checkpoint()], within) == "what was done since is done again"


# Disks ------------------------------------------------------------------------


def test_a_checkpoint_is_on_disk_before_an_older_one_goes(
    tmp_path, monkeypatch
):
    events = []
    fsync, rename, rmtree = os.fsync, os.rename, internals.shutil.rmtree

    def note(kind, function):
        def noted(target, *arguments):
            path = target
            if kind == "flush":
                path = os.readlink(f"/proc/self/fd/{target}")
            events.append((kind, os.fspath(path)))
            return function(target, *arguments)

        return noted

    checkpointer, layer = save(tmp_path, [{}])
    monkeypatch.setattr(os, "fsync", note("flush", fsync))
    monkeypatch.setattr(os, "rename", note("rename", rename))
    monkeypatch.setattr(internals.shutil, "rmtree", note("remove", rmtree))
    checkpointer.save_and_keep_only(meta={"epoch": 2}, importance_keys=[])
    kinds = [
        (kind, os.path.basename(path).replace("unfinished-", "").split("+")[0])
        for kind, path in events
    ]
    first = kinds.index(("rename", "CKPT"))
    before = {name for kind, name in kinds[:first] if kind == "flush"}
    assert {"g_pesq.ckpt", "CKPT.yaml", "CKPT"} <= before
    name = ("flush", tmp_path.name)
    assert kinds[first + 1] == name
    # The older one has lost its name on disk before it loses its files.
    assert kinds[first + 2 :] == [
        *(("rename", "CKPT"), name, ("remove", "CKPT"), name)
    ]


class Full:
    """Saves like a network, on a disk that is full."""

    def state_dict(self):
        return {"weight": torch.zeros(1000)}


@pytest.mark.parametrize("number", [28, 5, 122])
def test_a_full_disk_keeps_what_was_there(tmp_path, number):
    checkpointer, layer = save(tmp_path, [{}])

    def fail(obj, path):
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    checkpointer.add_recoverable("full", Full(), custom_save_hook=fail)
    with pytest.raises(WriteError) as caught:
        checkpointer.save_and_keep_only(meta={"epoch": 2}, importance_keys=[])
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/CKPT+")
    assert os.strerror(number) in text and "goes on from the newest" in text
    assert ("4 kB are needed" in text) == (number == 28)
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 1 and names[0].startswith("CKPT+")
    del checkpointer.recoverables["full"]
    assert checkpointer.recover_if_possible().meta["epoch"] == 1


def test_pytorch_hides_the_reason(tmp_path, monkeypatch):
    """Its writer says "unexpected pos"; the system's reason is found out."""

    def fail():
        raise RuntimeError(
            "[enforce fail at inline_container.cc:672] . unexpected pos 0 vs 1"
        )

    path = tmp_path / "weights.ckpt"
    with pytest.raises(WriteError, match="weights.ckpt: .*unexpected pos"):
        with files.writing(path):
            fail()

    class Broken:
        def __init__(self, dir):
            raise OSError(5, os.strerror(5))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", Broken)
    with pytest.raises(WriteError, match="weights.ckpt: .*Input/output error"):
        with files.writing(path):
            fail()
    with pytest.raises(RuntimeError, match="^CUDA out of memory"):
        with files.writing(path):
            raise RuntimeError("CUDA out of memory")

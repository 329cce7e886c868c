"""What okd overrides or reads of SpeechBrain is as okd found it."""

import hashlib
import inspect

import pytest
import speechbrain as sb
import torch
from experiments import make_brain
from speechbrain.utils.checkpoints import Checkpointer

from okd_brain.brain import OKDBrain
from okd_brain.training import AtomicCheckpointer, internals


def digest(function):
    """Return a fingerprint of a function, its comments and layout left out."""
    lines = inspect.getsource(function).splitlines()
    words = " ".join(line.partition("#")[0] for line in lines).split()
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    "function, expected",
    [
        (Checkpointer._new_checkpoint_dirpath, "69448d2846aa"),
        (Checkpointer._custom_checkpoint_dirpath, "a27a652a678f"),
        (Checkpointer.save_checkpoint, "b2b3cdc7e5c4"),
        (Checkpointer.save_and_keep_only, "259cb2825f84"),
        (Checkpointer.find_checkpoints, "e0a44796063c"),
        (Checkpointer.delete_checkpoints, "7809602e6a16"),
        (Checkpointer.recover_if_possible, "7420575e1119"),
        (Checkpointer._construct_checkpoint_objects, "8bb2ba3b2d45"),
        (sb.Brain.fit, "11495af8a664"),
        (sb.Brain.fit_batch, "3c8f872df9f6"),
        (sb.Brain.optimizers_step, "669bca25c8bb"),
        (sb.Brain.evaluate, "eff0e22271d0"),
        (sb.Brain.evaluate_batch, "24db2133488c"),
        (sb.Brain._fit_train, "44fca9889892"),
        (sb.Brain._fit_valid, "82a3798fd39d"),
        (sb.Brain._should_save_intra_epoch_ckpt, "4b66c70d50d4"),
        (sb.Brain._save_intra_epoch_ckpt, "8b30e0c37e5d"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_speechbrain_does_what_it_did(function, expected):
    """Where this fails, read the new code beside ``internals`` and adapt."""
    assert digest(function) == expected


@pytest.mark.parametrize("ours", [OKDBrain, AtomicCheckpointer])
def test_no_other_private_part_is_overridden(ours):
    theirs = {
        name
        for base in ours.__mro__
        if base.__module__.startswith("speechbrain")
        for name in vars(base)
    }
    for base in ours.__mro__:
        if base.__module__.startswith("okd_brain"):
            overridden = {
                name
                for name in vars(base)
                if name in theirs and name[0] == "_" and name[1] != "_"
            }
            if base.__module__ == internals.__name__:
                assert all(name in internals.__doc__ for name in overridden)
            else:
                assert not overridden, base


def test_attributes_are_where_they_were(tmp_path):
    options = {"debug": True, "debug_batches": 7}
    brain = sb.Brain(run_opts=options)
    assert brain.debug_batches == 7
    with brain.evaluation_ctx:
        pass
    brain = make_brain(tmp_path, run_opts=options)
    assert (brain.debug_limit, brain.debug_batches) == (7, None)


def test_a_save_that_dies_leaves_no_checkpoint(tmp_path):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    checkpointer.save_checkpoint(meta={"epoch": 1})

    def die(obj, path):
        path.write_text("half")
        raise KeyboardInterrupt

    checkpointer.add_recoverable("second", object(), custom_save_hook=die)
    with pytest.raises(KeyboardInterrupt):
        checkpointer.save_checkpoint(meta={"epoch": 2})
    again = AtomicCheckpointer(tmp_path, {"layer": layer})
    assert [c.meta["epoch"] for c in again.list_checkpoints()] == [1]
    again.recover_if_possible()
    again.save_checkpoint(meta={"epoch": 3}, name="named")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2 and not any("unfinished" in name for name in names)


def test_a_kill_while_deleting_leaves_no_half_checkpoint(tmp_path, monkeypatch):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    checkpointer.save_checkpoint(meta={"epoch": 1})

    def die(folder):
        (folder / "CKPT.yaml").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(internals.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        checkpointer.save_and_keep_only(meta={"epoch": 2}, importance_keys=[])
    monkeypatch.undo()
    # And what an earlier version left, which deleted under the last name.
    (tmp_path / "CKPT+2025-01-01+00-00-00+00").mkdir()
    (tmp_path / "CKPT+2025-01-01+00-00-00+00" / "layer.ckpt").touch()
    again = AtomicCheckpointer(tmp_path, {"layer": layer})
    assert [c.meta["epoch"] for c in again.list_checkpoints()] == [2]
    again.save_checkpoint(meta={"epoch": 3})
    assert len(list(tmp_path.iterdir())) == 2


def test_saved_files_are_where_the_checkpoint_says(tmp_path):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    saved = checkpointer.save_checkpoint()
    assert saved.path.name.startswith("CKPT+")
    assert saved.paramfiles["layer"].is_file()

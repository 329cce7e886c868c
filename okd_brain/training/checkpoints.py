"""What a checkpoint says of itself, and the choice of the best for each target.

In its meta, "epoch" is the one whose end it is, or `WITHIN` the one that it lies
in; "unixtime" orders them, though clocks may be set back; `SEALED` names the file
of its checksums.
"""

import json
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
    torch_recovery,
)

from okd_brain.messages import UserError

SEALED = "checksums"  # before that was in the meta, there were none
WITHIN = "within_epoch"
AVERAGE = "average_"  # of the weights; before the name of the generator


def ends_epoch(checkpoint):
    """Tell whether a checkpoint of a run ends an epoch, or lies within one."""
    return "phase" in checkpoint.meta


@register_checkpoint_hooks
class StepCounter(Counter):
    """Optimizer steps of each network so far, part of a checkpoint.

    Example
    -------
    >>> steps = StepCounter()
    >>> steps.update(["d", "d", "g_pesq"])
    >>> dict(steps)
    {'d': 2, 'g_pesq': 1}
    """

    @mark_as_saver
    def _save(self, path):
        Path(path).write_text(json.dumps(dict(self)))

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        self.clear()
        self.update(json.loads(Path(path).read_text()))


def later_than(checkpoints):
    """Return a time that is later than those of all checkpoints.

    Arguments
    ---------
    checkpoints : list of Checkpoint
        That are there.

    Returns
    -------
    float
        Seconds since 1970: now, unless the clock was set back, or is another
        machine's.
    """
    newest = max((c.meta["unixtime"] for c in checkpoints), default=0.0)
    return max(time.time(), newest + 0.001)


def place_of(checkpoint):
    """Return where in the run a checkpoint is, as text."""
    if WITHIN in checkpoint.meta:
        return f"within epoch {checkpoint.meta[WITHIN]}"
    if "epoch" in checkpoint.meta:
        return f"the end of epoch {checkpoint.meta['epoch']}"
    return "within an epoch"


def what_is_lost(damaged, chosen):
    """Return what has to be done again after damage, as text.

    Arguments
    ---------
    damaged : list of Checkpoint
        Newer ones, the newest first; those without a meta are unknown.
    chosen : Checkpoint
        That is whole.

    Returns
    -------
    str

    Example
    -------
    >>> from speechbrain.utils.checkpoints import Checkpoint
    >>> old, new = (Checkpoint(None, {"epoch": n}, {}) for n in (3, 12))
    >>> what_is_lost([new], old)
    '9 epochs are done again, 4 to 12'
    """
    ends = [_epochs_done(c.meta) for c in damaged]
    first = _epochs_done(chosen.meta)
    last = max((end for end in ends if end is not None), default=None)
    if first is None or last is None:
        return "what was done since is done again"
    if last == first:
        return "part of an epoch is done again"
    if last == first + 1:
        return f"1 epoch is done again, {last}"
    return f"{last - first} epochs are done again, {first + 1} to {last}"


def _epochs_done(meta):
    return meta.get("epoch", meta[WITHIN] - 1 if WITHIN in meta else None)


def bytes_of(recoverables):
    """Return about how many bytes the tensors of some objects take on disk.

    Arguments
    ---------
    recoverables : iterable of object
        Those without a ``state_dict`` count as nothing.

    Returns
    -------
    int

    Example
    -------
    >>> bytes_of([torch.nn.Linear(9, 1), "no network"])
    40
    """
    states = [o.state_dict() for o in recoverables if hasattr(o, "state_dict")]
    leaves = torch.utils._pytree.tree_leaves(states)
    return sum(x.nbytes for x in leaves if isinstance(x, torch.Tensor))


class Selection:
    """Choose the best checkpoint of each target by validation.

    Every validated checkpoint carries one value per target, under a key that
    tells the stage of training: what the supervised warm-up reached is never
    taken for a result of MetricGAN-OKD. It also says on which set it was
    validated: figures of the test set that chose the checkpoint are optimistic.

    Arguments
    ---------
    targets : list of Target
        In the order of the generators.
    split : str
        "valid"; or "test", for the published protocol alone.

    Raises
    ------
    UserError
        If the split is another one.

    Example
    -------
    >>> from okd_brain.metrics import parse_targets
    >>> selection = Selection(parse_targets([["pesq"], ["csig"]]))
    >>> selection.meta("okd", {"pesq": 2.5, "csig": 3.25})
    {'chosen_on': 'valid', 'okd/pesq': 2.5, 'okd/csig': 3.25}
    """

    def __init__(self, targets, split="valid"):
        if split not in ("valid", "test"):
            raise UserError(
                f"selection is {split!r}, but it must be 'valid' (validation "
                "speakers) or 'test' (the published protocol)."
            )
        self.targets = targets
        self.split = split

    def check(self, checkpointer):
        """Refuse checkpoints that were validated on another set.

        Arguments
        ---------
        checkpointer : Checkpointer
            Whose folder is searched.

        Raises
        ------
        UserError
            If there are any; the best of both sets would mean nothing.
        """
        for checkpoint in checkpointer.list_checkpoints():
            found = checkpoint.meta.get("chosen_on", self.split)
            if found != self.split:
                raise UserError(
                    f"selection is {self.split!r}, but {checkpoint.path} was "
                    f"validated with {found!r}. Keep that, or name a new "
                    "output_folder."
                )

    @staticmethod
    def key(stage, name):
        """Return the key of a target's value in the meta of a checkpoint."""
        return f"{stage}/{name}"

    def meta(self, stage, values):
        """Return what a checkpoint says of itself.

        Arguments
        ---------
        stage : str
            "warmup" or "okd".
        values : dict
            Selection value of each generator by name; NaN leaves the
            checkpoint out of the choice for that target.

        Returns
        -------
        dict
            "chosen_on", and plain floats: SpeechBrain cannot read any other
            number back.
        """
        return {
            "chosen_on": self.split,
            **{
                self.key(stage, name): float(value)
                for name, value in values.items()
                if value == value
            },
        }

    def keep(self, stages):
        """Return arguments of ``delete_checkpoints`` that keep the best."""
        keys = {"max_keys": [], "min_keys": []}
        for stage in stages:
            for target in self.targets:
                which = "max_keys" if target.higher_is_better else "min_keys"
                keys[which].append(self.key(stage, target.name))
        return keys

    def load_best(self, checkpointer, stage, generators):
        """Load the best weights of every generator.

        Arguments
        ---------
        checkpointer : Checkpointer
            Whose folder is searched.
        stage : str
            "okd", or "warmup" for the best before the metrics were trained on.
        generators : dict
            Target -> torch.nn.Module.

        Returns
        -------
        dict
            As from ``load_generators``.

        Raises
        ------
        UserError
            When a target has no checkpoint of that stage: untrained weights
            are never tested.
        """
        origins = {}
        for target, generator in generators.items():
            order = "max_key" if target.higher_is_better else "min_key"
            key = self.key(stage, target.name)
            best = checkpointer.find_checkpoint(**{order: key})
            if best is None:
                raise UserError(
                    f"{checkpointer.checkpoints_dir} holds no validated "
                    f"checkpoint of stage '{stage}' for {target.name}: train before "
                    "testing, or name the output_folder of a trained run."
                )
            origins.update(load_generators(best, {target: generator}))
        return origins


def load_generators(checkpoint, generators):
    """Load generators from one checkpoint.

    Arguments
    ---------
    checkpoint : Checkpoint
        From a ``Checkpointer``.
    generators : dict
        Target -> torch.nn.Module.

    Returns
    -------
    dict
        Name of the target -> {"epoch", "phase", "steps", "checkpoint"}: what is
        loaded; and "chosen_on", the set that chooses among checkpoints like it.
    """
    files = checkpoint.paramfiles
    for target, generator in generators.items():
        average = files.get(f"{AVERAGE}{target.module}")
        torch_recovery(generator, average or files[target.module], True)
    origin = {key: checkpoint.meta[key] for key in ("epoch", "phase", "steps")}
    origin["checkpoint"] = checkpoint.path.name
    origin["chosen_on"] = checkpoint.meta.get("chosen_on", "valid")
    return dict.fromkeys([target.name for target in generators], origin)


class Averages:
    """Moving averages of the weights of generators.

    What is validated, tested and exported: the average of the last updates is
    better than the last update, whose batch was small.

    Arguments
    ---------
    generators : dict
        Target -> torch.nn.Module that learns.
    decay : float or None
        Share of the average that stays in each update, in (0, 1); None takes
        the generators themselves.

    Raises
    ------
    UserError
        If the decay is another.
    """

    def __init__(self, generators, decay=None):
        if decay is not None and not 0 < decay < 1:
            raise UserError(
                f"average_decay is {decay!r}, must be between 0 and 1 (0.97 "
                "averages about the last 33 updates), or null."
            )
        self.learners = generators
        self.decay = decay
        self.networks = generators
        if decay is not None:
            self.networks = {
                target: deepcopy(generator).requires_grad_(False).eval()
                for target, generator in generators.items()
            }

    def by_file_name(self):
        """Return the averages by the names that checkpoints have for them."""
        if self.decay is None:
            return {}
        return {
            f"{AVERAGE}{target.module}": network
            for target, network in self.networks.items()
        }

    @torch.no_grad()
    def update(self):
        """Move the averages towards the generators."""
        if self.decay is None:
            return
        for target, learner in self.learners.items():
            for ours, theirs in zip(
                self.networks[target].state_dict().values(),
                learner.state_dict().values(),
                strict=True,
            ):
                if ours.is_floating_point():
                    ours.lerp_(theirs, 1 - self.decay)

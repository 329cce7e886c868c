"""What a checkpoint says of itself, and the choice of the best for each target."""

import json
from collections import Counter
from pathlib import Path

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
    torch_recovery,
)

from okd_brain.messages import UserError


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
        """Return arguments of ``save_and_keep_only`` that keep the best."""
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
    for target, generator in generators.items():
        torch_recovery(generator, checkpoint.paramfiles[target.module], True)
    origin = {key: checkpoint.meta[key] for key in ("epoch", "phase", "steps")}
    origin["checkpoint"] = checkpoint.path.name
    origin["chosen_on"] = checkpoint.meta.get("chosen_on", "valid")
    return dict.fromkeys([target.name for target in generators], origin)

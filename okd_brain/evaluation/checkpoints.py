"""Choice of trained generators among the checkpoints of an experiment."""

import re
from collections.abc import Mapping

import yaml
from speechbrain.utils.checkpoints import METAFNAME, Checkpointer

from okd_brain.config import read_yaml
from okd_brain.files import damage
from okd_brain.messages import UserError
from okd_brain.training.checkpoints import AVERAGE

ORIGIN_KEYS = ("epoch", "phase", "steps", "checkpoint", "chosen_on")
HYPERPARAMS = "hyperparams.yaml"  # in the output folder of an experiment
PREFIX = "okd/"  # of a target's validation; "warmup/" is not MetricGAN-OKD's


def choose_checkpoints(folder):
    """Find the generators of a checkpoint, or the best of an experiment.

    Arguments
    ---------
    folder : Path
        A checkpoint; or the output folder of an experiment, or its ``save``.

    Returns
    -------
    dict
        Target -> (file of weights, details), sorted; empty if the folder has no
        checkpoint. In an experiment each is chosen as in training, by the
        validation of its target in the metric's direction. Details are
        "checkpoint" (its name) and, as far as they are known, "epoch", "phase",
        "steps", "chosen_on", and the experiment's "equal_power".

    Raises
    ------
    UserError
        If checkpoints, or the hyperparams.yaml of an experiment, cannot be
        read, or none was validated after the warm-up.
    """
    networks = sorted(folder.glob("g_*.ckpt"))
    if networks:
        folder = folder.resolve()  # "." has no name
        _refuse_damage(folder)
        checkpoints = {found.path: found for found in _read(folder.parent)}
        experiment = _mappings(folder.parents[1] / HYPERPARAMS)
        details = _details(folder, checkpoints.get(folder), experiment)
        targets = [path.stem.removeprefix("g_") for path in networks]
        return {
            target: (_weights(folder, target), details) for target in targets
        }
    for save, experiment in (
        (folder / "save", folder),
        (folder, folder / ".."),
    ):
        if any(save.glob(f"CKPT+*/{METAFNAME}")):
            return _best(save, _mappings(experiment / HYPERPARAMS))
    return {}


def _read(save):
    """Return the checkpoints in a folder."""
    try:
        found = Checkpointer(save).list_checkpoints()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{save} has a damaged checkpoint: {error}") from error
    for checkpoint in found:
        _refuse_damage(checkpoint.path, METAFNAME)
        if not isinstance(checkpoint.meta, dict):
            raise UserError(
                f"{checkpoint.path / METAFNAME} is damaged. Restore it, or move "
                "that folder away."
            )
    return found


def _refuse_damage(folder, only=None):
    reason = damage(folder, only)
    if reason is not None:
        raise UserError(
            f"{folder} is damaged: {reason}. Restore it, or move it away and "
            "evaluate the next best."
        )


def _details(path, checkpoint, experiment):
    meta = checkpoint.meta if checkpoint else {}
    known = {key: meta[key] for key in ORIGIN_KEYS if key in meta}
    return {**known, "checkpoint": path.name, **_equal_power(experiment)}


def _best(save, experiment):
    keys = {key for found in _read(save) for key in found.meta}
    keys = sorted(key for key in keys if key.startswith(PREFIX))
    if not keys:
        raise UserError(
            f"{save} has no checkpoint that was validated after the warm-up; "
            "name a checkpoint in it to evaluate that"
        )
    best = {}
    lower_is_better = _lower_is_better(experiment)
    for key in keys:
        target = key.removeprefix(PREFIX)
        metric = re.sub(r"_\d+$", "", target)  # equal targets are numbered
        order = "min_key" if metric in lower_is_better else "max_key"
        found = Checkpointer(save).find_checkpoint(**{order: key})
        _refuse_damage(found.path)
        weights = _weights(found.path, target)
        best[target] = weights, _details(found.path, found, experiment)
    return best


def _weights(folder, target):
    """Return the file of what is tested: an average, where a run makes one."""
    learner = f"g_{target}.ckpt"
    average = folder / f"{AVERAGE}{learner}"
    return average if average.is_file() else folder / learner


def _mappings(hyperparams):
    """Return all mappings in the YAML of an experiment; none if it is missing.

    The YAML is parsed only: objects that it names are not created.
    """
    if not hyperparams.is_file():
        return []
    nodes = [read_yaml(hyperparams)]
    mappings = []
    while nodes:
        node = nodes.pop()
        if isinstance(node, Mapping):
            mappings.append(node)
            nodes.extend(node.values())
        elif isinstance(node, list):
            nodes.extend(node)
    return mappings


def _lower_is_better(experiment):
    """Return names of metrics that an experiment says are better when lower.

    The metrics of okd_brain itself are all better when higher.
    """
    return {
        node.get("name")
        for node in experiment
        if node.get("higher_is_better") is False
    }


def _equal_power(experiment):
    """Return the rule of equal power under the name that exports give it."""
    found = [
        node["equal_power"] for node in experiment if "equal_power" in node
    ]
    rules = [rule for rule in found if isinstance(rule, str)]  # no references
    return {"equal_power": rules[0]} if rules else {}

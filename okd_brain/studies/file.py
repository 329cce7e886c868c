"""A study: a YAML of experiments that belong in one table.

.. code-block:: yaml

    metrics: [pesq, csig] # columns of the table
    options: # every train.py gets these
        number_of_samples: 10
    preparations: # trained first, once for each seed
        warm: # a name for what follows
            experiment: multi_node # hparams/multi_node.yaml
            options: {warmup_epochs: 5, discriminator_epochs: 20, number_of_epochs: 0}
            in_table: true # also a row; a method always is
    methods:
        okd_v2: # hparams/okd_v2.yaml, as no experiment is named
            options:
                pretrained: # {warm}: that run's folder, of the same seed
                    generators: "{warm}/export/pesq_csig"
                    discriminator: "{warm}/export/discriminator"
            paper: # published figures, by generator
                pesq: {pesq: 3.24, csig: 4.23}

With ``base: other.yaml``, metrics and options that are not given here are those
of that study.
"""

import os
import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

from okd_brain.config import chain_of_bases, read_yaml
from okd_brain.messages import UserError, offer

PLACEHOLDER = re.compile(r"\{(\w+)\}")
RESERVED = ("seed", "output_folder", "device")  # the runner chooses these


@dataclass(frozen=True)
class Entry:
    """One experiment of a study, run once for each seed."""

    name: str  # of its folder and its rows
    experiment: Path  # its YAML
    options: Mapping  # strings may hold names of preparations in braces
    in_table: bool  # whether its generators are rows of the table
    paper: Mapping = field(
        default_factory=dict
    )  # generator -> metric -> figure
    needs: tuple = ()  # preparations that its options name


@dataclass(frozen=True)
class Study:
    """The content of a study's YAML."""

    name: str  # of the file, without suffix
    metrics: list  # columns of the table
    entries: list  # preparations, then methods


def read_study(path, hparams_folder):
    """Read a study.

    Arguments
    ---------
    path : str or Path
        A YAML file, see the top of this module.
    hparams_folder : str or Path
        The folder of the experiments.

    Returns
    -------
    Study

    Raises
    ------
    UserError
        If the file is missing, not YAML or incomplete, has an unknown key
        (close matches are offered), or names a missing or circular base, an
        experiment that does not exist or a preparation that does not come
        before.
    """
    path = Path(path)
    chain = [tree for _, tree in chain_of_bases(path, _read)]
    tree = chain[-1]
    metrics = ChainMap(*reversed(chain)).get("metrics")
    if not (
        isinstance(metrics, list)
        and metrics
        and all(isinstance(metric, str) for metric in metrics)
    ):
        raise UserError(
            f"{path}: metrics is {metrics!r}, but it must be a list of names "
            "such as [pesq, csig]."
        )
    common = ChainMap(*(one["options"] for one in reversed(chain)))
    entries = []
    for section in ("preparations", "methods"):
        described = _mapping(path, section, tree.get(section))
        preparations = [entry.name for entry in entries]
        for name, value in described.items():
            entry = _entry(
                path, name, value, section, common, Path(hparams_folder)
            )
            _refuse_unknown_needs(path, entry, preparations)
            if section == "preparations":
                preparations.append(name)
            entries.append(entry)
    if not tree.get("methods"):
        raise UserError(f"{path} has no methods, but it needs one to compare.")
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"{path}: {twice[0]} is a preparation and a method; rename one."
        )
    return Study(path.stem, metrics, entries)


def _read(path):
    """Return a study's content; its options are a mapping."""
    if not path.is_file():
        raise UserError(f"There is no file {path}; a study's YAML is expected.")
    tree = _mapping(path, "the file", read_yaml(path, "safe"))
    known = ["base", "metrics", "options", "preparations", "methods"]
    _refuse_unknown(path, "the file", tree, known)
    return {**tree, "options": _mapping(path, "options", tree.get("options"))}


def _entry(path, name, value, section, common, hparams_folder):
    """Return an entry, its options laid over the common ones."""
    value = _mapping(path, name, value)
    preparation = section == "preparations"
    extra = "in_table" if preparation else "paper"
    _refuse_unknown(path, name, value, ["experiment", "options", extra])
    experiment = hparams_folder / f"{value.get('experiment', name)}.yaml"
    if not os.path.isfile(experiment):
        known = sorted(file.stem for file in hparams_folder.glob("*.yaml"))
        raise UserError(
            f"{path}, {name}: there is no {experiment}"
            f"{offer(experiment.stem, known)}"
        )
    options = {**common, **_mapping(path, name, value.get("options"))}
    for key in RESERVED:
        if key in options:
            raise UserError(
                f"{path}, {name}: {key} is among the options, but study.py "
                "sets it for each run (--seeds, --output_folder, --devices)."
            )
    paper = _mapping(path, name, value.get("paper"))
    for generator, figures in paper.items():
        where = f"{name}, paper, {generator}"
        for metric, figure in _mapping(path, where, figures).items():
            if not isinstance(figure, Real):
                raise UserError(
                    f"{path}, {name}: the paper's {metric} of {generator} is "
                    f"{figure!r}, but it must be a number."
                )
    needs = dict.fromkeys(PLACEHOLDER.findall(str(options)))
    return Entry(
        name,
        experiment,
        options,
        value.get("in_table", not preparation),
        paper,
        tuple(needs),
    )


def _mapping(path, where, value):
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(
            f"{path}: {where} holds {value!r}, but 'key: value' lines are "
            "expected."
        )
    for key in value:
        if not isinstance(key, str):
            raise UserError(f"{path}: {where} has the key {key!r}, not a name.")
    return value


def _refuse_unknown(path, where, tree, known):
    for key in tree:
        if key not in known:
            raise UserError(
                f"{path}: {where} has the key {key!r}{offer(key, known)}"
            )


def _refuse_unknown_needs(path, entry, preparations):
    for need in entry.needs:
        if need not in preparations:
            raise UserError(
                f"{path}, {entry.name}: {{{need}}} is not a preparation "
                f"that comes before{offer(need, preparations)}"
            )

"""One YAML loader: base < experiment < schedule < command line.

HyperPyYAML has no merge of files, so an experiment that differs from another in
a few lines names it (``base:``) and is laid over it here. The result is one
plain HyperPyYAML text, comments included, instead of the base and HyperPyYAML's
``overrides``: those keep the base's ``!name:`` tag when a mapping replaces a
mapping, so that another class with arguments would silently not be used.
"""

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ruamel.yaml
import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.run_opts import RunOptions

from okd_brain.distributed import begin_distributed_run
from okd_brain.messages import UserError, offer


@dataclass(frozen=True)
class Experiment:
    """Experiment and run options of a command line.

    Attributes
    ----------
    yaml : str
        The merged HyperPyYAML text.
    run_opts : RunOptions
        SpeechBrain's run options.
    """

    yaml: str
    run_opts: RunOptions

    @contextlib.contextmanager
    def loaded(self) -> Iterator[tuple[dict, Path]]:
        """Load the experiment, in every process that takes part.

        The processes of a distributed run find each other first.

        Yields
        ------
        (dict, Path)
            Keys to values and objects; and the text as a file, for functions
            that take a path.
        """
        begin_distributed_run(self.run_opts)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hyperparams.yaml"
            path.write_text(self.yaml, encoding="utf-8")
            with open(path, encoding="utf-8") as stream:
                hparams = load_hyperpyyaml(stream)
            yield hparams, path


def read_experiment(argv, default_schedule=None):
    """Parse a recipe's command line.

    Arguments
    ---------
    argv : list of str
        Without the program's name: a YAML file, then ``--key value`` pairs.
    default_schedule : str or Path, optional
        The schedule laid over an experiment that names neither a
        ``data_folder`` nor a ``schedule``: that of the bundled mini corpus.

    Returns
    -------
    Experiment

    Raises
    ------
    UserError
        If a file names a missing or circular base, a plain value has an unknown
        key (close matches are offered; an object may have a key of its own), or
        an override has no value or two.
    """
    file, run_opts, command_line = sb.parse_arguments(argv)
    base, *overlays = _chain(Path(file))
    overlays.append(("the command line", _parse_command_line(command_line)))
    merged = _merge(base, overlays)
    schedule = merged["schedule"]
    if schedule is None and merged["data_folder"] is None:
        schedule = default_schedule
    if schedule is not None:
        # Between the experiment and the command line, which always wins.
        overlays.insert(-1, (schedule, _read(_find(schedule, base[0]))))
        merged = _merge(base, overlays)
    return Experiment(_dump(merged), run_opts)


def _chain(path):
    """Return (path, tree) of a file's last base, ..., its base, itself."""
    chain = [(path, _read(path))]
    while (base := chain[0][1].get("base")) is not None:
        owner = chain[0][0]
        path = owner.parent / base
        if path.resolve() in [seen.resolve() for seen, _ in chain]:
            raise UserError(f"{owner}: its base {base} leads back to it.")
        chain.insert(0, (path, _read(path)))
    return chain


def _find(schedule, base_file):
    """Resolve a schedule against the working folder, then the base's."""
    path = Path(schedule)
    return path if path.is_file() else base_file.parent / path


def _read(path):
    """Return the tree of a YAML file, tags kept."""
    if not path.is_file():
        raise UserError(f"There is no file {path}; a YAML file is expected.")
    tree = ruamel.yaml.YAML().load(path)
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no 'key: value' lines.")
    return tree


def _parse_command_line(overrides):
    """Return the tree of SpeechBrain's overrides string."""
    bare = re.findall(r"^(\w+):\s*$", overrides, flags=re.MULTILINE)
    if bare:
        raise UserError(
            f"--{bare[0]} has no value: write --{bare[0]} VALUE "
            f"(for instance --{bare[0]} True)."
        )
    keys = re.findall(r"^(\w+):", overrides, flags=re.MULTILINE)
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise UserError(f"--{twice[0]} is given twice, but it has one value.")
    return ruamel.yaml.YAML().load(overrides) or {}


def _merge(base, overlays):
    """Return the base's tree with others laid over it, in order."""
    merged = _copy(base[1])
    for source, tree in overlays:
        for key, value in tree.items():
            if key not in merged and key != "base" and not _is_object(value):
                raise UserError(
                    f"{source}: no key {key!r} to set{offer(key, merged)}"
                )
        _lay_over(merged, _copy(tree))
    merged.pop("base", None)
    return merged


def _is_object(value):
    """Tell whether a node makes an object.

    Objects may be added to an experiment, for other keys to refer to.
    """
    tag = getattr(getattr(value, "tag", None), "value", None) or ""
    return tag.startswith(("!new:", "!name:", "!apply:"))


def _lay_over(tree, overlay):
    """Set the overlay's leaves in a tree, in place.

    A tagged mapping (an object and its arguments) replaces what it meets; a
    plain one is laid over it.
    """
    for key, value in overlay.items():
        plain = isinstance(value, dict) and value.tag.value is None
        if plain and isinstance(tree.get(key), dict):
            _lay_over(tree[key], value)
        else:
            tree[key] = value


def _copy(tree):
    return ruamel.yaml.YAML().load(_dump(tree)) or {}


def _dump(tree):
    stream = io.StringIO()
    ruamel.yaml.YAML().dump(tree, stream)
    return stream.getvalue()

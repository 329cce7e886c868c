"""One YAML loader: base < experiment < schedule < command line.

HyperPyYAML has no merge of files, so an experiment that differs from another in
a few lines names it (``base:``) and is laid over it here. The result is one
plain HyperPyYAML text, comments included, instead of the base and HyperPyYAML's
``overrides``: those keep the base's ``!name:`` tag when a mapping replaces a
mapping, so that another class with arguments would silently not be used.

The same YAML says what its keys are for: ``describe_keys``, and ``--help``.
"""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ruamel.yaml
import yaml

from okd_brain.cli import make_parser
from okd_brain.command_line import (
    RUN_OPTIONS,
    divide_options,
    split_command_line,
    tag_of,
    with_names,
)
from okd_brain.messages import UserError, offer, reason_of

# HyperPyYAML takes these for references, Python's comments, or an error.
UNREFERABLE = re.compile("[<>#\ud800-\udfff]")
NEEDED = ("data_folder", "output_folder", "schedule")  # of any experiment
MAX_DEPTH, MAX_NODES = 50, 10**5
"""Of a YAML; what an alias stands for counts each time."""
MINI = "mini-"  # begins the default output folder of the mini corpus


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
    run_opts: Any

    @contextlib.contextmanager
    def loaded(self, *without) -> Iterator[tuple[dict, Path]]:
        """Load the experiment, in every process that takes part.

        The processes of a distributed run find each other first.

        Arguments
        ---------
        *without : str
            Keys that are None instead, so that their objects are not made.

        Yields
        ------
        (dict, Path)
            Keys to values and objects; and the text as a file, for functions
            that take a path.

        Raises
        ------
        UserError
            If an object cannot be made from its arguments.
        """
        from hyperpyyaml import load_hyperpyyaml

        from okd_brain.distributed import begin_distributed_run

        begin_distributed_run(self.run_opts)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hyperparams.yaml"
            path.write_text(self.yaml, encoding="utf-8")
            with open(path, encoding="utf-8") as stream:
                try:
                    hparams = load_hyperpyyaml(
                        stream, overrides=dict.fromkeys(without)
                    )
                except (TypeError, ImportError) as error:
                    # What HyperPyYAML says of a class and its arguments.
                    reason = ": ".join(str(part) for part in error.args)
                    raise UserError(f"The experiment: {reason}") from error
            yield hparams, path

    def options(self):
        """Return every option as text, references as they are written.

        Returns
        -------
        dict
            Key -> YAML; run options of the command line among them.
        """
        tree = yaml.compose(self.yaml)  # tags and values, no comments
        options = {
            key.value: yaml.serialize(value).removesuffix("...\n").strip()
            for key, value in tree.value
        }
        for key in sorted(self.run_opts.overridden_args):
            options[key] = str(self.run_opts[key])
        return options

    def resolved(self, *keys):
        """Return the values of plain keys, references resolved, nothing made.

        Arguments
        ---------
        *keys : str
            Their names; None is the value of one that is absent.

        Returns
        -------
        list
        """
        from hyperpyyaml import resolve_references

        tree = ruamel.yaml.YAML().load(resolve_references(self.yaml))
        return [tree.get(key) for key in keys]


def differing(there, asked):
    """Return the options whose values differ.

    Arguments
    ---------
    there : dict
        Key -> YAML, as from ``Experiment.options``.
    asked : dict
        Likewise.

    Returns
    -------
    dict
        Key -> (text there, text asked for), each in one line. What is absent is
        null.

    Example
    -------
    >>> differing({"alpha": "5", "seed": "1"}, {"alpha": "5.0", "seed": "2"})
    {'seed': ('1', '2')}
    """
    found = {}
    for key in {**there, **asked}:
        texts = [options.get(key) or "null" for options in (there, asked)]
        if not _is_same(*texts):
            found[key] = tuple(" ".join(text.split()) for text in texts)
    return found


def _is_same(first, second):
    """Compare YAML texts; 5 and 5.0 are the same, tags and names as written."""
    try:
        return yaml.safe_load(first) == yaml.safe_load(second)
    except yaml.YAMLError:  # a tag
        return first.split() == second.split()


def read_experiment(argv, default_schedule=None):
    """Parse a recipe's command line.

    Arguments
    ---------
    argv : list of str
        Without the program's name: a YAML file, then ``--key value`` pairs.
    default_schedule : str or Path, optional
        The schedule laid over an experiment that names neither a
        ``data_folder`` nor a ``schedule``: that of the bundled mini corpus. If
        there is one, the default output folder of the mini corpus is not that
        of a corpus: ``results/NAME/mini-1`` instead of ``results/NAME/1``.

    Returns
    -------
    Experiment

    Raises
    ------
    UserError
        If a file is missing, not YAML, or names a missing or circular base, a
        plain value has an unknown key (close matches are offered; an object may
        have a key of its own), or an override has no value, two, or one of the
        wrong kind.
    """
    file, options = split_command_line(argv)
    base, *overlays = chain_of_bases(file, _read)
    merged = _merge(base, overlays)
    for key in NEEDED:
        if key not in merged:
            raise UserError(f"{file} is not an experiment: it has no {key}.")
    run_opts, overrides = divide_options(file, options, merged)
    overlays.append(("the command line", overrides))
    merged = _merge(base, overlays)
    is_mini = default_schedule is not None and merged["data_folder"] is None
    schedule = merged["schedule"]
    if schedule is None and is_mini:
        schedule = default_schedule
    if schedule is not None:
        # Between the experiment and the command line, which always wins.
        overlays.insert(-1, (schedule, _read(_find(schedule, base[0]))))
        merged = _merge(base, overlays)
    if is_mini and "output_folder" not in overrides:
        _rename_last(merged, "output_folder")
    for key, value in overrides.items():
        if isinstance(value, str) and UNREFERABLE.search(value):
            _spell_out(merged, f"<{key}>/", f"{value}/")
    text = _dump(merged)
    try:
        yaml.compose(text)
    except yaml.YAMLError as error:  # HyperPyYAML's parser is not ruamel's
        raise UserError(f"{file} is not YAML: {reason_of(error)}") from error
    return Experiment(text, run_opts)


def _spell_out(tree, reference, text):
    """Replace the start of references to a path by the path, in place."""
    for key, node in tree.items() if isinstance(tree, dict) else ():
        if isinstance(getattr(node, "value", None), str):
            if node.value.startswith(reference):
                tree[key] = text + node.value.removeprefix(reference)
        else:
            _spell_out(node, reference, text)


def _rename_last(tree, key):
    """Begin the last part of a path with ``mini-``, in place."""
    node = tree[key]
    path = node if isinstance(node, str) else node.value
    parent, slash, name = path.rpartition("/")
    renamed = f"{parent}{slash}{MINI}{name}"
    if isinstance(node, str):
        tree[key] = renamed
    else:
        node.value = renamed


# Files -------------------------------------------------------------------------


def chain_of_bases(path, read):
    """Read a file that may name a base, which may name another.

    Arguments
    ---------
    path : Path
        The file.
    read : callable
        Path -> the mapping in it.

    Returns
    -------
    list of (Path, Mapping)
        The last base, ..., the file's base, the file.

    Raises
    ------
    UserError
        As from ``read``, or if a base is not a name or leads back to its file.
    """
    chain = [(path, read(path))]
    while (base := chain[0][1].get("base")) is not None:
        owner = chain[0][0]
        if not isinstance(base, str):
            raise UserError(
                f"{owner}: its base is {base!r}, must be the name of a file."
            )
        path = owner.parent / base
        if path.resolve() in [seen.resolve() for seen, _ in chain]:
            raise UserError(f"{owner}: its base {base} leads back to it.")
        try:
            chain.insert(0, (path, read(path)))
        except UserError as error:
            raise UserError(f"{owner}: its base: {error}") from error
    return chain


def _find(schedule, base_file):
    """Resolve a schedule against the working folder, then the base's."""
    path = Path(schedule)
    return path if os.path.isfile(path) else base_file.parent / path


def _read(path):
    """Return the tree of a YAML file, tags kept."""
    if not os.path.isfile(path):  # a name that is too long is none either
        there = []
        if os.path.isdir(path.parent):
            there = sorted(file.name for file in path.parent.glob("*.yaml"))
        known = offer(path.name, there) if there else "."
        raise UserError(
            f"There is no file {path}; a YAML file is expected{known}"
        )
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no 'key: value' lines.")
    for key in tree:
        if not isinstance(key, str):
            raise UserError(f"{path}: the key {key!r} is not a name.")
    return with_names(tree)


def read_yaml(path, kind="rt"):
    """Return the content of a YAML file.

    Arguments
    ---------
    path : Path
        The file.
    kind : str
        "rt" keeps tags and comments, "safe" gives Python's own types
        (``ruamel.yaml.YAML``).

    Returns
    -------
    object

    Raises
    ------
    UserError
        If it cannot be read, is not YAML, or is nested or refers to itself
        beyond what an experiment or a study is.
    """
    too_deep = UserError(
        f"{path} is nested or refers to itself too often: it is read up to "
        f"a depth of {MAX_DEPTH} and {MAX_NODES} values."
    )
    try:
        text = path.read_text(encoding="utf-8")
        if _bracket_depth(text) > MAX_DEPTH:  # takes the parser minutes
            raise too_deep
        _refuse_keys_of_parts(path, text)
        tree = ruamel.yaml.YAML(typ=kind).load(text)
    except UserError:
        raise
    except Exception as error:
        # The parser raises errors of any class on what is no YAML.
        raise UserError(f"{path} is not YAML: {reason_of(error)}") from error
    level = [tree]
    nodes = 0
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        level = [part for node in level for part in _parts(node)]
        if nodes + len(level) > MAX_NODES:
            break
    if level:
        raise too_deep
    return tree


def _bracket_depth(text):
    """Return how deep brackets nest, those in strings and comments counted."""
    depth = deepest = 0
    for mark in re.findall(r"[][{}]", text):
        depth = depth + 1 if mark in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _refuse_keys_of_parts(path, text):
    """Refuse mappings and lists as keys, whose hash ruamel takes 2^depth for."""
    if not re.search(r"\?\s|[]}]\s*:|\*\S+\s+:", text):
        return  # a second parse only where there may be one
    nodes = [ruamel.yaml.YAML(typ="safe", pure=True).compose(text)]
    seen = set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen or not isinstance(
            node, ruamel.yaml.nodes.CollectionNode
        ):
            continue
        seen.add(id(node))
        if isinstance(node, ruamel.yaml.nodes.SequenceNode):
            nodes += node.value
            continue
        for key, value in node.value:
            if not isinstance(key, ruamel.yaml.nodes.ScalarNode):
                line = text.splitlines()[key.start_mark.line].strip()
                raise UserError(
                    f"{path}: the key in line {key.start_mark.line + 1}, "
                    f"{line[:60]!r}, is not a name."
                )
            nodes.append(value)


def _parts(node):
    if isinstance(node, dict):
        return [*node.keys(), *node.values()]
    return node if isinstance(node, (list, tuple, set)) else []


def _merge(base, overlays):
    """Return the base's tree with others laid over it, in order."""
    merged = _copy(*base)
    for source, tree in overlays:
        for key, value in tree.items():
            if key not in merged and key != "base" and not _is_object(value):
                raise UserError(
                    f"{source}: no key {key!r} to set{offer(key, merged)}"
                )
        _lay_over(merged, _copy(source, tree))
    merged.pop("base", None)
    return merged


def _is_object(value):
    """Tell whether a node makes an object.

    Objects may be added to an experiment, for other keys to refer to.
    """
    tag = tag_of(value)
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


def _copy(source, tree):
    try:
        copy = ruamel.yaml.YAML().load(_dump(tree)) or {}
        if not isinstance(copy, dict):
            raise TypeError(f"it is read as a {type(copy).__name__}")
        return copy
    except Exception as error:  # ruamel does not read all that it writes
        raise UserError(
            f"{source}: what it holds cannot be written as YAML (names of keys "
            f"must be short, for instance): {reason_of(error)}"
        ) from error


def _dump(tree):
    stream = io.StringIO()
    ruamel.yaml.YAML().dump(tree, stream)
    return stream.getvalue()


# What the keys mean --------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """A key of an experiment, as its YAML explains it.

    Attributes
    ----------
    name : str
        What is set.
    default : str
        Its value in the experiment, as text.
    comment : str
        What stands behind it.
    section : str
        The comment above its group of keys.
    """

    name: str
    default: str
    comment: str
    section: str


def describe_keys(file):
    r"""Return the keys that an experiment can set, from the YAML itself.

    Left out is what connects the others: objects without a comment.

    Arguments
    ---------
    file : str or Path
        The experiment; explanations may come from its base.

    Returns
    -------
    list of Key
        In the order of the file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.yaml"
    >>> text = "seed: 1 # any\n\n# Data: where it is\ndata_folder: null\n"
    >>> length = path.write_text(text)
    >>> describe_keys(path)[0]
    Key(name='seed', default='1', comment='any', section='')
    >>> describe_keys(path)[1].section
    'Data: where it is'
    """
    chain = chain_of_bases(Path(file), _read)
    explained = {}
    for path, _ in chain:
        for name, comment, section in _explanations(path.read_text("utf-8")):
            known = explained.get(name, ("", section))
            explained[name] = (comment or known[0], known[1])
    nodes = yaml.compose(_dump(_merge(chain[0], chain[1:]))).value
    return [
        Key(key.value, _shown(node), *explained.get(key.value, ("", "")))
        for key, node in nodes
        if not key.value.startswith("__")
        and (
            explained.get(key.value, ("",))[0]
            or not node.tag.startswith(("!new:", "!apply:"))
        )
    ]


def _explanations(text):
    """Yield (key, comment behind it, heading above) of a YAML's top level."""
    heading, section = [], ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading.append(line.strip("# "))
            continue
        found = re.match(r"(\w+):(?:\s|$)", line)
        if found:
            section = " ".join(filter(None, heading)) or section
            value, _, comment = line.partition(" # ")
            yield found[1], comment.strip(), section
        heading = []


def _shown(node):
    """Return a value as help shows it: no tags, no arguments of objects."""
    if node.tag.startswith(("!new:", "!name:", "!apply:")):
        return node.tag.partition(":")[2]
    if isinstance(node, yaml.SequenceNode):
        return f"[{', '.join(map(_shown, node.value))}]"
    if isinstance(node, yaml.MappingNode):
        pairs = (f"{_shown(k)}: {_shown(v)}" for k, v in node.value)
        return f"{{{', '.join(pairs)}}}"
    plain = {"tag:yaml.org,2002:bool": node.value.capitalize()}
    return plain.get(node.tag, node.value or "null")


def answer_help(argv, description, base):
    """Print what ``--help`` or ``--version`` asks for, and exit.

    Without either, nothing happens.

    Arguments
    ---------
    argv : list of str
        As for ``read_experiment``; the defaults shown are those of the
        experiment that it names.
    description : str
        What the command does.
    base : str or Path
        The experiment whose defaults are shown if none is named.
    """
    if {"-h", "--help", "--version"} & set(argv):
        _print_help(argv, description, base)


def _print_help(argv, description, base):
    named = [token for token in argv if token.endswith((".yaml", ".yml"))]
    file = Path(named[0] if named else base)
    parser = make_parser(
        usage="%(prog)s EXPERIMENT [--key VALUE ...]",
        description=f"{description.strip()}\n\nDefaults are those of {file.name}.",
    )
    parser.add_argument(
        "experiment",
        metavar="EXPERIMENT",
        help="its YAML, such as hparams/NAME.yaml; to okd-train also its name",
    )
    groups = {}
    for key in describe_keys(file):
        if key.section not in groups:
            title, _, rest = key.section.partition(": ")
            groups[key.section] = parser.add_argument_group(
                title or "Experiment", rest or None
            )
        text = f"{key.comment} (default: {key.default})".strip()
        groups[key.section].add_argument(
            f"--{key.name}", metavar="VALUE", help=text.replace("%", "%%")
        )
    group = parser.add_argument_group("SpeechBrain's run options")
    for name, (value, text) in RUN_OPTIONS.items():
        kind = {"metavar": value} if value else {"action": "store_true"}
        group.add_argument(f"--{name}", help=text.replace("%", "%%"), **kind)
    parser.parse_args(["--version" if "--version" in argv else "--help"])

"""The rows of a table of results: models, and folders of enhanced files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from okd_brain.evaluation.checkpoints import ORIGIN_KEYS, choose_checkpoints
from okd_brain.evaluation.files import Files, check_headers, read
from okd_brain.export import WEIGHTS, load_generator, read_generator
from okd_brain.export.details import read_details, task_of
from okd_brain.messages import UserError


@dataclass(frozen=True)
class FolderSystem:
    """A system known by its output files alone.

    Arguments
    ---------
    name : str
        Of its row.
    files : dict
        Utterance -> Files, whose ``enhanced`` is its output.
    origin : dict
        Where it comes from, for ``results.json``.
    """

    name: str
    files: Mapping[str, Files]
    origin: Mapping

    def signals(self, given):
        """Return the signals of one utterance.

        Arguments
        ---------
        given : Files
            Input; ``enhanced`` holds the unprocessed file.

        Returns
        -------
        Signals
            Whose ``enhanced`` is the system's output.

        Raises
        ------
        ValueError
            If a file cannot be read or enhanced.
        """
        return read(self.files[given.utterance])


@dataclass(frozen=True)
class EnhancingSystem:
    """A system that enhances on demand, such as a generator.

    Arguments
    ---------
    name : str
        Of its row.
    enhance : callable
        ``enhance(signals)`` returns the enhanced wave for the unprocessed
        ``Signals``: [samples], float32, 16 kHz.
    origin : dict
        Where it comes from, for ``results.json``: "source", and "epoch",
        "phase", "steps" and "checkpoint" as far as they are known.
    """

    name: str
    enhance: Callable
    origin: Mapping

    def signals(self, given):
        """Return the signals of one utterance; see ``FolderSystem``."""
        signals = read(given)
        try:
            return replace(signals, enhanced=self.enhance(signals))
        except ValueError as error:
            where = " in ".join(map(str, given.paths[1:]))
            raise ValueError(f"{where}: {error}") from error


def find_systems(models, compared, clean, given, device="cpu"):
    """Recognise models and load them.

    Arguments
    ---------
    models : list of str
        Each one of the following, ``=NAME`` after it to name its row.

        * An export folder, or a folder or hub id of SpeechBrain's MetricGAN+.
          The row is named after the folder, or the id.
        * A checkpoint, the folder ``CKPT+...``: a row for each generator,
          named after its target.
        * The output folder of an experiment (or its ``save_folder``): the best
          checkpoint of each generator, chosen as in training. Where there are
          several generators, NAME becomes ``NAME/target``.
        * A folder of enhanced files, named like the clean ones. The row is
          named after the folder.
    compared : ComparedTask
        The task that they are compared in.
    clean : str or Path
        Folder of the clean files.
    given : str or Path
        Folder of the noisy files, or of the listener's noise.
    device : str
        Where generators enhance.

    Returns
    -------
    list of (FolderSystem or EnhancingSystem)
        In the order of ``models``.

    Raises
    ------
    UserError
        If a model is none of these, weights do not fit or are for another
        task, enhanced files do not match the clean ones in name, sample rate or
        length, or two rows have one name.
    """
    pair = partial(compared.pair, clean, given)
    enhancer = partial(_enhancer, compared, device)
    systems, owners = [], {}
    for text in models:
        source, name = split_name(text)
        for system in _find(source, name, enhancer, pair):
            if system.name in owners:
                raise UserError(
                    f"{owners[system.name]} and {text} would both be called "
                    f"'{system.name}': name one of them, as in {source}=NAME"
                )
            owners[system.name] = text
            systems.append(system)
    return systems


def split_name(text):
    """Separate a model from the name of its row.

    Arguments
    ---------
    text : str
        ``MODEL`` or ``MODEL=NAME``; a text that exists on disk is a MODEL.

    Returns
    -------
    source : str
        The model.
    name : str or None
        None if it was not given.

    Raises
    ------
    UserError
        If either side of the last "=" is empty.

    Example
    -------
    >>> split_name("results/alpha=1/export/pesq=ours")
    ('results/alpha=1/export/pesq', 'ours')
    >>> split_name("export/pesq")
    ('export/pesq', None)
    """
    source, equals, name = text.rpartition("=")
    if not equals or Path(text).exists():
        return text, None
    if not source or not name:
        raise UserError(f"'{text}' is neither MODEL nor MODEL=NAME")
    return source, name


def _find(source, name, enhancer, pair):
    folder = Path(source)
    if folder.is_file():
        raise UserError(
            f"{source} is a file, but a model is a folder or a hub id; okd-import "
            "turns a checkpoint of the authors' code into a folder"
        )
    called = name or (folder.resolve().name if folder.exists() else source)
    if not folder.exists() or (folder / WEIGHTS).exists():
        details = read_details(source)
        enhance = enhancer(load_generator(source), details, source)
        return [EnhancingSystem(called, enhance, _origin(source, details))]
    chosen = choose_checkpoints(folder)
    if chosen:
        return [
            EnhancingSystem(
                _row_name(name, target, len(chosen)),
                enhancer(
                    read_generator(found.weights), found.details, found.weights
                ),
                _origin(source, found.details),
            )
            for target, found in chosen.items()
        ]
    try:
        files = pair(source)
    except ValueError as error:
        raise UserError(
            f"{error} ({source} was taken for a folder of enhanced files, as it "
            "is not an export folder, checkpoint or experiment)"
        ) from error
    check_headers(files.values())
    return [FolderSystem(called, files, _origin(source, {}))]


def _enhancer(compared, device, generator, details, path):
    """Return the ``enhance`` of a generator's ``EnhancingSystem``."""
    try:
        task = task_of(generator, details)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    compared.check(task, path)
    return partial(compared.enhance, generator.to(device), task)


def _row_name(name, target, count):
    if name is None:
        return target
    return name if count == 1 else f"{name}/{target}"


def _origin(source, details):
    known = {key: details[key] for key in ORIGIN_KEYS if key in details}
    return {"source": source, **known}

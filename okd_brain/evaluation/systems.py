"""The rows of a table of results: models, and folders of enhanced files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from okd_brain.evaluation.checkpoints import ORIGIN_KEYS, choose_checkpoints
from okd_brain.evaluation.files import check_headers, read
from okd_brain.export import (
    WEIGHTS,
    load_generator,
    read_details,
    read_generator,
    task_of,
)
from okd_brain.messages import UserError


@dataclass(frozen=True)
class System:
    """A row of a table.

    ``signals(files)`` returns the ``Signals`` of an utterance with the system's
    output as ``enhanced``; that of ``files`` is the unprocessed file. It raises
    ``ValueError`` if a file cannot be read or enhanced.
    """

    name: str
    signals: Callable
    origin: Mapping  # for results.json: "source", and ORIGIN_KEYS if known


def folder_system(name, files, origin):
    """Return a System known by its output files alone, utterance -> Files."""
    return System(name, lambda given: read(files[given.utterance]), origin)


def enhancing_system(name, enhance, origin):
    """Return a System that enhances on demand; see ``ComparedTask``."""

    def signals(given):
        found = read(given)
        try:
            return replace(found, enhanced=enhance(found))
        except ValueError as error:
            where = " in ".join(map(str, [*given.paths.values()][1:]))
            raise UserError(f"{where}: {error}") from error

    return System(name, signals, origin)


def find_systems(models, compared, clean, given, device="cpu"):
    """Recognise models and load them.

    Arguments
    ---------
    models : list of str
        MODEL or MODEL=NAME, as ``evaluate.py --help`` explains.
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
    list of System
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
        source, name = _split_name(text)
        for system in _find(source, name, enhancer, pair):
            if system.name in owners:
                raise UserError(
                    f"{owners[system.name]} and {text} would both be called "
                    f"'{system.name}': name one of them, as in {source}=NAME"
                )
            owners[system.name] = text
            systems.append(system)
    return systems


def _split_name(text):
    """Return MODEL and NAME of MODEL=NAME, and None if there is no NAME."""
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
        return [enhancing_system(called, enhance, _origin(source, details))]
    chosen = choose_checkpoints(folder)
    if chosen:
        return [
            enhancing_system(
                _row_name(name, target, len(chosen)),
                enhancer(read_generator(weights), details, weights),
                _origin(source, details),
            )
            for target, (weights, details) in chosen.items()
        ]
    try:
        files = pair(source)
    except ValueError as error:
        raise UserError(
            f"{error} ({source} was taken for a folder of enhanced files, as it "
            "is not an export folder, checkpoint or experiment)"
        ) from error
    check_headers(files.values())
    return [folder_system(called, files, _origin(source, {}))]


def _enhancer(compared, device, generator, details, path):
    """Return what ``enhancing_system`` needs of a generator."""
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

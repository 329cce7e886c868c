"""What can be a row of a table of results: models, and what others enhanced."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from okd_brain.chosen_checkpoints import (
    ORIGIN_KEYS,
    choose_checkpoints,
)
from okd_brain.export import WEIGHTS, load_generator, read_generator
from okd_brain.paired_folders import check_headers, pair_folders
from okd_brain.score_files import Files, read
from okd_brain.signals import SAMPLE_RATE
from okd_brain.waves import enhance_wave


@dataclass(frozen=True)
class FolderSystem:
    """A system of which there are only output files.

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

    def pair(self, noisy):
        """Return what is compared of one utterance.

        Arguments
        ---------
        noisy : Files
            The utterance, clean and noisy.

        Returns
        -------
        reference, degraded : np.ndarray
            [samples] each, float32, 16 kHz.

        Raises
        ------
        ValueError
            If a file cannot be read.
        """
        signals = read(self.files[noisy.utterance])
        return signals.clean, signals.enhanced


@dataclass(frozen=True)
class GeneratorSystem:
    """A generator, which enhances when it is asked.

    Arguments
    ---------
    name : str
        Of its row.
    generator : torch.nn.Module
        In evaluation mode, on any device.
    origin : dict
        Where it comes from, for ``results.json``: "source", and "epoch",
        "phase", "steps" and "checkpoint" as far as they are known.
    """

    name: str
    generator: torch.nn.Module
    origin: Mapping

    def pair(self, noisy):
        """Return what is compared of one utterance; see ``FolderSystem``."""
        signals = read(noisy)
        wave = torch.from_numpy(signals.enhanced).contiguous()
        try:
            enhanced = enhance_wave(self.generator, wave, SAMPLE_RATE)
        except ValueError as error:
            raise ValueError(f"{noisy.enhanced}: {error}") from error
        return signals.clean, enhanced.numpy()


def find_systems(models, clean):
    """Find out what models are, and load them.

    Arguments
    ---------
    models : list of str
        Each one of the following, ``=NAME`` after it to name its row.

        * An export folder, or a folder or hub id of SpeechBrain's MetricGAN+.
          The row is called as the folder, or as the id.
        * A checkpoint, the folder ``CKPT+...``: a row for each generator,
          called as its target.
        * The output folder of an experiment (or what is its ``save_folder``):
          the best checkpoint of each generator, chosen as in training. Where
          there are several generators, NAME becomes ``NAME/target``.
        * A folder of enhanced files, named as the clean ones. The row is called
          as the folder.
    clean : str or Path
        Folder of the clean files.

    Returns
    -------
    list of (FolderSystem or GeneratorSystem)
        In the order of ``models``; generators on the CPU.

    Raises
    ------
    ValueError
        If a model is none of these, weights do not fit, enhanced files do not
        match the clean ones in name, sample rate or length, or two rows have
        one name.
    """
    systems, owners = [], {}
    for text in models:
        source, name = split_name(text)
        for system in _find(source, name, clean):
            if system.name in owners:
                raise ValueError(
                    f"{owners[system.name]} and {text} would both be called "
                    f"'{system.name}': name one of them, as in {source}=NAME"
                )
            owners[system.name] = text
            systems.append(system)
    return systems


def split_name(text):
    """Separate a model from the name that it is given.

    Arguments
    ---------
    text : str
        ``MODEL`` or ``MODEL=NAME``; what exists on disk is a MODEL as a whole.

    Returns
    -------
    source : str
    name : str or None

    Raises
    ------
    ValueError
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
        raise ValueError(f"'{text}' is neither MODEL nor MODEL=NAME")
    return source, name


def _find(source, name, clean):
    folder = Path(source)
    if folder.is_file():
        raise ValueError(
            f"{source} is a file, but a model is a folder or a hub id; okd-import "
            "turns a checkpoint of the authors' code into a folder"
        )
    if not folder.exists():
        origin = {"source": source}
        return [GeneratorSystem(name or source, load_generator(source), origin)]
    if (folder / WEIGHTS).exists():
        origin = {"source": source, **_epoch_of_export(folder)}
        called = name or folder.resolve().name
        return [GeneratorSystem(called, load_generator(folder), origin)]
    chosen = choose_checkpoints(folder)
    if chosen:
        return [
            GeneratorSystem(
                _row_name(name, target, len(chosen)),
                read_generator(found.weights),
                {"source": source, **found.origin},
            )
            for target, found in chosen.items()
        ]
    try:
        files = pair_folders(clean, folder)
    except ValueError as error:
        raise ValueError(
            f"{error} ({source} was taken for a folder of enhanced files, as it "
            "is no export folder, checkpoint or experiment)"
        ) from error
    check_headers(files.values())
    called = name or folder.resolve().name
    return [FolderSystem(called, files, {"source": source})]


def _row_name(name, target, count):
    if name is None:
        return target
    return name if count == 1 else f"{name}/{target}"


def _epoch_of_export(folder):
    """Return what an export folder says of its weights; others say nothing."""
    try:
        model = json.loads((folder / "model.json").read_text("utf-8"))
        details = model["details"]
        return {key: details[key] for key in ORIGIN_KEYS if key in details}
    except (OSError, ValueError, LookupError, TypeError):
        return {}

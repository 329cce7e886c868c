"""Manifests of (clean, noisy) pairs, and the datasets made from them.

A manifest is a JSON file that any corpus can be described by, one entry for each
utterance::

    "p232_001": {
        "noisy_wav": "{data_root}/noisy_testset_wav_16k/p232_001.wav",
        "clean_wav": "{data_root}/clean_testset_wav_16k/p232_001.wav",
        "length": 27861,
        "duration": 1.7413125,
        "speaker": "p232",
        "noisy_stamp": [55766, 1475665826000000000],
        "clean_stamp": [55766, 1475665734000000000]
    }

``{data_root}`` is filled in on reading, so that a manifest outlives a move of
the corpus. Audio is 16 kHz, one channel; ``length`` is in samples, ``duration``
in seconds. A stamp is the size of a file in bytes and the time of its last
change in nanoseconds since 1970; a file that no longer bears it is not read.
"""

import math
import os
import re
from datetime import datetime

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes

from okd_brain.audio import AudioFile
from okd_brain.files import read_json, write_json
from okd_brain.messages import UserError, offer
from okd_brain.signals import SAMPLE_RATE

MAX_SAMPLES = 2**31
"""Of an utterance: 37 hours. A larger number is a mistake that takes memory."""


def manifest_entry(*, clean, noisy, samples, speaker):
    """Describe one utterance.

    Arguments
    ---------
    clean : str
        Path relative to the data root.
    noisy : str
        Likewise.
    samples : int
        Length at 16 kHz of the shorter of the two.
    speaker : str
        Who speaks.

    Returns
    -------
    dict
    """
    return {
        "noisy_wav": below("data_root", noisy),
        "clean_wav": below("data_root", clean),
        "length": samples,
        "duration": samples / SAMPLE_RATE,
        "speaker": speaker,
    }


def make_dataset(manifest, data_root):
    """Turn a manifest into a dataset.

    Arguments
    ---------
    manifest : str or Path
        JSON file as described at the top of this module; ``speaker`` and
        ``duration`` may be missing.
    data_root : str or Path
        Replaces ``{data_root}`` in its paths.

    Returns
    -------
    DynamicItemDataset
        With the items ``id`` (str), ``noisy_sig`` and ``clean_sig`` (float32
        [length], full scale 1), in the order of the manifest.

    Raises
    ------
    ValueError
        If the manifest is empty or an entry is incomplete; on access to an
        item, if its files are not what the manifest says.
    """
    entries = read_entries(
        manifest,
        {"noisy_wav", "clean_wav", "length"},
        data_root=data_root,
    )

    @takes("noisy_wav", "length", "noisy_stamp")
    @provides("noisy_sig")
    def noisy_pipeline(path, length, stamp):
        return read_samples(path, length, stamp=stamp)

    @takes("clean_wav", "length", "clean_stamp")
    @provides("clean_sig")
    def clean_pipeline(path, length, stamp):
        return read_samples(path, length, stamp=stamp)

    return DynamicItemDataset(
        entries,
        dynamic_items=[noisy_pipeline, clean_pipeline],
        output_keys=["id", "noisy_sig", "clean_sig"],
    )


def read_entries(manifest, fields, **roots):
    """Read a manifest and check that its entries are complete.

    Arguments
    ---------
    manifest : str or Path
        JSON file.
    fields : set of str
        What every entry must have, ``length`` among them.
    **roots : str or Path
        Replace the placeholders of these names in its paths.

    Returns
    -------
    dict
        Utterance -> entry. A stamp that an entry lacks, as those of earlier
        versions do, is None.

    Raises
    ------
    UserError
        If the file cannot be read as a manifest, is empty, or an entry is
        incomplete.
    """
    entries = read_json(manifest)
    if not entries:
        raise UserError(f"manifest {manifest} has no utterance, needs one")
    for utterance, entry in entries.items():
        where = f"manifest {manifest}, utterance {utterance}"
        if not isinstance(entry, dict):
            raise UserError(f"{where}: is {entry!r}, must be an entry")
        absent = fields - set(entry)
        if absent:
            raise UserError(f"{where}: lacks {', '.join(sorted(absent))}")
        # SpeechBrain's own VoiceBank manifests have seconds under this name.
        check_count(entry, "length", where, least=1)
        for key in [key for key in entry if key.endswith("_wav")]:
            entry[key] = _filled(entry[key], roots, f"{where}: {key}")
            _check_stamp(entry, _stamp_of(key), where)
    return entries


def check_count(entry, name, where, least=0):
    """Refuse a number of samples that cannot be one.

    Arguments
    ---------
    entry : dict
        Of a manifest.
    name : str
        Its field.
    where : str
        Begins the message.
    least : int
        The smallest that is accepted.

    Raises
    ------
    UserError
        If it is not a whole number from ``least`` to `MAX_SAMPLES`.
    """
    value = entry[name]
    # True is an int.
    if type(value) is not int or not least <= value <= MAX_SAMPLES:
        raise UserError(
            f"{where}: {name} is {value!r}, must be a whole number of samples "
            f"of at least {least}"
        )


def _filled(path, roots, where):
    """Return a path with its placeholders replaced.

    Not by `str.format`, whose placeholders can also look into objects.
    """
    if not isinstance(path, str):  # soundfile opens a number as a descriptor
        raise UserError(f"{where} is {path!r}, must be a path")

    def fill(found):
        brace = {"{{": "{", "}}": "}"}.get(found[0])
        if brace is None and found[1] not in roots:
            raise UserError(
                f"{where} is {path!r}, with the placeholder {found[0]!r}"
                f"{offer(found[1] or '', [f'{{{root}}}' for root in roots])}"
            )
        return brace or str(roots[found[1]])

    return re.sub(r"\{\{|\}\}|\{([^{}]*)\}|[{}]", fill, path)


def _stamp_of(key):
    """Return the field with the stamp of a file."""
    return key.removesuffix("_wav") + "_stamp"


def _check_stamp(entry, name, where):
    stamp = entry.setdefault(name, None)
    if stamp is not None and not (
        isinstance(stamp, list) and [type(part) for part in stamp] == [int, int]
    ):
        raise UserError(
            f"{where}: {name} is {stamp!r}, must be a size in bytes and a time "
            "in nanoseconds"
        )


def write_manifest(path, entries, roots, listed=()):
    """Write a manifest, with the stamps of its files.

    Arguments
    ---------
    path : str or Path
        The file.
    entries : dict
        Utterance -> entry; gets the stamps.
    roots : dict
        Placeholder -> folder.
    listed : Mapping
        Folder and path, joined by a slash -> stamp, as the file was before it
        was examined. Of other files, copies that okd has made, it is taken now.
    """
    listed = dict(listed)
    for utterance, entry in entries.items():
        for key in [key for key in entry if key.endswith("_wav")]:
            file = _filled(entry[key], roots, utterance)
            entry[_stamp_of(key)] = listed.get(file) or _stamp(file)
    write_json(path, entries)


def are_unchanged(entries):
    """Tell whether all files of entries are there and bear their stamps.

    Arguments
    ---------
    entries : iterable of dict
        From `read_entries`.

    Returns
    -------
    bool
    """
    files = {
        entry[key]: entry[_stamp_of(key)]
        for entry in entries
        for key in entry
        if key.endswith("_wav")
    }
    return all(
        os.path.exists(path) and stamp in (None, _stamp(path))
        for path, stamp in files.items()
    )


def _stamp(path):
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def below(root, path):
    """Return a manifest path below a root; its braces are not `str.format`'s."""
    return f"{{{root}}}/" + path.replace("{", "{{").replace("}", "}}")


def read_samples(path, length, start=0, *, average=False, stamp=None):
    """Read a part of a file and check that it is what its manifest says.

    Arguments
    ---------
    path : str
        A file of one channel at 16 kHz.
    length : int
        Wanted number of samples.
    start : int
        First of them.
    average : bool
        Accept several channels, and return their mean.
    stamp : list of int, optional
        What the manifest says of its size and time.

    Returns
    -------
    torch.Tensor
        [length], float32.

    Raises
    ------
    UserError
        If the file has changed, is shorter, or has another rate or more
        channels.
    """
    check_unchanged(path, stamp)
    # Mixtures that were written as floats may be far beyond full scale.
    with AudioFile(path, max_peak=math.inf) as audio:
        if start:
            audio.skip(start)
        # A stream's header announces more than any length.
        samples = audio.read(min(length, audio.frames - audio.frames_read))
        sample_rate = audio.samplerate
    if average:
        samples = samples.mean(axis=1, keepdims=True)
    if sample_rate != SAMPLE_RATE or samples.shape != (length, 1):
        raise UserError(
            f"{path} holds {list(samples.shape)} samples at {sample_rate} Hz, "
            f"its manifest says [{length}, 1] at {SAMPLE_RATE} Hz: the file has "
            "changed since the corpus was prepared"
        )
    return torch.from_numpy(samples[:, 0])


def check_unchanged(path, stamp):
    """Refuse a file that no longer bears its stamp.

    Arguments
    ---------
    path : str
        The file; one that is not there is left to those who read it.
    stamp : list of int or None
        Its size and time; None accepts any.

    Raises
    ------
    UserError
        With both.
    """
    if stamp is not None and os.path.exists(path) and _stamp(path) != stamp:
        now = _stamp(path)
        raise UserError(
            f"{path} has changed since the corpus was prepared: it had "
            f"{stamp[0]} bytes, of {_date(stamp)}, and has {now[0]}, of "
            f"{_date(now)}. Restore it, and the same command goes on; a changed "
            "corpus needs another output_folder."
        )


def _date(stamp):
    try:
        time = datetime.fromtimestamp(stamp[1] / 1e9).isoformat(" ")
    except (OverflowError, ValueError, OSError):  # of no calendar
        time = f"{stamp[1]} ns"
    return time

"""Manifests of (clean, noisy) pairs, and the datasets made from them.

A manifest is a JSON file that any corpus can be described by, one entry for each
utterance::

    "p232_001": {
        "noisy_wav": "{data_root}/noisy_testset_wav_16k/p232_001.wav",
        "clean_wav": "{data_root}/clean_testset_wav_16k/p232_001.wav",
        "length": 27861,
        "duration": 1.7413125,
        "speaker": "p232"
    }

``{data_root}`` is filled in on reading, so that a manifest outlives a move of
the corpus. Audio is 16 kHz, one channel; ``length`` is in samples, ``duration``
in seconds.
"""

import math

import torch
from speechbrain.dataio.dataio import load_data_json
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes

from okd_brain.audio import AudioFile
from okd_brain.messages import UserError
from okd_brain.signals import SAMPLE_RATE


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

    @takes("noisy_wav", "length")
    @provides("noisy_sig")
    def noisy_pipeline(path, length):
        return read_samples(path, length)

    @takes("clean_wav", "length")
    @provides("clean_sig")
    def clean_pipeline(path, length):
        return read_samples(path, length)

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
        Utterance -> entry.

    Raises
    ------
    ValueError
        If the manifest is empty or an entry is incomplete.
    """
    entries = load_data_json(
        manifest, {name: str(root) for name, root in roots.items()}
    )
    if not entries:
        raise UserError(f"manifest {manifest} has no utterance, needs one")
    for utterance, entry in entries.items():
        absent = fields - set(entry)
        if absent:
            raise UserError(
                f"manifest {manifest}, utterance {utterance}: lacks "
                f"{', '.join(sorted(absent))}"
            )
        # SpeechBrain's own VoiceBank manifests have seconds under this name.
        if not isinstance(entry["length"], int) or entry["length"] < 1:
            raise UserError(
                f"manifest {manifest}, utterance {utterance}: length is "
                f"{entry['length']!r}, must be a whole number of samples"
            )
    return entries


def below(root, path):
    """Return a manifest path below a root; its braces are not `str.format`'s."""
    return f"{{{root}}}/" + path.replace("{", "{{").replace("}", "}}")


def read_samples(path, length, start=0, *, average=False):
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

    Returns
    -------
    torch.Tensor
        [length], float32.

    Raises
    ------
    ValueError
        If the file is shorter, or has another rate or more channels.
    """
    # Mixtures that were written as floats may be far beyond full scale.
    with AudioFile(path, max_peak=math.inf) as audio:
        if start:
            audio.skip(start)
        samples, sample_rate = audio.read(length), audio.samplerate
    if average:
        samples = samples.mean(axis=1, keepdims=True)
    if sample_rate != SAMPLE_RATE or samples.shape != (length, 1):
        raise UserError(
            f"{path} holds {list(samples.shape)} samples at {sample_rate} Hz, "
            f"its manifest says [{length}, 1] at {SAMPLE_RATE} Hz: the file has "
            "changed since the corpus was prepared"
        )
    return torch.from_numpy(samples[:, 0])

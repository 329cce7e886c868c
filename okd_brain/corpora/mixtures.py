"""Manifests of speech and noise that are mixed when they are read.

An entry says what to mix, and how::

    "m_harvard_661_Babble_-13dB": {
        "clean_wav": "{data_root}/male/harvard_661.wav",
        "noise_wav": "{noise_root}/noise_test/Babble_1.wav",
        "noise_start": 81234,
        "snr_db": -13.0,
        "level_dbfs": -25.0,
        "length": 27861,
        "duration": 1.7413125,
        "speaker": "m",
        "noise": "Babble",
        "clean_stamp": [55766, 1475665734000000000],
        "noise_stamp": [9600044, 1475665826000000000]
    }

Speech is brought to ``level_dbfs`` (RMS over the utterance), noise to the power
that makes ``snr_db`` the ratio over the whole utterance. ``noise_start`` is a
sample of the noise file. Files are 16 kHz, one channel.

Nothing is clipped on reading, and no level is changed to prevent clipping: the
samples are float, and noise around a listener does not pass through a converter,
so that the sum may exceed full scale. Entries choose ``level_dbfs`` such that
speech alone does not.

`write_mixtures` makes files of them, for other programs and for ``evaluate.py``.
"""

import math
import os
from pathlib import Path

import soundfile
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes
from speechbrain.utils.logger import get_logger

from okd_brain.audio import AudioFile
from okd_brain.corpora.manifests import (
    below,
    check_count,
    check_unchanged,
    read_entries,
    read_samples,
    write_manifest,
)
from okd_brain.files import flush_tree, write_text
from okd_brain.messages import UserError, counted
from okd_brain.noises import scale
from okd_brain.signals import LEVEL_DBFS, SAMPLE_RATE

logger = get_logger(__name__)

SIGNALS = {"clean": "clean_sig", "noise": "noise_sig", "noisy": "noisy_sig"}
OUTPUT_KEYS = ("id", *SIGNALS.values())
FIELDS = {
    "clean_wav",
    "noise_wav",
    "noise_start",
    "snr_db",
    "level_dbfs",
    "length",
}
MAX_DB = 200.0  # more than numbers of 32 bits hold


def mixture_entry(
    *,
    clean,
    noise,
    noise_start,
    snr_db,
    samples,
    speaker,
    noise_type,
    level_dbfs=LEVEL_DBFS,
    paper_mixing=False,
):
    """Describe one utterance in noise.

    Arguments
    ---------
    clean : str
        Path of the speech relative to the data root.
    noise : str
        Path of the noise relative to the noise root.
    noise_start : int
        First sample of the stretch of noise, at 16 kHz.
    snr_db : float
        Wanted ratio of the powers of speech and noise, in dB.
    samples : int
        Length of the speech at 16 kHz.
    speaker : str
        Who speaks.
    noise_type : str
        In what.
    level_dbfs : float
        RMS level of the speech, in dB relative to full scale.
    paper_mixing : bool
        Mix as the authors' scripts do. They scale by the square root of the
        amplitude ratio (MS-SNSD, issues 8, 9 and 18), so that "-13 dB" is heard
        at -6.5 dB. ``snr_db`` of the entry is always what is heard; what the
        scripts call it becomes ``nominal_snr_db``.

    Returns
    -------
    dict

    Example
    -------
    >>> entry = mixture_entry(
    ...     clean="a.wav", noise="cafe.wav", noise_start=0, snr_db=-13,
    ...     samples=16000, speaker="a", noise_type="cafe", paper_mixing=True,
    ... )
    >>> entry["snr_db"], entry["nominal_snr_db"]
    (-6.5, -13)
    """
    nominal = {"nominal_snr_db": snr_db} if paper_mixing else {}
    return {
        "clean_wav": below("data_root", clean),
        "noise_wav": below("noise_root", noise),
        "noise_start": noise_start,
        "snr_db": snr_db / 2 if paper_mixing else snr_db,
        **nominal,
        "level_dbfs": level_dbfs,
        "length": samples,
        "duration": samples / SAMPLE_RATE,
        "speaker": speaker,
        "noise": noise_type,
    }


def make_mixture_dataset(
    manifest, data_root, noise_root, *, output_keys=OUTPUT_KEYS, loop=False
):
    """Turn a manifest of mixtures into a dataset that mixes on access.

    Arguments
    ---------
    manifest : str or Path
        JSON file as described at the top of this module; ``speaker``, ``noise``
        and ``duration`` may be missing.
    data_root : str or Path
        Replaces ``{data_root}`` in its paths.
    noise_root : str or Path
        Replaces ``{noise_root}``.
    output_keys : sequence of str
        Which items to give: of ``id`` (str), ``clean_sig``, ``noise_sig`` and
        ``noisy_sig``, the sum of the two (float32 [length], full scale 1, which
        noise may exceed), and the fields of the manifest.
    loop : bool
        Repeat noise that is shorter than its speech; otherwise it is an error.

    Returns
    -------
    DynamicItemDataset
        In the order of the manifest.

    Raises
    ------
    ValueError
        If the manifest is empty, or an entry is incomplete or has an impossible
        number; on access to an item, if its files are not what the manifest
        says or hold no sound, or the noise is too short.
    """
    entries = read_entries(
        manifest, FIELDS, data_root=data_root, noise_root=noise_root
    )
    for utterance, entry in entries.items():
        _check_numbers(entry, f"manifest {manifest}, utterance {utterance}")

    @takes(
        "clean_wav",
        "noise_wav",
        "noise_start",
        "snr_db",
        "level_dbfs",
        "length",
        "clean_stamp",
        "noise_stamp",
    )
    @provides("clean_sig", "noise_sig", "noisy_sig")
    def mixing_pipeline(
        clean_wav,
        noise_wav,
        noise_start,
        snr_db,
        level_dbfs,
        length,
        clean_stamp,
        noise_stamp,
    ):
        speech = read_samples(clean_wav, length, stamp=clean_stamp)
        check_unchanged(noise_wav, noise_stamp)
        stretch = read_noise(noise_wav, noise_start, length, loop=loop)
        clean = _audible(clean_wav, 0, speech)
        noise = _audible(noise_wav, noise_start, stretch)
        clean, noise = scale(clean, noise, snr_db=snr_db, level_dbfs=level_dbfs)
        clean, noise = torch.from_numpy(clean), torch.from_numpy(noise)
        return clean.float(), noise.float(), (clean + noise).float()

    return DynamicItemDataset(
        entries, dynamic_items=[mixing_pipeline], output_keys=list(output_keys)
    )


def write_mixtures(manifests, roots, folder, *, loop=False):
    """Write the mixtures of all splits and let the manifests name the files.

    The files are 32-bit float WAV: `make_mixture_dataset` reads from them what
    it would have mixed, and sums beyond full scale, which are counted in the log,
    are not clipped.

    Arguments
    ---------
    manifests : dict
        Split -> manifest of mixtures; replaced by one that names the files, in
        which ``noisy_wav`` is the mixture, so that
        `okd_brain.corpora.manifests.make_dataset` reads it as well.
    roots : dict
        "data_root" and "noise_root".
    folder : Path
        Receives ``<split>/clean``, ``<split>/noise`` and ``<split>/noisy``, and
        is both roots of the new manifests: a corpus in the layout of the
        authors' code. ``<split>/log_<split>.txt`` names the noise and the SNR of
        each mixture, as the logs of VoiceBank-DEMAND do.
    loop : bool
        Repeat noise that is shorter than its speech.
    """
    for split, manifest in manifests.items():
        # Once the manifest names the files, their sources are not read again.
        entries = read_entries(manifest, FIELDS, **roots)
        beyond = 0
        for name in SIGNALS:
            Path(folder, split, name).mkdir(parents=True, exist_ok=True)
        for item in make_mixture_dataset(manifest, **roots, loop=loop):
            for name, signal in SIGNALS.items():
                path = f"{split}/{name}/{item['id']}.wav"
                soundfile.write(
                    os.fsencode(Path(folder, path)),
                    item[signal].numpy(),
                    SAMPLE_RATE,
                    subtype="FLOAT",
                )
                entries[item["id"]][f"{name}_wav"] = below("data_root", path)
            entries[item["id"]]["noise_start"] = 0
            beyond += bool(item["noisy_sig"].abs().max() > 1)
        log = "".join(
            f"{name} {entry['noise']} {entry['snr_db']:g}\n"
            for name, entry in entries.items()
        )
        write_text(Path(folder, split, f"log_{split}.txt"), log)
        flush_tree(Path(folder, split))  # before the manifest names the waves
        write_manifest(manifest, entries, {"data_root": folder})
        logger.info(
            "%s: wrote %s to %s; beyond full scale: %d (float files "
            "hold that; a lower level_dbfs avoids it)",
            split,
            counted(len(entries), "mixture"),
            folder,
            beyond,
        )


def read_noise(path, start, length, *, loop=False):
    """Read a stretch of a noise file.

    Arguments
    ---------
    path : str or Path
        A file at 16 kHz; several channels are averaged.
    start : int
        First sample of the stretch.
    length : int
        Its number of samples.
    loop : bool
        Go on from the beginning of the file where it ends.

    Returns
    -------
    torch.Tensor
        [length], float32.

    Raises
    ------
    ValueError
        If the file ends before the stretch does and is not looped, or is not at
        16 kHz.
    """
    frames = _count_frames(path)
    if start + length <= frames:
        return read_samples(path, length, start, average=True)
    if not (loop and frames):
        raise UserError(
            f"{path} lasts {frames / SAMPLE_RATE:.3f} s, needed are "
            f"{length / SAMPLE_RATE:.3f} s from {start / SAMPLE_RATE:.3f} s on:"
            " noise must not be shorter than the speech"
        )
    turns = torch.arange(start, start + length) % frames
    return read_samples(path, frames, average=True)[turns]


def _count_frames(path):
    """Return the length of a file, read to its end where its header has none."""
    with AudioFile(path, max_peak=math.inf) as audio:
        if audio.announced_frames is not None:
            return audio.frames
        return sum(map(len, audio.read_blocks()))


def _audible(path, start, samples):
    """Return samples in double precision, unless there is no level to set."""
    if not samples.any():
        raise UserError(
            f"{path} holds nothing but zeros in the {len(samples)} samples from "
            f"{start} on: it has no level that could be changed"
        )
    return samples.double().numpy()


def _check_numbers(entry, where):
    """Refuse numbers that no mixture can be made with."""
    check_count(entry, "noise_start", where)
    for name in ("snr_db", "level_dbfs"):
        value = entry[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and abs(value) <= MAX_DB):  # nor NaN
            raise UserError(
                f"{where}: {name} is {value!r}, must be a number of dB within "
                f"{MAX_DB:g}"
            )

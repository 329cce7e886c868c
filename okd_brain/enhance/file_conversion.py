"""From one audio file to another of the same kind, in bounded memory."""

import os
import tempfile
import uuid
from contextlib import contextmanager
from math import log10
from pathlib import Path

import numpy as np
import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain.enhance.segments import energy_of
from okd_brain.tasks import power_ratio

logger = get_logger(__name__)

# libsndfile's names of the formats that a suffix stands for; the first is used
# where the source is something else.
FORMATS = {".wav": ("WAV", "WAVEX", "RF64"), ".flac": ("FLAC",)}
FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")  # these hold peaks beyond full scale
BLOCK = 2**20  # samples per channel of one copy: 4 MB


def convert_file(
    convert, source, destination, *, overwrite=False, on_progress=None
):
    """Write what becomes of an audio file.

    The destination has the sample rate, channels and length of the source and,
    where its format allows, the sample type.  It appears complete or not at
    all.  In between, the samples lie in an unnamed temporary file beside it (4
    bytes each), for level and peak are known only at the end: if the peak
    exceeds full scale and the sample type is not float, the whole file is
    scaled to fit and a warning states by how much.

    Arguments
    ---------
    convert : callable
        ``convert(sound)`` takes the source, a ``soundfile.SoundFile``, and
        returns the result in blocks, [samples, channels] float32, as long as
        the source; and the energy (sum of squares) that each channel is to have
        in the end, [channels], or None to leave it as it comes.
    source : str or Path
        Any file that libsndfile reads.
    destination : str or Path
        File to write, ending in ``.wav`` or ``.flac``; folders are made.
    overwrite : bool
        Replace an existing destination.
    on_progress : callable, optional
        Called with the seconds of audio that have been made since the last
        call.

    Returns
    -------
    float
        The gain that was applied because of peaks, else 1.

    Raises
    ------
    ValueError
        If the source is not audio or cannot be converted, if the destination
        has another suffix or is the source itself.
    FileNotFoundError, FileExistsError
        If there is no source, or a destination that must not be overwritten.
    """
    source, destination = Path(source), Path(destination)
    _check_paths(source, destination, overwrite)
    with opened(source) as sound:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=destination.parent) as samples:
            try:
                blocks, wanted = convert(sound)
                energy, peaks = _append(
                    samples, blocks, sound.samplerate, on_progress
                )
            except (ValueError, soundfile.SoundFileError) as error:
                raise ValueError(f"{source}: {error}") from error
            gains = np.ones_like(energy)
            if wanted is not None:
                gains = np.sqrt(power_ratio(wanted, energy))
            layout = _layout(sound, destination.suffix.lower())
            peak, limit = float((gains * peaks).max()), 1.0
            if peak > 1 and layout["subtype"] not in FLOAT_SUBTYPES:
                limit = 1 / peak
                logger.warning(
                    f"{destination}: scaled by {20 * log10(limit):.2f} dB, as "
                    f"its peak of {peak:.3f} exceeds full scale."
                )
            samples.seek(0)
            _write(destination, layout, samples, limit * gains)
    return limit


def _check_paths(source, destination, overwrite):
    """Raise if the source cannot be read or the destination not be written."""
    if not source.is_file():
        raise FileNotFoundError(f"{source}: there is no such file.")
    if destination.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{destination}: can write {' and '.join(FORMATS)}, not "
            f"'{destination.suffix}'."
        )
    if destination.exists():
        if destination.samefile(source):
            raise ValueError(f"{source}: would be overwritten by its output.")
        if not overwrite:
            raise FileExistsError(f"{destination}: exists already.")


def opened(source):
    """Open an audio file to be read block by block.

    Arguments
    ---------
    source : str or Path
        Any file that libsndfile reads.

    Returns
    -------
    soundfile.SoundFile

    Raises
    ------
    ValueError
        If it cannot be read as audio.
    """
    try:
        return soundfile.SoundFile(source)
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: a ".raw" file, whose layout would have to be told
        raise ValueError(
            f"{source}: not audio that can be read: {error}"
        ) from error


def block_reader(sound):
    """Return a ``read`` that gives an open file piece by piece.

    Arguments
    ---------
    sound : soundfile.SoundFile
        The file.

    Returns
    -------
    callable
        See ``segments.enhanced_segments``.
    """

    def read(count):
        return sound.read(count, dtype="float32", always_2d=True)

    return read


def _append(samples, blocks, sample_rate, on_progress):
    """Append blocks to a binary file; return the channels' energies and peaks."""
    energy = peaks = 0.0
    for block in blocks:
        samples.write(block.tobytes())
        energy = energy + energy_of(block)
        peaks = np.maximum(peaks, np.abs(block).max(axis=0))
        if on_progress is not None:
            on_progress(len(block) / sample_rate)
    return energy, peaks


def _layout(sound, suffix):
    """Return how to write: as the source is, where the suffix allows it."""
    formats = FORMATS[suffix]
    container = sound.format if sound.format in formats else formats[0]
    subtype = sound.subtype
    compressed = not subtype.startswith(("PCM_", *FLOAT_SUBTYPES))
    if compressed or not soundfile.check_format(container, subtype):
        subtype = "PCM_16"
    return {
        "samplerate": sound.samplerate,
        "channels": sound.channels,
        "format": container,
        "subtype": subtype,
    }


def _write(destination, layout, samples, gains):
    """Write the destination from raw float32 samples, a gain per channel."""
    with _replacing(destination) as partial:
        with soundfile.SoundFile(partial, "w", **layout) as sound:
            while block := samples.read(4 * BLOCK * sound.channels):
                block = np.frombuffer(block, dtype=np.float32)
                sound.write(gains * block.reshape(-1, sound.channels))


@contextmanager
def _replacing(path):
    """Yield a path beside this one that becomes it unless an error occurs."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

"""Enhancement of one audio file into another, in bounded memory."""

import os
import tempfile
import uuid
from contextlib import contextmanager
from math import log10
from pathlib import Path

import numpy as np
import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain.waves import SEGMENT_SECONDS, enhanced_blocks

logger = get_logger(__name__)

# libsndfile's names of the formats that a suffix stands for; the first is used
# where the source is something else.
FORMATS = {".wav": ("WAV", "WAVEX", "RF64"), ".flac": ("FLAC",)}
FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")  # these hold peaks beyond full scale
BLOCK = 2**20  # samples per channel of one copy: 4 MB


def enhance_file(
    generator,
    source,
    destination,
    *,
    overwrite=False,
    segment_seconds=SEGMENT_SECONDS,
    on_progress=None,
):
    """Enhance an audio file.

    The destination has the sample rate, channels and length of the source and,
    where its format allows, the sample type.  It appears complete or not at
    all.  In between, the enhanced samples lie in an unnamed temporary file
    beside it (4 bytes each), for the peak is known only at the end: if it
    exceeds full scale and the sample type is not float, the whole file is
    scaled to fit and a warning states by how much.

    Arguments
    ---------
    generator : torch.nn.Module
        Mask estimator of ``okd_brain.generators`` in evaluation mode.
    source : str or Path
        Any file that libsndfile reads, at least 32 ms long.
    destination : str or Path
        File to write, ending in ``.wav`` or ``.flac``; folders are made.
    overwrite : bool
        Replace an existing destination.
    segment_seconds : int
        See ``okd_brain.waves``.
    on_progress : callable, optional
        Called with the seconds of audio that have been enhanced since the last
        call.

    Returns
    -------
    float
        The gain that was applied, 1 unless peaks had to be scaled down.

    Raises
    ------
    ValueError
        If the source is not audio, is too short or not finite, if the
        destination has another suffix or is the source itself.
    FileNotFoundError, FileExistsError
        If there is no source, or a destination that must not be overwritten.

    Example
    -------
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "noisy.flac", np.random.randn(8000) / 9, 8000)
    >>> enhance_file(
    ...     CausalLSTMGenerator().eval(),
    ...     folder / "noisy.flac",
    ...     folder / "enhanced.flac",
    ... )
    1.0
    """
    source, destination = Path(source), Path(destination)
    _check_paths(source, destination, overwrite)
    with _opened(source) as sound:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=destination.parent) as samples:
            try:
                peak = _enhance_into(
                    samples, generator, sound, segment_seconds, on_progress
                )
            except (ValueError, soundfile.SoundFileError) as error:
                raise ValueError(f"{source}: {error}") from error
            layout = _layout(sound, destination.suffix.lower())
            gain = 1.0
            if peak > 1 and layout["subtype"] not in FLOAT_SUBTYPES:
                gain = 1 / peak
                logger.warning(
                    f"{destination}: scaled by {20 * log10(gain):.2f} dB, as "
                    f"its peak of {peak:.3f} exceeds full scale."
                )
            samples.seek(0)
            _write(destination, layout, samples, gain)
    return gain


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


def _opened(source):
    """Open an audio file to be read block by block."""
    try:
        return soundfile.SoundFile(source)
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: a ".raw" file, whose layout would have to be told
        raise ValueError(
            f"{source}: not audio that can be read: {error}"
        ) from error


def _enhance_into(samples, generator, sound, segment_seconds, on_progress):
    """Append the enhanced samples to a binary file; return their peak."""

    def read(count):
        return sound.read(count, dtype="float32", always_2d=True)

    peak = 0.0
    for block in enhanced_blocks(
        generator, read, sound.samplerate, segment_seconds=segment_seconds
    ):
        samples.write(block.tobytes())
        peak = max(peak, float(np.abs(block).max()))
        if on_progress is not None:
            on_progress(len(block) / sound.samplerate)
    return peak


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


def _write(destination, layout, samples, gain):
    """Write the destination from raw float32 samples."""
    with _replacing(destination) as partial:
        with soundfile.SoundFile(partial, "w", **layout) as sound:
            while block := samples.read(4 * BLOCK * sound.channels):
                block = np.frombuffer(block, dtype=np.float32)
                sound.write(gain * block.reshape(-1, sound.channels))


@contextmanager
def _replacing(path):
    """Yield a path beside this one that becomes it unless an error occurs."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

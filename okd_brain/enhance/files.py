"""Enhancement of one audio file into another of the same kind.

The destination has the sample rate, channels and length of the source and, where
its format allows, the sample type. It appears complete or not at all, and memory
does not grow with its length: level and peak are known only at the end, so that
until then the samples lie in an unnamed temporary file beside it, 4 bytes each. If
the peak exceeds full scale and the sample type is not float, the whole file is
scaled to fit and a warning states by how much.
"""

import os
import tempfile
from math import log10
from pathlib import Path

import numpy as np
import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain import __version__
from okd_brain.audio import AudioFile, printable, sample_bits
from okd_brain.enhance.jobs import FORMATS, WRITABLE, WRITER
from okd_brain.enhance.listening import measure, speech_blocks, ssdrc_blocks
from okd_brain.enhance.noise import noise_shaped_like
from okd_brain.enhance.segments import MIN_SECONDS, SEGMENT_SECONDS, energy_of
from okd_brain.enhance.speech import enhanced_blocks
from okd_brain.files import replacing, writing
from okd_brain.messages import UserError
from okd_brain.tasks import power_ratio

logger = get_logger(__name__)

FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")  # these hold peaks beyond full scale
LARGEST_WAV = 2**32 - 2**16  # bytes of samples; its sizes have 32 bits
KEPT = "Files that were complete before are there."
BLOCK = 2**20  # samples per channel that are copied at a time: 4 MB
TAG = f"{WRITER} {__version__}"  # libsndfile adds its own name


def enhance_file(
    generator,
    source,
    destination,
    *,
    dry=0.0,
    overwrite=False,
    segment_seconds=SEGMENT_SECONDS,
    on_progress=None,
    on_defect=None,
):
    """Enhance a file of noisy speech.

    Arguments
    ---------
    generator : torch.nn.Module
        Mask estimator of ``okd_brain.generators`` in evaluation mode.
    source : str or Path
        Any file that libsndfile reads, at least 32 ms of audio.
    destination : str or Path
        File to write, ending in ``.wav`` or ``.flac``; folders are made.
    dry : float
        Share of the input in the output, see ``enhance_wave``.
    overwrite : bool
        Replace an existing destination.
    segment_seconds : int
        See ``enhance_wave``.
    on_progress : callable, optional
        Called with the seconds of audio enhanced since the last call.
    on_defect : callable, optional
        Called with what is missing from the source, such as a truncated one, after
        the rest is enhanced and a warning logged.

    Returns
    -------
    float
        The gain that was applied because of peaks, else 1.

    Raises
    ------
    UserError
        If the source does not exist, is not audio or cannot be enhanced (see
        ``enhance_wave``), or if the destination has another suffix, is the source
        itself, or exists and ``overwrite`` is not set.

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

    def convert(sound):
        return enhanced_blocks(
            generator, sound.read, sound.samplerate, segment_seconds, dry
        ), None

    return _convert(
        convert, source, destination, overwrite, on_progress, on_defect
    )


def enhance_listening_file(
    generator,
    source,
    destination,
    *,
    noise=None,
    noise_levels=None,
    snr_db=None,
    equal_power="utterance",
    overwrite=False,
    segment_seconds=SEGMENT_SECONDS,
    on_progress=None,
    on_defect=None,
):
    """Make a file of speech clearer in a noise, which is not written.

    If peaks exceed what the file can hold, the power of the whole file falls with
    them, as a warning says.

    Arguments
    ---------
    generator : BandGainGenerator
        In evaluation mode.
    source : str or Path
        See ``enhance_file``.
    destination : str or Path
        See ``enhance_file``.
    noise : ListenerNoise, optional
        The noise around the listener; if only ``noise_levels`` are given, noise
        shaped like the speech.
    noise_levels : NoiseLevels, optional
        Levels that the noise is brought to.
    snr_db : float, optional
        Ratio of speech to noise, in dB over the whole file; by default, that of
        the given levels.
    equal_power : str
        What keeps its power: the "utterance", which is each channel of the file,
        or each "frame".
    overwrite : bool
        See ``enhance_file``.
    segment_seconds : int
        See ``enhance_file``.
    on_progress : callable, optional
        See ``enhance_file``.
    on_defect : callable, optional
        See ``enhance_file``.

    Returns
    -------
    float
        The gain that was applied because of peaks, else 1.

    Raises
    ------
    UserError
        As ``enhance_file`` and ``enhance_listening``; also if ``snr_db`` is given
        and the noise is silent for as long as the speech lasts.
    """

    def convert(sound):
        speech = _measured(source)
        around = noise
        if around is None:
            around = noise_shaped_like(speech.loudest, sound.samplerate)
        if noise_levels is not None:
            around = around.following(noise_levels)
        blocks = speech_blocks(
            generator,
            sound.read,
            speech,
            around,
            snr_db=snr_db,
            equal_power=equal_power,
            segment_seconds=segment_seconds,
        )
        return blocks, speech.energy if equal_power == "utterance" else None

    return _convert(
        convert, source, destination, overwrite, on_progress, on_defect
    )


def enhance_ssdrc_file(
    source, destination, *, overwrite=False, on_progress=None, on_defect=None
):
    """Make a file of speech clearer in any noise, by SSDRC: without a network.

    Arguments
    ---------
    source : str or Path
        See ``enhance_file``.
    destination : str or Path
        See ``enhance_file``.
    overwrite : bool
        See ``enhance_file``.
    on_progress : callable, optional
        See ``enhance_file``.
    on_defect : callable, optional
        See ``enhance_file``.

    Returns
    -------
    float
        The gain that was applied because of peaks, else 1.

    Raises
    ------
    UserError
        As ``enhance_file``; also if the speech is silent.
    """

    def convert(sound):
        speech = _measured(source)
        return ssdrc_blocks(sound.read, speech), speech.energy

    return _convert(
        convert, source, destination, overwrite, on_progress, on_defect
    )


def _measured(source):
    """Measure speech before it is converted: a stream cannot be rewound."""
    with AudioFile(source) as sound:
        return measure(sound.read, sound.samplerate)


def _convert(convert, source, destination, overwrite, on_progress, on_defect):
    """Write the conversion of an audio file; return the gain due to peaks.

    ``convert(sound)`` takes the open source and returns an iterator of blocks,
    [samples, channels] float32, and the energy that each channel must have in the
    end, [channels], or None to leave it as it is.
    """
    source, destination = Path(source), Path(destination)
    with AudioFile(source) as sound:
        _check_destination(source, destination, overwrite)
        with writing(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
        with (
            writing(destination, kept=KEPT),
            tempfile.TemporaryFile(dir=destination.parent) as samples,
        ):
            try:
                blocks, wanted = convert(sound)
                energy, peaks = _append(
                    samples, blocks, sound.samplerate, on_progress
                )
            except UserError as error:
                raise UserError(_named(source, sound, error)) from error
            gains = np.ones_like(energy)
            if wanted is not None:
                gains = np.sqrt(power_ratio(wanted, energy))
            layout = _layout(
                sound, destination.suffix.lower(), samples.tell() // 4
            )
            peak, limit = float((gains * peaks).max()), 1.0
            if peak > 1 and layout["subtype"] not in FLOAT_SUBTYPES:
                limit = 1 / peak
                logger.warning(
                    f"{printable(destination)}: scaled by "
                    f"{20 * log10(limit):.2f} dB, as its peak of {peak:.3f} "
                    "exceeds full scale."
                )
            samples.seek(0)
            _write(destination, layout, samples, limit * gains)
        if defect := sound.defect():
            logger.warning(
                f"{printable(source)}: {defect}; enhanced as far as it goes."
            )
            if on_defect is not None:
                on_defect(defect)
    return limit


def _check_destination(source, destination, overwrite):
    """Raise if the destination cannot or must not be written."""
    if destination.suffix.lower() not in FORMATS:
        raise UserError(
            f"{destination}: can write {WRITABLE}, not '{destination.suffix}'."
        )
    if destination.exists():
        if destination.samefile(source):
            raise UserError(f"{source}: would be overwritten by its output.")
        if not overwrite:
            raise UserError(f"{destination}: exists already.")


def _named(source, sound, error):
    """Return the message of an error in a source, with the source's name."""
    text = str(error)
    if text.startswith(f"{source}: "):
        return text
    if sound.frames_read < MIN_SECONDS * sound.samplerate:  # read to its end
        defect = sound.defect()
        text = f"{text} The file {defect}." if defect else text
    return f"{source}: {text}"


def _append(samples, blocks, sample_rate, on_progress):
    """Append blocks to a binary file; return energies and peaks, [channels]."""
    energy = peaks = 0.0
    for block in blocks:
        samples.write(block.tobytes())
        energy = energy + energy_of(block)
        peaks = np.maximum(peaks, np.abs(block).max(axis=0))
        if on_progress is not None:
            on_progress(len(block) / sample_rate)
    return energy, peaks


def _layout(sound, suffix, count):
    """Return format and sample type: those of the source if the suffix allows.

    ``count`` samples in all channels may be too many for the sizes of a WAV
    header, which RF64 is for.
    """
    formats = FORMATS[suffix]
    container = sound.format if sound.format in formats else formats[0]
    subtype = sound.subtype
    compressed = not subtype.startswith(("PCM_", *FLOAT_SUBTYPES))
    if compressed or not soundfile.check_format(container, subtype):
        subtype = "PCM_16"
    if suffix == ".wav" and count * sample_bits(subtype) // 8 > LARGEST_WAV:
        container = "RF64"
    return {
        "samplerate": sound.samplerate,
        "channels": sound.channels,
        "format": container,
        "subtype": subtype,
    }


def _write(destination, layout, samples, gains):
    """Write the destination from raw float32 samples, with a gain per channel."""
    with (
        replacing(destination) as partial_path,
        soundfile.SoundFile(os.fsencode(partial_path), "w", **layout) as sound,
    ):
        if sound.format == "FLAC":  # takes tags only before its samples
            sound.software = TAG
        while block := samples.read(4 * BLOCK * sound.channels):
            block = np.frombuffer(block, dtype=np.float32)
            block = gains * block.reshape(-1, sound.channels)
            sound.write(_rounded(block, sound.subtype))
        if sound.format != "FLAC":  # behind them, as some expect no tags before
            sound.software = TAG


def _rounded(block, subtype):
    """Return samples rounded to those of PCM; libsndfile rounds down.

    Silence would become -1 wherever the sum of its frames is a hair below 0.
    """
    if not subtype.startswith("PCM_"):
        return block
    bits = int(subtype.removeprefix("PCM_").lstrip("SU"))
    steps = np.rint(block * 2.0 ** (bits - 1))
    steps = steps.clip(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    return steps.astype(np.int32) << (32 - bits)

"""Enhancement of one audio file into another, for either task."""

from okd_brain.enhance.file_conversion import block_reader, convert_file
from okd_brain.enhance.listening import measure, speech_blocks
from okd_brain.enhance.noise import noise_shaped_like
from okd_brain.enhance.segments import SEGMENT_SECONDS
from okd_brain.enhance.speech import enhanced_blocks


def enhance_file(
    generator,
    source,
    destination,
    *,
    overwrite=False,
    segment_seconds=SEGMENT_SECONDS,
    on_progress=None,
):
    """Enhance a file of noisy speech; ``convert_file`` says what is written.

    Arguments
    ---------
    generator : torch.nn.Module
        Mask estimator of ``okd_brain.generators`` in evaluation mode.
    source, destination : str or Path
        What to read, at least 32 ms of audio, and what to write.
    overwrite : bool
        Replace an existing destination.
    segment_seconds : int
        See ``okd_brain.enhance.segments``.
    on_progress : callable, optional
        See ``convert_file``.

    Returns
    -------
    float
        The gain that was applied, 1 unless peaks had to be scaled down.

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError
        As ``convert_file`` and ``enhance_wave``.

    Example
    -------
    >>> import numpy as np
    >>> import soundfile
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
        blocks = enhanced_blocks(
            generator,
            block_reader(sound),
            sound.samplerate,
            segment_seconds=segment_seconds,
        )
        return blocks, None

    return convert_file(
        convert,
        source,
        destination,
        overwrite=overwrite,
        on_progress=on_progress,
    )


def enhance_speech_file(
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
):
    """Make a file of speech clearer in a noise; the noise is not written.

    ``convert_file`` says what is written. Where peaks exceed what
    the file can hold, the power of the whole falls with them, as a warning says.

    Arguments
    ---------
    generator : BandGainGenerator
        In evaluation mode.
    source, destination : str or Path
        What to read, at least 32 ms of audio, and what to write.
    noise : ListenerNoise, optional
        Around the listener; noise shaped like the speech if there are only
        ``noise_levels``.
    noise_levels : NoiseLevels, optional
        What the level of the noise follows.
    snr_db : float, optional
        Ratio of speech to noise, in dB over the whole file; by default, what it
        is in the files.
    equal_power : str
        "utterance": the file keeps its power, each channel by itself; "frame".
    overwrite : bool
        Replace an existing destination.
    segment_seconds : int
        See ``okd_brain.enhance.segments``.
    on_progress : callable, optional
        See ``convert_file``.

    Returns
    -------
    float
        The gain that was applied because of peaks, else 1.

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError
        As ``convert_file``, ``measure`` and ``speech_blocks``.
    """

    def convert(sound):
        speech = measure(block_reader(sound), sound.samplerate)
        sound.seek(0)
        around = noise
        if around is None:
            around = noise_shaped_like(speech.loudest, sound.samplerate)
        if noise_levels is not None:
            around = around.following(noise_levels)
        blocks = speech_blocks(
            generator,
            block_reader(sound),
            speech,
            around,
            snr_db=snr_db,
            equal_power=equal_power,
            segment_seconds=segment_seconds,
        )
        return blocks, speech.energy if equal_power == "utterance" else None

    return convert_file(
        convert,
        source,
        destination,
        overwrite=overwrite,
        on_progress=on_progress,
    )

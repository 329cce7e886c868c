"""Raw PCM from one pipe to another, enhanced on the way."""

import os
import sys

import numpy as np
from speechbrain.utils.logger import get_logger

from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.signals import N_FFT, SAMPLE_RATE
from okd_brain.streaming.listening import StreamingListeningEnhancer
from okd_brain.streaming.speech import StreamingEnhancer

logger = get_logger(__name__)

SAMPLE = np.dtype("<i2")  # s16le, as arecord, sox and ffmpeg write it
FULL_SCALE = 2**15
READ_BYTES = 2**16  # at most, to bound memory if the input is a file
# First bytes of files that would otherwise be taken for samples.
HEADERS = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg"}


def enhance_pcm(generator, source, sink, *, dry=0.0):
    """Enhance raw PCM (16-bit little-endian, 16 kHz) as it arrives.

    The input has one channel, noisy speech, or, for a generator of listening
    enhancement, two: the speech to be played and the noise around its listener.
    The output has one.

    A sample is written at the latest when the 511th sample after it has arrived
    (31.9 ms). Samples beyond full scale are saturated, which is logged once.

    Arguments
    ---------
    generator : CausalLSTMGenerator or BandGainGenerator
        In evaluation mode.
    source : io.BufferedIOBase
        Where to read from, up to its end.
    sink : io.BufferedIOBase or io.RawIOBase
        Where to write, as many samples as were read of each channel.
    dry : float
        Share of noisy speech in the output, from 0 to 1; listening enhancement
        has none.

    Raises
    ------
    UserError
        If the source starts like a WAV, FLAC or Ogg file, or the generator is
        not causal.
    BrokenPipeError
        If the reader of the sink has gone.

    Example
    -------
    >>> from io import BytesIO
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> source, sink = BytesIO(bytes(32000)), BytesIO()
    >>> enhance_pcm(CausalLSTMGenerator().eval(), source, sink)
    >>> len(sink.getvalue())
    32000
    """
    # A pipe takes any amount, so whatever is final goes out at once: multiples
    # of 256 samples.
    listening = isinstance(generator, BandGainGenerator)
    hop = N_FFT // 2
    if listening:
        enhancer = StreamingListeningEnhancer(generator, chunk_samples=hop)
    else:
        enhancer = StreamingEnhancer(generator, chunk_samples=hop, dry=dry)
    channels = len(enhancer.channels)
    frame_bytes = channels * SAMPLE.itemsize
    clipped = False

    def write(wave):
        nonlocal clipped
        scaled = np.round(wave * FULL_SCALE)
        saturated = scaled.clip(-FULL_SCALE, FULL_SCALE - 1)
        if not clipped and not np.array_equal(scaled, saturated):
            clipped = True
            logger.warning(
                "The enhanced speech exceeds full scale and is saturated "
                "there. Lower the level of the input."
            )
        data = saturated.astype(SAMPLE).tobytes()
        while data:  # with python -u a pipe may take only a part
            data = data[sink.write(data) :]
        sink.flush()

    arrived = rest = source.read(max(map(len, HEADERS)))
    if rest in HEADERS:
        raise UserError(
            f"The input is a {HEADERS[rest]} file, not raw PCM. Convert it: "
            f"ffmpeg -i FILE -f s16le -ac {channels} -ar {SAMPLE_RATE} - | "
            "okd-enhance ..."
        )
    while arrived:
        whole = len(rest) - len(rest) % frame_bytes
        samples = np.frombuffer(rest[:whole], SAMPLE).astype(np.float32)
        waves = (samples / FULL_SCALE).reshape(-1, channels).T
        write(enhancer.process(*waves))
        arrived = source.read1(READ_BYTES)
        rest = rest[whole:] + arrived
    write(np.asarray(enhancer.flush()))  # a tensor if nothing came in
    if rest:
        logger.warning(
            f"The input ends within a sample of {frame_bytes} bytes, which is "
            "left out."
        )


def enhance_stdin(generator, *, dry=0.0):
    """Enhance standard input to standard output until either ends, or Ctrl-C.

    Arguments
    ---------
    generator : CausalLSTMGenerator or BandGainGenerator
        In evaluation mode.
    dry : float
        As for ``enhance_pcm``.

    Raises
    ------
    UserError
        As ``enhance_pcm``.
    """
    try:
        enhance_pcm(generator, sys.stdin.buffer, sys.stdout.buffer, dry=dry)
    except (BrokenPipeError, KeyboardInterrupt):
        # The usual ends of a live stream. Python writes what is left in stdout
        # at exit, which would fail again: send it nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

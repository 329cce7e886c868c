"""Corpora of noise bursts, for tests of the preparation."""

import io

import numpy as np
import soundfile

SPEAKERS = ("p225", "p226", "p287")


def write_wave(path, samples, sample_rate=16000, subtype="PCM_16"):
    """Write a WAV file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sample_rate, subtype=subtype, format="WAV")


def write_streamed_flac(path, samples, sample_rate=16000):
    """Write FLAC as it comes out of a pipe: its header has no length."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, sample_rate, format="FLAC")
    flac = bytearray(stream.getvalue())
    flac[21] &= 0xF0  # the length is the last 36 bits of bytes 18 to 25
    flac[22:26] = bytes(4)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(flac)


def burst(seconds=0.3, sample_rate=16000, seed=0):
    """Return white noise at -20 dBFS."""
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.1, size=round(seconds * sample_rate))


def write_corpus(folder, layout, train=SPEAKERS, test=("p232",), each=2):
    """Write a corpus of 0.3 s pairs, ``each`` utterances per speaker.

    Files are written in reverse order of name, so that nothing is sorted by
    chance.
    """
    for split, speakers in (("train", train), ("test", test)):
        for speaker in sorted(speakers, reverse=True):
            for number in range(each, 0, -1):
                name = f"{speaker}_{number:03d}.wav"
                clean = burst(sample_rate=layout.sample_rate, seed=number)
                for kind, samples in (
                    ("clean", clean),
                    ("noisy", clean + 0.01 * np.sign(clean)),
                ):
                    path = folder / layout.folder(split, kind) / name
                    write_wave(path, samples, layout.sample_rate)
    return folder

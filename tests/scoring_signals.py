"""Real speech, noise and bad metrics for the tests of scoring."""

import os
import signal
import time
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

SAMPLES = Path(__file__).parent / "samples"
RATE = 16000


@cache
def speech(index=0):
    """One of the bundled prompts, 1.8 to 3.6 s at 16 kHz; float64."""
    paths = sorted(SAMPLES.glob("*.flac"))
    samples, rate = soundfile.read(paths[index])
    assert rate == RATE
    samples.flags.writeable = False
    return samples


def noisy(index=0, snr_db=5.0, seed=0):
    """A prompt with pink-like noise at a signal-to-noise ratio in dB."""
    clean = speech(index)
    white = np.random.default_rng(seed).standard_normal(len(clean))
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(1 + np.arange(len(spectrum)))
    noise = np.fft.irfft(spectrum, len(clean))
    level = np.sqrt(np.mean(clean**2) / np.mean(noise**2))
    return clean + noise * level * 10 ** (-snr_db / 20)


def quarter(*, reference, degraded, sample_rate):
    """A score function that is always pleased a little."""
    return 0.25


def waits_for_go(*, reference, degraded, sample_rate, folder):
    """Waits for a file ``go`` in a folder, then makes a file ``done``."""
    wait_for(folder / "go")
    (folder / "done").touch()
    return 0.5


def wait_for(path, seconds=60):
    """Returns when a file exists; an error if that takes too long."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.01)


def process_id(*, reference, degraded, sample_rate):
    """Says where it runs."""
    return os.getpid()


def kills_itself(*, reference, degraded, sample_rate):
    """Dies on a signal that begins with 1, as PESQ does in C."""
    if degraded[0] == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    return 0.5


def hangs(*, reference, degraded, sample_rate):
    """Never answers for a signal that begins with 1."""
    while degraded[0] == 1:
        time.sleep(1)
    return 0.5

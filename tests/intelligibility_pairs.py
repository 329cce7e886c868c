"""Real speech, degraded without random numbers, for stored reference scores."""

from functools import cache
from pathlib import Path

import numpy as np
import soundfile

SAMPLES = Path(__file__).parent / "samples"
RATE = 16000


@cache
def prompt(name):
    """One of the bundled prompts at 16 kHz, float64."""
    signal, rate = soundfile.read(SAMPLES / f"{name}.flac")
    assert rate == RATE
    signal.flags.writeable = False
    return signal


def pairs():
    """Yields (name, reference, degraded): two to three seconds of speech."""
    for name in (
        "allison_en_agent-newlocation",
        "carlo_it_dir-firstlast",
        "june_fr_conf-onlyperson",
        "ivrvoice_ru_vm-leavemsg",
    ):
        clean = prompt(name)
        yield f"{name}, clean", clean, clean
        for snr_db in (15, 5, 0, -5):
            noisy = clean + babble(clean, snr_db)
            yield f"{name}, babble {snr_db} dB", clean, noisy
    noisy = clean + babble(clean, 5)
    late = np.concatenate([np.zeros(160), noisy[:-160]])
    yield "10 ms late", clean, late
    yield "inverted and loud", clean, -4 * noisy
    yield "soft", clean, 0.1 * noisy
    clipped = np.clip(clean, -0.1 * clean.max(), 0.1 * clean.max())
    yield "clipped", clean, clipped
    yield "second half silent", clean, np.where(half(clean), clean, 0)


def long_pairs():
    """Yields (name, reference, degraded): 12 s of speech of two speakers."""
    names = ("agent-newlocation", "speed-dial-empty")
    speakers = [prompt(f"allison_en_{name}") for name in names]
    names = ("cannot-complete-as-dialed", "invalid")
    speakers += [prompt(f"carlo_it_{name}") for name in names]
    clean = np.concatenate(speakers)
    for snr_db in (15, 5, 0, -5):
        yield f"babble {snr_db} dB", clean, clean + babble(clean, snr_db)
    noisy = clean + babble(clean, 5)
    yield "soft", clean, 0.01 * noisy
    yield "clipped", clean, np.clip(noisy, -0.05, 0.05)
    yield "second half silent", clean, np.where(half(clean), noisy, 0)


def babble(clean, snr_db):
    """Two other speakers at once, backwards, at a signal-to-noise ratio."""
    noise = np.zeros(len(clean))
    for name in ("allison_en_vm-whichbox", "june_fr_conf-getchannel"):
        noise += np.resize(prompt(name)[::-1], len(clean))
    level = np.sqrt(np.mean(clean**2) / np.mean(noise**2))
    return noise * level * 10 ** (-snr_db / 20)


def half(signal):
    """True in the first half."""
    return np.arange(len(signal)) < len(signal) // 2

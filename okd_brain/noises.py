"""Five kinds of noise made from numbers, and from speech where noise needs it.

All share one signature, ``noise(samples, rng, speech)``: the wanted length, a
`numpy.random.Generator` and the utterances (float [samples], 16 kHz) that
babble and speech-shaped noise are made of. They return float64 [samples] at no
particular level: `mix` and `scale` set it.
"""

import numpy as np
from scipy.signal import welch

from okd_brain.signals import SAMPLE_RATE

BABBLE_VOICES = 6  # more would sound like a hum, fewer like a conversation
MODULATION_HZ = (2.0, 8.0)  # the rates that carry syllables
MODULATION_DEPTH = 0.9
MAINS_HZ = (50.0, 60.0)
HUM_HIGHEST_HZ = 4000.0
HUM_HISS_DB = -20.0  # broadband part of a machine, relative to its hum
LOWEST_HZ = 20.0  # of shaped noise: below, nothing is heard
SEGMENT = 512  # samples of which a long-term spectrum is the mean
MANY = 4096  # of them, in memory together


def babble(samples, rng, speech):
    """Return several utterances at once, each at the same level.

    Each voice is an utterance drawn without repetition, looped from a random
    point of it.
    """
    voices = min(BABBLE_VOICES, len(speech))
    total = np.zeros(samples)
    for index in rng.choice(len(speech), size=voices, replace=False):
        voice = np.asarray(speech[index], dtype=np.float64)
        looped = np.resize(np.roll(voice, rng.integers(len(voice))), samples)
        total += looped / np.sqrt(np.mean(voice**2))
    return total


def speech_shaped(samples, rng, speech):
    """Return steady noise with the long-term spectrum of the speech."""
    wave = np.concatenate(speech)
    length = min(SEGMENT, len(wave))
    # Many segments at once: over a long wave, welch of SciPy 1.17 is a loop.
    segments = np.lib.stride_tricks.sliding_window_view(wave, length)
    segments = segments[:: SEGMENT // 2]
    power = 0.0
    for part in np.array_split(segments, -(-len(segments) // MANY)):
        frequency_hz, powers = welch(part, fs=SAMPLE_RATE, nperseg=length)
        power = power + powers.sum(axis=0)
    return _shaped(
        samples, rng, lambda hz: np.sqrt(np.interp(hz, frequency_hz, power))
    )


def pink(samples, rng, speech):
    """Return noise whose power falls by 3 dB per octave; speech is not used."""
    return _shaped(samples, rng, lambda hz: 1 / np.sqrt(hz))


def modulated(samples, rng, speech):
    """Return speech-shaped noise that swells and fades like syllables."""
    rate_hz, phase = rng.uniform(*MODULATION_HZ), rng.uniform(0, 2 * np.pi)
    time = np.arange(samples) / SAMPLE_RATE
    envelope = 1 + MODULATION_DEPTH * np.sin(2 * np.pi * rate_hz * time + phase)
    return envelope * speech_shaped(samples, rng, speech)


def hum(samples, rng, speech):
    """Return mains hum, a sawtooth of all harmonics to 4 kHz, with some hiss.

    The n-th harmonic has the amplitude 1 / n and a phase of its own; the hiss
    is pink noise. Speech is not used.
    """
    mains_hz = rng.choice(MAINS_HZ)
    order = np.arange(1, int(HUM_HIGHEST_HZ / mains_hz) + 1)[:, None]
    time = np.arange(samples) / SAMPLE_RATE
    phase = rng.uniform(0, 2 * np.pi, size=order.shape)
    tones = np.sin(2 * np.pi * mains_hz * order * time + phase)
    buzz = (tones / order).sum(axis=0)
    hiss = pink(samples, rng, speech)
    power = np.mean(buzz**2) * 10 ** (HUM_HISS_DB / 10)
    return buzz + hiss * np.sqrt(power / np.mean(hiss**2))


NOISES = {
    "babble": babble,
    "speech_shaped": speech_shaped,
    "pink": pink,
    "modulated": modulated,
    "hum": hum,
}


def mix(clean, noise, *, snr_db, level_dbfs, peak):
    """Add noise to speech at an exact signal-to-noise ratio.

    Arguments
    ---------
    clean : numpy.ndarray
        [samples].
    noise : numpy.ndarray
        [samples].
    snr_db : float
        Ratio of the powers of speech and noise over the whole utterance, in dB.
    level_dbfs : float
        RMS level of the speech in the mixture, in dB relative to full scale.
    peak : float
        Largest magnitude allowed; speech and noise are made softer together
        where it would be exceeded.

    Returns
    -------
    clean, noisy : numpy.ndarray
        [samples].

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> clean, noisy = mix(
    ...     rng.normal(size=9), rng.normal(size=9), snr_db=5, level_dbfs=-26, peak=1
    ... )
    >>> ratio = np.sum(clean**2) / np.sum((noisy - clean) ** 2)
    >>> print(f"{10 * np.log10(ratio):.6f}")
    5.000000
    """
    clean, noise = scale(clean, noise, snr_db=snr_db, level_dbfs=level_dbfs)
    noisy = clean + noise
    gain = min(1.0, peak / max(np.abs(noisy).max(), np.abs(clean).max()))
    return gain * clean, gain * noisy


def scale(clean, noise, *, snr_db, level_dbfs):
    """Bring speech to a level, and noise to a ratio with it.

    Arguments
    ---------
    clean : numpy.ndarray
        [samples], not all zeros.
    noise : numpy.ndarray
        [samples], not all zeros.
    snr_db : float
        Ratio of the powers of speech and noise over the whole utterance, in dB.
    level_dbfs : float
        RMS level of the speech, in dB relative to full scale, which the noise
        may exceed.

    Returns
    -------
    clean, noise : numpy.ndarray
        [samples].

    Example
    -------
    >>> clean, noise = scale(
    ...     np.array([1.0, -1.0]), np.array([0.5, 0.5]), snr_db=-20, level_dbfs=-40
    ... )
    >>> print(clean, noise)
    [ 0.01 -0.01] [0.1 0.1]
    """
    clean = clean * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(clean**2))
    wanted = np.mean(clean**2) / 10 ** (snr_db / 10)
    return clean, noise * np.sqrt(wanted / np.mean(noise**2))


def _shaped(samples, rng, amplitude):
    """Return Gaussian noise filtered by an amplitude over frequency in Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    audible = hz >= LOWEST_HZ
    spectrum[~audible] = 0
    spectrum[audible] *= amplitude(hz[audible])
    return np.fft.irfft(spectrum, samples)

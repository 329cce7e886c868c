"""SIIB^Gauss value by value, as slowly as the definition.

An independent second implementation for the tests, from Van Kuyk et al.
(2018): a discrete Fourier sum in the place of the FFT, filters as time-domain
parameters, maskers one by one, the singular value decomposition for the basis.
Shares no code with `okd_brain.measures.siib`.
"""

from math import log, log2, log10, pi, sqrt

import numpy as np

WIDTH, STEP = 400, 200
HANN = [0.5 - 0.5 * np.cos(2 * pi * n / WIDTH) for n in range(WIDTH)]
EPS = 2.0**-52


def siib(reference, degraded):
    """Bits per second that the degraded signal conveys of the reference."""
    scale = sqrt(np.mean(reference**2) - np.mean(reference) ** 2)
    reference, degraded = (
        frames_of(reference / scale),
        frames_of(degraded / scale),
    )
    kept = [index for index, flag in enumerate(speech_in(reference)) if flag]
    spectra = [bands_of(signal[kept]) for signal in (reference, degraded)]
    floor = [min(row[band] for row in spectra[0]) for band in range(28)]
    clean, heard = (stacked(forward_masked(s, floor)) for s in spectra)
    _, _, directions = np.linalg.svd(clean - clean.mean(axis=0))
    bits = 0.0
    for direction in directions:
        p, q = clean @ direction, heard @ direction
        r_squared = np.dot(p, q) ** 2 / (np.dot(p, p) * np.dot(q, q))
        bits -= 0.5 * log2(1 - 0.75**2 * r_squared)
    return bits / 15 * 80


def frames_of(signal):
    starts = range(0, len(signal) - WIDTH, STEP)
    return np.array([HANN * signal[s : s + WIDTH] for s in starts])


def speech_in(frames):
    levels = [10 * log10(np.mean(frame**2) + EPS) for frame in frames]
    loudest = sorted(levels)[round(0.999 * len(levels)) - 1]
    return [level > loudest - 40 for level in levels]


def bands_of(frames):
    """Natural logarithm of the power in 28 gammatone bands, per frame."""
    time = np.arange(WIDTH)
    rows = []
    power = np.empty((201, len(frames)))
    for k in range(201):
        power[k] = np.abs(frames @ np.exp(-2j * pi * k * time / WIDTH)) ** 2
    first, last = (21.4 * log10(0.00437 * f + 1) for f in (100, 6500))
    for band in range(28):
        rate = first + (last - first) * band / 27
        centre = (10 ** (rate / 21.4) - 1) / 0.00437
        b = (24.7 + 0.107939 * centre) / (pi * 720 * 2**-6 / 6**2)
        gains = [(1 + ((40 * k - centre) / b) ** 2) ** -2 for k in range(201)]
        gains = [g if g >= 0.001 * max(gains) else 0.0 for g in gains]
        rows.append(sum(g * g * p for g, p in zip(gains, power, strict=True)))
    return np.log(np.array(rows).T + EPS)


def forward_masked(spectrum, floor):
    """The strongest of 16 maskers per value; none in the last frame."""
    result = np.array(spectrum)
    last = len(result) - 1
    for band in range(28):
        for frame in range(last):
            thresholds = []
            for age in range(1, min(16, frame + 1) + 1):
                masker = spectrum[frame - age + 1, band]
                fallen = log(age) / log(16)
                thresholds.append((1 - fallen) * masker + fallen * floor[band])
            result[frame, band] = max(thresholds)
        result[last, band] = floor[band]
    return result


def stacked(spectrum):
    spectrum = spectrum - spectrum.mean(axis=0)
    return np.array(
        [spectrum[t : t + 15].ravel() for t in range(len(spectrum) - 15)]
    )

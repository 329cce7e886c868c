"""WSS, LLR and segmental SNR frame by frame, as slowly as the definition.

An independent second implementation for the tests, written from Loizou's
book (2007, chapter 10) and Klatt (1982): direct lag sums, least squares in
the place of Levinson's recursion, and peak searches by walking. Shares no code with `okd_brain.measures.composite`.
"""

import numpy as np
from scipy.linalg import toeplitz

RATE = 16000
LENGTH, STEP = 480, 120
CENTRES = [50, 120, 190, 260, 330, 400, 470, 540, 617.372, 703.378, 798.717]
CENTRES += [904.128, 1020.38, 1148.30, 1288.72, 1442.54, 1610.70, 1794.16]
CENTRES += [1993.93, 2211.08, 2446.71, 2701.97, 2978.04, 3276.17, 3597.63]
WIDTHS = [70, 70, 70, 70, 70, 70, 70, 77.3724, 86.0056, 95.3398, 105.411]
WIDTHS += [116.256, 127.914, 140.423, 153.823, 168.154, 183.457, 199.776]
WIDTHS += [217.153, 235.631, 255.255, 276.072, 298.126, 321.465, 346.136]
HANN = np.hanning(LENGTH + 2)[1:-1]


def frames_of(signal):
    """Windowed frames, the last full one left out."""
    count = int(len(signal) / STEP - LENGTH / STEP)
    starts = [STEP * index for index in range(count)]
    return [HANN * signal[start : start + LENGTH] for start in starts]


def trimmed(values):
    """Mean of the lowest 95 %."""
    return np.mean(sorted(values)[: round(0.95 * len(values))])


def critical_bands():
    """One Gaussian filter per band over the 512 bins below Nyquist."""
    filters = []
    for centre, width in zip(CENTRES, WIDTHS, strict=True):
        centre_bin = np.floor(centre / (RATE / 2) * 512)
        width_bins = width / (RATE / 2) * 512
        taps = np.array(
            [
                np.exp(
                    -11 * ((k - centre_bin) / width_bins) ** 2
                    + np.log(WIDTHS[0])
                    - np.log(width)
                )
                for k in range(512)
            ]
        )
        taps[taps <= np.exp(-30 / (2 * 2.303))] = 0
        filters.append(taps)
    return filters


def band_levels(frame, filters):
    """Energy per band in dB, not under -100."""
    power = np.abs(np.fft.fft(frame, 1024)[:512]) ** 2
    return [10 * np.log10(max(np.sum(power * f), 1e-10)) for f in filters]


def klatt_weights(level, slope):
    """Klatt's weight of each slope: near a high and near a local peak."""
    weights = []
    for band in range(24):
        walk = band
        if slope[band] > 0:
            while walk < 24 and slope[walk] > 0:
                walk += 1
            peak = level[walk - 1]
        else:
            while walk >= 0 and slope[walk] <= 0:
                walk -= 1
            peak = level[walk + 1]
        weights.append(
            20 / (20 + max(level) - level[band]) / (1 + peak - level[band])
        )
    return np.array(weights)


def wss(reference, degraded):
    """Weighted spectral slope distance per frame."""
    filters, distances = critical_bands(), []
    for pair in zip(frames_of(reference), frames_of(degraded), strict=True):
        levels = [band_levels(frame, filters) for frame in pair]
        slopes = [np.diff(level) for level in levels]
        weight = sum(map(klatt_weights, levels, slopes)) / 2
        squares = (slopes[0] - slopes[1]) ** 2
        distances.append(np.sum(weight * squares) / np.sum(weight))
    return distances


def predictor(frame):
    """Lags 0 to 16 and the prediction-error filter of order 16.

    The filter by least squares on the samples, padded with zeros: the same
    minimum, from half as badly conditioned equations.
    """
    padded = np.r_[frame, np.zeros(16)]
    past = np.stack([np.roll(padded, k) for k in range(1, 17)], axis=1)
    weights = np.linalg.lstsq(past, padded, rcond=None)[0]
    lags = [np.dot(frame[: LENGTH - k], frame[k:]) for k in range(17)]
    return np.array(lags), np.r_[1, -weights]


def llr(reference, degraded):
    """Log-likelihood ratio per frame, after composite.m's data + eps."""
    epsilon, ratios = np.finfo(float).eps, []
    clean = frames_of(reference + epsilon)
    for frame, other in zip(clean, frames_of(degraded + epsilon), strict=True):
        lags, own = predictor(frame)
        _, foreign = predictor(other)
        matrix = toeplitz(lags)
        ratio = (foreign @ matrix @ foreign) / (own @ matrix @ own)
        ratios.append(np.log(ratio))
    return ratios


def llr_in_float32(reference, degraded):
    """Log-likelihood ratio per frame with lags and filters cut to float32.

    As in the MetricGAN-OKD authors' code, which adds no epsilon either.
    """
    ratios = []
    clean = frames_of(reference)
    for frame, other in zip(clean, frames_of(degraded), strict=True):
        lags, own = predictor(frame)
        _, foreign = predictor(other)
        matrix = toeplitz(lags.astype(np.float32))
        own, foreign = own.astype(np.float32), foreign.astype(np.float32)
        ratio = (foreign @ matrix @ foreign) / (own @ matrix @ own)
        ratios.append(np.log(ratio))
    return ratios


def segmental_snr(reference, degraded):
    """Segmental SNR per frame in dB, without DC and at equal peaks."""
    reference = reference - np.mean(reference)
    degraded = degraded - np.mean(degraded)
    degraded = degraded * (np.max(np.abs(reference)) / np.max(np.abs(degraded)))
    values = []
    for pair in zip(frames_of(reference), frames_of(degraded), strict=True):
        signal = np.sum(pair[0] ** 2)
        noise = np.sum((pair[0] - pair[1]) ** 2)
        value = 10 * np.log10(signal / (noise + 1e-10) + 1e-10)
        values.append(min(max(value, -10), 35))
    return values

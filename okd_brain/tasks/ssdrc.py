"""SSDRC, the classical listening enhancement that networks are compared with.

Spectral shaping and dynamic range compression change clean speech so that it is
understood better in noise at the same power. They do not look at the noise.

Shaping puts more power where noise masks first. Three gains multiply the
short-time spectrum: two follow the probability of voicing of each frame, making
formants sharper and what lies above 1 kHz stronger; the third is fixed and
moves power from below 1 kHz to where consonants and the second and third
formants are. Compression makes soft sounds louder: consonants and ends of words
drown first, and at equal power they gain every dB that vowels lose.

T.-C. Zorila, V. Kandia and Y. Stylianou, "Speech-in-noise intelligibility
improvement based on spectral shaping and dynamic range compression",
Interspeech 2012, sections 2.1 and 2.2; compression after B. Blesser, "Audio
dynamic range compression for minimum perceived distortion", IEEE Trans. Audio
Electroacoust. 17(1), 1969. The authors have published no program, no exact
figures for all of it, and the characteristic of the compression only as a
picture; the paper was not at hand. Below, "paper" means what later work says of
it, "sample" that the value was fitted to the one SSDRC utterance that is
published (github.com/nii-yamagishilab/NELE-GAN, f_hvd_100), "ours" our choice.
Ours are also the spectral envelope (a smoothed cepstrum, not SEEVOC, which needs
the pitch) and one window for all speakers (the paper's depends on their sex).
"""

from functools import lru_cache

import numpy as np
from scipy.fft import next_fast_len
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import hilbert, istft, stft

from okd_brain.measures import check_reference

# Shaping
SAMPLE_RATE = 16000  # Hz
WINDOW = 332  # samples; 2.5 periods of a male voice, 8.3 ms each (paper)
HOP = WINDOW // 4  # ours: gains that change smoothly
N_FFT = 512  # next power of two
BINS = N_FFT // 2 + 1

SHARPENING = 0.3  # exponent of formants over tilt (paper: beta)
PRE_EMPHASIS = 0.3  # added to the gain at 8 kHz (paper: g)
PRE_EMPHASIS_FROM_HZ = 1000.0  # paper: 0.125 pi at 16 kHz
CEPSTRUM = 32  # coefficients of the envelope, 2 ms: no pitch in it (ours)
PARTIAL_BINS = 7  # 220 Hz, reaches from one partial to the next (ours)
LOWEST_DB = -100.0  # of a bin, relative to the largest: silence has no shape

# dB over Hz, straight between octaves. The paper raises 1 to 4 kHz by 12 dB
# and lets the gain fall below 500 Hz; slopes and the fall above 4.6 kHz are the
# sample's.
FIXED_GAIN_HZ = (62.5, 500.0, 1000.0, 4600.0, 8000.0)
FIXED_GAIN_DB = (-21.0, -12.0, 0.0, 0.0, -10.0)

# Compression
SMOOTHING = 133  # samples; the period of a male voice, 8.3 ms (paper)
STEP = 64  # samples, 4 ms at 16 kHz: the envelope's own rate (ours)
RELEASE = 0.15  # of the last value is left after one step: 2.1 ms (paper: 2 ms)
REFERENCE = 0.3  # 0 dB of the characteristic, of the largest envelope (paper)

# The characteristic: levels in dB that come out for those that go in, straight
# between these points and of constant gain outside (the largest envelope is at
# 10.5 dB). Fitted to the sample.
INPUT_DB = (-24.0, -12.0, 12.0)
OUTPUT_DB = (-9.0, -1.5, 0.0)
GAIN_DB = np.subtract(OUTPUT_DB, INPUT_DB)


def ssdrc(speech, sample_rate=SAMPLE_RATE):
    """Return speech that is easier to understand in noise, at equal power.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples], clean speech of one channel, at least 332 samples (21 ms).
        Its level does not matter: k times the speech gives k times the result,
        for k > 0. It is not modified.
    sample_rate : int
        16000 Hz is accepted.

    Returns
    -------
    numpy.ndarray
        [samples], float64, of the same length and RMS. Peaks may exceed 1.

    Raises
    ------
    ValueError
        If the rate is another one, or the speech is not 1-D, too short, not
        finite, silent or constant.

    Example
    -------
    >>> noise = np.random.default_rng(0).standard_normal(16000)
    >>> louder = ssdrc(noise)
    >>> bool(np.isclose(np.sum(louder**2), np.sum(noise**2)))
    True
    """
    speech = check_reference(
        speech,
        role="speech",
        name="SSDRC",
        sample_rate=sample_rate,
        accepted_rates=(SAMPLE_RATE,),
        min_seconds=WINDOW / SAMPLE_RATE,
    )
    enhanced = compress_range(shape_spectrum(speech))
    return enhanced * np.sqrt(np.sum(speech**2) / np.sum(enhanced**2))


def shape_spectrum(speech):
    """Return speech with sharper formants and more power from 1 kHz on.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples], float64, 16 kHz, at least ``WINDOW`` samples, not constant.
        It is not modified.

    Returns
    -------
    numpy.ndarray
        [samples], float64, at another level.
    """
    layout = {"nperseg": WINDOW, "noverlap": WINDOW - HOP, "nfft": N_FFT}
    _, _, spectrum = stft(speech, **layout)  # [bins, frames], from sample 0 on
    centres = np.minimum(np.arange(spectrum.shape[1]) * HOP, len(speech) - 1)
    voicing = voicing_probability(speech)[centres]
    gain = np.exp(SHARPENING * voicing * formants(np.abs(spectrum)))
    gain *= 1 + np.outer(_pre_emphasis(), voicing)
    gain *= _fixed_gain()[:, None]
    _, shaped = istft(gain * spectrum, **layout)
    return shaped[: len(speech)]


def voicing_probability(speech):
    """Return the probability of voicing around every sample.

    A voiced sound is loud and crosses zero seldom: the paper's measure is the
    RMS of a window over its rate of zero crossings, relative to the largest of
    the utterance.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples], float64, not constant.

    Returns
    -------
    numpy.ndarray
        [samples], in [0, 1], largest 1.

    Example
    -------
    >>> time = np.arange(16000) / 16000
    >>> low, high = (np.sin(2 * np.pi * hz * time) for hz in (100, 4000))
    >>> probability = voicing_probability(np.concatenate([low, 0.1 * high]))
    >>> [round(float(p), 3) for p in probability[[8000, 24000]]]
    [0.693, 0.002]
    """
    positive = speech > 0
    crossings = np.diff(positive, prepend=positive[0]).astype(np.float64)
    # Rounding leaves sums of nothing slightly negative.
    power = np.maximum(_around(speech**2), 0)
    # A window without crossings has as many as resolution allows: one.
    rate = np.maximum(_around(crossings), 1 / WINDOW)
    ratio = np.sqrt(power) / rate
    return ratio / ratio.max()


def formants(magnitude):
    """Return the spectral envelope over its tilt, as a natural logarithm.

    The envelope is the cepstrum of the peaks up to 2 ms; its tilt is what the
    first two coefficients give, c0 + 2 c1 cos w (paper). So their ratio is
    what the others give.

    Arguments
    ---------
    magnitude : numpy.ndarray
        [257, frames], of a spectrum of 512 points, not all 0.

    Returns
    -------
    numpy.ndarray
        [257, frames], of mean 0.
    """
    floor = magnitude.max() * 10 ** (LOWEST_DB / 20)
    peaks = maximum_filter1d(magnitude, PARTIAL_BINS, axis=0)
    analysis, synthesis = _cepstral_maps()
    return synthesis @ (analysis @ np.log(np.maximum(peaks, floor)))


def _around(values):
    """Return the mean of the window around every sample; outside is 0."""
    return uniform_filter1d(values, WINDOW, mode="constant")


@lru_cache(maxsize=1)
def _cepstral_maps():
    """Return the cosines from a log spectrum to c2...c31, and those back.

    [30, 257] and [257, 30]
    """
    order = np.arange(2, CEPSTRUM)[:, None]
    cosine = np.cos(2 * np.pi * order * np.arange(BINS) / N_FFT)
    both_halves = np.full(BINS, 2.0)  # bins of positive and negative frequency
    both_halves[[0, -1]] = 1.0
    return cosine * both_halves / N_FFT, 2 * cosine.T


@lru_cache(maxsize=1)
def _pre_emphasis():
    """Return what a fully voiced frame adds to the gain of 1: [257]."""
    hz = np.linspace(0, SAMPLE_RATE / 2, BINS)
    return np.interp(
        hz, (PRE_EMPHASIS_FROM_HZ, SAMPLE_RATE / 2), (0, PRE_EMPHASIS)
    )


@lru_cache(maxsize=1)
def _fixed_gain():
    """Return the gain that all frames have: [257], at most 1."""
    hz = np.linspace(0, SAMPLE_RATE / 2, BINS)
    octave = np.log2(np.maximum(hz, FIXED_GAIN_HZ[0]))
    return 10 ** (np.interp(octave, np.log2(FIXED_GAIN_HZ), FIXED_GAIN_DB) / 20)


def compress_range(speech):
    """Return speech whose envelope varies less.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples], float64, 16 kHz, not silent. It is not modified.

    Returns
    -------
    numpy.ndarray
        [samples], float64: gains from -12 to 15 dB.
    """
    smooth = envelope(speech)
    held = _released(smooth[::STEP]) / (REFERENCE * smooth.max())
    lowest = 10 ** (INPUT_DB[0] / 20)
    level_db = 20 * np.log10(np.maximum(held, lowest))
    gain = 10 ** (np.interp(level_db, INPUT_DB, GAIN_DB) / 20)
    samples = np.arange(len(speech))
    return speech * np.interp(samples, samples[::STEP], gain)


def envelope(signal):
    """Return the envelope, the smoothed magnitude of the analytic signal.

    Arguments
    ---------
    signal : numpy.ndarray
        [samples], float64, 16 kHz.

    Returns
    -------
    numpy.ndarray
        [samples], not negative.

    Example
    -------
    >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> round(float(envelope(tone)[8000]), 3)
    0.5
    """
    analytic = hilbert(signal, next_fast_len(len(signal)))[: len(signal)]
    return uniform_filter1d(np.abs(analytic), SMOOTHING, mode="constant")


def _released(levels):
    """Return levels that rise at once and fall with the release time.

    The paper's attack, a coefficient of 0.0001, is no memory at all.
    """
    held = levels.tolist()  # a loop over numbers is faster than over an array
    for now in range(1, len(held)):
        fading = RELEASE * held[now - 1] + (1 - RELEASE) * held[now]
        held[now] = max(held[now], fading)
    return np.array(held)

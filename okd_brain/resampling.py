"""Sample rate conversion with a filter that keeps what wide-band PESQ hears.

Own code, if little of it: torchaudio's default filter is too short for that, and
with a longer one its memory grows with the two rates' lowest terms (44.1 to 16
kHz: 441 to 160).
"""

import functools
from fractions import Fraction

import numpy as np
from scipy.signal import firwin, resample_poly

# The "kaiser_best" filter of resampy and librosa: flat to 7 kHz and below
# -100 dB from 8.1 kHz on for 48 to 16 kHz, where torchaudio's default filter
# loses 1.8 dB at 7 kHz and lets 8.1 kHz through at -7 dB.
ZERO_CROSSINGS = 64  # of the sinc, on either side
ROLLOFF = 0.9475937167399596  # cut-off relative to half the lower rate
KAISER_BETA = 14.769656459379492

# Largest of the two rates in lowest terms; the filter has 128 times as many taps.
# Rates such as 191,999 Hz, which damaged headers name, would need gigabytes.
# The ratio of such rates is rounded, by 1e-5 at most: 0.3 ms in 30 s.
MAX_TERM = 50_000


@functools.lru_cache(maxsize=4)
def _low_pass(ratio):
    """Return the taps for a ratio of rates, larger to smaller in lowest terms."""
    return firwin(
        2 * ZERO_CROSSINGS * ratio + 1,
        ROLLOFF / ratio,
        window=("kaiser", KAISER_BETA),
    ).astype(np.float32)


def resample(samples, from_hz, to_hz):
    """Change the sample rate of a waveform, whatever the two rates are.

    The filter is polyphase, and a thread that filters keeps to one core.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples], float.
    from_hz : int
        Present sample rate in Hz.
    to_hz : int
        Wanted sample rate in Hz.

    Returns
    -------
    numpy.ndarray
        [ceil(samples * to_hz / from_hz)].

    Example
    -------
    >>> time = np.arange(4800) / 48000
    >>> for hz in (6000, 10000):
    ...     tone = resample(np.sin(2 * np.pi * hz * time), 48000, 16000)
    ...     print(f"{np.std(tone[400:1200]):.3f}")
    0.707
    0.000
    """
    if from_hz == to_hz:
        return samples
    count = -(-len(samples) * to_hz // from_hz)
    ratio = Fraction(min(from_hz, to_hz), max(from_hz, to_hz))
    ratio = ratio.limit_denominator(MAX_TERM)
    up, down = ratio.as_integer_ratio()
    if to_hz > from_hz:
        up, down = down, up
    changed = resample_poly(samples, up, down, window=_low_pass(max(up, down)))
    return np.pad(changed[:count], (0, max(0, count - len(changed))))

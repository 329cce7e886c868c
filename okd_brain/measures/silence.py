"""What counts as silent."""

import numpy as np

SILENCE_PEAK = 1e-10
"""A signal that stays within +-1e-10 of its mean, 200 dB under full scale, is
silent or constant: no audio format has a step that small."""


def is_constant(signal):
    """True if a signal has no alternating part above -200 dB.

    Arguments
    ---------
    signal : np.ndarray [samples]
        At least one sample, full scale 1.

    Returns
    -------
    bool

    Example
    -------
    >>> is_constant(np.full(100, 0.25)), is_constant(np.array([0, 1e-6]))
    (True, False)
    """
    return bool(np.ptp(signal) <= 2 * SILENCE_PEAK)

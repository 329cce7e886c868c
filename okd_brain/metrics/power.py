"""The power of what is played, which listening enhancement must not raise."""

import numpy as np

from okd_brain.metrics.record import Metric

LOWEST_DB = -100.0  # where silence is cut off


def power_ratio_db(*, reference, degraded, sample_rate):
    """Return the power of the output relative to the input.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], the input.
    degraded : numpy.ndarray
        [samples], the output.
    sample_rate : int
        Sample rate of both, in Hz; the result does not depend on it.

    Returns
    -------
    float
        In dB; 0 for equal power, at least -100.

    Example
    -------
    >>> speech = np.array([0.1, -0.2, 0.3])
    >>> round(
    ...     power_ratio_db(reference=speech, degraded=2 * speech, sample_rate=1), 4
    ... )
    6.0206
    """
    powers = [
        np.sum(np.asarray(signal, np.float64) ** 2)
        for signal in (degraded, reference)
    ]
    ratio = max(powers[0] / powers[1], 10 ** (LOWEST_DB / 10))
    return float(10 * np.log10(ratio))


POWER_RATIO_DB = Metric(
    "power_ratio_db",
    power_ratio_db,
    floor=LOWEST_DB,
    perfect=0.0,
    hears="device",
    version="1",
    source="a condition of listening enhancement, not a target",
)
"""A column of tables; it is not among ``METRICS``, since louder is not better."""

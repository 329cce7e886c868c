"""Scale-invariant signal-to-distortion ratio."""

import numpy as np

WORST_DB = -30.0
"""Where the ratio is cut off below, in dB. Under it a thousandth of the energy
is the reference's; without an end, silence (minus infinity) in one file would
be the mean of a test set."""


def si_sdr_db(*, reference, degraded):
    """Scale-invariant signal-to-distortion ratio of one pair of signals.

    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?",
    ICASSP 2019, eq. 3 and 4, on signals without their means.

    Arguments
    ---------
    reference, degraded : np.ndarray [samples]
        Equally long signals; the degraded one's level and sign do not matter.

    Returns
    -------
    float
        dB, at least -30; infinity if the signals are equal.

    Example
    -------
    >>> clean, noise = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    >>> round(si_sdr_db(reference=clean, degraded=5 * clean + 0.5 * noise), 6)
    20.0
    >>> si_sdr_db(reference=clean, degraded=clean)
    inf
    >>> si_sdr_db(reference=clean, degraded=noise)
    -30.0
    """
    reference = np.asarray(reference, np.float64)
    degraded = np.asarray(degraded, np.float64)
    reference = reference - reference.mean()
    degraded = degraded - degraded.mean()
    # Sums, not BLAS products, whose last bit depends on the number of threads.
    scale = np.sum(reference * degraded) / np.sum(reference**2)
    target = scale * reference
    target_energy = np.sum(target**2)
    distortion_energy = np.sum((degraded - target) ** 2)
    if target_energy <= 10 ** (WORST_DB / 10) * distortion_energy:
        return WORST_DB
    if distortion_energy == 0:
        return float("inf")
    return float(10 * np.log10(target_energy / distortion_energy))

"""The scores of the metrics table as functions of a ``Pair``.

Composite scores: Hu and Loizou, IEEE TASLP 16(1), 2008, with the wide-band PESQ
in place of the narrow-band one on which they were fitted, as in every table of
results on VoiceBank-DEMAND.
"""

import warnings

import numpy as np

from okd_brain.measures import optional

SAMPLE_RATE = 16000
OPINION_RANGE = (1.0, 5.0)  # of a mean opinion score
ACTIVE_FRAMES = 30  # of 25.6 ms every 12.8 ms, which STOI needs

WORST_DB = -30.0
"""Lowest SI-SDR. There a thousandth of the energy is the reference's. Without
an end, silence (minus infinity) in one file would be the mean of a test set."""


def pesq(pair):
    """Return the wide-band PESQ, MOS-LQO."""
    return pair.pesq


def csig(pair):
    """Return the composite opinion of the speech signal alone, 1 to 5."""
    llr, wss = pair.distances.llr, pair.distances.wss
    return _opinion(3.093 - 1.029 * llr + 0.603 * pair.pesq - 0.009 * wss)


def cbak(pair):
    """Return the composite opinion of the background noise, 1 to 5."""
    wss, segsnr_db = pair.distances.wss, pair.distances.segsnr_db
    return _opinion(1.634 + 0.478 * pair.pesq - 0.007 * wss + 0.063 * segsnr_db)


def covl(pair):
    """Return the composite opinion of the overall quality, 1 to 5."""
    llr, wss = pair.distances.llr, pair.distances.wss
    return _opinion(1.594 + 0.805 * pair.pesq - 0.512 * llr - 0.007 * wss)


def _opinion(value):
    lowest, highest = OPINION_RANGE
    return min(max(value, lowest), highest)


def segsnr(pair):
    """Return the segmental SNR in dB, -10 to 35."""
    return pair.distances.segsnr_db


def stoi(pair, extended=False):
    """Return the short-time objective intelligibility, -1 to 1.

    Taal, Hendriks, Heusdens and Jensen, IEEE TASLP 19(7), 2011; extended:
    Jensen and Taal, IEEE/ACM TASLP 24(11), 2016.

    pystoi adds noise of 1e-16 to the extended version, drawn from NumPy's
    global generator. Here the draw is the same every time, and the generator
    is left as it was found, so that scoring does not move a training run.

    Arguments
    ---------
    pair : Pair
        At 16 kHz.
    extended : bool
        True gives ESTOI, which suits noise that fluctuates.

    Returns
    -------
    float
        Mean correlation; 0 without any relation, 1 perfect.

    Raises
    ------
    ValueError
        If fewer than 30 frames of the reference are within 40 dB of its
        loudest one.
    """
    # Here, as it takes a second: ``--help`` lists metrics without it.
    from pystoi import stoi as pystoi_stoi

    state = np.random.get_state()
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Not enough STFT frames")
            score = pystoi_stoi(
                pair.reference, pair.degraded, SAMPLE_RATE, extended
            )
    except RuntimeWarning as warning:
        raise ValueError(
            f"STOI needs {ACTIVE_FRAMES} active frames (0.4 s of speech)"
        ) from warning
    finally:
        np.random.set_state(state)
    return float(score)


def estoi(pair):
    """Return the extended short-time objective intelligibility, -1 to 1."""
    return stoi(pair, extended=True)


def si_sdr(pair):
    """Return the scale-invariant signal-to-distortion ratio.

    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?",
    ICASSP 2019, eq. 3 and 4, on signals without their means.

    Arguments
    ---------
    pair : Pair
        The degraded signal's level and sign do not matter.

    Returns
    -------
    float
        dB, at least -30; infinity if the signals are equal.

    Example
    -------
    >>> from okd_brain.measures import Pair
    >>> clean, noise = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    >>> for degraded in (5 * clean + 0.5 * noise, clean, noise):
    ...     round(si_sdr(Pair(reference=clean, degraded=degraded)), 6)
    20.0
    inf
    -30.0
    """
    reference = np.asarray(pair.reference, np.float64)
    degraded = np.asarray(pair.degraded, np.float64)
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


def siib(pair, tile_seconds=None):
    """Return SIIB^Gauss in bits per second, 0 to 1335.8."""
    return pair.halves.siib(tile_seconds).score(pair.degraded)


def haspi(pair):
    """Return HASPI version 2 for normal hearing, 0 to 1."""
    return pair.halves.haspi.score(pair.degraded)


def haspi_linear(pair):
    """Return HASPI as NELE-GAN and MetricGAN-OKD report it, 0 to 11.467."""
    return pair.halves.haspi_linear.score(pair.degraded)


def dnsmos_ovrl(pair):
    """Return the opinion of DNSMOS P.835 about the overall quality."""
    return pair.dnsmos["ovrl"]


def dnsmos_sig(pair):
    """Return the opinion of DNSMOS P.835 about the speech signal."""
    return pair.dnsmos["sig"]


def dnsmos_bak(pair):
    """Return the opinion of DNSMOS P.835 about the background noise."""
    return pair.dnsmos["bak"]


def dnsmos_p808(pair):
    """Return the opinion of DNSMOS P.808 about the quality."""
    return pair.dnsmos["p808"]


def visqol(pair):
    """Return ViSQOL in speech mode with the lattice mapper."""
    return optional.visqol(reference=pair.reference, degraded=pair.degraded)

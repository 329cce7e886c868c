"""STOI and extended STOI through pystoi, repeatable and without side effects."""

import warnings

import numpy as np
from pystoi import stoi as pystoi_stoi

SAMPLE_RATE = 16000
ACTIVE_FRAMES = 30  # of 25.6 ms every 12.8 ms, in the reference


def stoi(*, reference, degraded, extended=False):
    """Short-time objective intelligibility of one pair of signals.

    Taal, Hendriks, Heusdens and Jensen, IEEE TASLP 19(7), 2011; extended:
    Jensen and Taal, IEEE/ACM TASLP 24(11), 2016.

    pystoi adds noise of 1e-16 to the extended version, drawn from NumPy's
    global generator. Here the draw is the same every time, and the generator
    is left as it was found, so that scoring does not move a training run.

    Arguments
    ---------
    reference, degraded : np.ndarray [samples]
        Equally long signals at 16 kHz.
    extended : bool
        True gives ESTOI, which suits noise that fluctuates.

    Returns
    -------
    float
        Mean correlation within [-1, 1]; 0 without any relation, 1 perfect.

    Raises
    ------
    ValueError
        If fewer than 30 frames of the reference are within 40 dB of its
        loudest one.
    """
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Not enough STFT frames")
            score = pystoi_stoi(reference, degraded, SAMPLE_RATE, extended)
    except RuntimeWarning as warning:
        raise ValueError(
            f"STOI needs {ACTIVE_FRAMES} active frames (0.4 s of speech)"
        ) from warning
    finally:
        np.random.set_state(state)
    return float(score)

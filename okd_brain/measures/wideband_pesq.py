"""Wide-band PESQ (ITU-T P.862.2) of signals of any length.

The ``pesq`` package runs ITU's C code, whose tables hold 50 utterances: more
overwrite the memory behind them and kill the process. To that code, an
utterance is a stretch of speech of at least 0.2 s, 50 windows of 4 ms, that a
gap of more than 50 windows separates from the next one. Since it widens every
stretch by two windows on both sides, 50 utterances need at least
50 * 50 + 49 * 47 windows = 19.2 s. A piece of up to ``PIECE_SECONDS`` = 19 s is
therefore safe whatever it contains.

Longer signals are cut into equal pieces where the reference is quiet, and
their score is the mean over the pieces that contain speech, weighted by
duration. P.862 itself was validated on recordings of 8 to 12 s; no utterance
of VoiceBank-DEMAND's test set is cut.
"""

import math

import numpy as np
from pesq import NoUtterancesError, pesq

from okd_brain.measures.checks import is_constant

SAMPLE_RATE = 16000
PERFECT = 4.643888  # P.862.2 mapping of 4.5, the raw score of equal signals
WORST = 0.999  # where the P.862.2 mapping ends for the raw score -infinity
PIECE_SECONDS = 19.0
CUT_SEARCH_SECONDS = 0.5  # a cut moves by at most this much
CUT_FRAME_SECONDS = 0.02


def wideband_pesq(*, reference, degraded):
    """Score one pair with PESQ, in pieces if it is longer than 19 s.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], at 16 kHz, of any level, at least 0.25 s.
    degraded : numpy.ndarray
        [samples], as long.

    Returns
    -------
    float
        MOS-LQO within [0.999, 4.644], larger is better.

    Raises
    ------
    ValueError
        If PESQ finds no speech in the reference.
    """
    scores, weights = [], []
    for piece in pieces(reference):
        try:
            score = _score_piece(reference[piece], degraded[piece])
        except NoUtterancesError:
            continue  # a pause longer than a piece says nothing
        scores.append(score)
        weights.append(piece.stop - piece.start)
    if not scores:
        raise ValueError("PESQ finds no speech in the reference")
    return float(np.average(scores, weights=weights))


def pieces(reference):
    """Cut a signal into stretches that PESQ can take.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], at 16 kHz.

    Returns
    -------
    list of slice
        Adjacent, together the whole signal, each at most 19 s.

    Example
    -------
    >>> [piece.stop / 16000 for piece in pieces(np.ones(16000 * 19))]
    [19.0]
    >>> pause = np.r_[np.ones(16000 * 10), np.zeros(8000), np.ones(16000 * 10)]
    >>> [round(piece.stop / 16000, 1) for piece in pieces(pause)]
    [10.0, 20.5]
    """
    samples = len(reference)
    if samples <= PIECE_SECONDS * SAMPLE_RATE:
        return [slice(0, samples)]
    longest = (PIECE_SECONDS - 2 * CUT_SEARCH_SECONDS) * SAMPLE_RATE
    count = math.ceil(samples / longest)
    cuts = [
        _quietest(reference, round(index * samples / count))
        for index in range(1, count)
    ]
    return [
        slice(start, stop)
        for start, stop in zip([0, *cuts], [*cuts, samples], strict=True)
    ]


def _quietest(reference, near):
    """Return the start of the quietest 20 ms within half a second."""
    reach = round(CUT_SEARCH_SECONDS * SAMPLE_RATE)
    frame = round(CUT_FRAME_SECONDS * SAMPLE_RATE)
    around = np.asarray(reference[near - reach : near + reach], np.float64)
    energy = (around.reshape(-1, frame) ** 2).sum(axis=1)
    return near - reach + int(energy.argmin()) * frame


def _score_piece(reference, degraded):
    """Score one piece; the worst score where nothing was transmitted.

    A degraded piece without any alternating part has no PESQ: the C code
    divides zero by zero or scores its own rounding.
    """
    if is_constant(reference):
        raise NoUtterancesError(b"No utterances detected")
    if is_constant(degraded):
        return WORST
    return pesq(SAMPLE_RATE, reference, degraded, "wb")

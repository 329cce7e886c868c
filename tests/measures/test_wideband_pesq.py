"""PESQ of any length: one piece up to 19 s, never more."""

import numpy as np
import pytest
from pesq import pesq
from scoring_signals import RATE, noisy, speech

from okd_brain.measures.wideband_pesq import (
    PERFECT,
    PIECE_SECONDS,
    WORST,
    pieces,
    wideband_pesq,
)


def bursts(seconds, on_seconds, gap_seconds):
    """Bursts of noise, and the same with some noise between them."""
    rng = np.random.default_rng(0)
    samples = round(seconds * RATE)
    time = np.arange(samples) / RATE
    on = time % (on_seconds + gap_seconds) < on_seconds
    reference = np.where(on, rng.standard_normal(samples), 0.0) / 10
    return reference, reference + rng.standard_normal(samples) / 100


def conversation(count, first=0):
    """Several prompts one after the other, clean and noisy."""
    indices = range(first, first + count)
    clean = np.concatenate([speech(index) for index in indices])
    return clean, np.concatenate([noisy(i, 25.0, seed=i) for i in indices])


def test_up_to_19_s_is_the_packages_own_number():
    clean, degraded = conversation(6)
    assert 15 < len(clean) / RATE < PIECE_SECONDS
    ours = wideband_pesq(reference=clean, degraded=degraded)
    assert ours == pesq(RATE, clean, degraded, "wb")


def test_longer_speech_scores_nearly_as_in_one_piece():
    clean, degraded = conversation(10)
    clean, degraded = clean[: 25 * RATE], degraded[: 25 * RATE]
    ours = wideband_pesq(reference=clean, degraded=degraded)
    whole = pesq(RATE, clean, degraded, "wb")
    assert len(pieces(clean)) == 2
    assert ours == pytest.approx(whole, abs=0.02)


def test_the_score_is_the_mean_weighted_by_duration():
    clean, degraded = conversation(10)
    scores, seconds = [], []
    for piece in pieces(clean):
        scores.append(pesq(RATE, clean[piece], degraded[piece], "wb"))
        seconds.append((piece.stop - piece.start) / RATE)
    expected = np.dot(scores, seconds) / np.sum(seconds)
    ours = wideband_pesq(reference=clean, degraded=degraded)
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize("seconds", [0.25, 19.0, 19.1, 37.0, 200.0])
def test_pieces_are_adjacent_whole_and_short(seconds):
    signal = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    cut = pieces(signal)
    assert cut[0].start == 0 and cut[-1].stop == len(signal)
    assert all(a.stop == b.start for a, b in zip(cut, cut[1:], strict=False))
    lengths = [piece.stop - piece.start for piece in cut]
    assert max(lengths) <= PIECE_SECONDS * RATE
    assert (len(cut) == 1) == (seconds <= PIECE_SECONDS)


def test_cuts_are_made_in_pauses():
    signal = np.ones(40 * RATE)
    for pause in (13.0, 27.0):
        signal[round(pause * RATE) : round((pause + 0.1) * RATE)] = 0
    for cut, pause in zip(pieces(signal)[1:], (13.0, 27.0), strict=True):
        assert pause <= cut.start / RATE <= pause + 0.1


@pytest.mark.parametrize(
    ("seconds", "on_seconds", "gap_seconds"),
    [
        (30.0, 0.2, 0.21),  # 73 bursts: the package dies of them in 30 s
        (65.0, 0.5, 0.3125),  # 80 bursts
        (19.0, 0.19, 0.205),  # as many as fit into one piece
        (19.0, 0.2, 0.2),
    ],
)
def test_many_bursts_do_not_crash(seconds, on_seconds, gap_seconds):
    reference, degraded = bursts(seconds, on_seconds, gap_seconds)
    score = wideband_pesq(reference=reference, degraded=degraded)
    assert WORST < score < PERFECT


def test_a_piece_without_speech_does_not_count():
    clean, degraded = conversation(5)
    pause = np.zeros(30 * RATE)
    spoken = wideband_pesq(reference=clean, degraded=degraded)
    with_pause = wideband_pesq(
        reference=np.concatenate([clean, pause]),
        degraded=np.concatenate([degraded, pause]),
    )
    assert with_pause == pytest.approx(spoken, abs=0.2)


def test_a_lost_piece_gets_the_worst_score():
    clean, _ = conversation(14)
    lost = clean.copy()
    first = pieces(clean)[0]
    lost[first] = 0
    share = (first.stop - first.start) / len(clean)
    expected = share * WORST + (1 - share) * PERFECT
    ours = wideband_pesq(reference=clean, degraded=lost)
    assert ours == pytest.approx(expected, abs=1e-6)


def test_no_speech_at_all_is_an_error():
    with pytest.raises(ValueError, match="no speech in the reference"):
        wideband_pesq(reference=np.zeros(RATE), degraded=noisy()[:RATE])


def test_the_bounds_are_those_of_the_mapping():
    def mapped(raw):  # ITU-T P.862.2
        return 0.999 + 4 / (1 + np.exp(-1.3669 * raw + 3.8224))

    assert PERFECT == pytest.approx(mapped(4.5), abs=1e-6)
    assert WORST == mapped(-np.inf)

"""SIIB against a second implementation, the authors' program, and its rules."""

import json
from pathlib import Path

import numpy as np
import pytest
import siib_loops
from intelligibility_pairs import babble, long_pairs, pairs, prompt

from okd_brain.measures.siib import PERFECT, SIIBReference

LONG_PAIRS = {name: pair for name, *pair in long_pairs()}
PUBLISHED = json.loads(
    (
        Path(__file__).parents[1] / "references" / "siib_reference.json"
    ).read_text()
)
PROMPT = prompt("allison_en_agent-newlocation")


def siib(*, reference, degraded, **options):
    return SIIBReference(reference, **options).score(degraded)


def test_agrees_with_an_independent_implementation():
    reference, degraded = LONG_PAIRS["babble 5 dB"]
    expected = siib_loops.siib(reference, degraded)
    score = siib(reference=reference, degraded=degraded)
    assert score == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", PUBLISHED)
def test_agrees_with_the_authors_program(name):
    reference, degraded = LONG_PAIRS[name]
    score = siib(reference=reference, degraded=degraded)
    assert score == pytest.approx(PUBLISHED[name], rel=1e-9)


def test_a_perfect_pair_is_perfect_whatever_its_length():
    for signal in (PROMPT, PROMPT[:16000], LONG_PAIRS["clipped"][0]):
        assert siib(reference=signal, degraded=signal) == pytest.approx(
            PERFECT, rel=1e-9
        )
    assert round(PERFECT, 2) == 1335.76


def test_more_noise_is_worse():
    scores = [
        siib(reference=PROMPT, degraded=PROMPT + babble(PROMPT, snr_db))
        for snr_db in (60, 30, 15, 5, 0, -5, -15)
    ]
    assert scores == sorted(scores, reverse=True)


def test_one_reference_scores_many_and_keeps_its_size():
    reference = SIIBReference(PROMPT)
    for name, clean, degraded in pairs():
        if clean is PROMPT:
            alone = siib(reference=clean, degraded=degraded)
            assert reference.score(degraded) == alone, name
    assert 1e6 < reference.nbytes < 4e6


def test_level_of_both_does_not_matter():
    noisy = PROMPT + babble(PROMPT, 0)
    soft = siib(reference=0.01 * PROMPT, degraded=0.01 * noisy)
    assert soft == pytest.approx(siib(reference=PROMPT, degraded=noisy))


@pytest.mark.parametrize(
    "degraded",
    [np.zeros(len(PROMPT)), np.full(len(PROMPT), 0.3), 1e-9 * PROMPT],
    ids=["silence", "constant", "inaudible"],
)
def test_nothing_audible_is_no_information(degraded):
    assert siib(reference=PROMPT, degraded=degraded) == 0.0


def test_a_steady_tone_carries_little():
    """The authors' program gives more than 100 bits/s."""
    tone = np.sin(0.3 * np.arange(len(PROMPT)))
    assert 0 <= siib(reference=PROMPT, degraded=tone) < 10


def test_short_signals_do_not_depend_on_the_basis(monkeypatch):
    """Where nothing varies every basis is as good as any other."""
    noisy = PROMPT + babble(PROMPT, 5)
    usual = siib(reference=PROMPT, degraded=noisy)
    eigh = np.linalg.eigh

    def turned(covariance):
        variance, basis = eigh(covariance)
        steady = variance < 1e-12 * variance[-1]
        count = np.count_nonzero(steady)
        assert count > 100
        rng = np.random.default_rng(0)
        turn, _ = np.linalg.qr(rng.standard_normal((count, count)))
        basis[:, steady] = basis[:, steady] @ turn
        return variance, basis

    monkeypatch.setattr(np.linalg, "eigh", turned)
    score = siib(reference=PROMPT, degraded=noisy)
    assert score == pytest.approx(usual, rel=1e-9)


def test_tiling_equals_repeating_by_hand():
    short = PROMPT[:32000]
    noisy = short + babble(short, 0)
    # 2 s with few pauses: their active part fits 5 to 6 times into 10 s.
    tiled = siib(reference=short, degraded=noisy, tile_seconds=10)
    by_hand = [
        siib(reference=np.tile(short, n), degraded=np.tile(noisy, n))
        for n in (5, 6)
    ]
    assert tiled in [pytest.approx(score, rel=1e-9) for score in by_hand]
    untiled = siib(reference=short, degraded=noisy)
    assert siib(reference=short, degraded=noisy, tile_seconds=1) == untiled


def test_inputs_are_not_modified():
    reference, degraded = PROMPT.copy(), PROMPT + babble(PROMPT, 0)
    before = degraded.copy()
    siib(reference=reference, degraded=degraded)
    assert np.array_equal(reference, PROMPT)
    assert np.array_equal(degraded, before)


def test_float32_gives_the_same():
    noisy = PROMPT + babble(PROMPT, 0)
    score = siib(
        reference=PROMPT.astype(np.float32), degraded=noisy.astype(np.float32)
    )
    expected = siib(reference=PROMPT, degraded=noisy)
    assert score == pytest.approx(expected, rel=1e-4)


BURST = np.zeros(32000)
BURST[16000:18000] = PROMPT[8000:10000]


@pytest.mark.parametrize(
    ("reference", "rule"),
    [
        (PROMPT[:15999], r"at least 1.0 s; the reference has 0.9999 s"),
        (np.zeros(16000), "silent or constant"),
        (np.full(16000, 0.1), "silent or constant"),
        (np.append(PROMPT, np.nan), "the reference has NaN or infinity"),
        (PROMPT[None], r"must be 1-D; got shape \(1, 52562\)"),
        (BURST, r"needs 0.5 s of speech within 40 dB"),
    ],
    ids=["short", "silent", "constant", "nan", "2-D", "burst"],
)
def test_references_that_cannot_be_scored(reference, rule):
    with pytest.raises(ValueError, match=rule):
        SIIBReference(reference)


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="SIIB needs 16000 Hz; got 8000 Hz"):
        SIIBReference(PROMPT, sample_rate=8000)


@pytest.mark.parametrize(
    ("degraded", "rule"),
    [
        (PROMPT[:-1], "lengths differ; the reference has 52562 samples"),
        (np.where(PROMPT > 0.1, np.inf, PROMPT), "degraded signal has NaN"),
    ],
    ids=["length", "infinity"],
)
def test_degraded_signals_that_cannot_be_scored(degraded, rule):
    with pytest.raises(ValueError, match=rule):
        SIIBReference(PROMPT).score(degraded)

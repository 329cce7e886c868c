"""HASPI and its linear form against pyclarity, and their rules.

The stored numbers are made by ``references/haspi_reference.py``.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from intelligibility_pairs import babble, pairs, prompt

from okd_brain.measures.haspi import (
    HASPI_LINEAR_PERFECT,
    HASPI_PERFECT,
    HASPILinearReference,
    HASPIReference,
)
from okd_brain.measures.haspi.networks import intelligibility

PAIRS = {name: pair for name, *pair in pairs()}
PYCLARITY = json.loads(
    (
        Path(__file__).parents[1] / "references" / "haspi_reference.json"
    ).read_text()
)
PROMPT = prompt("ivrvoice_ru_vm-leavemsg")
FORMS = pytest.mark.parametrize("form", [HASPIReference, HASPILinearReference])


@pytest.fixture(scope="module")
def halves():
    """The reference's halves of PROMPT, by class."""
    return {
        form: form(PROMPT) for form in (HASPIReference, HASPILinearReference)
    }


@cache
def half_of(form, name):
    """The half of a stored pair's reference; many pairs share one."""
    reference = PAIRS[name][0]
    first = next(n for n, pair in PAIRS.items() if pair[0] is reference)
    return form(reference) if name == first else half_of(form, first)


def test_every_pair_has_a_stored_score():
    assert set(PYCLARITY) == set(PAIRS)


@pytest.mark.parametrize("name", PYCLARITY)
def test_agrees_with_pyclarity(name):
    half, expected = half_of(HASPIReference, name), PYCLARITY[name]
    correlations = half.correlations(PAIRS[name][1])
    assert np.abs(correlations - expected["correlations"]).max() < 1e-7
    index = intelligibility(correlations)
    assert index == pytest.approx(expected["haspi"], abs=1e-7)


@pytest.mark.parametrize("name", PYCLARITY)
def test_the_linear_form_agrees_with_pyclaritys_parts(name):
    score = half_of(HASPILinearReference, name).score(PAIRS[name][1])
    expected = PYCLARITY[name]["haspi_linear"]
    assert score == pytest.approx(expected, abs=1e-6)


def test_a_perfect_pair_is_perfect(halves):
    score = halves[HASPIReference].score(PROMPT)
    assert score == pytest.approx(HASPI_PERFECT, abs=1e-9)
    assert HASPI_PERFECT == pytest.approx(1, abs=2e-5)
    score = halves[HASPILinearReference].score(PROMPT)
    assert score == pytest.approx(HASPI_LINEAR_PERFECT, abs=1e-12)
    assert HASPI_LINEAR_PERFECT == pytest.approx(11.467, abs=1e-12)


@FORMS
def test_more_noise_is_worse(halves, form):
    scores = [
        halves[form].score(PROMPT + babble(PROMPT, snr_db))
        for snr_db in (30, 15, 5, -5, -15)
    ]
    assert scores == sorted(scores, reverse=True)


def test_level_matters_to_haspi_only(halves):
    """At 25 dB SPL little is audible; the linear form levels it out."""
    soft = 0.01 * PROMPT
    assert halves[HASPIReference].score(soft) < 0.98
    score = halves[HASPILinearReference].score(soft)
    assert score == pytest.approx(HASPI_LINEAR_PERFECT, abs=1e-6)


def test_level_in_the_file_does_not_matter(halves):
    noisy = PROMPT + babble(PROMPT, 0)
    expected = halves[HASPIReference].score(noisy)
    score = HASPIReference(0.01 * PROMPT).score(0.01 * noisy)
    assert score == pytest.approx(expected, abs=1e-9)


def test_presentation_level_is_the_references(halves):
    """40 dB less for both: the noise falls below the threshold of hearing."""
    noisy = PROMPT + babble(PROMPT, 0)
    at_25_db = HASPIReference(PROMPT, level_db_spl=25).score(noisy)
    assert at_25_db > halves[HASPIReference].score(noisy) + 0.1


def test_only_haspi_aligns(halves):
    late = np.concatenate([np.zeros(160), PROMPT[:-160]])
    assert halves[HASPIReference].score(late) > 0.999
    assert halves[HASPILinearReference].score(late) < 6


@FORMS
@pytest.mark.parametrize(
    ("degraded", "highest"),
    [
        (np.zeros(len(PROMPT)), 0.004),
        (np.full(len(PROMPT), 0.3), 0.7),
        (np.sin(0.3 * np.arange(len(PROMPT))), 0.7),
        (PROMPT[::-1], 1.3),
    ],
    ids=["silence", "constant", "tone", "backwards"],
)
def test_what_is_not_this_speech_has_a_low_score(
    halves, form, degraded, highest
):
    score = halves[form].score(degraded)
    assert 0 <= score < (highest if form is HASPILinearReference else 0.01)


def test_the_inaudible_is_not_understood(halves):
    assert halves[HASPIReference].score(1e-6 * PROMPT) < 0.004


@FORMS
def test_a_kept_half_scores_as_a_new_one(halves, form):
    noisy = PROMPT + babble(PROMPT, 5)
    first = halves[form].score(noisy)
    halves[form].score(noisy[::-1])
    assert halves[form].score(noisy) == first == form(PROMPT).score(noisy)
    assert 1e6 < halves[form].nbytes < 40e6


@FORMS
def test_inputs_are_not_modified(form):
    reference, degraded = PROMPT.copy(), PROMPT + babble(PROMPT, 0)
    before = degraded.copy()
    form(reference).score(degraded)
    assert np.array_equal(reference, PROMPT)
    assert np.array_equal(degraded, before)


BURST = np.zeros(16000)
BURST[8000:9000] = PROMPT[8000:9000]
LATE_BURSTS = np.zeros(16000)
LATE_BURSTS[[100, 15900]] = 1.0


@FORMS
@pytest.mark.parametrize(
    ("reference", "rule"),
    [
        (PROMPT[:3999], "at least 0.25 s; the reference has 0.2499 s"),
        (np.zeros(16000), "silent or constant"),
        (np.append(PROMPT, np.nan), "the reference has NaN or infinity"),
        (PROMPT[None], "must be 1-D"),
        (BURST, "needs 0.24 s of audible speech"),
        (LATE_BURSTS, "needs 0.24 s of audible speech"),
    ],
    ids=["short", "silent", "nan", "2-D", "burst", "clicks"],
)
def test_references_that_cannot_be_scored(form, reference, rule):
    with pytest.raises(ValueError, match=rule):
        form(reference)


@FORMS
def test_other_rates_are_refused(form):
    with pytest.raises(ValueError, match="HASPI needs 16000 Hz; got 48000 Hz"):
        form(PROMPT, sample_rate=48000)


@FORMS
@pytest.mark.parametrize(
    ("degraded", "rule"),
    [
        (PROMPT[:-1], "lengths differ"),
        (np.where(PROMPT > 0.1, np.inf, PROMPT), "degraded signal has NaN"),
    ],
    ids=["length", "infinity"],
)
def test_degraded_signals_that_cannot_be_scored(halves, form, degraded, rule):
    with pytest.raises(ValueError, match=rule):
        halves[form].score(degraded)

"""The twins of STOI and ESTOI against pystoi, and as directions to follow."""

import numpy as np
import pytest
import torch
import twin_checks as checks

from okd_brain.measures.twins.stoi import ESTOITwin, STOITwin

TWINS = {"stoi": STOITwin, "estoi": ESTOITwin}
both = pytest.mark.parametrize("metric", TWINS)


@both
@pytest.mark.parametrize("edits", [checks.enhanced_edits, checks.heard_edits])
def test_agrees_with_the_metric(metric, edits):
    checks.check_agreement(
        TWINS[metric](), metric, edits, within=0.99999, absolute=2e-6
    )


@both
def test_pauses_are_cut_out_as_in_pystoi(metric):
    clean = np.concatenate([checks.prompt(0), np.zeros(9000), checks.prompt(1)])
    noise = np.resize(checks.noise(0, 3), len(clean))
    pairs = [(clean[start:], (clean + noise)[start:]) for start in range(3)]
    found = checks.scores_of(TWINS[metric](), pairs)
    true = checks.true_scores(metric, pairs)
    assert found == pytest.approx(true, abs=2e-6)


@both
def test_silence_in_between_is_as_bad_as_in_pystoi(metric):
    clean = checks.prompt(0)
    first = np.arange(len(clean)) < len(clean) // 2
    noisy = clean + checks.noise(0, 3)
    pairs = [(clean, np.where(first, noisy, 0)), (clean, noisy * ~first)]
    found = checks.scores_of(TWINS[metric](), pairs)
    # ESTOI's rows of zeros are noise in pystoi.
    true = checks.true_scores(metric, pairs)
    assert found == pytest.approx(true, abs=1e-5 if metric == "stoi" else 0.01)


@both
def test_gradient_is_that_of_the_score(metric):
    degraded = checks.enhanced_edits(0)[1]
    checks.check_gradient(TWINS[metric](), degraded, relative=1e-4)


@both
def test_following_the_gradient_raises_the_metric(metric):
    waves = checks.climb(TWINS[metric](), 0, 0)
    pairs = [(checks.prompt(0), wave) for wave in waves]
    before, after = checks.true_scores(metric, pairs)
    assert after > before + 0.05


@both
def test_padding_and_batch_mates_do_not_matter(metric):
    checks.check_padding_and_batch_mates(TWINS[metric](), relative=1e-5)


@both
def test_degenerate_signals_have_scores_and_gradients(metric):
    checks.check_degenerate_signals(TWINS[metric](), metric)


@both
def test_too_little_speech_has_no_score_beside_others(metric):
    clean = torch.tensor(checks.prompt(0), dtype=torch.float32)
    batch, lengths = clean.expand(2, -1), torch.tensor([len(clean), 4000])
    full, short = TWINS[metric]()(batch, batch, lengths).tolist()
    assert full == pytest.approx(1, abs=1e-5)
    assert short == 0


@both
def test_half_precision_is_computed_in_single(metric):
    checks.check_half_precision(TWINS[metric]())


@both
def test_a_score_of_nan_is_an_items_own(metric):
    checks.check_not_finite(TWINS[metric]())


@both
def test_wrong_inputs_are_rejected(metric):
    checks.check_messages(TWINS[metric])

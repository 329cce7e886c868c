"""The twin of SIIB against the metric itself, and as a direction to follow."""

import numpy as np
import pytest
import torch
import twin_checks as checks

from okd_brain.measures.twins import siib
from okd_brain.measures.twins.siib import HalvesCache, SIIBTwin

TWIN = SIIBTwin()


def test_agrees_with_the_metric():
    checks.check_agreement(
        TWIN, "siib", checks.heard_edits, within=0.99999, absolute=1e-3
    )


def test_agrees_where_the_basis_has_full_rank():
    clean = np.concatenate([checks.prompt(number) for number in range(4)])
    noise = np.resize(checks.noise(0, 0), len(clean))
    pairs = [(clean, clean + share * noise) for share in (0, 0.1, 1)]
    found = checks.scores_of(TWIN, pairs)
    true = checks.true_scores("siib", pairs)
    assert found == pytest.approx(true, rel=1e-4)


def test_gradient_is_that_of_the_score():
    checks.check_gradient(TWIN, checks.heard_edits(0)[1], relative=1e-3)


def test_following_the_gradient_raises_the_metric():
    waves = checks.climb(TWIN, 0, 0)
    pairs = [(checks.prompt(0), wave) for wave in waves]
    before, after = checks.true_scores("siib", pairs)
    assert after > 1.3 * before


def test_padding_and_batch_mates_do_not_matter():
    checks.check_padding_and_batch_mates(TWIN, relative=1e-4)


def test_degenerate_signals_have_scores_and_gradients():
    checks.check_degenerate_signals(TWIN, "siib")


def test_masked_throughout_has_no_information():
    clean, _ = checks.batch_of([checks.prompt(0)])
    soft = 1e-7 * clean
    soft.requires_grad_()
    score = TWIN(clean, soft)
    score.backward()
    assert score.item() == checks.true_scores(
        "siib", [(checks.prompt(0), 1e-7 * checks.prompt(0))]
    )
    assert (soft.grad == 0).all()


def test_half_precision_is_computed_in_single():
    checks.check_half_precision(TWIN)


def test_a_score_of_nan_is_an_items_own():
    checks.check_not_finite(TWIN)


def test_wrong_inputs_are_rejected():
    checks.check_messages(SIIBTwin)


def test_halves_are_kept_within_their_budget(monkeypatch):
    made = []

    def make(signal):
        made.append(len(signal))
        return None if signal[0] == 0 else (signal.clone(),)

    monkeypatch.setattr(siib, "CACHE_BYTES", 1000)  # two of 64 samples
    halves = HalvesCache(make)
    waves = torch.arange(3.0)[:, None] + torch.zeros(3, 64)
    full = torch.tensor([64, 64, 64])
    first = halves.of(waves, full)
    assert first[0] is None and made == [64] * 3
    again = halves.of(waves[1:], full[1:])
    assert again[0] is first[1] and again[1] is first[2] and made == [64] * 3
    halves.of(waves[:1] + 7, torch.tensor([60]))
    assert made == [64, 64, 64, 60]
    halves.of(waves[1:2], full[:1])  # was the oldest
    assert made == [64, 64, 64, 60, 64]

"""The twin of SI-SDR against the metric itself, and as a direction to follow."""

import pytest
import torch
import twin_checks as checks

from okd_brain.measures.twins.si_sdr import BEST_DB, SISDRTwin

TWIN = SISDRTwin()


def test_agrees_with_the_metric():
    checks.check_agreement(
        TWIN, "si_sdr", checks.enhanced_edits, within=0.99999, absolute=1e-4
    )


def test_ends_of_the_scale():
    clean = torch.tensor(checks.prompt(0), dtype=torch.float32)[None]
    generator = torch.Generator().manual_seed(0)
    other = torch.randn(clean.shape, generator=generator)
    assert TWIN(clean, -3 * clean + 0.1).item() == pytest.approx(BEST_DB, abs=1)
    assert TWIN(clean, other + 1e-4 * clean).item() == -30


def test_gradient_is_that_of_the_score():
    checks.check_gradient(TWIN, checks.enhanced_edits(0)[1], relative=1e-4)


def test_following_the_gradient_raises_the_metric():
    waves = checks.climb(TWIN, 0, 0)
    pairs = [(checks.prompt(0), wave) for wave in waves]
    before, after = checks.true_scores("si_sdr", pairs)
    assert after > before + 3


def test_padding_and_batch_mates_do_not_matter():
    checks.check_padding_and_batch_mates(TWIN, relative=1e-5)


def test_degenerate_signals_have_scores_and_gradients():
    checks.check_degenerate_signals(TWIN, "si_sdr")


def test_half_precision_is_computed_in_single():
    checks.check_half_precision(TWIN)


def test_a_score_of_nan_is_an_items_own():
    checks.check_not_finite(TWIN)


def test_wrong_inputs_are_rejected():
    checks.check_messages(SISDRTwin)

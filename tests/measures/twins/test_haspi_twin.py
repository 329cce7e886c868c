"""The twin of the linear HASPI against the metric itself."""

import numpy as np
import twin_checks as checks

from okd_brain.measures.haspi.ear_model import EarReference
from okd_brain.measures.haspi.linear import _presented
from okd_brain.measures.twins.haspi import HASPILinearTwin, _delays, _Ear

TWIN = HASPILinearTwin()


def test_agrees_with_the_metric():
    def edits(number):
        return checks.heard_edits(number)[number::2]

    checks.check_agreement(
        TWIN, "haspi_linear", edits, within=0.999, absolute=0.06
    )


def test_firing_rates_are_those_of_the_ear_model():
    signal, samples = checks.batch_of([checks.prompt(0) + checks.noise(0, 5)])
    ear = _Ear(signal, samples[:, None])
    expected = EarReference(_presented(signal[0].numpy()), align=False).rates
    rates = ear.rates(_delays(ear.poles))[0].numpy()
    # The model cuts the signal off, the twin lets it fade.
    rates, expected = rates[:, : expected.shape[1] - 80], expected[:, :-80]
    assert np.abs(rates - expected).mean() < 0.3  # dB, of up to 60
    for found, band in zip(rates, expected, strict=True):
        assert np.corrcoef(found, band)[0, 1] > 0.99


def test_gradient_is_that_of_the_score():
    checks.check_gradient(TWIN, checks.heard_edits(0)[1], relative=1e-2)


def test_following_the_gradient_raises_the_metric():
    waves = checks.climb(TWIN, 0, 0, steps=5)
    pairs = [(checks.prompt(0), wave) for wave in waves]
    before, after = checks.true_scores("haspi_linear", pairs)
    assert after > before + 0.3


def test_padding_and_batch_mates_do_not_matter():
    checks.check_padding_and_batch_mates(TWIN, relative=3e-4)


def test_degenerate_signals_have_scores_and_gradients():
    checks.check_degenerate_signals(TWIN, "haspi_linear")


def test_half_precision_is_computed_in_single():
    checks.check_half_precision(TWIN)


def test_a_score_of_nan_is_an_items_own():
    checks.check_not_finite(TWIN)


def test_wrong_inputs_are_rejected():
    checks.check_messages(HASPILinearTwin)

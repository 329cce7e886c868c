"""The twin of PESQ where P.862 branches, and beyond what it scores."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from twin_checks import (
    enhanced_edits,
    noise,
    prompt,
    scores_of,
    tensors,
    true_scores,
)

from okd_brain.measures.twins.pesq import PESQTwin
from okd_brain.metrics import METRICS


def test_values_are_those_of_pesq_over_files():
    pairs = [
        (prompt(number), prompt(number) + noise(number, snr_db))
        for number in range(4)
        for snr_db in (0, 12)
    ]
    found = scores_of(PESQTwin(), pairs)
    assert found == pytest.approx(true_scores("pesq", pairs), abs=2e-3)


def test_a_long_signal_is_scored_in_the_metrics_pieces():
    clean, degraded = (
        np.concatenate([signal(number) for number in range(4)] * 2)
        for signal in (prompt, lambda n: prompt(n) + noise(n, 20))
    )
    assert len(clean) > 19 * 16000
    pairs = [(clean, degraded)]
    found = scores_of(PESQTwin(), pairs)
    assert found == pytest.approx(true_scores("pesq", pairs), abs=5e-3)


@pytest.mark.skipif(
    not find_spec("torch_pesq"),
    reason="torch-pesq is not installed: no extra has it, it is unmaintained",
)
def test_values_are_nearer_than_those_of_torch_pesq():
    from torch_pesq import PesqLoss

    pairs = [(prompt(0), edit) for edit in enhanced_edits(0)]
    true = true_scores("pesq", pairs)
    peer = PesqLoss(1.0, sample_rate=16000)
    clean, *waves = tensors(prompt(0), *enhanced_edits(0))
    with torch.no_grad():
        theirs = [peer.mos(clean.clone(), wave).item() for wave in waves]
    np.testing.assert_allclose(theirs, true, rtol=0, atol=0.3)
    found = np.abs(scores_of(PESQTwin(), pairs) - true).mean()
    assert found < 0.2 * np.abs(theirs - true).mean()


def test_beyond_the_worst_frame_a_part_of_the_gradient_remains():
    clean, wave = tensors(prompt(0), prompt(0) + noise(0, -20))
    wave.requires_grad_()
    (gradient,) = torch.autograd.grad(PESQTwin()(clean, wave).sum(), wave)
    softer = (clean - wave.detach()) * gradient
    assert float(softer.sum()) > 0


def test_silence_is_worst_and_a_gain_is_nothing():
    gains, noisy = (0, 1e-5, 1e-2, 1), prompt(0) + noise(0, 10)
    pairs = [(prompt(0), gain * noisy) for gain in gains]
    silent, nearly_silent, soft, loud = scores_of(PESQTwin(), pairs)
    assert silent == pytest.approx(METRICS["pesq"].floor)
    assert silent < nearly_silent < soft
    assert soft == pytest.approx(loud, abs=1e-4)


def test_a_perfect_signal_is_perfect():
    (score,) = scores_of(PESQTwin(), [(prompt(0), prompt(0))])
    assert score == pytest.approx(METRICS["pesq"].perfect, abs=1e-3)

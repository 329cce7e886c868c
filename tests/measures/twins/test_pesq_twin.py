"""The twin of PESQ: its values, its gradient, and where it must not break."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from twin_signals import (
    FFT,
    derivative_error,
    hard_cases,
    masked,
    noisy,
    pearson,
    speech,
    true_scores,
    variants,
)

from okd_brain.measures.twins import pesq
from okd_brain.measures.twins.pesq import PESQTwin
from okd_brain.metrics import METRICS

UTTERANCES = [(0, 5.0), (20, 15.0), (40, 25.0)]


def scores(clean, waves):
    """Scores of several versions of one utterance."""
    with torch.no_grad():
        return PESQTwin()(clean.expand_as(waves), waves).numpy()


@pytest.mark.parametrize(("index", "snr_db"), UTTERANCES)
def test_values_are_those_of_pesq_within_an_utterance(index, snr_db):
    ours = scores(*variants(index, snr_db))
    true = true_scores(index, snr_db)["pesq"]
    np.testing.assert_allclose(ours, true, rtol=0, atol=2e-3)
    assert pearson(ours, true) > 0.999


def test_values_are_those_of_pesq_over_files():
    pairs = [(speech(i), noisy(i, 4.0 * i)) for i in range(0, 12, 2)]
    ours = [scores(clean, wave[None])[0] for clean, wave in pairs]
    true = [
        METRICS["pesq"].score(reference=c.numpy(), degraded=d.numpy())
        for c, d in pairs
    ]
    np.testing.assert_allclose(ours, true, rtol=0, atol=2e-3)


def test_a_long_signal_is_scored_in_the_metrics_pieces():
    clean = torch.cat([speech(index) for index in range(9)])
    degraded = torch.cat([noisy(index, 20.0) for index in range(9)])
    assert len(clean) > 20 * 16000
    true = METRICS["pesq"].score(
        reference=clean.numpy(), degraded=degraded.numpy()
    )
    assert scores(clean, degraded[None])[0] == pytest.approx(true, abs=5e-3)


@pytest.mark.skipif(
    not find_spec("torch_pesq"), reason="needs torch-pesq, of the test extra"
)
def test_values_are_nearer_than_those_of_torch_pesq():
    from torch_pesq import PesqLoss

    clean, waves = variants(20, 15.0)
    true = true_scores(20, 15.0)["pesq"]
    peer = PesqLoss(1.0, sample_rate=16000)
    with torch.no_grad():
        theirs = peer.mos(clean.expand_as(waves).clone(), waves.clone())
    np.testing.assert_allclose(theirs, true, rtol=0, atol=0.3)
    ours = np.abs(scores(clean, waves) - true).mean()
    assert ours < 0.2 * np.abs(theirs.numpy() - true).mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("index", "snr_db"), UTTERANCES)
def test_the_gradient_is_that_of_finite_differences(
    index, snr_db, seed, monkeypatch
):
    monkeypatch.setattr(pesq, "WORST_FRAME_LEAK", 0.0)
    twin, clean = PESQTwin(), speech(index)[None].double()
    error = derivative_error(
        lambda wave: twin(clean, wave[None])[0], noisy(index, snr_db), seed
    )
    assert error < 1e-3


def test_beyond_the_worst_frame_a_part_of_the_gradient_remains():
    twin, clean, wave = PESQTwin(), speech()[None], noisy(snr_db=-20.0)[None]
    wave.requires_grad_()
    (gradient,) = torch.autograd.grad(twin(clean, wave).sum(), wave)
    softer = (clean - wave.detach()) * gradient
    assert float(softer.sum()) > 0


def test_steps_along_the_gradient_raise_the_true_score():
    twin, clean, mixed = PESQTwin(), speech(20)[None], noisy(20, 5.0)
    logits = torch.full(
        torch.stft(mixed, **FFT, return_complex=True).shape, 1.0
    )
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(10):
        wave = masked(mixed, logits.sigmoid())
        optimizer.zero_grad()
        (-twin(clean, wave[None])).sum().backward()
        optimizer.step()
    wave = masked(mixed, logits.sigmoid()).detach().numpy()
    before, after = (
        METRICS["pesq"].score(reference=clean[0].numpy(), degraded=degraded)
        for degraded in (mixed.numpy(), wave)
    )
    assert after > before + 0.2


def test_float32_has_the_gradient_of_float64():
    clean, wave = speech()[None], noisy(snr_db=15.0)[None]
    gradients = []
    for dtype in (torch.float32, torch.float64):
        degraded = wave.clone().to(dtype).requires_grad_()
        score = PESQTwin()(clean, degraded)
        assert score.dtype == dtype
        score.sum().backward()
        gradients.append(degraded.grad.double().flatten())
    cosine = torch.cosine_similarity(*gradients, dim=0)
    assert float(cosine) > 0.9999


def test_padding_and_batch_mates_change_nothing():
    twin, lengths = PESQTwin(), [30000, 20001, 4000]
    clean = torch.full((3, 30500), torch.nan)
    degraded = clean.clone()
    alone = []
    for row, length in enumerate(lengths):
        clean[row, :length] = speech(row)[8000:][:length]
        degraded[row, :length] = noisy(row, 15.0)[8000:][:length]
        wave = degraded[row : row + 1, :length].clone().requires_grad_()
        score = twin(clean[row : row + 1, :length], wave)
        score.sum().backward()
        alone.append((float(score.detach()), wave.grad[0]))
    degraded.requires_grad_()
    together = twin(clean, degraded, torch.tensor(lengths))
    together.sum().backward()
    for row, (score, gradient) in enumerate(alone):
        length = lengths[row]
        assert float(together[row].detach()) == pytest.approx(score, abs=1e-5)
        scale = float(gradient.abs().max())
        torch.testing.assert_close(
            degraded.grad[row, :length], gradient, rtol=0, atol=1e-3 * scale
        )
        assert not degraded.grad[row, length:].any()


def test_a_batch_mate_that_diverged_changes_nothing():
    clean = speech()[None].expand(2, -1)
    degraded = torch.stack([noisy(), torch.full_like(noisy(), torch.nan)])
    score = scores(clean[0], degraded)[0]
    assert score == pytest.approx(scores(clean[0], degraded[:1])[0], abs=1e-5)


@pytest.mark.parametrize("case", hard_cases())
def test_hard_cases_have_scores_and_gradients(case):
    clean, degraded = hard_cases()[case]
    degraded = degraded[None].clone().requires_grad_()
    score = PESQTwin()(clean[None], degraded)
    score.sum().backward()
    assert 0.999 <= float(score.detach()) <= 4.644
    assert torch.isfinite(degraded.grad).all()


def test_silence_is_worst_and_a_gain_is_nothing():
    waves = [0 * noisy(), 1e-5 * noisy(), 1e-2 * noisy(), noisy()]
    silent, nearly_silent, soft, loud = scores(speech(), torch.stack(waves))
    assert silent == pytest.approx(METRICS["pesq"].floor)
    assert silent < nearly_silent < soft
    assert soft == pytest.approx(loud, abs=1e-4)


def test_a_perfect_signal_is_perfect():
    assert scores(speech(), speech()[None])[0] == pytest.approx(4.644, abs=1e-3)


def test_autocast_and_inputs_are_left_alone():
    clean, degraded = speech()[None], noisy()[None]
    before = clean.clone(), degraded.clone()
    twin = PESQTwin()
    with torch.autocast("cpu", torch.bfloat16):
        inside = twin(clean, degraded)
    assert inside.dtype == torch.float32
    assert float(inside) == float(twin(clean, degraded))
    assert torch.equal(clean, before[0]) and torch.equal(degraded, before[1])
    assert not twin.state_dict()


def test_a_prepared_reference_serves_several_generators():
    twin = PESQTwin()
    prepared = twin.prepare(speech()[None])
    for snr_db in (5.0, 15.0):
        wave = noisy(snr_db=snr_db)[None]
        assert torch.equal(
            twin.score(prepared, wave), twin(speech()[None], wave)
        )


@pytest.mark.parametrize(
    ("reference", "degraded", "lengths", "message"),
    [
        ((8000,), (8000,), None, r"reference must be .*shape \(8000,\)"),
        ((2, 8000), (2, 1, 8000), None, r"degraded must be .*\(2, 1, 8000\)"),
        ((2, 8000), (1, 8000), None, r"shape, \[2, 8000 or more\]; got \[1"),
        ((2, 8000), (2, 7000), None, r"got \[2, 7000\]"),
        ((0, 8000), (0, 8000), None, r"reference must be .*\(0, 8000\)"),
        ((2, 8000), (2, 8000), [8000], r"each of the 2 signals; got \[8000\]"),
        ((1, 8000), (1, 8000), [9000], r"from 4000 .* to 8000"),
        ((1, 3999), (1, 3999), None, r"from 4000 .* got \[3999\]"),
        ((1, 8000), (1, 8000), [0.5], r"whole samples .* got \[0.5\]"),
    ],
)
def test_what_does_not_fit_is_refused(reference, degraded, lengths, message):
    with pytest.raises(ValueError, match=message):
        PESQTwin()(torch.ones(reference), torch.ones(degraded), lengths)


def test_integers_and_other_rates_are_refused():
    with pytest.raises(ValueError, match="floating point"):
        PESQTwin()(torch.ones(1, 8000, dtype=torch.int), torch.ones(1, 8000))
    with pytest.raises(ValueError, match="16000 Hz only; got 8000 Hz"):
        PESQTwin(8000)

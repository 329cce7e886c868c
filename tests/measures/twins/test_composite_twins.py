"""The twins of LLR, WSS, segmental SNR, CSIG, CBAK and COVL."""

import numpy as np
import pytest
import torch
from twin_signals import (
    derivative_error,
    hard_cases,
    noisy,
    pearson,
    speech,
    true_scores,
    variants,
)

from okd_brain.measures.composite import CompositeReference
from okd_brain.measures.twins.composite import (
    CBAKTwin,
    CompositeTwin,
    COVLTwin,
    CSIGTwin,
    SegSNRTwin,
)

UTTERANCES = [(0, 5.0), (20, 15.0), (40, 25.0)]
TWINS = {
    "csig": CSIGTwin,
    "cbak": CBAKTwin,
    "covl": COVLTwin,
    "segsnr": SegSNRTwin,
}
DISTANCES = ("wss", "llr", "segsnr")


def distances(clean, degraded, lengths=None):
    """The three distances of a batch, by name."""
    twin = CompositeTwin()
    return twin.distances(twin.prepare(clean, lengths), degraded)


@pytest.mark.parametrize(("index", "snr_db"), UTTERANCES)
def test_distances_are_those_of_the_measure(index, snr_db):
    clean, waves = variants(index, snr_db)
    ours = distances(clean.double().expand_as(waves), waves.double())
    measure = CompositeReference(clean.numpy())
    true = [measure.distances(wave.numpy()) for wave in waves]
    for name, attribute in zip(
        DISTANCES, ("wss", "llr", "segsnr_db"), strict=True
    ):
        expected = [getattr(distance, attribute) for distance in true]
        np.testing.assert_allclose(ours[name], expected, rtol=0, atol=1e-8)


def test_silent_and_constant_frames_are_those_of_the_measure():
    clean = speech().double()
    clean[8000:12000] = 0
    degraded = noisy().double()
    degraded[4000:10000] = 0
    degraded[20000:24000] = 0.1
    ours = distances(clean[None], degraded[None])
    true = CompositeReference(clean.numpy()).distances(degraded.numpy())
    expected = [true.wss, true.llr, true.segsnr_db]
    values = [float(ours[name]) for name in DISTANCES]
    assert values == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize(("index", "snr_db"), UTTERANCES)
def test_scores_are_the_metrics_within_an_utterance(name, index, snr_db):
    clean, waves = variants(index, snr_db)
    with torch.no_grad():
        ours = TWINS[name]()(clean.expand_as(waves), waves).numpy()
    true = true_scores(index, snr_db)[name]
    np.testing.assert_allclose(ours, true, rtol=0, atol=2e-3)
    assert pearson(ours, true) > 0.999


def test_one_pass_gives_all_scores():
    clean, degraded = speech()[None], noisy()[None]
    together = CompositeTwin(tuple(TWINS))(clean, degraded)
    assert list(together) == list(TWINS)
    for name, twin in TWINS.items():
        assert torch.equal(together[name], twin()(clean, degraded))
        assert torch.equal(
            together[name],
            twin().score(twin().prepare(clean), degraded),
        )


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(name, seed):
    clean = speech(20)[None].double()
    time = torch.arange(clean.shape[1]) / 16000
    # Distortion in proportion to the speech: no frame's SNR is clamped.
    degraded = clean[0] * (1 + 0.1 * torch.sin(90 * time))
    error = derivative_error(
        lambda wave: distances(clean, wave[None])[name][0], degraded, seed
    )
    assert error < 1e-3


def test_a_frame_below_the_range_keeps_a_part_of_its_gradient():
    clean = speech()
    clean[8000:12000] *= 1e-3  # a pause: the noise is louder by far
    loud = (clean + 0.01 * torch.sin(torch.arange(len(clean))))[None]
    loud.requires_grad_()
    SegSNRTwin()(clean[None], loud).sum().backward()
    pause = slice(8480, 11520)
    rise = -(loud.grad * loud.detach())[0, pause].sum()
    assert float(rise) > 0


@pytest.mark.parametrize("name", ["csig", "cbak", "covl"])
def test_a_score_outside_of_its_range_keeps_its_gradient(name):
    clean, degraded = speech()[None], noisy(snr_db=-30.0)[None]
    degraded.requires_grad_()
    score = TWINS[name]()(clean, degraded)
    score.sum().backward()
    assert float(score.detach()) == 1.0
    assert degraded.grad.abs().max() > 0


def test_padding_and_batch_mates_change_nothing():
    lengths = [30000, 20001, 4000]
    clean = torch.full((3, 30500), torch.nan)
    degraded = clean.clone()
    for row, length in enumerate(lengths):
        clean[row, :length] = speech(row)[8000:][:length]
        degraded[row, :length] = noisy(row, 15.0)[8000:][:length]
    degraded.requires_grad_()
    twin = CompositeTwin(tuple(TWINS))
    together = twin(clean, degraded, lengths)
    sum(score.sum() for score in together.values()).backward()
    for row, length in enumerate(lengths):
        wave = degraded[row : row + 1, :length].detach().requires_grad_()
        alone = twin(clean[row : row + 1, :length], wave)
        sum(score.sum() for score in alone.values()).backward()
        for name in TWINS:
            value = float(alone[name].detach())
            assert float(together[name][row].detach()) == pytest.approx(
                value, abs=1e-5
            )
        scale = float(wave.grad.abs().max())
        torch.testing.assert_close(
            degraded.grad[row, :length],
            wave.grad[0],
            rtol=0,
            atol=1e-3 * scale,
        )
        assert not degraded.grad[row, length:].any()


@pytest.mark.parametrize("case", hard_cases())
def test_hard_cases_have_scores_and_gradients(case):
    clean, degraded = hard_cases()[case]
    degraded = degraded[None].clone().requires_grad_()
    scores = CompositeTwin(tuple(TWINS))(clean[None], degraded)
    sum(score.sum() for score in scores.values()).backward()
    for name, score in scores.items():
        lowest, highest = (-10, 35) if name == "segsnr" else (1, 5)
        assert lowest <= float(score.detach()) <= highest
    assert torch.isfinite(degraded.grad).all()


def test_muting_half_of_the_output_costs():
    clean, degraded = speech(), noisy()
    muted = degraded.clone()
    muted[len(muted) // 2 :] = 0
    waves = torch.stack([degraded, muted])
    found = distances(clean.expand_as(waves), waves)
    assert float(found["llr"][1]) > float(found["llr"][0]) + 0.5
    assert float(found["segsnr"][1]) < float(found["segsnr"][0])


def test_autocast_and_inputs_are_left_alone():
    clean, degraded = speech()[None], noisy()[None]
    before = clean.clone(), degraded.clone()
    twin = CSIGTwin()
    with torch.autocast("cpu", torch.bfloat16):
        inside = twin(clean, degraded)
    assert inside.dtype == torch.float32
    assert float(inside) == float(twin(clean, degraded))
    assert torch.equal(clean, before[0]) and torch.equal(degraded, before[1])


def test_shorter_signals_have_a_segmental_snr_only():
    clean, degraded = speech()[None, 8000:8600], noisy()[None, 8000:8600]
    assert -10 <= float(SegSNRTwin()(clean, degraded)) <= 35
    with pytest.raises(ValueError, match=r"from 4000 .* got \[600\]"):
        CSIGTwin()(clean, degraded)


@pytest.mark.parametrize(
    ("reference", "degraded", "lengths", "message"),
    [
        ((8000,), (8000,), None, r"reference must be .*shape \(8000,\)"),
        ((2, 8000), (1, 8000), None, r"shape, \[2, 8000 or more\]; got \[1"),
        ((2, 8000), (2, 8000), [8000], r"each of the 2 signals; got \[8000\]"),
        ((1, 599), (1, 599), None, r"from 600 .* got \[599\]"),
    ],
)
def test_what_does_not_fit_is_refused(reference, degraded, lengths, message):
    with pytest.raises(ValueError, match=message):
        SegSNRTwin()(torch.ones(reference), torch.ones(degraded), lengths)


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="16000 Hz only; got 8000 Hz"):
        CSIGTwin(8000)

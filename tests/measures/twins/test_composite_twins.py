"""The twins of LLR, WSS, segmental SNR, CSIG, CBAK and COVL in detail."""

import numpy as np
import pytest
import torch
from twin_checks import (
    enhanced_edits,
    heard_edits,
    noise,
    prompt,
    score_and_gradient,
)

from okd_brain.measures.composite import CompositeReference
from okd_brain.measures.twins.composite import (
    CBAKTwin,
    COVLTwin,
    CSIGTwin,
    MeanOpinionTwin,
    SegSNRTwin,
)
from okd_brain.measures.twins.pesq import PESQTwin

DISTANCES = ("wss", "llr", "segsnr_db")


def noisy(number=0, snr_db=10):
    return prompt(number) + noise(number, snr_db)


def distances(clean, degraded):
    """The three distances of versions of a signal, [versions, 3]."""
    degraded = torch.tensor(np.stack(degraded))
    clean = torch.tensor(clean).expand_as(degraded)
    found = {}
    for twin in (CSIGTwin(), SegSNRTwin()):
        _, _, _, lengths, half = twin.prepare(clean)
        found |= twin.distances(half, degraded, lengths)
    found = [found[name.removesuffix("_db")] for name in DISTANCES]
    return torch.stack(found, dim=1).numpy()


def true_distances(clean, degraded):
    measure = CompositeReference(clean)
    return np.array([measure.distances(wave) for wave in degraded])


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("edits", [enhanced_edits, heard_edits])
def test_distances_are_those_of_the_measure(number, edits):
    clean, waves = prompt(number), edits(number)
    expected = true_distances(clean, waves)
    np.testing.assert_allclose(distances(clean, waves), expected, atol=1e-8)


def test_silent_and_constant_frames_are_those_of_the_measure():
    clean, degraded = prompt(0).copy(), noisy()
    clean[8000:12000] = 0
    degraded[4000:10000] = 0
    degraded[20000:24000] = 0.1
    expected = true_distances(clean, [degraded])
    found = distances(clean, [degraded])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_frame_below_the_range_keeps_a_part_of_its_gradient():
    clean = prompt(0).copy()
    clean[8000:12000] *= 1e-3  # a pause: the noise is louder by far
    loud = clean + 0.01 * np.sin(np.arange(len(clean)))
    _, gradient = score_and_gradient(SegSNRTwin(), clean, loud)
    pause = slice(8480, 11520)
    rise = -(gradient[0] * torch.tensor(loud))[pause].sum()
    assert float(rise) > 0


@pytest.mark.parametrize("twin", [CSIGTwin, CBAKTwin, COVLTwin])
def test_a_score_outside_of_its_range_keeps_its_gradient(twin):
    degraded = noisy(snr_db=-30)
    score, gradient = score_and_gradient(twin(), prompt(0), degraded)
    assert score == 1.0
    assert gradient.abs().max() > 0


def test_muting_half_of_the_output_costs():
    degraded = noisy()
    muted = np.where(np.arange(len(degraded)) < len(degraded) // 2, degraded, 0)
    heard, silenced = distances(prompt(0), [degraded, muted])
    assert silenced[1] > heard[1] + 0.5
    assert silenced[2] < heard[2]


def test_opinions_together_are_those_of_each():
    clean = torch.tensor(np.stack([prompt(0), prompt(0)]))
    degraded = torch.tensor(np.stack([noisy(), noisy(snr_db=0)]))
    degraded[1] = 0.0
    lengths = torch.tensor([20000, 16000])
    opinions = [CSIGTwin(), CBAKTwin(), COVLTwin()]

    def gradient(score):
        wave = degraded.clone().requires_grad_()
        scores = score(wave)
        scores.sum().backward()
        return scores.detach(), wave.grad

    expected, by_each = gradient(
        lambda wave: sum(twin(clean, wave, lengths) for twin in opinions) / 3
    )
    together, by_all = gradient(
        lambda wave: MeanOpinionTwin(opinions)(clean, wave, lengths)
    )
    torch.testing.assert_close(together, expected, atol=1e-10, rtol=0)
    assert by_all.abs().max() > 0
    torch.testing.assert_close(by_all, by_each, atol=1e-10, rtol=1e-8)


def test_opinions_together_score_each_part_once(monkeypatch):
    twin = MeanOpinionTwin([CSIGTwin(), CBAKTwin(), COVLTwin()])
    calls = []
    score = PESQTwin.score
    monkeypatch.setattr(
        PESQTwin, "score", lambda *all: calls.append(1) or score(*all)
    )
    twin(torch.tensor(prompt(0))[None], torch.tensor(noisy())[None])
    assert len(calls) == 1

"""The twin of SIIB where its steps branch, and the cache of its halves."""

import numpy as np
import pytest
import torch
from twin_checks import (
    noise,
    prompt,
    score_and_gradient,
    scores_of,
    true_scores,
)

from okd_brain.measures.twins import base
from okd_brain.measures.twins.siib import SIIBTwin
from okd_brain.metrics import tiled_siib


def test_agrees_where_the_basis_has_full_rank():
    clean = np.concatenate([prompt(number) for number in range(4)])
    around = np.resize(noise(0, 0), len(clean))
    pairs = [(clean, clean + share * around) for share in (0, 0.1, 1)]
    found = scores_of(SIIBTwin(), pairs)
    assert found == pytest.approx(true_scores("siib", pairs), rel=1e-4)


def test_masked_throughout_has_no_information():
    pair = prompt(0), 1e-7 * prompt(0)
    score, gradient = score_and_gradient(SIIBTwin(), *pair)
    assert score == true_scores("siib", [pair]) == 0
    assert (gradient == 0).all()


def test_too_little_speech_has_no_score():
    click = np.eye(1, 32000, 16000)[0]
    assert scores_of(SIIBTwin(), [(click, click)]) == [0]


def test_halves_are_kept_within_their_budget(monkeypatch):
    made = []

    def make(signal):
        made.append(len(signal))
        return None if signal[0] == 0 else (signal.clone(),)

    monkeypatch.setattr(base, "CACHE_BYTES", 1000)  # two of 64 samples
    cache = base.KeptHalves(make)
    waves = torch.arange(3.0)[:, None] + torch.zeros(3, 64)
    full = torch.tensor([64, 64, 64])
    first, kept = cache.of(waves, full)
    assert kept.tolist() == [1, 2] and made == [64] * 3
    again, kept = cache.of(waves[1:], full[1:])
    assert again[0] is first[0] and again[1] is first[1] and made == [64] * 3
    assert kept.tolist() == [0, 1]
    cache.of(waves[:1] + 7, torch.tensor([60]))
    assert made == [64, 64, 64, 60]
    cache.of(waves[1:2], full[:1])  # was the oldest
    assert made == [64, 64, 64, 60, 64]


def test_tiles_as_the_metric_does():
    """Each item as often as its own speech fits, whatever the padding."""
    metric = tiled_siib(tile_seconds=6)
    speech = [prompt(0), prompt(1)[:24000]]
    pairs = [(clean, clean + noise(0, 0)[: len(clean)]) for clean in speech]
    expected = [
        metric.score(reference=clean, degraded=heard) for clean, heard in pairs
    ]
    found = scores_of(metric.twin(16000), pairs)
    assert found == pytest.approx(expected, rel=1e-4)
    assert expected != pytest.approx(true_scores("siib", pairs), rel=1e-2)

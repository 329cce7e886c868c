"""The twins of STOI and ESTOI where pystoi cuts out pauses."""

import numpy as np
import pytest
import torch
from twin_checks import noise, prompt, scores_of, tensors, true_scores

from okd_brain.measures.twins.stoi import ESTOITwin, STOITwin

TWINS = {"stoi": STOITwin, "estoi": ESTOITwin}
both = pytest.mark.parametrize("metric", TWINS)


@both
def test_pauses_are_cut_out_as_in_pystoi(metric):
    clean = np.concatenate([prompt(0), np.zeros(9000), prompt(1)])
    around = np.resize(noise(0, 3), len(clean))
    pairs = [(clean[start:], (clean + around)[start:]) for start in range(3)]
    found = scores_of(TWINS[metric](), pairs)
    assert found == pytest.approx(true_scores(metric, pairs), abs=2e-6)


@both
def test_silence_in_between_is_as_bad_as_in_pystoi(metric):
    clean = prompt(0)
    first = np.arange(len(clean)) < len(clean) // 2
    noisy = clean + noise(0, 3)
    pairs = [(clean, np.where(first, noisy, 0)), (clean, noisy * ~first)]
    found = scores_of(TWINS[metric](), pairs)
    # ESTOI's rows of zeros are noise in pystoi.
    true = true_scores(metric, pairs)
    assert found == pytest.approx(true, abs=1e-5 if metric == "stoi" else 0.01)


@both
def test_too_little_speech_has_no_score_beside_others(metric):
    (clean,) = tensors(prompt(0))
    speech = clean.shape[1] // 2
    muted = clean.clone()
    muted[:, 4000 + speech :] = muted[:, :speech] = 0
    references = torch.cat([clean, muted, clean])
    lengths = [clean.shape[1], clean.shape[1], 4000]
    scores = TWINS[metric]()(references, clean.expand(3, -1), lengths)
    assert scores.tolist() == pytest.approx([1, 0, 0], abs=1e-5)

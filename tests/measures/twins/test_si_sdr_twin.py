"""The twin of SI-SDR at the ends of its scale."""

import pytest
import torch
from twin_checks import prompt, tensors

from okd_brain.measures.twins.si_sdr import BEST_DB, SISDRTwin


def test_ends_of_the_scale():
    (clean,) = tensors(prompt(0))
    generator = torch.Generator().manual_seed(0)
    other = torch.randn(clean.shape, generator=generator)
    twin = SISDRTwin()
    assert twin(clean, -3 * clean + 0.1).item() == pytest.approx(BEST_DB, abs=1)
    assert twin(clean, other + 1e-4 * clean).item() == -30

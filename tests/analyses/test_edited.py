"""Masks to a power: the best is found on validation, and 1 changes nothing."""

import pytest
import torch
from analysed_run import describe

from okd_brain.analyses import open_run, score_edited
from okd_brain.analyses.edited import edit_mask


def test_best_power_is_chosen_on_validation(folder, datasets):
    describe(folder, folder)
    run = open_run(folder)
    run.hparams["report_metrics"] = ["si_sdr", "segsnr"]
    scores, origins = score_edited(run, datasets, powers=(1.0, 1.5))
    assert set(scores) == {"noisy", *origins}
    assert {origin["mask_power"] for origin in origins.values()} <= {1.0, 1.5}
    kept, _ = score_edited(run, datasets, powers=(1.0,))
    harder, _ = score_edited(run, datasets, powers=(1.5,))
    for name, origin in origins.items():
        same = kept if origin["mask_power"] == 1 else harder
        assert scores[name] == same[name]
    assert kept["noisy"] == harder["noisy"]
    assert all(kept[name] != harder[name] for name in origins)


def test_power_one_keeps_the_spectrum():
    noisy = torch.rand(1, 3, 5) + 0.1
    spectrum = noisy * (0.2 + 0.8 * torch.rand(1, 3, 5))
    same = edit_mask(spectrum, noisy, 1.0)
    assert torch.allclose(same, spectrum, atol=1e-6)
    assert (edit_mask(spectrum, noisy, 2.0) <= spectrum + 1e-6).all()
    assert edit_mask(spectrum * 0, noisy, 1.0).min() == pytest.approx(
        0.05 * float(noisy.min()), rel=1e-4
    )

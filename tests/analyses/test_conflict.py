"""Gradients of the losses, and the cosines between them over training."""

import numpy as np
import pytest
import torch
from analysed_run import contents, rebuild
from experiments import fit, make_brain, make_small_brain, weights
from speechbrain.utils.checkpoints import torch_recovery

from okd_brain.analyses import measure_conflict
from okd_brain.analyses.conflict import _gradients
from okd_brain.training import spread_batches


def test_gradients_are_those_of_the_losses(folder, datasets):
    """Against ``backward`` through losses written out here."""
    brain = rebuild(folder)
    brain.modules.eval()
    (batch,) = spread_batches(datasets["valid"], 1)
    inputs = brain.task.inputs(batch)
    found = _gradients(brain, inputs)
    generator, peer, d = (
        brain.modules[name] for name in ("g_si_sdr", "g_segsnr", "d")
    )
    output = generator(inputs.noisy) * inputs.noisy
    judged = torch.stack([inputs.clean, output], dim=1)
    scores = d(judged, inputs.frames)
    mimicry = (output - (peer(inputs.noisy) * inputs.noisy).detach()) ** 2
    losses = {
        "si_sdr": (scores[0, 0] - 1) ** 2,
        "segsnr": (scores[0, 1] - 1) ** 2,
        "mimicry": mimicry.mean(),
    }
    assert list(found) == ["si_sdr", "segsnr"]
    assert list(found["si_sdr"]) == list(losses)
    for name, loss in losses.items():
        generator.zero_grad()
        loss.backward(retain_graph=True)
        expected = torch.cat([p.grad.flatten() for p in generator.parameters()])
        assert expected.norm() > 0
        torch.testing.assert_close(
            found["si_sdr"][name], expected.double(), rtol=1e-4, atol=1e-8
        )


@pytest.mark.slow
def test_conflict_over_training(folder, datasets):
    brain = rebuild(folder)
    before = contents(folder)
    rows = measure_conflict(brain, datasets["valid"], 2)
    assert contents(folder) == before
    assert [row["epoch"] for row in rows[::6]] == [2, 3, 4]
    assert [(row["first"], row["second"]) for row in rows[:3]] == [
        ("si_sdr", "segsnr"),
        ("si_sdr", "mimicry"),
        ("segsnr", "mimicry"),
    ]
    for row in rows:
        assert row["utterances"] == 2
        assert -1 <= row["cosine"] <= 1
        assert -1 <= row["cosine_of_means"] <= 1
        assert row["conflicting"] in (0, 0.5, 1)
    assert rows == measure_conflict(brain, datasets["valid"], 2)

    # The spectral norm's vectors are those of the last checkpoint.
    last = rebuild(folder).modules["d"]
    newest = brain.checkpointer.find_checkpoint()
    torch_recovery(last, newest.paramfiles["d"], True)
    assert all(
        value.equal(last.state_dict()[name])
        for name, value in brain.modules["d"].state_dict().items()
    )
    assert all(p.grad is None for p in brain.modules.parameters())


def test_of_equal_generators_mimicry_has_no_direction(
    folder, datasets, monkeypatch
):
    """Its gradient is zero: such an utterance is left out, and counted."""
    brain = rebuild(folder)
    generator = brain.generator(brain.targets[0])
    monkeypatch.setattr(brain, "generator", lambda target: generator)
    rows = measure_conflict(brain, datasets["valid"], 2)
    for row in rows:
        with_mimicry = row["second"] == "mimicry"
        assert row["utterances"] == (0 if with_mimicry else 2)
        for key in ("cosine", "conflicting", "cosine_of_means"):
            assert np.isnan(row[key]) == with_mimicry


def test_one_loss_has_no_conflict(tmp_path, datasets):
    brain = make_brain(tmp_path, "--targets=[[si_sdr]]")
    with pytest.raises(ValueError, match="one generator on one metric"):
        measure_conflict(brain, datasets["valid"], 1)


def test_a_control_has_no_conflict(tmp_path, datasets):
    brain = make_brain(tmp_path, "--adversarial_weight=0")
    with pytest.raises(ValueError, match="a control without metrics"):
        measure_conflict(brain, datasets["valid"], 1)


def test_averages_are_analysed_where_a_run_keeps_them(tmp_path, datasets):
    """Their gradients, that is, and not those of untrained networks."""
    options = ("--surrogate=twin", "--average_decay=0.5")
    brain = make_small_brain(tmp_path, *options)
    fit(brain, datasets["train"], datasets["valid"])
    again = make_small_brain(tmp_path, *options)
    measure_conflict(again, datasets["valid"], 1)
    for target, average in brain.generators.items():
        found = weights(
            again.generator(again.targets[brain.targets.index(target)])
        )
        torch.testing.assert_close(found, weights(average), rtol=0, atol=0)

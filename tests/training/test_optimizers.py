"""Which optimizers step when, with which learning rate, and when they do not."""

import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from okd_brain.messages import UserError
from okd_brain.metrics import parse_targets
from okd_brain.training import Optimizers, SkippedSteps, gradient_norms

TARGETS = parse_targets([["si_sdr"], ["segsnr"]])


def make(warmup_epochs=1):
    names = ("g_si_sdr", "g_segsnr", "dry", "gauge")  # no prefix decides
    modules = {name: torch.nn.Linear(1, 1) for name in names}
    hparams = SimpleNamespace(
        curriculum=SimpleNamespace(warmup_epochs=warmup_epochs, plateau=None),
        warmup_opt_class=partial(torch.optim.SGD, lr=0.1),
        generator_opt_class=partial(torch.optim.SGD, lr=0.2),
        discriminator_opt_class=partial(torch.optim.SGD, lr=0.3),
        generator_schedule=None,
        discriminator_schedule=lambda epoch: (None, 1 / epoch),
    )
    return Optimizers.of(modules, TARGETS, hparams), hparams


def rates(optimizers):
    return {name: o.param_groups[0]["lr"] for name, o in optimizers.all.items()}


def test_each_phase_steps_its_networks():
    optimizers, _ = make()
    generators, judges = ["g_si_sdr", "g_segsnr"], ["dry", "gauge"]
    for phase, names in (
        ("warmup", generators),
        ("generator", generators),
        ("current", judges),
        ("replay", judges),
    ):
        assert list(optimizers.of_phase(phase)) == names, phase
    warmup = optimizers.of_phase("warmup")["g_si_sdr"]
    assert warmup is not optimizers.of_phase("generator")["g_si_sdr"]
    assert optimizers.all["warmup_g_si_sdr"] is warmup
    assert list(make(warmup_epochs=0)[0].all) == [*generators, *judges]


def test_schedules_win_over_the_experiment_and_leave_the_warm_up_alone():
    optimizers, hparams = make()
    for optimizer in optimizers.all.values():  # as a checkpoint brings them
        optimizer.param_groups[0]["lr"] = 9.0
    optimizers.follow_experiment(hparams)
    expected = {
        "warmup_g_si_sdr": 0.1,
        "warmup_g_segsnr": 0.1,
        "g_si_sdr": 0.2,
        "g_segsnr": 0.2,
        "dry": 9.0,
        "gauge": 9.0,
    }
    assert rates(optimizers) == expected
    optimizers.anneal(hparams, 4)
    assert rates(optimizers) == {**expected, "dry": 0.25, "gauge": 0.25}


# Steps that are left out ------------------------------------------------------


def network(gradient=0.5):
    """Return a layer of two weights with a momentum, and its optimizer."""
    layer = torch.nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    layer.weight.grad = torch.ones(1, 2)
    optimizer.step()
    layer.weight.grad = torch.tensor([[0.5, gradient]])
    return layer, optimizer


def leave_out(skipped, optimizers, *where, **options):
    norms = gradient_norms(optimizers)
    return skipped.leave_out(optimizers, norms, *where, **options)


@pytest.mark.parametrize(
    "gradient", [math.nan, math.inf, -math.inf, 3e38], ids=str
)
def test_one_bad_element_leaves_out_the_step_of_its_network(gradient, caplog):
    """3e38 is finite, but not its square: clipping would divide by infinity."""
    bad, good = network(gradient), network()
    before = bad[0].weight.detach().clone()
    optimizers = {"g_bad": bad[1], "g_good": good[1]}
    skipped = SkippedSteps()
    assert leave_out(skipped, optimizers, "replay", ["u1"]) == {"g_bad"}
    for optimizer in optimizers.values():
        (parameter,) = optimizer.param_groups[0]["params"]
        torch.nn.utils.clip_grad_norm_([parameter], 5.0)
        optimizer.step()
    assert torch.equal(bad[0].weight, before)
    assert bad[1].state[bad[0].weight]["step"] == 1
    assert good[1].state[good[0].weight]["step"] == 2
    for word in ("g_bad", "phase replay", "u1", "1 in a row"):
        assert word in caplog.text
    assert "g_good" not in caplog.text


def test_the_scaler_of_fp16_gets_to_see_them():
    layer, optimizer = network(math.inf)
    found = leave_out(SkippedSteps(), {"d": optimizer}, "", [], clear=False)
    assert found == {"d"}
    assert layer.weight.grad is not None


def test_a_network_that_never_steps_ends_the_run(tmp_path):
    """What was counted before a run was stopped counts."""
    skipped = SkippedSteps()

    def step(gradient):
        _, optimizer = network(gradient)
        leave_out(skipped, {"d_pesq": optimizer}, "replay", ["p226_001"])

    for _ in range(99):
        step(math.inf)
    step(1.0)  # 99 in a row are not 100
    for _ in range(99):
        step(math.nan)
    skipped._save(tmp_path / "skipped")
    skipped = SkippedSteps()
    skipped._load(tmp_path / "skipped", end_of_epoch=False)
    with pytest.raises(UserError, match="d_pesq: .*100 steps.*p226_001"):
        step(math.inf)

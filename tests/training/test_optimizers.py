"""Which optimizers step when, and with which learning rate."""

from functools import partial
from types import SimpleNamespace

import torch

from okd_brain.metrics import parse_targets
from okd_brain.training import Optimizers

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

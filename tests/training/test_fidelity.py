"""Fidelity while training: edits, what the log says of them, and the gate."""

import logging
import math

import numpy as np
import pytest
import torch
from experiments import (
    dataset,
    fit,
    make_small_brain,
    speech,
)
from speechbrain.dataio.batch import PaddedBatch

from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.tasks import ListeningEnhancement
from okd_brain.training import Curriculum, spread_batches, summaries
from okd_brain.training.curriculum import Gate
from okd_brain.training.fidelity import (
    Change,
    _steps,
    fidelity_stats,
    find_changes,
)

EDITS = [
    "mask power",
    "smooth tilt",
    "smooth gain",
    "noise put back",
    "blend with clean",
]
MEASURED = ("--fidelity_utterances=2", "--targets=[[si_sdr]]")


@pytest.fixture(scope="module")
def train_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("train"), 3)


@pytest.fixture(scope="module")
def valid_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("valid"), 3, 0.6, first=3)


def test_edits_and_steps(tmp_path, valid_set):
    brain = make_small_brain(tmp_path)
    (batch,) = spread_batches(valid_set, 1)
    inputs = brain.task.inputs(batch)
    spectrum = 0.5 * inputs.noisy
    edits = list(brain.task.edits(spectrum, inputs.clean, inputs, seed=1))
    assert list(dict.fromkeys(kind for kind, _ in edits)) == EDITS
    for kind, edited in edits:
        assert edited.shape == spectrum.shape
        assert edited.isfinite().all() and (edited >= 0).all(), kind
        assert not edited.allclose(spectrum)
    torch.testing.assert_close(edits[5][1], 0.25 * inputs.noisy)  # power 2
    # The tilt of +6 dB: 3 dB more in the highest bin, 3 dB less in the lowest.
    ratio = torch.expm1(edits[9][1]) / torch.expm1(spectrum)
    for index, gain in ((0, -3), (-1, 3)):
        decibels = 20 * ratio[0, :, index].log10()
        torch.testing.assert_close(
            decibels, torch.full_like(decibels, gain), atol=0.01, rtol=0
        )
    error = inputs.clean - spectrum
    for name, size, (kind, moved) in zip(
        ("0.003", "0.01", "0.03"),
        (0.003, 0.01, 0.03),
        _steps(spectrum, error, error, "supervised"),
        strict=True,
    ):
        assert kind == f"supervised {name}"
        torch.testing.assert_close(moved, spectrum + size * error)
    for _, moved in _steps(spectrum, 0 * error, error, "own gradient"):
        assert moved.equal(spectrum)


def test_summaries_of_known_changes():
    def change(name, estimated, true, kind="tilt"):
        return Change(name, kind, estimated, true)

    rows = summaries(
        [
            change("a", 0.2, 0.1),
            change("a", 0.04, 0.02),
            change("a", -0.02, -0.01),
            change("b", 0.0, 0.1),  # a surrogate that is blind
            change("b", 0.0, -0.1),
            change("b", 0.0, 0.00001),  # which is no change
            change("c", 1.0, -0.01),  # too few for a correlation
            change("a", -1.0, 0.03, "own gradient 0.1"),
        ]
    )
    edits, small, tilt, step = rows
    assert edits == tilt | {"kind": "all edits"}
    assert edits["changes"] == 7
    assert edits["pearson"] == pytest.approx((1 + 0) / 2)
    assert edits["sign_agreement"] == pytest.approx(3 / 6)
    assert edits["rises"] == pytest.approx(4 / 7)
    assert edits["gain"] == pytest.approx(0.10001 / 7)
    assert small["changes"] == 3
    assert small["sign_agreement"] == pytest.approx(2 / 3)
    assert np.isnan(small["pearson"])
    assert step["kind"] == "own gradient 0.1"
    assert (step["rises"], step["sign_agreement"]) == (1, 0)


# What the log says ------------------------------------------------------------


def lines_of(folder):
    """Return the lines of the training log, by epoch."""
    lines = (folder / "train_log.txt").read_text().splitlines()
    return {int(line.split(",")[0].split(": ")[1]): line for line in lines}


def ended(brain):
    """Return everything that a run ends with."""
    return {
        "modules": brain.modules.state_dict(),
        "optimizers": {
            name: optimizer.state_dict()
            for name, optimizer in brain.optimizers_dict.items()
        },
        "steps": dict(brain.steps),
        "past": brain.replay.past,
        "epochs": brain.hparams.epoch_counter.current,
    }


def test_the_log_has_a_line_per_validation(tmp_path, train_set, valid_set):
    """Not of the warm-up, whose generators learn from no surrogate."""
    brain = make_small_brain(
        tmp_path,
        *MEASURED,
        "--warmup_epochs=1",
        "--discriminator_epochs=3",
        "--valid_interval=2",
    )
    fit(brain, train_set, valid_set)
    lines = lines_of(tmp_path)
    assert [e for e, line in lines.items() if "fid si_sdr" in line] == [2, 4, 6]
    for name in (
        *("r", "sign", "small r", "small sign"),
        *("own rises", "own gain", "sup rises", "sup gain"),
    ):
        assert f"valid fid si_sdr {name}: " in lines[6].replace(" - ", ", ")
    assert "si_sdr si_sdr" in lines[6] and "si_sdr si_sdr" not in lines[4]


def test_measuring_changes_nothing_else(tmp_path, train_set, valid_set):
    """Dropout, spectral norm, the modes of networks and random numbers."""
    runs = []
    for count in (0, 2):
        brain = make_small_brain(
            tmp_path / str(count),
            f"--fidelity_utterances={count}",
            "--discriminator_epochs=1",
        )
        fit(brain, train_set, valid_set)
        runs.append((ended(brain), torch.rand(3)))
    torch.testing.assert_close(*runs, rtol=0, atol=0)
    logs = [lines_of(tmp_path / str(count)) for count in (0, 2)]
    assert "fid" not in logs[0][3] and "fid segsnr r" in logs[1][3]


def test_networks_are_left_in_their_modes(tmp_path, valid_set):
    brain = make_small_brain(tmp_path, *MEASURED)
    (target,) = brain.targets
    batches = spread_batches(valid_set, 1)
    random = torch.get_rng_state()
    for mode in (True, False):
        brain.modules.train(mode)
        brain.modules["d"].eval()
        found = find_changes(brain, target, batches)
        assert brain.modules[target.module].training is mode
        assert not brain.modules["d"].training
        assert found == find_changes(brain, target, batches)  # no dropout
    assert torch.get_rng_state().equal(random)
    assert all(p.grad is None for p in brain.modules.parameters())


def test_the_log_is_the_summary(tmp_path, valid_set):
    brain = make_small_brain(
        tmp_path, "--targets=[[si_sdr, segsnr], [si_sdr]]", "--surrogate=twin"
    )
    stats, agreements = fidelity_stats(brain, valid_set, 2)
    assert agreements.keys() == {"si_sdr", "segsnr", "si_sdr_2"}
    assert len(stats) == 3 * 8
    target = brain.targets[0]
    found = find_changes(brain, target, spread_batches(valid_set, 2))
    rows = {row["kind"]: row for row in summaries(found[target.terms[1]])}
    for name, kind, key in (
        ("r", "all edits", "pearson"),
        ("sign", "all edits", "sign_agreement"),
        ("small r", "small changes", "pearson"),
        ("own rises", "own gradient 0.01", "rises"),
        ("sup gain", "supervised 0.01", "gain"),
    ):
        assert stats[f"fid segsnr {name}"] == rows[kind][key]
    assert stats["fid segsnr own gain"] > stats["fid segsnr sup gain"] > 0
    assert agreements["si_sdr"] == stats["fid si_sdr sign"] == 1


def test_the_test_set_is_never_touched(tmp_path, train_set, valid_set):
    """Also where it chooses the checkpoints."""
    test_set = dataset(tmp_path / "test", 1, 0.6, first=7)
    brain = make_small_brain(tmp_path / "out", *MEASURED, "--selection=test")
    brain.fidelity_set = valid_set
    seen = []
    enhance = brain.task.decide
    brain.task.decide = lambda g, i: seen.append(i.samples) or enhance(g, i)
    brain.fit(brain.hparams.epoch_counter, train_set, test_set)
    assert len(seen) == 2 * 2
    line = lines_of(tmp_path / "out")[2]
    assert "valid fid si_sdr r" in line and "test si_sdr si_sdr" in line


def test_a_control_has_nothing_to_measure(tmp_path, train_set, valid_set):
    brain = make_small_brain(
        tmp_path, *MEASURED, "--adversarial_weight=0", "--supervised_weight=1"
    )
    fit(brain, train_set, valid_set)
    assert "fid" not in lines_of(tmp_path)[2]


def test_validation_utterances_are_needed(tmp_path, train_set):
    brain = make_small_brain(tmp_path, *MEASURED)
    with pytest.raises(UserError, match="fidelity_utterances is 2, but there"):
        fit(brain, train_set)


# The gate ---------------------------------------------------------------------

GATED = (
    "--fidelity_utterances=1",
    "--discriminator_epochs=3",
    "--number_of_epochs=2",
)


def reached_after(brain, epoch):
    """Let all heads reach their gate after an epoch."""
    judge = brain.curriculum.gate.update
    brain.curriculum.gate.update = lambda heads, now: judge(
        dict.fromkeys(heads, float(now >= epoch)), now
    )


def test_a_gated_run_goes_on_exactly(tmp_path, train_set, valid_set):
    """Two epochs of the discriminators, and two of all, are four."""
    whole = make_small_brain(tmp_path / "whole", *GATED, "--fidelity_gate=0.9")
    reached_after(whole, 2)
    fit(whole, train_set, valid_set)
    assert ended(whole)["epochs"] == 4
    assert whole.curriculum.gate.end == 2
    stages = [
        line.split(" - ")[0] for line in lines_of(tmp_path / "whole").values()
    ]
    assert [s.rpartition(" ")[2] for s in stages] == (
        ["discriminator"] * 2 + ["okd"] * 2
    )
    for epochs in (1, 2, 3, 99):
        brain = make_small_brain(
            tmp_path / "parts", *GATED, "--fidelity_gate=0.9"
        )
        reached_after(brain, 2)
        end_epoch = brain.end_epoch

        def stop(epoch, scores, end_epoch=end_epoch, epochs=epochs):
            end_epoch(epoch, scores)
            if epoch == epochs:
                raise KeyboardInterrupt

        brain.end_epoch = stop
        try:
            fit(brain, train_set, valid_set)
        except KeyboardInterrupt:
            pass
    torch.testing.assert_close(ended(brain), ended(whole), rtol=0, atol=0)


@pytest.mark.parametrize("reached", [True, False])
def test_the_log_says_why_generators_start(
    tmp_path, train_set, valid_set, caplog, reached
):
    gate = 0.0 if reached else 1.0
    brain = make_small_brain(
        tmp_path,
        *GATED,
        f"--fidelity_gate={gate}",
        "--discriminator_epochs=2",
        "--warmup_epochs=1",
        "--number_of_epochs=1",
    )
    with caplog.at_level(logging.INFO):
        fit(brain, train_set, valid_set)
    said = [r for r in caplog.records if "fidelity_gate" in r.getMessage()]
    (record,) = said
    text = record.getMessage()
    assert "sign agreement si_sdr 0." in text and ", segsnr 0." in text
    if reached:
        assert text.startswith("Epoch 2: ") and text.endswith(
            "at least fidelity_gate 0: the generators start."
        )
        assert ended(brain)["epochs"] == 3
    else:
        assert record.levelno == logging.WARNING
        assert text.startswith("Epoch 3: ")
        assert "fidelity_gate 1 was not reached" in text
        assert ended(brain)["epochs"] == 4


def test_every_head_has_to_reach_the_gate():
    gate = Gate(0.7)
    for heads in ({"a": 0.9, "b": 0.69}, {"a": math.nan, "b": 0.8}):
        gate.update(heads, 1)
        assert gate.end is None
    gate.update({"a": 0.7, "b": 1.0}, 2)
    assert gate.end == 2


def test_without_a_discriminator_there_is_no_gate(
    tmp_path, train_set, valid_set
):
    brain = make_small_brain(
        tmp_path, *GATED, "--fidelity_gate=1.0", "--surrogate=twin"
    )
    fit(brain, train_set, valid_set)
    assert ended(brain)["epochs"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fidelity_gate": 1.5}, "fidelity_gate is 1.5, must be a sign agr"),
        ({"fidelity_gate": "high"}, "fidelity_gate is 'high', must be a sign"),
        ({"fidelity_gate": True}, "fidelity_gate is True, must be a sign"),
        (
            {"fidelity_gate": 0.8, "fidelity_utterances": 0},
            "fidelity_gate is 0.8, but fidelity_utterances is 0",
        ),
        (
            {"fidelity_gate": 0.8, "discriminator_epochs": 0},
            "fidelity_gate is 0.8, but discriminator_epochs is 0",
        ),
        ({"fidelity_utterances": -1}, "fidelity_utterances is -1.*at least 0"),
        ({"fidelity_utterances": 0.5}, "fidelity_utterances is 0.5.*whole"),
    ],
)
def test_impossible_values_are_refused(options, message):
    given = {"fidelity_utterances": 4, "discriminator_epochs": 5, **options}
    with pytest.raises(UserError, match=message):
        Curriculum(1, seed=1, **given)


# Listening enhancement --------------------------------------------------------


def test_edits_of_listening_enhancement():
    """They are of the gains; power stays equal whatever these are."""
    task = ListeningEnhancement()
    torch.manual_seed(0)
    wave = torch.tensor(speech(0), dtype=torch.float32)
    batch = PaddedBatch(
        [{"id": "a", "clean_sig": wave, "noise_sig": 0.1 * torch.randn(16000)}]
    )
    inputs = task.inputs(batch)
    generator = BandGainGenerator()
    with torch.no_grad():
        decision = task.decide(generator, inputs)
        enhanced = task.enhance(generator, inputs)
    assert decision.shape == inputs.clean.shape
    again = task.carry_out(decision, inputs)
    torch.testing.assert_close(again.wave, enhanced.wave, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(again.spectrum, enhanced.spectrum)
    aim = task.aim(inputs)
    reached, wanted = (
        task.carry_out(aim, inputs),
        task.supervised_target(inputs),
    )
    unprocessed = (inputs.clean - wanted).square().mean()
    assert (reached.spectrum - wanted).square().mean() < unprocessed / 2
    edits = list(task.edits(decision, aim, inputs, seed=1))
    assert list(dict.fromkeys(kind for kind, _ in edits)) == [
        *("gain power", "smooth tilt", "smooth gain", "blend with SSDRC"),
    ]
    power = wave.square().sum()
    for kind, edited in edits:
        played = task.carry_out(edited, inputs).wave
        assert not played.allclose(enhanced.wave, atol=1e-4), kind
        torch.testing.assert_close(
            played.square().sum(), power, rtol=1e-3, atol=0
        )
    # The tilt of +6 dB, whose middle stays where it was.
    torch.testing.assert_close(edits[9][1][..., -1], decision[..., -1] + 3)
    decision.requires_grad_()
    task.carry_out(decision, inputs).wave.square()[..., :8000].sum().backward()
    assert decision.grad.isfinite().all() and decision.grad.abs().max() > 0

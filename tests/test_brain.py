"""What an update moves, in which order updates come, and that runs go on."""

import json
import math
import re
import signal
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from experiments import dataset, fit, moved, weights
from experiments import make_small_brain as make_brain
from speechbrain.core import Stage
from speechbrain.dataio.batch import PaddedBatch

from okd_brain import survival
from okd_brain.brain import OKDBrain
from okd_brain.messages import UserError
from okd_brain.mimicry import mse
from okd_brain.training import Curriculum, Replay
from okd_brain.training.progress import planned_epochs

REAL = (
    "--generator=!name:okd_brain.generators.BLSTMGenerator",
    "--discriminator_network=!name:okd_brain.discriminators.Discriminator",
)


@pytest.fixture(scope="module")
def train_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("train"), 3)


@pytest.fixture(scope="module")
def valid_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("valid"), 1, first=5)


def started(tmp_path, train_set, *overrides, **hparams):
    """Return a brain as it is after ``on_fit_start``, with a batch."""
    brain = make_brain(tmp_path, *overrides)
    vars(brain.hparams).update(hparams)
    brain.make_dataloader(train_set, Stage.TRAIN)
    brain.on_fit_start()
    brain.nonfinite_count = 0
    brain.modules.train()
    records = brain.current_set(1)
    reader = brain.make_current_set.reader
    return brain, PaddedBatch([reader(record) for record in records])


def snapshot(brain):
    return {name: weights(module) for name, module in brain.modules.items()}


def movers(brain, before):
    return {
        name
        for name, module in brain.modules.items()
        if moved(before[name], module)
    }


# The epoch --------------------------------------------------------------------


def names(curriculum, epoch, heads=("pesq",), twins=()):
    brain = SimpleNamespace(
        curriculum=curriculum,
        train_lengths={f"u{number}": 16000 for number in range(10)},
        replay=Replay("unused"),
        heads=heads,
        surrogates=SimpleNamespace(has_twin=twins.__contains__),
    )
    brain._discriminator_leads = partial(OKDBrain._discriminator_leads, brain)
    return [phase.name for phase in OKDBrain.phases(brain, epoch)]


DISCRIMINATOR = ["current", "replay", "current"]


def test_the_papers_schedule():
    """No preparation; the first epoch trains D only (authors' train.py)."""
    curriculum = Curriculum(number_of_epochs=750, seed=1)
    assert names(curriculum, 1) == DISCRIMINATOR
    assert names(curriculum, 2) == ["generator", *DISCRIMINATOR]
    assert names(curriculum, 750) == ["generator", *DISCRIMINATOR]


def test_generators_wait_for_a_discriminator_that_has_no_epochs_of_its_own():
    curriculum = Curriculum(number_of_epochs=2, seed=1, warmup_epochs=1)
    both = ["generator", *DISCRIMINATOR]
    assert names(curriculum, 2) == DISCRIMINATOR
    assert names(curriculum, 3) == both
    # A twin beside it leads meanwhile.
    assert names(curriculum, 2, twins=("pesq",)) == both
    assert names(curriculum, 2, ("pesq", "own"), ("pesq",)) == DISCRIMINATOR
    assert names(curriculum, 2, heads=()) == ["generator"]


def test_stages_follow_one_another():
    curriculum = Curriculum(
        number_of_epochs=1, seed=1, warmup_epochs=2, discriminator_epochs=1
    )
    assert [names(curriculum, epoch) for epoch in range(1, 5)] == [
        ["warmup"],
        ["warmup"],
        DISCRIMINATOR,
        ["generator", *DISCRIMINATOR],
    ]


def test_the_sequence_of_updates(tmp_path, train_set, valid_set):
    """(phase, utterance, source) of three epochs, as DESIGN has it."""
    brain = make_brain(
        tmp_path, "--number_of_epochs=3", "--history_portion=0.5"
    )
    seen = []
    step = brain.compute_objectives

    def note(predictions, batch, stage):
        if stage == Stage.TRAIN:
            seen.append((brain.phase, *batch.id, brain.source))
        return step(predictions, batch, stage)

    brain.compute_objectives = note
    bounds = []
    finish = brain.end_epoch
    brain.end_epoch = lambda *a: (bounds.append(len(seen)), finish(*a))
    fit(brain, train_set, valid_set)

    current = ("enhanced", "noisy", "clean")
    past, reordered = [], []
    for epoch in (1, 2, 3):
        drawn = brain.curriculum.draw(brain.train_lengths, epoch)
        drawn = [excerpt.utterance for excerpt in drawn]
        records = [r for r in brain.replay.past if r.epoch == epoch]
        assert [r.excerpt.utterance for r in records] == drawn
        rng = brain.curriculum.rng
        orders = [
            rng(f"{which} current", epoch).sample(drawn, 2)
            for which in ("first", "second")
        ]
        reordered.append(orders[0] != orders[1])
        draw = rng("replay", epoch)
        replayed = draw.sample(past, len(past) // 2) + drawn
        replayed = draw.sample(replayed, len(replayed))
        expected = [("generator", u, None) for u in drawn if epoch > 1]
        expected += [("current", u, s) for u in orders[0] for s in current]
        expected += [("replay", u, "enhanced") for u in replayed]
        expected += [("current", u, s) for u in orders[1] for s in current]
        start = bounds[epoch - 2] if epoch > 1 else 0
        assert seen[start : bounds[epoch - 1]] == expected, epoch
        past += drawn
    assert any(reordered)  # the two passes have an order each


# The updates ------------------------------------------------------------------


@pytest.mark.parametrize("discriminator", ["shared", "separate"])
def test_each_phase_moves_its_networks_alone(
    tmp_path, train_set, discriminator
):
    brain, batch = started(
        tmp_path,
        train_set,
        f"--discriminator={discriminator}",
        "--warmup_epochs=1",
    )
    networks = {
        "shared": {"d"},
        "separate": {"d_si_sdr", "d_segsnr"},
    }[discriminator]
    generators = {"g_si_sdr", "g_segsnr"}
    for phase, expected in (
        ("warmup", generators),
        ("current", networks),
        ("generator", generators),
        ("replay", networks),
    ):
        before = snapshot(brain)
        brain.fit_batch((phase, batch))
        assert movers(brain, before) == expected, phase
    # three D steps for a current batch, one for a replayed one
    assert {name: brain.steps[name] for name in networks} == dict.fromkeys(
        networks, 4
    )
    assert brain.steps["g_si_sdr"] == 2


def test_an_infinite_gradient_moves_nothing_and_is_not_a_step(
    tmp_path, train_set, caplog
):
    """Not even by the momentum of Adam; the other generator learns on."""
    brain, batch = started(tmp_path, train_set)
    brain.fit_batch(("generator", batch))
    before = snapshot(brain)
    generator = brain.modules["g_si_sdr"]
    hook = generator.offset.register_hook(
        lambda grad: torch.where(torch.arange(len(grad)) == 3, math.inf, grad)
    )
    brain.fit_batch(("generator", batch))
    hook.remove()
    assert movers(brain, before) == {"g_segsnr"}
    assert (brain.steps["g_si_sdr"], brain.steps["g_segsnr"]) == (1, 2)
    assert (
        f"g_si_sdr: its gradient is NaN or infinite in phase generator, {batch.id[0]}"
        in caplog.text
    )
    brain.checkpointer.save_checkpoint()
    again, _ = started(tmp_path, train_set)
    assert again.skipped_steps.in_a_row == {"g_si_sdr": 1}


def test_losses_that_stay_nan_end_the_run_with_their_utterances(
    tmp_path, train_set
):
    brain, batch = started(tmp_path, train_set)
    brain.nonfinite_patience = 1
    with torch.no_grad():
        brain.modules["g_si_sdr"].offset[3] = math.nan
    brain.fit_batch(("generator", batch))
    with pytest.raises(UserError) as caught:
        brain.fit_batch(("generator", batch))
    text = str(caught.value)
    assert "losses of 2 updates of this epoch are NaN or infinite" in text
    assert f"phase generator, {batch.id[0]}" in text
    assert "nonfinite_patience is 1." in text


def test_an_error_in_a_loader_process_is_said_as_it_was(tmp_path, valid_set):
    """A file of the corpus that is gone: one line, without PyTorch's."""
    train_set = dataset(tmp_path / "pairs", 2)
    brain = make_brain(tmp_path, "--number_of_epochs=1")
    fit(brain, train_set, valid_set)
    for path in (tmp_path / "pairs").glob("clean_*.wav"):
        path.unlink()
    # The second epoch begins with the generators, whose batches a worker reads.
    brain = make_brain(tmp_path, "--num_workers=1")
    with pytest.raises(UserError) as caught:
        fit(brain, train_set, valid_set)
    assert re.fullmatch(
        r"\S+/clean_.\.wav: does not exist\.", str(caught.value)
    )


def test_a_checkpoint_that_counts_no_skipped_steps_is_read(tmp_path, train_set):
    brain, _ = started(tmp_path, train_set)
    del brain.checkpointer.recoverables["skipped_steps"]
    brain.checkpointer.save_checkpoint()
    started(tmp_path, train_set)


def test_generator_k_learns_from_its_own_loss_alone(tmp_path, train_set):
    """The loss of generator 0 reaches generator 0, whatever its peers do."""
    brain, batch = started(tmp_path, train_set)
    brain.phase = "generator"
    brain.on_fit_batch_start(batch, True)
    inputs, outputs = brain.compute_forward(batch, Stage.TRAIN)
    brain.generator_loss(0, outputs, inputs).backward()
    reached = {
        name
        for name, module in brain.modules.items()
        if any(p.grad is not None and p.grad.any() for p in module.parameters())
    }
    assert reached == {"g_si_sdr"}


def test_mimicry_is_in_the_gradient(tmp_path, train_set):
    """d(loss)/d(G_0) contains alpha times the gradient of the mimicry."""
    brain, batch = started(tmp_path, train_set, "--alpha=7.0")
    brain.phase = "generator"
    brain.modules["d"].requires_grad_(False)
    brain.modules.eval()  # no dropout, and D's spectral norm stands still
    generator = brain.modules["g_si_sdr"]
    grads = []
    for alpha in (7.0, 0.0):
        brain.hparams.alpha = alpha
        inputs, outputs = brain.compute_forward(batch, Stage.TRAIN)
        loss = brain.generator_loss(0, outputs, inputs)
        grads.append(torch.autograd.grad(loss, list(generator.parameters())))
    inputs, outputs = brain.compute_forward(batch, Stage.TRAIN)
    own, peer = (output.spectrum for output in outputs)
    mimicry = mse(own, peer.detach(), inputs.frames)
    alone = torch.autograd.grad(mimicry, list(generator.parameters()))
    for with_it, without, part in zip(*grads, alone, strict=True):
        torch.testing.assert_close(
            with_it, without + 7 * part, rtol=1e-3, atol=1e-7
        )


def test_the_terms_of_a_target_weigh_what_it_says(tmp_path, train_set):
    brain, batch = started(tmp_path, train_set, "--targets=[[3*si_sdr,segsnr]]")
    brain.phase = "generator"
    brain.modules.eval()  # no dropout, and D's spectral norm stands still
    with torch.no_grad():
        inputs, outputs = brain.compute_forward(batch, Stage.TRAIN)
        loss = brain.generator_loss(0, outputs, inputs)
        scores = brain.discriminate(outputs[0].spectrum, inputs, brain.heads)
    si_sdr, segsnr = ((scores - 1) ** 2).mean(dim=0)
    torch.testing.assert_close(loss, 0.75 * si_sdr + 0.25 * segsnr)


def test_generator_updates_equal_hand_written_ones(tmp_path, train_set):
    """K simultaneous steps, each clipped on its own, as the method says."""
    brain, batch = started(
        tmp_path,
        train_set,
        *REAL,
        "--alpha=5.0",
        generator_opt_class=partial(torch.optim.SGD, lr=1.0),
    )
    brain.max_grad_norm = 0.01
    for module in brain.modules.values():  # dropout would differ
        for part in module.modules():
            if isinstance(part, torch.nn.LSTM):
                part.dropout = 0.0
    expected = {}
    inputs = brain.task.inputs(batch)
    names = ("g_si_sdr", "g_segsnr")
    state = {k: v.clone() for k, v in brain.modules["d"].state_dict().items()}
    outputs = [
        brain.task.estimate(brain.modules[name], inputs) for name in names
    ]
    for k, name in enumerate(names):
        pair = torch.stack([inputs.clean, outputs[k]], dim=1)
        score = brain.modules["d"](pair, inputs.frames)[:, k]
        difference = outputs[k] - outputs[1 - k].detach()
        loss = ((score - 1) ** 2).mean() + 5 * (difference**2).mean()
        parameters = list(brain.modules[name].parameters())
        grads = torch.autograd.grad(loss, parameters, retain_graph=True)
        norm = torch.sqrt(sum((grad**2).sum() for grad in grads))
        scale = min(1.0, 0.01 / (norm + 1e-6))
        assert norm > 0.01  # else clipping would not show
        expected[name] = [
            parameter.detach() - scale * grad
            for parameter, grad in zip(parameters, grads, strict=True)
        ]
    brain.modules["d"].load_state_dict(state)
    brain.fit_batch(("generator", batch))
    for name in names:
        for parameter, value in zip(
            brain.modules[name].parameters(), expected[name], strict=True
        ):
            torch.testing.assert_close(
                parameter.detach(), value, rtol=0, atol=1e-7
            )


def test_a_padded_batch_equals_its_items(tmp_path, tmp_path_factory):
    """Losses of a batch of unequal lengths are the means over its items."""
    lengths = [1.0, 0.73, 0.5]
    unequal = dataset(tmp_path_factory.mktemp("unequal"), 3, lengths)
    brain, batch = started(tmp_path, unequal, *REAL, "--number_of_samples=3")
    brain.modules.eval()
    reader = brain.make_current_set.reader
    singles = [PaddedBatch([reader(record)]) for record in brain.replay.current]

    def losses(batch):
        found = []
        for brain.phase, brain.source in (
            ("generator", None),
            ("warmup", None),
            ("current", "enhanced"),
            ("current", "noisy"),
            ("current", "clean"),
        ):
            outputs = brain.compute_forward(batch, Stage.TRAIN)
            loss = brain.compute_objectives(outputs, batch, Stage.TRAIN)
            found.append(loss.detach())
        return torch.stack(found)

    apart = torch.stack([losses(single) for single in singles]).mean(dim=0)
    torch.testing.assert_close(losses(batch), apart, rtol=2e-5, atol=2e-6)


# A run that goes on -----------------------------------------------------------


def everything(brain):
    """Return all that training has made, as one comparable list."""
    state = [
        tensor.clone()
        for module in brain.modules.values()
        for tensor in module.state_dict().values()
    ]
    for optimizer in brain.optimizers_dict.values():
        for values in optimizer.state_dict()["state"].values():
            state += [torch.as_tensor(value) for value in values.values()]
    return state, brain.replay.past, dict(brain.steps)


def assert_same_run(one, other):
    for a, b in zip(everything(one)[0], everything(other)[0], strict=True):
        assert torch.equal(a, b)
    assert everything(one)[1:] == everything(other)[1:]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, train_set, valid_set):
    brain = make_brain(
        tmp_path_factory.mktemp("four"),
        "--number_of_epochs=3",
        "--warmup_epochs=1",
    )
    fit(brain, train_set, valid_set)
    return brain


def test_two_and_two_epochs_equal_four(
    tmp_path, train_set, valid_set, uninterrupted
):
    for epochs in (1, 3):
        brain = make_brain(
            tmp_path, f"--number_of_epochs={epochs}", "--warmup_epochs=1"
        )
        fit(brain, train_set, valid_set)
    assert_same_run(brain, uninterrupted)


@pytest.mark.slow
def test_the_networks_of_the_recipe_go_on_exactly(
    tmp_path, train_set, valid_set
):
    one = make_brain(tmp_path / "one", *REAL, "--number_of_epochs=2")
    fit(one, train_set, valid_set)
    for epochs in (1, 2):
        brain = make_brain(
            tmp_path / "two", *REAL, f"--number_of_epochs={epochs}"
        )
        fit(brain, train_set, valid_set)
    assert_same_run(brain, one)


class Killed(Exception):
    """The process dies here."""


@pytest.mark.parametrize("phase", ["warmup", "generator", "current", "replay"])
def test_a_run_killed_within_an_epoch_goes_on_exactly(
    tmp_path, train_set, valid_set, uninterrupted, phase
):
    options = {"ckpt_interval_steps": 1, "ckpt_interval_minutes": 0}
    overrides = ("--number_of_epochs=3", "--warmup_epochs=1")
    brain = make_brain(tmp_path, *overrides, run_opts=options)
    update = brain.fit_batch
    met = []

    def die_in_the_second_batch(phased_batch):
        epoch = brain.train_loader.epoch
        met.append((epoch, phased_batch[0]))
        wanted = (1 if phase == "warmup" else 3, phase)
        if met.count(wanted) == 2 or met[-1] == (3, "current") == wanted:
            raise Killed
        return update(phased_batch)

    brain.fit_batch = die_in_the_second_batch
    if phase == "warmup":  # one batch only: die before anything was saved
        brain.hparams.curriculum.warmup_batch_size = 2
    with pytest.raises(Killed):
        fit(brain, train_set, valid_set)
    again = make_brain(tmp_path, *overrides, run_opts=options)
    if phase == "warmup":
        again.hparams.curriculum.warmup_batch_size = 2
        whole = make_brain(tmp_path / "whole", *overrides)
        whole.hparams.curriculum.warmup_batch_size = 2
        fit(whole, train_set, valid_set)
    else:
        whole = uninterrupted
    fit(again, train_set, valid_set)
    assert_same_run(again, whole)
    logs = (
        Path(run.artifacts_folder, "train_log.txt") for run in (again, whole)
    )
    assert len({log.read_text() for log in logs}) == 1


@pytest.mark.parametrize("phase", ["generator", "current", "replay"])
def test_a_run_told_to_end_saves_the_step_and_goes_on_exactly(
    tmp_path, train_set, valid_set, uninterrupted, phase
):
    """Without any interval of checkpoints."""
    options = {"ckpt_interval_minutes": 0}
    overrides = ("--number_of_epochs=3", "--warmup_epochs=1")
    brain = make_brain(tmp_path, *overrides, run_opts=options)
    update = brain.fit_batch

    def told(phased_batch):
        loss = update(phased_batch)
        if (brain.train_loader.epoch, phased_batch[0]) == (3, phase):
            signal.raise_signal(signal.SIGUSR1)
        return loss

    brain.fit_batch = told
    survival.heed_signals()
    try:
        with pytest.raises(survival.ToldToEnd, match="SIGUSR1"):
            fit(brain, train_set, valid_set)
    finally:
        survival.ignore_signals()
    newest = brain.checkpointer.find_checkpoint()
    assert newest.meta["within_epoch"] == 3
    again = make_brain(tmp_path, *overrides, run_opts=options)
    fit(again, train_set, valid_set)
    assert_same_run(again, uninterrupted)


def test_a_run_told_to_end_while_it_validates_ends_there(
    tmp_path, train_set, valid_set
):
    brain = make_brain(tmp_path, "--number_of_epochs=2")
    judge = brain.evaluate_batch
    judged = []

    def told(batch, stage):
        if brain.checkpointer.list_checkpoints():  # in the second epoch
            judged.append(batch.id)
            signal.raise_signal(signal.SIGTERM)
        return judge(batch, stage)

    brain.evaluate_batch = told
    survival.heed_signals()
    try:
        with pytest.raises(survival.ToldToEnd, match="SIGTERM"):
            fit(brain, train_set, valid_set)
    finally:
        survival.ignore_signals()
    assert len(judged) == 1
    again = make_brain(tmp_path, "--number_of_epochs=2")
    fit(again, train_set, valid_set)
    assert again.hparams.epoch_counter.current == 2


def test_a_clock_set_back_does_not_put_off_checkpoints(tmp_path, monkeypatch):
    """Minutes are those that pass, whatever the time of the day."""
    brain = make_brain(tmp_path, run_opts={"ckpt_interval_minutes": 1})
    steady = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: steady[0])
    is_due = brain._should_save_intra_epoch_ckpt
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began - 86400)
    assert not is_due(began, 1)
    steady[0] += 50
    assert not is_due(began, 2)
    steady[0] += 11
    assert is_due(began, 3)


def test_a_missing_replay_file_is_an_error(tmp_path, train_set, valid_set):
    brain = make_brain(tmp_path, "--number_of_epochs=1")
    fit(brain, train_set, valid_set)
    (brain.replay.folder / brain.replay.past[0].file).unlink()
    brain = make_brain(tmp_path, "--number_of_epochs=2")
    with pytest.raises(
        ValueError, match="No checkpoint in .*u\\d.wav is missing"
    ):
        fit(brain, train_set, valid_set)


def test_debug_passes_through_every_phase(tmp_path, train_set, valid_set):
    """Two batches a phase, replay included, nothing left behind; the last epoch
    is validated."""
    brain = make_brain(
        tmp_path,
        "--valid_interval=10",
        "--number_of_epochs=9",
        "--warmup_epochs=5",
        "--discriminator_epochs=3",
        "--number_of_samples=3",
        run_opts={"debug": True},
    )
    phases = []
    update = brain.fit_batch
    brain.fit_batch = lambda item: phases.append(item[0]) or update(item)
    fit(brain, train_set, valid_set)
    assert phases[:1] == ["warmup"]
    assert phases[1:7] == ["current"] * 2 + ["replay"] * 2 + ["current"] * 2
    okd = ["generator"] * 2 + ["current"] * 2 + ["replay"] * 2 + ["current"] * 2
    assert phases[7:] == 2 * okd
    assert not (tmp_path / "save" / "replay").exists()
    assert brain.artifacts_folder != tmp_path
    brain.test(valid_set, "okd", {"batch_size": 1})
    assert brain.origins["si_sdr"]["epoch"] == 4


def test_d_learns_from_the_utterances_that_are_scored(
    tmp_path, train_set, valid_set
):
    brain = make_brain(
        tmp_path,
        "--number_of_epochs=2",
        "--number_of_samples=2",
        "--scored_samples=1",
        "--history_portion=0",
    )
    phases = []
    update = brain.fit_batch
    brain.fit_batch = lambda item: phases.append(item[0]) or update(item)
    fit(brain, train_set, valid_set)
    assert phases == [*DISCRIMINATOR, *["generator"] * 2, *DISCRIMINATOR]
    assert len(brain.replay.past) == 2
    planned = planned_epochs(brain, 2)
    assert [drawn for _, _, drawn, _ in planned] == [1, 1]


def test_an_unscorable_utterance_is_left_out_and_counted(
    tmp_path, train_set, valid_set
):
    brain = make_brain(tmp_path, "--number_of_epochs=1")
    board = brain.make_dataloader(train_set, Stage.TRAIN)
    assert board is brain.train_loader
    scorer = brain.make_current_set.scorer
    compute = scorer.result

    def fail_once(handle):
        rows = compute(handle)
        if not failed:
            failed.append(True)
            rows[:] = float("nan")
        return rows

    failed = []
    scorer.result = fail_once
    records = brain.current_set(1)
    assert len(records) == 1
    assert brain.train_means.summary()["left out of D's data"] == 1

    brain.replay.current = []
    scorer.result = lambda handle: compute(handle) * float("nan")
    with pytest.raises(ValueError, match="None of the 2 utterances of epoch 1"):
        brain.current_set(1)


@pytest.mark.slow
@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="PyTorch has no LSTM in bf16 for this processor",
)
def test_bf16_trains(tmp_path, train_set, valid_set):
    brain = make_brain(tmp_path, *REAL, run_opts={"precision": "bf16"})
    fit(brain, train_set, valid_set)
    for tensor in everything(brain)[0]:
        assert torch.isfinite(tensor).all()
    assert brain.precision == "bf16"


def test_schedules_and_crops_are_applied(tmp_path, train_set, valid_set):
    brain = make_brain(
        tmp_path, "--number_of_epochs=2", "--max_train_seconds=1.0"
    )
    brain.hparams.curriculum.max_train_samples = 8000
    brain.hparams.generator_schedule = lambda epoch: (None, 1e-3 / epoch)
    fit(brain, train_set, valid_set)
    groups = brain.optimizers_dict["g_si_sdr"].param_groups
    assert groups[0]["lr"] == 5e-4
    assert brain.optimizers_dict["d"].param_groups[0]["lr"] == 5e-4
    starts = {record.excerpt.start for record in brain.replay.past}
    assert all(r.excerpt.length == 8000 for r in brain.replay.past)
    assert len(starts) > 1


def test_a_changed_learning_rate_is_honoured(tmp_path, train_set, valid_set):
    """A checkpoint's optimizer state would bring the old one back."""
    for rate in (5e-4, 1e-4):
        brain = make_brain(tmp_path, f"--generator_lr={rate}")
        fit(brain, train_set, valid_set)
        groups = brain.optimizers_dict["g_si_sdr"].param_groups
        assert groups[0]["lr"] == rate


def test_what_the_last_epoch_could_not_delete_goes_with_the_next_start(
    tmp_path, train_set, valid_set, monkeypatch
):
    """It was killed, or a power cut brought back what it had deleted."""
    options = ("--number_of_epochs=4", "--max_history=2")
    brain = make_brain(tmp_path, *options)
    with monkeypatch.context() as patch:
        patch.setattr(OKDBrain, "tidy", lambda self: None)
        fit(brain, train_set, valid_set)
    folder = brain.checkpointer.checkpoints_dir
    (folder / "unfinished-CKPT+2026").mkdir()
    assert len(list(folder.glob("CKPT+*"))) == 4
    brain = make_brain(tmp_path, *options)
    fit(brain, train_set, valid_set)
    kept = brain.checkpointer.list_checkpoints()
    assert 1 <= len(kept) <= 2  # the newest, the best
    assert max(one.meta["epoch"] for one in kept) == 4
    assert not list(folder.glob("unfinished-*"))
    rows = [
        json.loads(row)
        for one in kept
        for row in one.paramfiles["replay"].read_text().splitlines()[1:]
    ]
    waves = {path.name for path in brain.replay.folder.iterdir()}
    assert waves == {f"{row['epoch']:05d}" for row in rows}


def test_a_limited_history_deletes_what_nothing_names(
    tmp_path, train_set, valid_set
):
    brain = make_brain(tmp_path, "--number_of_epochs=5", "--max_history=2")
    fit(brain, train_set, valid_set)
    assert [record.epoch for record in brain.replay.past] == [5, 5]
    checkpoints = brain.checkpointer.list_checkpoints()
    named = set()
    for checkpoint in checkpoints:
        for line in (
            checkpoint.paramfiles["replay"].read_text().splitlines()[1:]
        ):
            named.add(json.loads(line)["file"])
    there = {
        path.relative_to(brain.replay.folder).as_posix()
        for path in brain.replay.folder.glob("*/*.wav")
    }
    assert there == named
    folders = {path.name for path in brain.replay.folder.iterdir()}
    assert folders == {name.partition("/")[0] for name in named}

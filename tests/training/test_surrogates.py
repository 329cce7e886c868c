"""Where gradients come from: discriminators, twins, both, or nothing."""

from dataclasses import replace

import pytest
import torch
from experiments import (
    LE_BASE,
    dataset,
    fit,
    make_small_brain,
    moved,
    weights,
    write_speech_and_noise,
)
from hyperpyyaml import load_hyperpyyaml
from speechbrain.core import Stage
from speechbrain.dataio.batch import PaddedBatch

from okd_brain.config import read_experiment
from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, Metric, parse_targets
from okd_brain.tasks import ListeningEnhancement
from okd_brain.training import Curriculum
from okd_brain.training.surrogates import Surrogates

SI_SDR, SEGSNR = METRICS["si_sdr"], METRICS["segsnr"]


@pytest.fixture(scope="module")
def train_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("train"), 3)


@pytest.fixture(scope="module")
def valid_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("valid"), 1, first=5)


def started(tmp_path, train_set, *overrides):
    """Return a brain that is ready for updates, and a batch."""
    brain = make_small_brain(tmp_path, *overrides)
    brain.make_dataloader(train_set, Stage.TRAIN)
    brain.on_fit_start()
    brain.nonfinite_count = 0
    brain.modules.train()
    return brain, PaddedBatch([train_set[index] for index in range(3)])


def phase_names(brain, epoch):
    return [phase.name for phase in brain.phases(epoch)]


def test_a_control_has_no_discriminator_and_scores_nothing(
    tmp_path, train_set, monkeypatch
):
    brain, batch = started(
        tmp_path,
        train_set,
        "--adversarial_weight=0",
        "--alpha=0",
        "--supervised_weight=1",
    )
    assert set(brain.modules) == {"g_si_sdr", "g_segsnr"}
    assert phase_names(brain, 1) == phase_names(brain, 2) == ["generator"]
    monkeypatch.setattr(brain, "estimate_scores", None)
    before = weights(brain.modules["g_si_sdr"])
    brain.fit_batch(("generator", batch))
    assert moved(before, brain.modules["g_si_sdr"])
    assert set(brain.train_means.summary()) == {
        "si_sdr mimicry",
        "segsnr mimicry",
        "spectral error",
        "g_si_sdr gradient norm",
        "g_segsnr gradient norm",
    }


def test_twins_need_no_discriminator_and_equal_the_label(tmp_path, train_set):
    brain, batch = started(tmp_path, train_set, "--surrogate=twin")
    assert set(brain.modules) == {"g_si_sdr", "g_segsnr"}
    assert phase_names(brain, 1) == ["generator"]
    brain.phase = "generator"
    with torch.no_grad():
        inputs, outputs = brain.compute_forward(batch, Stage.TRAIN)
        for target, output in zip(brain.targets, outputs, strict=True):
            estimates = brain.estimate_scores(target.terms, output, inputs)
            (metric,) = target.metrics
            pairs = brain.task.scored_pairs(output.wave, batch)
            labels = [
                metric.normalise(metric.score(reference=ref, degraded=deg))
                for ref, deg in pairs
            ]
            assert estimates[:, 0].tolist() == pytest.approx(labels, abs=1e-4)


def test_a_residual_learns_what_the_twin_gets_wrong(tmp_path, train_set):
    """These twins get nothing wrong: D's labels are 0, for every source."""
    brain, _ = started(
        tmp_path, train_set, "--surrogate=residual", "--discriminator=separate"
    )
    assert {"d_si_sdr", "d_segsnr"} < set(brain.modules)
    records = brain.current_set(1)
    reader = brain.make_current_set.reader
    batch = PaddedBatch([reader(record) for record in records])
    inputs = brain.task.inputs(batch)
    zeros = torch.zeros(len(records), 2)
    for brain.source in ("enhanced", "noisy", "clean"):
        loss = brain.discriminator_loss(zeros, batch, inputs)
        assert float(loss) < 1e-7, brain.source
    assert float(batch["enhanced_label"].data.min()) > 0.1


def test_the_estimate_of_a_residual_is_the_sum(tmp_path, train_set):
    brain, batch = started(tmp_path, train_set, "--surrogate=residual")
    brain.phase = "generator"
    brain.modules.eval()
    with torch.no_grad():
        inputs, outputs = brain.compute_forward(batch, Stage.TRAIN)
        output, terms = outputs[0], brain.targets[0].terms
        total = brain.estimate_scores(terms, output, inputs)
        judged = brain.discriminate(output.spectrum, inputs, list(terms))
        waves = brain.task.compared_waves(output.wave, inputs)
        twin = brain.surrogates(terms[0], waves, inputs.samples)
    torch.testing.assert_close(total[:, 0], judged[:, 0] + twin)


def test_each_target_may_have_its_own(tmp_path, train_set):
    brain, batch = started(tmp_path, train_set, "--surrogate={si_sdr: twin}")
    heads = [head.name for head in brain.heads]
    assert heads == ["segsnr"]
    assert phase_names(brain, 2) == [
        "generator",
        "current",
        "replay",
        "current",
    ]
    brain.fit_batch(("generator", batch))
    assert brain.steps["g_si_sdr"] == brain.steps["g_segsnr"] == 1
    records = brain.current_set(2)
    assert set(records[0].scores) == {"segsnr"}  # D learns no other


@pytest.mark.parametrize(
    "surrogate, message",
    [
        ("twins", r"'twins'; did you mean 'twin'"),
        ({"pesk": "twin"}, r"no target 'pesk'; did you mean 'pesq'"),
        (["twin"], r"must be one of discriminator, twin, residual"),
    ],
)
def test_wrong_surrogates_are_named(surrogate, message):
    with pytest.raises(UserError, match=message):
        Surrogates(parse_targets([["pesq"]]), surrogate)


def test_a_metric_without_a_twin_is_named():
    own = Metric("mine", lambda **signals: 0.5)
    with pytest.raises(UserError, match=r"mine has no twin.*pesq"):
        Surrogates(parse_targets([[own]]), {"mine": "residual"})


def test_of_a_schedule_for_all_targets_those_with_twins_have_them():
    own = Metric("mine", lambda **signals: 0.5)
    surrogates = Surrogates(parse_targets([["pesq"], [own]]), "twin")
    assert surrogates.kinds == {"pesq": "twin", "mine": "discriminator"}


def test_a_users_metric_may_bring_its_twin_and_curve():
    class Loudness(torch.nn.Module):
        def forward(self, reference, degraded, lengths=None):
            return degraded.square().mean(dim=1)

    own = Metric(
        "loud", lambda **signals: 0.5, twin=lambda sample_rate: Loudness()
    )
    targets = parse_targets([[own]])
    surrogates = Surrogates(targets, "twin")
    wave = torch.full((1, 4), 0.5)
    label = surrogates(
        targets[0].terms[0], {"ear": (wave, wave)}, torch.tensor([4])
    )
    assert label.tolist() == [0.25]


def test_negative_weights_are_refused(tmp_path):
    with pytest.raises(UserError, match="adversarial_weight is -1"):
        make_small_brain(tmp_path, "--adversarial_weight=-1")


def test_a_discriminator_that_is_not_there_has_no_epochs(
    tmp_path, train_set, valid_set
):
    brain = make_small_brain(
        tmp_path, "--surrogate=twin", "--discriminator_epochs=1"
    )
    fit(brain, train_set, valid_set)
    assert brain.hparams.epoch_counter.current == 2
    assert dict(brain.steps) == {"g_si_sdr": 2 * 2, "g_segsnr": 2 * 2}


def test_gradients_reach_the_gains_of_listening_enhancement():
    """The bins below 47 Hz have gain 0, where a square root has no slope."""
    torch.manual_seed(0)
    task = ListeningEnhancement()
    speech, noise = 0.1 * torch.randn(2, 2, 24000)
    inputs = task.analyse(speech, noise, torch.tensor([1.0, 0.8]))
    generator = BandGainGenerator()
    output = task.enhance(generator, inputs)
    (target,) = parse_targets([["estoi"]])
    surrogates = Surrogates([target], "twin")
    waves = task.compared_waves(output.wave, inputs)
    assert waves["ear"][1][1, 19200:].abs().max() == 0  # padding
    label = surrogates(target.terms[0], waves, inputs.samples)
    label.sum().backward()
    gradients = [parameter.grad for parameter in generator.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


FAST = (
    "--surrogate=twin",
    "--average_decay=0.5",
    "--warmup_epochs=6",
    "--warmup_patience=1",
    "--supervised_weight=1",
    "--batch_size=2",
)


def ended(brain):
    """Return everything that a run ends with."""
    return {
        "modules": brain.modules.state_dict(),
        "averages": {
            target.name: network.state_dict()
            for target, network in brain.generators.items()
        },
        "optimizers": {
            name: optimizer.state_dict()
            for name, optimizer in brain.optimizers_dict.items()
        },
        "steps": dict(brain.steps),
        "plateau": brain.curriculum.plateau.values,
        "epochs": brain.hparams.epoch_counter.current,
    }


def no_gain_after(brain, epoch):
    """Let validation gain nothing after an epoch of the warm-up."""
    judge = brain.curriculum.plateau.update
    brain.curriculum.plateau.update = lambda value, now: judge(
        float(min(now, epoch)), now
    )


def test_a_fast_run_goes_on_exactly(tmp_path, train_set, valid_set):
    """Twins, averages, and a warm-up that ends by itself."""
    whole = make_small_brain(tmp_path / "whole", *FAST)
    no_gain_after(whole, 2)
    fit(whole, train_set, valid_set)
    # Two epochs that gain, one that does not, and two with the metrics.
    assert ended(whole)["epochs"] == 5
    assert whole.curriculum.plateau.end == 3

    for epochs in (2, 4, 99):
        brain = make_small_brain(tmp_path / "parts", *FAST)
        no_gain_after(brain, 2)
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


def test_a_plateau_halves_the_learning_rate(tmp_path, train_set, valid_set):
    brain = make_small_brain(tmp_path, *FAST)
    no_gain_after(brain, 2)
    fit(brain, train_set, valid_set)
    rates = [
        optimizer.param_groups[0]["lr"]
        for optimizer in brain.optimizers.warmup.values()
    ]
    assert rates == [brain.hparams.warmup_lr / 2] * 2
    log = (tmp_path / "train_log.txt").read_text()
    assert log.count("stage: warmup") == 3


def test_averages_are_what_is_validated_and_kept(
    tmp_path, train_set, valid_set
):
    brain, batch = started(
        tmp_path, train_set, "--surrogate=twin", "--average_decay=0.75"
    )
    (target, _) = brain.targets
    start = weights(brain.generator(target))
    brain.fit_batch(("generator", batch))
    first = weights(brain.generator(target))
    brain.fit_batch(("generator", batch))
    second = weights(brain.generator(target))
    for name, value in weights(brain.generators[target]).items():
        expected = 0.75 * start[name] + 0.25 * first[name]
        expected = 0.75 * expected + 0.25 * second[name]
        torch.testing.assert_close(value, expected)
    assert not brain.generators[target].training
    brain.train_stats = {}
    brain.end_epoch(1, {})
    other = make_small_brain(
        tmp_path, "--surrogate=twin", "--average_decay=0.75"
    )
    other.make_dataloader(train_set, Stage.TRAIN)
    other.on_fit_start()
    torch.testing.assert_close(
        weights(other.generators[other.targets[0]]),
        weights(brain.generators[target]),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize("decay", [0, 1, -0.5])
def test_impossible_averages_are_refused(tmp_path, decay):
    with pytest.raises(UserError, match="must be between 0 and 1"):
        make_small_brain(tmp_path, f"--average_decay={decay}")


@pytest.mark.parametrize("patience", [0, 1.5])
def test_impossible_patience_is_refused(patience):
    with pytest.raises(UserError, match="warmup_patience is"):
        Curriculum(1, seed=1, warmup_epochs=1, warmup_patience=patience)


@pytest.mark.slow
def test_listening_enhancement_learns_from_twins(tmp_path):
    """Through train.py's own path; the ear hears the noise."""
    from experiments import LE_RECIPE, train_script

    (tmp_path / "in").mkdir()
    folder = write_speech_and_noise(tmp_path / "in")
    with train_script(LE_RECIPE) as train:
        train.main(
            [
                str(LE_BASE),
                f"--data_folder={folder / 'speech'}",
                f"--noise_folder={folder / 'noise'}",
                f"--output_folder={tmp_path / 'out'}",
                "--valid_talkers=[c]",
                "--test_talkers=[d]",
                "--train_noises=[hiss]",
                "--test_noises=[wind]",
                "--max_valid_mixtures=1",
                "--max_test_mixtures=1",
                "--targets=[[estoi], [stoi]]",
                "--report_metrics=[estoi]",
                "--surrogate=twin",
                "--number_of_epochs=2",
                "--number_of_samples=2",
                "--batch_size=2",
                "--n_jobs=1",
                "--device=cpu",
                "--noprogressbar",
            ]
        )
    log = (tmp_path / "out" / "train_log.txt").read_text()
    assert "estoi adversarial" in log and "D estoi" not in log


def test_base_experiments_keep_the_papers_surrogate(tmp_path):
    argv = [str(LE_BASE), "--data_folder=x", f"--output_folder={tmp_path}"]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    assert hparams["surrogate"] == "discriminator"
    assert hparams["adversarial_weight"] == 1.0


def test_opinions_in_one_term_share_a_twin():
    """Others, and opinions with a curve of their own, keep theirs."""
    torch.manual_seed(0)
    csig, cbak, covl = (METRICS[name] for name in ("csig", "cbak", "covl"))
    curved = replace(covl, name="curved", curve=lambda raw: raw**2 / 25)
    (target,) = parse_targets([["csig+si_sdr+curved+cbak", curved]])
    surrogates = Surrogates([target], "twin")
    term = target.terms[0]
    assert len(surrogates.twins[term.name]) == 3
    clean, degraded = torch.randn(2, 1, 8000)
    lengths = torch.tensor([8000])
    raw = {
        metric.name: metric.twin(16000)(clean, degraded, lengths)
        for metric in (csig, SI_SDR, covl, cbak)
    }
    labels = [
        (raw["csig"] - 1) / 4,
        SI_SDR.curve(raw["si_sdr"]),
        raw["covl"] ** 2 / 25,
        (raw["cbak"] - 1) / 4,
    ]
    pairs = dict.fromkeys(("ear", "device"), (clean, degraded))
    found = surrogates(term, pairs, lengths)
    torch.testing.assert_close(found, sum(labels) / 4)

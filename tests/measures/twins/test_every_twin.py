"""Every twin against its metric, and as a direction to follow."""

from typing import NamedTuple

import pytest
import torch
from twin_checks import (
    check_agreement,
    check_degenerate_signals,
    check_gradient,
    check_half_precision,
    check_messages,
    check_padding_and_batch_mates,
    check_prepared,
    climb,
    enhanced_edits,
    heard_edits,
    prompt,
    steepest,
    tensors,
    true_scores,
)

from okd_brain.measures.twins import base, composite, pesq
from okd_brain.metrics import METRICS


def every_second_heard_edit(number):
    """The metric takes half a second for each."""
    return heard_edits(number)[number::2]


class Expected(NamedTuple):
    """What a twin has to reach."""

    within: float  # least correlation within an utterance
    absolute: float  # greatest difference from the metric
    gradient: float  # greatest relative error
    padding: float  # greatest relative difference that padding makes
    rise: float  # of the metric along the gradient
    edits: tuple = (enhanced_edits,)
    steps: int = 15
    lowest: float | None = None  # the floor
    highest: float | None = None  # the perfect score


TWINS = {
    "pesq": Expected(0.9999, 2e-3, 1e-3, 1e-5, 0.1),
    "csig": Expected(0.9999, 2e-3, 1e-3, 1e-5, 0.1),
    "cbak": Expected(0.9999, 2e-3, 1e-3, 1e-5, 0.1),
    "covl": Expected(0.9999, 2e-3, 1e-3, 1e-5, 0.1),
    "segsnr": Expected(0.99999, 1e-5, 1e-3, 1e-5, 1.0),
    "stoi": Expected(
        *(0.99999, 2e-6, 1e-4, 1e-5, 0.05),
        edits=(enhanced_edits, heard_edits),
        lowest=-1,
    ),
    "estoi": Expected(
        *(0.99999, 2e-6, 1e-4, 1e-5, 0.05),
        edits=(enhanced_edits, heard_edits),
        lowest=-1,
    ),
    "si_sdr": Expected(0.99999, 1e-4, 1e-4, 1e-5, 3.0, highest=100.0),
    "siib": Expected(0.99999, 1e-3, 1e-3, 1e-4, 10.0, edits=(heard_edits,)),
    "haspi_linear": Expected(
        *(0.999, 0.06, 1e-2, 3e-4, 0.3),
        edits=(every_second_heard_edit,),
        steps=5,
    ),
}
SHARED = {name: METRICS[name].twin(sample_rate=16000) for name in TWINS}

every_twin = pytest.mark.parametrize("name", TWINS)


def test_all_twins_are_listed():
    have_one = {name for name in METRICS if METRICS[name].twin is not None}
    assert have_one == set(TWINS)


@every_twin
def test_knows_its_metrics_limits(name):
    twin, metric = SHARED[name], METRICS[name]
    assert twin.floor == metric.floor
    assert twin.min_seconds == metric.min_seconds
    # SI-SDR's has no end.
    assert twin.best == (100.0 if name == "si_sdr" else metric.perfect)


@every_twin
def test_agrees_with_the_metric(name):
    expected = TWINS[name]
    for edits in expected.edits:
        check_agreement(
            SHARED[name],
            name,
            edits,
            within=expected.within,
            absolute=expected.absolute,
        )


@every_twin
def test_gradient_is_that_of_the_score(name, monkeypatch):
    # What is kept of the gradient beyond a bound is not the score's.
    monkeypatch.setattr(pesq, "WORST_FRAME_LEAK", 0.0)
    monkeypatch.setattr(composite, "SEGSNR_LEAK", 0.0)
    degraded = TWINS[name].edits[-1](0)[1]
    check_gradient(SHARED[name], degraded, relative=TWINS[name].gradient)


@every_twin
def test_following_the_gradient_raises_the_metric(name):
    waves = climb(SHARED[name], 0, 0, steps=TWINS[name].steps)
    before, after = true_scores(name, [(prompt(0), wave) for wave in waves])
    assert after > before + TWINS[name].rise


@every_twin
def test_padding_and_batch_mates_do_not_matter(name):
    check_padding_and_batch_mates(SHARED[name], relative=TWINS[name].padding)


@every_twin
def test_degenerate_signals_have_scores_and_gradients(name):
    lowest, highest = TWINS[name].lowest, TWINS[name].highest
    lowest = METRICS[name].floor if lowest is None else lowest
    highest = METRICS[name].perfect if highest is None else highest
    check_degenerate_signals(SHARED[name], lowest - 1e-3, highest + 1e-3)


@every_twin
def test_half_precision_is_computed_in_single(name):
    check_half_precision(SHARED[name])


@every_twin
def test_a_prepared_reference_serves_several_generators(name):
    check_prepared(SHARED[name])


@every_twin
def test_wrong_inputs_are_rejected(name):
    check_messages(METRICS[name].twin)


@pytest.mark.parametrize("weight", [1.0, 1e-3])
@pytest.mark.parametrize("name", ["csig", "estoi", "siib"])
def test_a_gradient_beyond_bounds_is_bounded(name, weight, monkeypatch):
    """A tone's CSIG depends on rounding, and a loss may weigh it at will."""
    twin, clean = SHARED[name], tensors(prompt(0))[0]
    tone = torch.sin(torch.arange(clean.shape[1]) / 16)[None]
    effects = []
    for limit in (base.STEEPEST, 1e9):
        monkeypatch.setattr(base, "STEEPEST", limit)
        wave = tone.clone().requires_grad_()
        (weight * twin(clean, wave)).sum().backward()
        effects.append(float(steepest(wave)) / weight)
    bounded, free = effects
    assert free > 3 * bounded
    assert bounded == pytest.approx(30 * (twin.best - twin.floor), rel=1e-3)


@pytest.mark.parametrize("samples, fft_size", [(10, 10), (7, 12)])
def test_power_spectra_have_the_gradient_of_their_transform(samples, fft_size):
    frames = torch.randn(2, 3, samples, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(base.power_spectrum, (frames, fft_size))
    spectrum = torch.fft.rfft(frames, fft_size).abs().square()
    torch.testing.assert_close(base.power_spectrum(frames, fft_size), spectrum)

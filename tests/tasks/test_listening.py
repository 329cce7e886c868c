"""The task of listening enhancement: bands, equal power, who hears what."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from experiments import RATE, speech
from speechbrain.dataio.batch import PaddedBatch

from okd_brain.generators import BandGainGenerator, CumulativeLayerNorm
from okd_brain.metrics import METRICS
from okd_brain.signals import (
    band_matrix,
    compress_bands,
    erb_centres,
)
from okd_brain.tasks import ListeningEnhancement
from okd_brain.tasks.bands import frame_power

QUALITY = {
    "pesq",
    "csig",
    "cbak",
    "covl",
    "segsnr",
    "si_sdr",
    "visqol",
    "dnsmos_ovrl",
    "dnsmos_sig",
    "dnsmos_bak",
    "dnsmos_p808",
}


def wave(number=0, samples=RATE):
    return torch.tensor(speech(number)[:samples], dtype=torch.float32)


def noise(samples=RATE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(samples, generator=generator)


def batch(*lengths):
    return PaddedBatch(
        [
            {
                "id": str(i),
                "clean_sig": wave(i, samples),
                "noise_sig": noise(samples, i),
            }
            for i, samples in enumerate(lengths)
        ]
    )


class Extreme(torch.nn.Module):
    """Gains at random within all that the generator can give."""

    def forward(self, x):
        torch.manual_seed(0)
        return torch.exp(3.2 * (2 * torch.rand(*x.shape[:2], 64) - 1))


# --- bands -------------------------------------------------------------------


def test_bands_equal_a_loop():
    """Triangles over the bins, band by band, and their use backwards."""
    centres = erb_centres()
    power = torch.rand(257, generator=torch.Generator().manual_seed(0))
    expected = []
    for band in range(64):
        total = 0.0
        for bin_ in range(2, 256):
            if bin_ <= centres[band] and band > 0:
                low = centres[band - 1]
                weight = max(0.0, (bin_ - low) / (centres[band] - low))
            elif bin_ > centres[band] and band < 63:
                high = centres[band + 1]
                weight = max(0.0, (high - bin_) / (high - centres[band]))
            else:
                weight = float(abs(bin_ - centres[band]) < 1e-6)
            total += weight * power[bin_].item()
        expected.append(total)
    matrix = band_matrix()
    assert (power @ matrix).tolist() == pytest.approx(expected, rel=1e-5)

    gains = np.random.default_rng(0).uniform(0.04, 24, size=64)
    interpolated = np.interp(np.arange(2, 256), centres, gains)
    bins = matrix.double().numpy() @ gains
    np.testing.assert_allclose(bins[2:256], interpolated, rtol=1e-5)
    assert not bins[[0, 1, 256]].any()


def test_steps_are_proportional_to_the_erb_or_a_bin():
    centres = erb_centres()
    middle_hz = (centres[1:] + centres[:-1]) / 2 * RATE / 512
    erb_hz = 24.7 * (0.00437 * middle_hz + 1)
    steps = np.diff(centres)
    assert steps.min() == pytest.approx(1.0, abs=1e-3)
    wide = steps > 1.01
    assert wide.sum() > 45
    ratio = steps[wide] * RATE / 512 / erb_hz[wide]
    assert ratio.max() / ratio.min() < 1.002


def test_compression_has_a_gradient_in_silence():
    power = torch.zeros(3, requires_grad=True)
    compress_bands(power).sum().backward()
    assert torch.isfinite(power.grad).all()


# --- equal power -------------------------------------------------------------


@pytest.mark.parametrize("generator", [Extreme(), BandGainGenerator()])
def test_an_utterance_keeps_its_power(generator):
    task = ListeningEnhancement()
    inputs = task.inputs(batch(RATE, 9000))
    with torch.no_grad():
        enhanced = task.enhance(generator, inputs)
    for item, samples in enumerate((RATE, 9000)):
        before = inputs.clean_wave[item, :samples].double().square().sum()
        after = enhanced.wave[item, :samples].double().square().sum()
        assert (after / before).item() == pytest.approx(1, abs=1e-4)


def test_the_bands_that_d_sees_are_at_the_power_of_the_speech():
    """The compressed bands of the generator phase, made linear again."""
    task = ListeningEnhancement()
    inputs = task.inputs(batch(RATE))
    with torch.no_grad():
        estimate = task.estimate(Extreme(), inputs)
        enhanced = task.enhance(Extreme(), inputs)
    torch.testing.assert_close(estimate, enhanced.spectrum)
    linear = (estimate.double() ** 6 - 1e-6).sum()
    clean = (inputs.clean.double() ** 6 - 1e-6).sum()
    assert linear / clean == pytest.approx(1, abs=0.01)  # edges count once
    # And close to those of the wave, though gains differ from frame to frame.
    with torch.no_grad():
        enhanced = task.enhance(BandGainGenerator(), inputs)
    error = (task.bands(enhanced.wave) - enhanced.spectrum).square().mean()
    assert error / enhanced.spectrum.var() < 0.05


def test_a_frame_keeps_its_power_and_does_not_wait():
    task = ListeningEnhancement(equal_power="frame")
    speech_, noise_ = wave()[None], noise()[None]
    generator = BandGainGenerator().eval()
    for parameter in generator.linear2.parameters():
        parameter.data *= 20  # far from unity

    @torch.no_grad()
    def enhance(speech_, noise_):
        inputs = task.analyse(speech_, noise_, torch.ones(1))
        power = inputs.spectrum.square().sum(dim=-1)
        gains = task._gains(generator, inputs, power)
        audible = power.clone()
        audible[..., [0, 1, 256]] = 0
        ratio = frame_power(power * gains) / frame_power(audible)
        torch.testing.assert_close(
            ratio, torch.ones_like(ratio), rtol=1e-4, atol=0
        )
        return task.enhance(generator, inputs).wave

    before = enhance(speech_, noise_)
    later = speech_.clone(), noise_.clone()
    for signal in later:
        signal[:, 10_000:] = 0.3 * torch.randn(RATE - 10_000)
    after = enhance(*later)
    certain = 10_000 - 512  # samples whose window ends before the change
    torch.testing.assert_close(
        after[:, :certain], before[:, :certain], rtol=0, atol=1e-5
    )
    assert not torch.allclose(after[:, 10_000:], before[:, 10_000:])


def test_an_offset_in_a_pause_does_not_become_hiss():
    """Frames keep the power that bands carry, 40 dB less here than all."""
    task = ListeningEnhancement(equal_power="frame")
    hiss = 1e-3 * noise()[None]
    with torch.no_grad():
        inputs = task.analyse(hiss + 0.01, noise()[None], torch.ones(1))
        played = task.enhance(BandGainGenerator(), inputs).wave
    inner = slice(512, -512)  # the offset begins and ends with a click
    assert played[:, inner].std() < 1.1 * hiss[:, inner].std()


def test_the_constraint_has_a_name():
    with pytest.raises(ValueError, match="'frames', but .* utterance, frame"):
        ListeningEnhancement(equal_power="frames")


def test_silence_stays_silence():
    task = ListeningEnhancement()
    inputs = task.analyse(
        torch.zeros(1, 8000), noise(8000)[None], torch.ones(1)
    )
    enhanced = task.enhance(Extreme(), inputs)
    assert not enhanced.wave.any()
    assert torch.isfinite(enhanced.spectrum).all()
    aim = task.supervised_target(inputs)  # SSDRC refuses silence
    torch.testing.assert_close(aim, inputs.clean)


# --- who hears what ----------------------------------------------------------


def test_the_ear_hears_the_noise_quality_is_that_of_the_device():
    for name, metric in METRICS.items():
        assert metric.hears == ("device" if name in QUALITY else "ear"), name


def test_what_is_scored():
    task = ListeningEnhancement()
    pair = batch(RATE, 9000)
    played = 0.5 * pair.clean_sig.data
    for item, samples in enumerate((RATE, 9000)):
        reference, heard, device = task.scored_pairs(played, pair)[item]
        np.testing.assert_array_equal(reference, wave(item, samples))
        np.testing.assert_array_equal(device, 0.5 * reference)
        np.testing.assert_allclose(
            heard - device, noise(samples, item), atol=1e-6
        )


def test_what_d_sees():
    task = ListeningEnhancement()
    pair = batch(RATE)
    inputs = task.inputs(pair)
    stored = SimpleNamespace(enhanced_sig=SimpleNamespace(data=wave(3)[None]))
    for source, expected in (
        ("unprocessed", wave(0)),
        ("enhanced", wave(3)),
    ):
        judged = task.judged(source, stored, inputs)
        seen = task.discriminator_input(judged, inputs)[0]
        for channel, signal in enumerate((expected, noise(), wave(0))):
            torch.testing.assert_close(
                seen[channel], task.bands(signal[None])[0]
            )


def test_levels_reach_the_discriminator():
    """Twice the noise is another input: nothing is normalised away."""
    task = ListeningEnhancement()
    assert task.normalise_discriminator_input is False
    loud = task.analyse(wave()[None], 2 * noise()[None], torch.ones(1))
    soft = task.analyse(wave()[None], noise()[None], torch.ones(1))
    ratio = (loud.noise / soft.noise).median().item()
    assert ratio == pytest.approx(4 ** (1 / 6), abs=1e-3)


def test_no_gradient_reaches_the_noise():
    task = ListeningEnhancement()
    pair = batch(RATE)
    for signal in (pair.noise_sig.data, pair.clean_sig.data):
        signal.requires_grad_()
    generator = BandGainGenerator()
    inputs = task.inputs(pair)
    spectrum = task.estimate(generator, inputs)
    task.discriminator_input(spectrum, inputs).square().sum().backward()
    assert pair.noise_sig.data.grad is None
    assert pair.clean_sig.data.grad is None
    assert all(p.grad.abs().sum() > 0 for p in generator.parameters())


def test_padding_does_not_change_an_item():
    task, generator = ListeningEnhancement(), BandGainGenerator().eval()
    with torch.no_grad():
        both = task.enhance(generator, batch(9000, RATE))
        alone = task.enhance(generator, batch(9000))
    # The last window of the longer batch goes on behind the item's end.
    torch.testing.assert_close(
        both.wave[0, :8700], alone.wave[0, :8700], rtol=1e-3, atol=1e-5
    )


# --- the generator -----------------------------------------------------------


def test_the_cumulative_norm_equals_a_loop_over_the_past():
    norm = CumulativeLayerNorm(5)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(5) + 0.5)
        norm.bias.copy_(torch.rand(5))
        x = 100 + torch.randn(2, 5, 40)
        result = norm(x)
    for frame in range(40):
        past = x[:, :, : frame + 1].reshape(2, -1).double()
        mean = past.mean(dim=1)[:, None]
        deviation = (past.var(dim=1, unbiased=False) + 1e-5).sqrt()[:, None]
        expected = (x[:, :, frame] - mean) / deviation
        expected = expected * norm.weight + norm.bias
        torch.testing.assert_close(
            result[:, :, frame], expected.float(), rtol=1e-3, atol=1e-3
        )


def test_gains_do_not_depend_on_the_future_and_stay_in_range():
    generator = BandGainGenerator().eval()
    x = 3 * torch.rand(1, 50, 128)
    with torch.no_grad():
        whole, beginning = generator(x), generator(x[:, :20])
        generator.linear2.bias.fill_(1e3)
        assert generator(x).max() == pytest.approx(np.exp(3.2), rel=1e-5)
        generator.linear2.bias.fill_(-1e3)
        assert generator(x).min() == pytest.approx(np.exp(-3.2), rel=1e-5)
    torch.testing.assert_close(whole[:, :20], beginning, rtol=1e-4, atol=1e-5)


def test_the_size_is_nele_gans():
    """2.09 M parameters (Li and Yamagishi 2021)."""
    size = sum(p.numel() for p in BandGainGenerator().parameters())
    assert round(size / 1e6, 2) == 2.09


# --- baselines ---------------------------------------------------------------


def test_ssdrc_stands_beside_the_speech():
    task = ListeningEnhancement()
    pair = batch(RATE, 9000)
    waves = task.baselines(pair)["ssdrc"]
    torch.testing.assert_close(
        task.supervised_target(task.inputs(pair)), task.bands(waves)
    )
    for item, samples in enumerate((RATE, 9000)):
        ratio = waves[item].square().sum() / wave(item, samples).square().sum()
        assert ratio.item() == pytest.approx(1, abs=1e-4)
        assert not waves[item, samples:].any()
    [(reference, heard, played), _] = task.scored_pairs(waves, pair)
    [power_ratio] = task.reported
    score = power_ratio.score(reference=reference, degraded=played)
    assert score == pytest.approx(0, abs=1e-3)
    louder = power_ratio.score(reference=reference, degraded=10 * reference)
    assert louder == pytest.approx(20)
    assert json.loads(json.dumps(louder)) == louder
    assert heard.std() > played.std()


@pytest.mark.parametrize("constraint", ["utterance", "frame"])
def test_bands_and_gains_are_float32_under_autocast(constraint):
    task = ListeningEnhancement(equal_power=constraint)
    plain = task.inputs(batch(RATE))
    expected = task.enhance(Extreme(), plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inputs = task.inputs(batch(RATE))
        spectrum = task.estimate(Extreme(), inputs)
        enhanced = task.enhance(Extreme(), inputs)
    torch.testing.assert_close(inputs.clean, plain.clean)
    torch.testing.assert_close(spectrum, expected.spectrum)
    torch.testing.assert_close(enhanced.wave, expected.wave)

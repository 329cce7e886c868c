"""Speech made clearer in noise: power, level, rates and segments."""

import pytest
import torch
from enhancing import (
    RATE,
    difference_db,
    energy,
    hiss,
    talk,
    wide,
)

from okd_brain.enhance import enhance_listening, enhance_wave
from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator


@pytest.fixture(scope="module")
def generator():
    return wide()


class Memoryless(BandGainGenerator):
    """More gain where the noise is loud, frame by frame."""

    def forward(self, x):
        return torch.exp(3 * torch.tanh(x[..., 64:] - x[..., :64]))


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_power_and_shape_of_every_channel_stay(generator, rate):
    pair = torch.stack([talk(rate + 7), 0.1 * talk(rate + 7).flip(0)])
    before = pair.clone()
    enhanced = enhance_listening(generator, pair, rate, hiss(), RATE)
    assert torch.equal(pair, before)
    assert enhanced.shape == pair.shape and enhanced.dtype == torch.float32
    ratio_db = 10 * torch.log10(energy(enhanced) / energy(pair))
    assert ratio_db.abs().max() < 1e-4
    for channel, wave in zip(enhanced, pair, strict=True):
        alone = enhance_listening(generator, wave, rate, hiss(), RATE)
        assert torch.equal(channel, alone)


def test_the_level_of_both_together_changes_nothing_else(generator):
    """The networks hear speech at -25 dBFS, whatever its level."""
    clean, noise = talk(), hiss()
    loud = enhance_listening(generator, clean, RATE, noise, RATE)
    soft = enhance_listening(generator, 1e-3 * clean, RATE, 1e-3 * noise, RATE)
    assert difference_db(1e3 * soft, loud) < -90
    other = enhance_listening(generator, clean, RATE, 0.1 * noise, RATE)
    assert difference_db(other, loud) > -40


def test_any_rate_of_noise(generator):
    seconds = torch.arange(66150) / 44100
    tone = 0.1 * torch.sin(2 * torch.pi * 1000 * seconds)
    expected = enhance_listening(
        generator,
        talk(),
        RATE,
        0.1 * torch.sin(2 * torch.pi * 1000 * torch.arange(24000) / RATE),
        RATE,
    )
    enhanced = enhance_listening(generator, talk(), RATE, tone, 44100)
    assert difference_db(enhanced, expected) < -30
    untold = enhance_listening(generator, talk(), RATE, hiss(), RATE)
    assert difference_db(untold, expected) > -20


def test_noise_is_repeated_or_cut(generator):
    short = hiss(7000)
    repeated = enhance_listening(generator, talk(), RATE, short, RATE)
    tiled = enhance_listening(generator, talk(), RATE, short.tile(4), RATE)
    assert torch.equal(repeated, tiled)


def test_a_silent_channel_stays_silent(generator):
    pair = torch.stack([torch.zeros(24000), talk()])
    enhanced = enhance_listening(generator, pair, RATE, hiss(), RATE)
    assert enhanced[0].abs().max() == 0
    assert enhanced[1].abs().max() > 0.01


def test_segments_hear_the_noise_of_their_time():
    """As a single pass does, but where one fades into the next."""
    clean, noise = talk(10 * RATE), hiss(10 * RATE)
    noise *= torch.linspace(0.01, 3, len(noise))
    together, cut = (
        enhance_listening(
            Memoryless().eval(),
            clean,
            RATE,
            noise,
            RATE,
            equal_power="frame",
            segment_seconds=seconds,
        )
        for seconds in (30, 4)
    )
    assert difference_db(together, clean) > -20
    assert difference_db(cut, together) < -50


def test_power_is_that_of_the_whole_wave_in_segments(generator):
    clean = talk(9 * RATE + 5)
    enhanced = enhance_listening(
        generator, clean, RATE, hiss(), RATE, segment_seconds=4
    )
    ratio_db = 10 * torch.log10(energy(enhanced) / energy(clean))
    assert abs(ratio_db) < 1e-4


@pytest.mark.parametrize(
    "clean, noise, message",
    [
        (torch.zeros(16000), hiss(), "speech holds nothing but zeros"),
        (torch.ones(511), hiss(), "at least 32 ms; got 511 samples"),
        (torch.ones(9000).div(0), hiss(), "sample at 0.000 s is not"),
        (talk(), torch.zeros(16000), "noise holds nothing but zeros"),
        (talk(), torch.zeros(0), "noise holds nothing but zeros"),
        (talk(), hiss().div(0), "sample at 0.000 s is not"),
        (talk(), torch.ones(2, 9000), r"Noise is .* one channel, \[samples\]"),
        (talk(), torch.ones(9000, dtype=torch.int16), "got torch.int16"),
    ],
)
def test_waves_that_cannot_be_enhanced(generator, clean, noise, message):
    with pytest.raises(ValueError, match=message):
        enhance_listening(generator, clean, RATE, noise, RATE)


def test_generators_do_only_what_they_are_for(generator):
    with pytest.raises(ValueError, match="for listening enhancement.*task le"):
        enhance_wave(generator, talk(), RATE)
    with pytest.raises(ValueError, match="BandGain.*got CausalLSTM"):
        enhance_listening(
            CausalLSTMGenerator().eval(), talk(), RATE, hiss(), RATE
        )
    with pytest.raises(ValueError, match="training mode"):
        enhance_listening(BandGainGenerator(), talk(), RATE, hiss(), RATE)

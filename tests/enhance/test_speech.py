"""Speech enhancement of waves takes the path of training."""

import pytest
import torch
from enhancing import (
    FIRST,
    SECOND,
    THIRD,
    difference_db,
    recordings,
    remembering,
)
from streams import offline

from okd_brain.enhance import enhance_wave
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator


@pytest.fixture(scope="module")
def generator():
    return remembering()


def test_wave_of_one_segment_takes_the_training_path(generator):
    wave = recordings(FIRST)
    before = wave.clone()
    enhanced = enhance_wave(generator, wave, 16000)
    assert torch.equal(enhanced, offline(generator, wave))
    assert torch.equal(wave, before)


@pytest.mark.parametrize("kind", [BLSTMGenerator, CausalLSTMGenerator])
def test_segments_are_close_to_a_single_pass(kind):
    generator = remembering(kind)
    wave = recordings(FIRST, SECOND, THIRD)  # 9.2 s
    expected = offline(generator, wave)
    assert difference_db(expected, wave) > -20  # the generator does something
    enhanced = enhance_wave(generator, wave, 16000, segment_seconds=4)
    assert -200 < difference_db(enhanced, expected) < -30


def test_channels_do_not_mix(generator):
    pair = torch.stack([recordings(FIRST)[:30000], recordings(SECOND)[:30000]])
    enhanced = enhance_wave(generator, pair, 16000)
    for channel, wave in zip(enhanced, pair, strict=True):
        assert torch.equal(channel, enhance_wave(generator, wave, 16000))


def test_silence_stays_silence(generator):
    assert enhance_wave(generator, torch.zeros(9000), 16000).abs().max() < 1e-6

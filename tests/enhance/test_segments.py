"""Waves of any rate and length: cut, enhanced piece by piece, joined."""

import numpy as np
import pytest
import torch
from enhancing import (
    ConstantMask,
    difference_db,
    remembering,
)

from okd_brain.enhance import enhance_wave
from okd_brain.enhance.speech import enhanced_blocks
from okd_brain.generators import CausalLSTMGenerator


@pytest.fixture
def identity():
    return ConstantMask().eval()


@pytest.fixture(scope="module")
def generator():
    return remembering()


ROUNDING_DB = -100  # float32 STFT and back


@pytest.mark.parametrize("extra", [-1, 0, 1, 999])
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_segments_are_joined_seamlessly(identity, segments, extra):
    # Segments of 4 s that overlap by 2 s end at 4, 6 and 8 s.
    count = (2 + 2 * segments) * 16000 + extra
    wave = torch.from_numpy(
        np.random.default_rng(0).normal(size=(2, count)).astype("f4")
    )
    enhanced = enhance_wave(identity, wave, 16000, segment_seconds=4)
    assert difference_db(enhanced, wave) < ROUNDING_DB


@pytest.mark.parametrize("rate", [8000, 11025, 22254, 44100, 44101, 48000])
def test_any_sample_rate_comes_back(identity, rate):
    count = 5 * rate + 7  # two segments of 4 s
    seconds = torch.arange(count, dtype=torch.float64) / rate
    tones = [torch.sin(2 * np.pi * f * seconds) for f in (300.0, 3100.0)]
    wave = sum(tones).float()
    enhanced = enhance_wave(identity, wave, rate, segment_seconds=4)
    assert enhanced.shape == wave.shape
    inner = slice(rate // 10, -rate // 10)
    assert difference_db(enhanced[inner], wave[inner]) < -80


def test_above_8_khz_nothing_is_left(identity):
    seconds = torch.arange(44100, dtype=torch.float64) / 44100
    tone = torch.sin(2 * np.pi * 9000 * seconds).float()
    enhanced = enhance_wave(identity, tone, 44100)
    assert enhanced[4410:-4410].abs().max() < 1e-4


def test_only_two_segments_are_held_at_a_time(identity):
    rng = np.random.default_rng(0)
    total, seconds_read, seconds_written = 60, 0, 0

    def read(count):
        nonlocal seconds_read
        count = min(count, (total - seconds_read) * 8000)
        seconds_read += count // 8000
        return rng.normal(size=(count, 1))

    for block in enhanced_blocks(identity, read, 8000, segment_seconds=4):
        seconds_written += len(block) // 8000
        assert seconds_read - seconds_written <= 4
    assert seconds_written == total


@pytest.mark.parametrize(
    "wave, message",
    [
        (torch.zeros(0), "at least 32 ms; got 0 samples"),
        (torch.zeros(511), "at least 32 ms; got 511 samples, 31.9 ms"),
        (torch.zeros(1, 2, 16000), "float tensor of .samples."),
        (torch.zeros(16000, dtype=torch.int16), "got torch.int16"),
        (
            torch.full((16000,), 1e30),
            "within 16; the sample at 0.000 s is 1e.30",
        ),
    ],
)
def test_waves_that_cannot_be_enhanced(generator, wave, message):
    with pytest.raises(ValueError, match=message):
        enhance_wave(generator, wave, 16000)


@pytest.mark.parametrize(
    "rate", [0, 16, -16000, 999, 10**6, 16e3, "16000", True]
)
def test_rates_that_cannot_be_meant(generator, rate):
    with pytest.raises(ValueError, match=f"sample_rate is {rate!r}, must be"):
        enhance_wave(generator, torch.zeros(16000), rate)


@pytest.mark.parametrize("bad_second", [0.5, 4.5, 7.25])
def test_samples_that_are_not_finite(identity, bad_second):
    wave = torch.zeros(2, 8 * 16000)
    wave[1, int(bad_second * 16000)] = float("nan")
    with pytest.raises(ValueError, match=f"at {bad_second:.3f} s is not"):
        enhance_wave(identity, wave, 16000, segment_seconds=4)


def test_generator_in_training_mode():
    with pytest.raises(ValueError, match="training mode.*eval"):
        enhance_wave(CausalLSTMGenerator(), torch.zeros(16000), 16000)


@pytest.mark.parametrize("segment_seconds", [2, 5])
def test_segment_lengths_that_would_not_fit(identity, segment_seconds):
    with pytest.raises(ValueError, match="even and at least 4"):
        enhance_wave(
            identity,
            torch.zeros(16000),
            16000,
            segment_seconds=segment_seconds,
        )

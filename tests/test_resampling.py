"""48 to 16 kHz."""

import os

import numpy as np
import pytest
import soundfile
import torch

from okd_brain.resampling import resample_wave, store_resampled


def level_db(frequency_hz):
    """Return the gain of the conversion for one tone, in dB."""
    time = torch.arange(48000).double() / 48000
    tone = torch.sin(2 * torch.pi * frequency_hz * time).float()
    out = resample_wave(tone, 48000, 16000)[1000:-1000]
    return 20 * np.log10(out.std().item() / np.sqrt(0.5))


@pytest.mark.parametrize("frequency_hz", [50, 1000, 5000, 7000])
def test_what_wide_band_pesq_hears_passes(frequency_hz):
    assert abs(level_db(frequency_hz)) < 0.1


@pytest.mark.parametrize("frequency_hz", [8200, 9000, 12000, 20000])
def test_nothing_is_aliased(frequency_hz):
    assert level_db(frequency_hz) < -90


def test_waveform_is_that_of_the_tone_at_16_khz():
    tone = np.sin(2 * np.pi * 1000 * np.arange(4800) / 48000)
    out = resample_wave(torch.from_numpy(tone), 48000, 16000).numpy()
    expected = np.sin(2 * np.pi * 1000 * np.arange(1600) / 16000)
    np.testing.assert_allclose(out[200:-200], expected[200:-200], atol=1e-4)


@pytest.mark.parametrize("samples", [4800, 4801, 4802])
def test_length_is_rounded_up(samples):
    assert len(resample_wave(torch.zeros(samples), 48000, 16000)) == -(
        -samples // 3
    )


def test_stored_file_is_16_bit_clipped_and_left_alone_when_current(tmp_path):
    path = tmp_path / "a.wav"
    square = np.where(np.arange(4800) % 480 < 240, 1, -1).astype(np.float32)
    store_resampled(square, 48000, path, stamp_seconds=1000)
    samples, rate = soundfile.read(path)
    assert (rate, soundfile.info(path).subtype) == (16000, "PCM_16")
    # Overshoots of the filter stay at full scale instead of wrapping around.
    assert samples[15:65].min() > 0.5
    assert os.listdir(tmp_path) == ["a.wav"]
    before = os.stat(path).st_ino
    store_resampled(square, 48000, path, stamp_seconds=1000)
    assert os.stat(path).st_ino == before
    store_resampled(-square, 48000, path, stamp_seconds=1001)
    assert soundfile.read(path)[0][40] < 0

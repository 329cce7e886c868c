"""48 to 16 kHz."""

import numpy as np
import pytest

from okd_brain import resampling
from okd_brain.resampling import resample


def level_db(frequency_hz):
    """Return the gain of the conversion for one tone, in dB."""
    time = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * frequency_hz * time).astype(np.float32)
    out = resample(tone, 48000, 16000)[1000:-1000]
    assert out.dtype == np.float32
    return 20 * np.log10(out.std() / np.sqrt(0.5))


@pytest.mark.parametrize("frequency_hz", [50, 1000, 5000, 7000])
def test_what_wide_band_pesq_hears_passes(frequency_hz):
    assert abs(level_db(frequency_hz)) < 0.1


@pytest.mark.parametrize("frequency_hz", [8200, 9000, 12000, 20000])
def test_nothing_is_aliased(frequency_hz):
    assert level_db(frequency_hz) < -90


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(48000, 16000), (44100, 16000), (16000, 44100)]
)
def test_tones_keep_their_waveform(from_hz, to_hz):
    def tones(rate_hz):
        time = np.arange(rate_hz // 10) / rate_hz
        return sum(np.sin(2 * np.pi * hz * time) for hz in (100, 3000, 6900))

    out = resample(tones(from_hz), from_hz, to_hz)
    edge = to_hz // 100
    np.testing.assert_allclose(
        out[edge:-edge], tones(to_hz)[edge:-edge], atol=1e-3
    )


def test_equal_rates_change_nothing():
    samples = np.ones(9)
    assert resample(samples, 16000, 16000) is samples


@pytest.mark.parametrize("rate", [191_999, 608_006, 767_999])
def test_odd_rates_need_no_gigabytes(rate, monkeypatch):
    """Down and up again, a tone is where it was; the filter stays short."""
    ratios = []
    low_pass = resampling._low_pass
    monkeypatch.setattr(
        resampling, "_low_pass", lambda r: ratios.append(r) or low_pass(r)
    )
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate + 3) / rate)
    middle = resample(tone, rate, 16000)
    assert len(middle) == -(-len(tone) * 16000 // rate)
    again = resample(middle, 16000, rate)[: len(tone)]
    assert len(again) == len(tone)
    edge = rate // 10
    np.testing.assert_allclose(again[edge:-edge], tone[edge:-edge], atol=1e-3)
    assert len(ratios) == 2 and max(ratios) <= 50_000


@pytest.mark.parametrize("samples", [4800, 4801, 4802])
def test_length_is_rounded_up(samples):
    length = len(resample(np.zeros(samples), 48000, 16000))
    assert length == -(-samples // 3)

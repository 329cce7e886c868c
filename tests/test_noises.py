"""The noises sound like their names, by measurement."""

import numpy as np
import pytest
from scipy.signal import welch

from okd_brain.noises import NOISES, babble, mix

SAMPLES = 8 * 16000
SPEECH = [
    np.convolve(np.random.default_rng(seed).normal(size=20000), np.ones(8))
    for seed in range(9)
]


def make(kind, samples=SAMPLES, seed=0):
    return NOISES[kind](samples, np.random.default_rng(seed), SPEECH)


def spectrum_db(noise):
    hz, power = welch(noise, fs=16000, nperseg=4096)
    return hz, 10 * np.log10(power)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("samples", [4096, 30001])
def test_length_finite_and_drawn_from_the_generator(kind, samples):
    noise = make(kind, samples)
    assert noise.shape == (samples,)
    assert np.isfinite(noise).all()
    np.testing.assert_array_equal(noise, make(kind, samples))
    assert not np.array_equal(noise, make(kind, samples, seed=1))


@pytest.mark.parametrize("length", [100, 512, 2_000_000])
def test_the_spectrum_is_welchs_for_speech_of_any_length(length):
    speech = np.convolve(np.random.default_rng(1).normal(size=length), [1, 1])
    noise = NOISES["speech_shaped"](4096, np.random.default_rng(0), [speech])
    white = np.random.default_rng(0).standard_normal(4096)
    hz = np.fft.rfftfreq(4096, 1 / 16000)
    gain = np.abs(np.fft.rfft(noise) / np.fft.rfft(white))[hz >= 20]
    at_hz, power = welch(speech, fs=16000, nperseg=min(512, len(speech)))
    expected = np.sqrt(np.interp(hz[hz >= 20], at_hz, power))
    np.testing.assert_allclose(
        gain / gain.mean(), expected / expected.mean(), atol=1e-6
    )


def test_pink_falls_by_three_decibels_per_octave():
    hz, level = spectrum_db(make("pink"))
    band = (hz > 100) & (hz < 7000)
    slope = np.polyfit(np.log2(hz[band]), level[band], 1)[0]
    assert slope == pytest.approx(-3.01, abs=0.1)


def test_speech_shaped_has_the_spectrum_of_the_speech():
    hz, level = spectrum_db(make("speech_shaped"))
    _, expected = spectrum_db(np.concatenate(SPEECH))
    # In thirds of an octave or so; the speech here has zeros from 2 kHz on.
    bands = [(hz > low) & (hz < low + 200) for low in range(100, 1700, 200)]
    found = np.array([level[band].mean() for band in bands])
    wanted = np.array([expected[band].mean() for band in bands])
    np.testing.assert_allclose(found - found[0], wanted - wanted[0], atol=1.0)


def test_modulated_swells_at_the_rate_of_syllables():
    noise = make("modulated")
    envelope = np.sqrt((noise**2).reshape(-1, 160).mean(axis=1))  # 100 Hz
    strength = np.abs(np.fft.rfft(envelope - envelope.mean()))
    rate_hz = np.fft.rfftfreq(len(envelope), 0.01)[strength.argmax()]
    assert 2 <= rate_hz <= 8
    steady = np.sqrt((make("speech_shaped") ** 2).reshape(-1, 160).mean(axis=1))
    assert envelope.std() / envelope.mean() > 0.5
    assert steady.std() / steady.mean() < 0.3


def test_hum_is_mains_and_its_harmonics():
    hz, level = spectrum_db(make("hum"))
    lines = hz[(level > level.max() - 25) & (hz < 400)]
    distance = min(
        np.abs(lines - m * np.round(lines / m)).max() for m in (50, 60)
    )
    assert distance <= 8  # two bins of 4 Hz: the width of the window


def test_babble_is_several_voices_at_one_level():
    voices = [np.full(100, float(level)) for level in (1, 10, 100)]
    noise = babble(250, np.random.default_rng(0), voices)
    np.testing.assert_allclose(noise, 3.0)


def test_babble_takes_no_voice_twice():
    turn = 2 * np.pi * np.arange(100) / 100
    voices = [np.sin(cycles * turn) for cycles in range(1, 10)]
    for seed in range(5):
        noise = babble(100, np.random.default_rng(seed), voices)
        lines = np.abs(np.fft.rfft(noise)) > 1
        assert lines.sum() == 6


@pytest.mark.parametrize("snr_db", [-5, 0, 15])
def test_mix_has_the_ratio_and_level_asked_for(snr_db):
    speech, noise = SPEECH[0], make("pink", len(SPEECH[0]))
    clean, noisy = mix(speech, noise, snr_db=snr_db, level_dbfs=-26, peak=0.99)
    ratio = np.sum(clean**2) / np.sum((noisy - clean) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=1e-9)
    level = 10 * np.log10(np.mean(clean**2))
    assert level == pytest.approx(-26, abs=1e-9)


def test_mix_is_softened_where_it_would_clip():
    speech, noise = SPEECH[0], make("pink", len(SPEECH[0]))
    clean, noisy = mix(speech, noise, snr_db=0, level_dbfs=-6, peak=0.99)
    assert np.abs(noisy).max() == pytest.approx(0.99)
    ratio = np.sum(clean**2) / np.sum((noisy - clean) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(0, abs=1e-9)

"""Noise around a listener: recordings, levels over time, and what is neither."""

import numpy as np
import pytest
import soundfile
from enhancing import (
    RATE,
    hiss,
    level_db,
    talk,
)
from scipy.signal import welch

from okd_brain.enhance import (
    ListenerNoise,
    NoiseLevels,
    read_listener_noise,
    read_noise_levels,
)
from okd_brain.enhance.noise import noise_shaped_like


def test_power_of_repeated_noise():
    noise = ListenerNoise(hiss(700).numpy())
    expected = np.mean(np.resize(noise.samples, 500000) ** 2.0)
    assert noise.power(500000) == pytest.approx(expected, rel=1e-6)


def test_noise_follows_levels_in_db():
    levels = NoiseLevels(np.array([1.0, 3.0]), np.array([-50.0, -10.0]))
    noise = ListenerNoise(hiss(3 * RATE, -3).numpy()).following(levels)
    found = [
        level_db(noise.stretch(round(second * RATE) - 800, 1600))
        for second in (0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 100)
    ]
    expected = [-50, -50, -40, -30, -20, -10, -10]
    np.testing.assert_allclose(found, expected, atol=1.0)


def test_noise_is_shaped_like_speech_and_has_no_seam():
    wave = talk(3 * RATE).numpy()
    noise = noise_shaped_like(wave[:, None], RATE)
    hz, wanted = welch(wave, RATE, nperseg=512)
    _, found = welch(noise.samples, RATE, nperseg=512)
    inner = (hz > 100) & (hz < 7000)
    ratio_db = 10 * np.log10(found[inner] / wanted[inner])
    assert np.std(ratio_db) < 1.0
    steps = np.abs(np.diff(noise.samples))
    assert abs(noise.samples[0] - noise.samples[-1]) < steps.max()


def test_a_recording_of_any_rate(tmp_path):
    soundfile.write(tmp_path / "n.flac", hiss(44100).numpy(), 44100)
    noise = read_listener_noise(tmp_path / "n.flac")
    assert len(noise.samples) == RATE
    soundfile.write(tmp_path / "n.wav", hiss(100).numpy(), RATE, "FLOAT")
    same = read_listener_noise(tmp_path / "n.wav")
    np.testing.assert_array_equal(same.samples, hiss(100).numpy())


@pytest.mark.parametrize(
    "wave, message",
    [
        (None, "n.wav: does not exist"),
        (np.zeros(900), "n.wav: the noise holds nothing but zeros"),
        (np.zeros(0), "n.wav: the noise holds nothing but zeros"),
        (np.ones((900, 2)), "n.wav: has 2 channels, but noise must have one"),
        (np.full(900, 17.0), "n.wav: has a sample of 17, must be within 16"),
        (np.full(900, np.nan), "n.wav: A wave must be finite"),
    ],
)
def test_recordings_that_are_no_noise(tmp_path, wave, message):
    path = tmp_path / "n.wav"
    if wave is not None:
        soundfile.write(path, wave, RATE, "FLOAT")
    with pytest.raises(ValueError, match=message):
        read_listener_noise(path)


def test_levels_as_spreadsheets_write_them(tmp_path):
    path = tmp_path / "levels.csv"
    path.write_text("\ufeffseconds, dbfs\r\n\r\n0, -40\r\n.5,-3e1\r\n", "utf-8")
    levels = read_noise_levels(path)
    assert levels.seconds.tolist() == [0, 0.5]
    assert levels.dbfs.tolist() == [-40, -30]


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "levels.csv: cannot be read"),
        (b"\xff\xfe\x00", "levels.csv: cannot be read"),
        ("", "levels.csv: holds no level"),
        ("seconds,dbfs\n", "levels.csv: holds no level"),
        ("0,-40\nseconds,dbfs\n", "line 2: 'seconds,dbfs' is not a time"),
        ("0,-40\n1\n", "line 2: '1' is not a time"),
        ("0,-40,3\n", "line 1: '0,-40,3' is not a time"),
        ("0;-40\n", "line 1: '0;-40' is not a time"),
        ("0,-40\n\nnan,-40\n", "line 3: 'nan,-40' is not a time"),
        ("0,-inf\n", "line 1: '0,-inf' is not a time"),
        ("0,-40\n1,-30\n1,-20\n", "line 3: times must ascend.*1 s.*1 s"),
        ("1,-40\n0,-30\n", "line 2: times must ascend"),
        (f"0,-40\n1,-{'3' * 200000}\n", "line 2: field larger than"),
        ("0,65\n", "line 1: 65 dBFS is louder.*sound pressure level"),
    ],
)
def test_levels_that_are_none(tmp_path, text, message):
    path = tmp_path / "levels.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        read_noise_levels(path)

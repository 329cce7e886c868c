"""One audio file into another of its kind, for either task."""

import numpy as np
import pytest
import soundfile
import torch
from enhancing import (
    FIRST,
    RATE,
    ROUNDING,
    SECOND,
    ConstantMask,
    difference_db,
    energy,
    hiss,
    level_db,
    recordings,
    remembering,
    talk,
    wide,
)

from okd_brain.enhance import (
    ListenerNoise,
    NoiseLevels,
    enhance_file,
    enhance_listening,
    enhance_listening_file,
    enhance_wave,
)
from okd_brain.enhance.noise import noise_shaped_like
from okd_brain.messages import UserError


@pytest.fixture
def identity():
    return ConstantMask().eval()


@pytest.fixture(scope="module")
def generator():
    return remembering()


@pytest.fixture(scope="module")
def gains():
    return wide()


@pytest.mark.parametrize(
    "name, container, subtype, rate, channels, written_subtype",
    [
        ("a.wav", "WAV", "PCM_16", 16000, 1, "PCM_16"),
        ("a.WAV", "WAV", "PCM_24", 48000, 2, "PCM_24"),
        ("a.wav", "WAV", "FLOAT", 8000, 3, "FLOAT"),
        ("a.wav", "WAVEX", "DOUBLE", 16000, 2, "DOUBLE"),
        ("a.wav", "RF64", "PCM_32", 16000, 1, "PCM_32"),
        ("a.wav", "WAV", "ULAW", 8000, 1, "PCM_16"),
        ("a.flac", "FLAC", "PCM_16", 22050, 1, "PCM_16"),
        ("a.flac", "FLAC", "PCM_24", 44100, 2, "PCM_24"),
    ],
)
def test_format_is_kept(
    tmp_path,
    identity,
    name,
    container,
    subtype,
    rate,
    channels,
    written_subtype,
):
    source, destination = tmp_path / name, tmp_path / "out" / name
    wave = 0.1 * np.random.default_rng(0).normal(size=(rate + 3, channels))
    soundfile.write(source, wave, rate, format=container, subtype=subtype)
    assert enhance_file(identity, source, destination) == 1
    info = soundfile.info(destination)
    assert (info.format, info.subtype) == (container, written_subtype)
    assert (info.samplerate, info.channels) == (rate, channels)
    assert info.frames == len(wave)
    assert "software=okd-enhance" in tags(destination)


def tags(path):
    with soundfile.SoundFile(path) as sound:
        texts = sound.copy_metadata()
    return " ".join(f"{name}={text}" for name, text in texts.items())


@pytest.mark.parametrize(
    "subtype, bits", [("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24)]
)
def test_samples_are_rounded_to_the_nearest(tmp_path, subtype, bits):
    """libsndfile rounds down: silence would have samples of -1."""
    half = ConstantMask(0.5).eval()
    source, destination = tmp_path / "a.wav", tmp_path / "b.wav"
    wave = np.zeros(16000)
    wave[8000:] = talk(8000).numpy()
    soundfile.write(source, wave, 16000, subtype=subtype)
    enhance_file(half, source, destination)
    written = soundfile.read(destination)[0]
    heard, rate = soundfile.read(source, dtype="float32")
    exact = enhance_wave(half, heard, rate)
    error = 2.0 ** (bits - 1) * (written - exact)
    assert abs(error).max() < 0.5 + 1e-2 * bits
    assert abs(error[8000:].mean()) < 0.1  # -0.5 where rounded down
    assert not written[:7000].any()


@pytest.mark.parametrize("container", ["OGG", "MP3", "AIFF"])
def test_other_formats_become_wav(tmp_path, identity, container):
    source, destination = tmp_path / "noisy", tmp_path / "enhanced.wav"
    wave = recordings(FIRST).numpy()
    soundfile.write(source, wave, 16000, format=container)
    decoded, _ = soundfile.read(source)
    enhance_file(identity, source, destination)
    enhanced, _ = soundfile.read(destination)
    assert soundfile.info(destination).subtype == "PCM_16"
    np.testing.assert_allclose(enhanced, decoded, atol=2e-4)


@pytest.mark.parametrize("limit, container", [(20000, "RF64"), (40000, "WAV")])
def test_what_a_wav_header_cannot_count_is_rf64(
    tmp_path, identity, monkeypatch, limit, container
):
    monkeypatch.setattr("okd_brain.enhance.files.LARGEST_WAV", limit)
    source, destination = tmp_path / "noisy.flac", tmp_path / "enhanced.wav"
    soundfile.write(source, recordings(FIRST).numpy()[:16000], 16000)
    enhance_file(identity, source, destination)
    info = soundfile.info(destination)
    assert (info.format, info.frames) == (container, 16000)
    assert "software=okd-enhance" in tags(destination)


def test_file_equals_wave(tmp_path, generator):
    wave = torch.stack([recordings(FIRST, SECOND), recordings(SECOND, FIRST)])
    source, destination = tmp_path / "noisy.wav", tmp_path / "enhanced.wav"
    soundfile.write(source, wave.T.numpy(), 16000, subtype="FLOAT")
    heard = []
    enhance_file(
        generator,
        source,
        destination,
        segment_seconds=4,
        on_progress=heard.append,
    )
    enhanced, _ = soundfile.read(destination, dtype="float32")
    expected = enhance_wave(generator, wave, 16000, segment_seconds=4)
    np.testing.assert_array_equal(enhanced.T, expected)
    assert len(heard) > 1
    assert sum(heard) == pytest.approx(wave.shape[1] / 16000)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_peaks_are_never_clipped(tmp_path, caplog, subtype):
    louder = ConstantMask(1.2).eval()
    source, destination = tmp_path / "noisy.wav", tmp_path / "enhanced.wav"
    wave = recordings(FIRST)
    wave = 0.9 * wave / wave.abs().max()
    soundfile.write(source, wave.numpy(), 16000, subtype="FLOAT")
    expected = enhance_wave(louder, wave, 16000).numpy()
    peak = np.abs(expected).max()
    assert peak > 1.5
    soundfile.write(source, wave.numpy(), 16000, subtype=subtype)
    gain = enhance_file(louder, source, destination)
    enhanced, _ = soundfile.read(destination)
    if subtype == "FLOAT":
        assert gain == 1 and not caplog.records
    else:
        assert gain == pytest.approx(1 / peak, rel=1e-3)
        assert f"{20 * np.log10(1 / peak):.2f} dB" in caplog.text
        assert "enhanced.wav" in caplog.text
    np.testing.assert_allclose(enhanced, gain * expected, atol=2e-4)


@pytest.mark.parametrize("overwrite", [False, True])
def test_source_is_never_overwritten(tmp_path, identity, overwrite):
    source = tmp_path / "noisy.wav"
    soundfile.write(source, np.zeros(16000), 16000)
    (tmp_path / "link.wav").symlink_to(source)
    content = source.read_bytes()
    for destination in (source, tmp_path / "link.wav"):
        with pytest.raises(ValueError, match="overwritten by its output"):
            enhance_file(identity, source, destination, overwrite=overwrite)
    assert source.read_bytes() == content


def test_existing_file_is_replaced_only_on_request(tmp_path, identity):
    destination = tmp_path / "enhanced.flac"
    destination.write_text("old")
    with pytest.raises(UserError, match="enhanced.flac: exists already"):
        enhance_file(identity, FIRST, destination)
    assert destination.read_text() == "old"
    enhance_file(identity, FIRST, destination, overwrite=True)
    assert soundfile.info(destination).frames == len(recordings(FIRST))


def test_failure_half_way_leaves_no_trace(tmp_path, identity):
    wave = np.zeros(8 * 16000)
    wave[-1] = np.inf  # found when half of it is enhanced
    source, destination = tmp_path / "noisy.wav", tmp_path / "enhanced.wav"
    soundfile.write(source, wave, 16000, subtype="FLOAT")
    destination.write_text("old")
    with pytest.raises(ValueError, match="noisy.wav: A wave must be finite"):
        enhance_file(
            identity, source, destination, overwrite=True, segment_seconds=4
        )
    assert destination.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "enhanced.wav",
        "noisy.wav",
    ]


def test_failure_while_writing_leaves_no_trace(tmp_path, identity, monkeypatch):
    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        enhance_file(identity, FIRST, tmp_path / "enhanced.wav")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, content",
    [("a.wav", b"text"), ("a.flac", b""), ("a.raw", b"\0" * 99), ("a", b"x")],
)
def test_files_that_are_not_audio(tmp_path, identity, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: cannot be read as audio"):
        enhance_file(identity, tmp_path / name, tmp_path / "out.wav")


def test_damaged_file(tmp_path, identity):
    damaged = tmp_path / "damaged.flac"
    content = FIRST.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged.flac: .*sync"):
        enhance_file(identity, damaged, tmp_path / "out.flac")
    assert not (tmp_path / "out.flac").exists()


def test_missing_file_and_unknown_format(tmp_path, identity):
    with pytest.raises(UserError, match="none.wav: does not exist"):
        enhance_file(identity, tmp_path / "none.wav", tmp_path / "out.wav")
    with pytest.raises(ValueError, match=r"can write .wav and .flac, not"):
        enhance_file(identity, FIRST, tmp_path / "out.mp3")


# Listening enhancement


def test_listening_file_equals_wave(tmp_path, gains):
    """In segments, of two channels, at another rate than the noise."""
    pair = torch.stack([talk(50000), talk(50000).flip(0)])
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, pair.T.numpy(), 8000, "FLOAT")
    noise = hiss(9000)
    gain = enhance_listening_file(
        gains,
        source,
        destination,
        noise=ListenerNoise(noise.numpy()),
        segment_seconds=4,
    )
    assert gain == 1
    written, rate = soundfile.read(destination, dtype="float32")
    expected = enhance_listening(
        gains, pair, 8000, noise, RATE, segment_seconds=4
    )
    assert rate == 8000
    np.testing.assert_allclose(written.T, expected, atol=ROUNDING)


def test_format_and_power_are_kept(tmp_path, gains):
    source, destination = tmp_path / "in.flac", tmp_path / "out.flac"
    wave = 0.2 * talk(44100).numpy()
    soundfile.write(source, np.stack([wave, -wave], 1), 44100, "PCM_24")
    enhance_listening_file(
        gains, source, destination, noise=ListenerNoise(hiss().numpy())
    )
    before, after = soundfile.info(source), soundfile.info(destination)
    for name in ("samplerate", "channels", "frames", "format", "subtype"):
        assert getattr(after, name) == getattr(before, name)
    written, _ = soundfile.read(destination)
    assert level_db(written) == pytest.approx(level_db(0.2 * talk(44100)), 1e-3)


def test_a_ratio_in_place_of_levels(tmp_path, gains):
    """Of the whole file, however long the noise, and of every channel."""
    clean, noise = talk(40000), hiss(3000)
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    pair = torch.stack([clean, 0.1 * clean])
    soundfile.write(source, pair.T.numpy(), RATE, "FLOAT")
    enhance_listening_file(
        gains,
        source,
        destination,
        noise=ListenerNoise(noise.numpy()),
        snr_db=-7,
    )
    written, _ = soundfile.read(destination, dtype="float32")
    heard = noise.tile(14)[:40000]
    heard *= (energy(clean) / energy(heard) * 10**0.7).sqrt()
    expected = enhance_listening(gains, clean, RATE, heard, RATE)
    for channel, gain in zip(written.T, (1, 10), strict=True):
        assert difference_db(gain * torch.tensor(channel), expected) < -80


def test_levels_of_a_recording(tmp_path, gains):
    clean, noise = talk(), hiss(5000, -3)
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, clean.numpy(), RATE, "FLOAT")
    enhance_listening_file(
        gains,
        source,
        destination,
        noise=ListenerNoise(noise.numpy()),
        noise_levels=NoiseLevels(np.array([0.0]), np.array([-30.0])),
    )
    written, _ = soundfile.read(destination, dtype="float32")
    noise *= 10**-1.5 / noise.square().mean().sqrt()
    expected = enhance_listening(gains, clean, RATE, noise, RATE)
    assert difference_db(torch.tensor(written), expected) < -80


def test_levels_of_noise_that_nobody_recorded(tmp_path, gains):
    clean = talk()
    source = tmp_path / "in.wav"
    soundfile.write(source, clean.numpy(), RATE, "FLOAT")
    noise = torch.from_numpy(
        noise_shaped_like(clean.numpy()[:, None], RATE).samples
    ).float()
    for dbfs in (-50.0, -20.0):
        levels = NoiseLevels(np.array([0.0]), np.array([dbfs]))
        enhance_listening_file(
            gains,
            source,
            tmp_path / "out.wav",
            noise_levels=levels,
            overwrite=True,
        )
        written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
        noise *= 10 ** (dbfs / 20) / noise.square().mean().sqrt()
        expected = enhance_listening(gains, clean, RATE, noise, RATE)
        assert difference_db(torch.tensor(written), expected) < -80


def test_listening_peaks_are_never_clipped(tmp_path, caplog, gains):
    wave = talk()
    wave = torch.round(32000 * wave / wave.abs().max()) / 2**15
    expected = enhance_listening(gains, wave, RATE, hiss(), RATE)
    peak = expected.abs().max().item()
    assert peak > 1.01  # equal power, other peaks
    soundfile.write(tmp_path / "in.wav", wave.numpy(), RATE, "PCM_16")
    gain = enhance_listening_file(
        gains,
        tmp_path / "in.wav",
        tmp_path / "out.wav",
        noise=ListenerNoise(hiss().numpy()),
    )
    assert gain == pytest.approx(1 / peak, rel=1e-3)
    assert f"{20 * np.log10(gain):.2f} dB" in caplog.text
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_allclose(written, gain * expected, atol=2 / 2**15)

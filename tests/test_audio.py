"""Files as they come: names, headers, lengths."""

import os

import numpy as np
import pytest
import soundfile
from experiments import speech
from tiny_corpus import burst, write_streamed_flac

from okd_brain.audio import AudioFile, printable, read_audio
from okd_brain.messages import UserError

RATE = 16000


def written(path, seconds=1.0, **layout):
    soundfile.write(path, speech(0, seconds), RATE, **layout)
    return path


def truncated(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def patched(path, position, content):
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)
    return path


def test_a_name_that_is_not_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    os.rename(written(tmp_path / "a.wav"), path)
    samples, rate, defect = read_audio(path)
    assert (samples.shape, rate, defect) == ((RATE, 1), RATE, None)
    assert printable(path).endswith(r"caf\xe9.wav")


def test_a_stream_of_unknown_length(tmp_path):
    """FLAC's header counts samples in 36 bits; 0 means unknown (RFC 9639)."""
    path = written(tmp_path / "a.flac")
    data = path.read_bytes()
    patched(path, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0]))
    assert soundfile.info(path).frames > 2**60
    samples, _, defect = read_audio(path)
    assert len(samples) == RATE and defect is None


@pytest.mark.parametrize(
    "suffix, format_, subtype",
    [
        ("wav", "WAV", "PCM_16"),
        ("wav", "WAV", "FLOAT"),
        ("mp3", "MP3", "MPEG_LAYER_III"),
        ("ogg", "OGG", "VORBIS"),
        ("opus", "OGG", "OPUS"),
    ],
)
def test_truncated_files_say_what_is_missing(
    tmp_path, suffix, format_, subtype
):
    path = tmp_path / f"a.{suffix}"
    wave = np.tile(speech(), 20)  # Ogg has pages of up to 64 KiB
    soundfile.write(path, wave, RATE, format=format_, subtype=subtype)
    samples, _, defect = read_audio(path)
    assert defect is None
    whole = len(samples)
    samples, _, defect = read_audio(truncated(path))
    assert 0 < len(samples) < whole
    assert "is truncated" in defect and str(len(samples)) in defect
    assert suffix in ("ogg", "opus") or str(whole) in defect


def test_a_truncated_flac_file_is_an_error(tmp_path):
    path = truncated(written(tmp_path / "a.flac"))
    with pytest.raises(UserError, match="cannot be read beyond"):
        read_audio(path)


def test_a_recording_that_was_never_closed(tmp_path):
    path = written(tmp_path / "a.wav")
    position = path.read_bytes().index(b"data")
    expected, _, _ = read_audio(path)
    patched(path, position + 4, bytes(4))
    samples, _, defect = read_audio(path)
    np.testing.assert_array_equal(samples, expected)
    assert f"announces 0 samples, it has {RATE}" in defect


def test_what_is_behind_the_announced_samples(tmp_path):
    """A recorder that was killed between two updates of its header."""
    path = written(tmp_path / "a.wav")
    position = path.read_bytes().index(b"data")
    length = (RATE // 4 * 2).to_bytes(4, "little")
    patched(path, position + 4, length)
    samples, _, defect = read_audio(path)
    assert len(samples) == RATE // 4
    assert f"holds more than its header announces: {RATE // 4} sam" in defect
    assert f"about {RATE * 3 // 4} behind them are not" in defect


@pytest.mark.parametrize(
    "behind",
    [
        b"LIST" + (5000).to_bytes(4, "little") + b"INFO" + bytes(4996),
        b"ID3" + bytes(range(256)) * 40,
        b"TAG" + bytes(range(125)),
        bytes(9000),
        b"\x07" * 3000,  # less than a tenth of a second
    ],
    ids=["chunk", "ID3v2", "ID3v1", "zeros", "little"],
)
def test_what_programs_add_is_no_defect(tmp_path, behind):
    path = written(tmp_path / "a.wav")
    with path.open("ab") as stream:
        stream.write(behind)
    samples, _, defect = read_audio(path)
    assert len(samples) == RATE and defect is None


def test_tags_of_an_empty_file_are_no_samples(tmp_path):
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as sound:
        sound.write(np.zeros(0))
        sound.title = "nothing" * 1000
    assert path.stat().st_size > 7000
    samples, _, defect = read_audio(path)
    assert len(samples) == 0 and defect is None


def test_a_file_written_to_a_pipe_is_whole(tmp_path):
    path = written(tmp_path / "a.wav")
    position = path.read_bytes().index(b"data")
    patched(path, position + 4, b"\xff" * 4)
    samples, _, defect = read_audio(path)
    assert len(samples) == RATE and defect is None


def test_an_empty_file_is_empty(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE)
    samples, _, defect = read_audio(path)
    assert samples.shape == (0, 2) and defect is None


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
def test_impossible_rates_are_refused(tmp_path, rate):
    path = patched(
        written(tmp_path / "a.wav"), 24, int(rate).to_bytes(4, "little")
    )
    with pytest.raises(UserError, match=rf"{rate} Hz, must be 1000 to 768000"):
        AudioFile(path)


def test_integers_stored_as_floats_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 32767 * speech(), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="must be within 16"):
        read_audio(path)


def test_loud_floats_and_nan_pass(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, [1.5, np.nan, -3.0], RATE, subtype="FLOAT")
    samples, _, _ = read_audio(path)
    np.testing.assert_array_equal(samples[:, 0], np.float32([1.5, np.nan, -3]))


def test_a_name_that_no_file_can_have(tmp_path):
    path = tmp_path / ("a" * 300) / "b.wav"
    with pytest.raises(UserError, match="b.wav: .* as audio: File name too l"):
        AudioFile(path)


def test_what_is_not_audio_is_named(tmp_path):
    for name, rule in (
        ("none.wav", "does not exist"),
        ("folder.wav", "is a folder"),
        ("pipe.wav", "is a pipe"),
        ("text.wav", "cannot be read as audio"),
        ("text.raw", "cannot be read as audio"),
        ("song.m4a", "ffmpeg -i song.m4a out.wav"),
    ):
        path = tmp_path / name
        if name == "folder.wav":
            path.mkdir()
        elif name == "pipe.wav":
            os.mkfifo(path)
        elif name != "none.wav":
            path.write_text("no audio")
        with pytest.raises(UserError, match=rule) as error:
            AudioFile(path)
        assert name in str(error.value)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "streamed.flac", "a.ogg"])
def test_frames_are_skipped_in_every_format(tmp_path, name):
    samples = burst(10.0)
    write = write_streamed_flac if "streamed" in name else soundfile.write
    write(tmp_path / name, samples, 16000)
    whole, _, _ = read_audio(tmp_path / name)
    with AudioFile(tmp_path / name) as audio:
        audio.skip(70_001)
        found = audio.read(100)
        np.testing.assert_allclose(found, whole[70_001:70_101], atol=1e-6)
        audio.skip(10**6)
        assert len(audio.read(1)) == 0


def test_the_largest_sample_is_up_to_the_caller(tmp_path):
    soundfile.write(tmp_path / "a.wav", [0.0, 99.0], 16000, subtype="FLOAT")
    with AudioFile(tmp_path / "a.wav", max_peak=100) as audio:
        assert audio.read(2).max() == 99

"""Raw PCM from standard input to standard output: ``okd-enhance --stream``."""

import os
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from streams import constant, offline, remembering, speech

import okd_brain
from okd_brain.enhance import main
from okd_brain.export import export_generator
from okd_brain.generators import BLSTMGenerator
from okd_brain.streaming import enhance_pcm

ROOT = Path(okd_brain.__file__).parents[1]
HALF_A_STEP = 0.5 / 2**15


def exported(generator, folder):
    return str(export_generator(generator, folder, name="pesq", details={}))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return exported(remembering(), tmp_path_factory.mktemp("export") / "causal")


def pcm(wave):
    return (wave * 2**15).round().to(torch.int16).numpy().tobytes()


def wave_of(data):
    return torch.from_numpy(np.frombuffer(data, "<i2") / np.float32(2**15))


class Trickle(BytesIO):
    """A pipe that never has more than a few bytes, an odd number of them."""

    def __init__(self, data, limit=333):
        super().__init__(data)
        self.limit = limit

    def read1(self, size=-1):
        return super().read1(min(size, self.limit))


class Sink(BytesIO):
    """A pipe that notes how much the other end has seen after each chunk."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def flush(self):
        self.seen.append(len(self.getvalue()))


@pytest.fixture
def pipes(monkeypatch):
    """Let the process read and write what it is given."""

    def replace(source, sink):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=source))
        monkeypatch.setattr(sys, "stdout", sink)

    return replace


@pytest.mark.parametrize("limit", [1, 333, 2**20])
def test_stream_is_the_offline_result_in_16_bits(limit):
    wave = speech(0, 4001)
    sink = Sink()
    enhance_pcm(remembering(), Trickle(pcm(wave), limit), sink)
    enhanced = wave_of(sink.getvalue())
    assert enhanced.shape == wave.shape
    error = (enhanced - offline(remembering(), wave)).abs().max()
    assert error < HALF_A_STEP + 1e-5


def test_mask_one_gives_back_every_bit():
    data = np.random.default_rng(0).integers(-9999, 9999, 5000, "<i2").tobytes()
    sink = Sink()
    enhance_pcm(constant(1.0), Trickle(data), sink)
    assert sink.getvalue() == data


def test_whatever_is_final_is_written_at_once():
    sink = Sink()
    enhance_pcm(remembering(), Trickle(bytes(2 * 1280), limit=512), sink)
    # The first 2 samples are looked at before the rest of 256 each arrives.
    assert sink.seen == [0, 0, 512, 1024, 1536, 2048, 2560]


def test_a_sink_that_takes_a_part_gets_the_rest():
    class Narrow(BytesIO):
        def write(self, data):
            return super().write(data[:100])

    data = np.random.default_rng(1).integers(-9999, 9999, 3000, "<i2").tobytes()
    sink = Narrow()
    enhance_pcm(constant(1.0), BytesIO(data), sink)
    assert sink.getvalue() == data


@pytest.mark.parametrize("samples", [0, 1, 255, 512])
def test_short_streams(samples):
    sink = Sink()
    enhance_pcm(remembering(), BytesIO(pcm(speech()[:samples])), sink)
    assert len(sink.getvalue()) == 2 * samples


@pytest.mark.parametrize("data", [b"\1", pcm(speech(1, 700)) + b"\1"])
def test_half_a_sample_at_the_end_is_left_out(caplog, data):
    sink = Sink()
    enhance_pcm(remembering(), Trickle(data), sink)
    assert len(sink.getvalue()) == len(data) - 1
    assert "ends within a sample of 2 bytes" in caplog.text


def test_peaks_beyond_full_scale_are_saturated_and_logged_once(caplog):
    time = torch.arange(16000) / 16000
    wave = 0.95 * torch.sin(2 * torch.pi * 1000 * time)
    sink = Sink()
    enhance_pcm(constant(1.19), Trickle(pcm(wave)), sink)
    expected = offline(constant(1.19), wave)
    assert expected.max() > 1.5
    error = (wave_of(sink.getvalue()) - expected.clamp(-1, 1)).abs().max()
    assert error < 4 * HALF_A_STEP  # the largest sample is 1 - 2 ** -15
    assert caplog.text.count("is saturated") == 1


@pytest.mark.parametrize("suffix", ["WAV", "FLAC", "OGG"])
def test_files_with_a_header_are_refused(pipes, capfd, model, suffix):
    file = BytesIO()
    soundfile.write(file, speech().numpy(), 48000, format=suffix)
    file.seek(0)
    pipes(file, sys.stdout)
    assert main([model, "--stream"]) == 2
    captured = capfd.readouterr()
    assert "not raw PCM. Convert it: ffmpeg" in captured.err
    assert "-ac 1 -ar 16000" in captured.err
    assert captured.out == ""


def test_command_line_streams(pipes, model, capfd):
    wave = speech(2, 5000)
    sink = Sink()
    pipes(Trickle(pcm(wave)), SimpleNamespace(buffer=sink))
    assert main([model, "--stream", "--device", "cpu"]) == 0
    error = (wave_of(sink.getvalue()) - offline(remembering(), wave)).abs()
    assert error.max() < HALF_A_STEP + 1e-5


def test_a_model_that_is_not_causal_is_refused(pipes, tmp_path, capsys):
    folder = exported(BLSTMGenerator(), tmp_path / "pesq")
    pipes(BytesIO(bytes(100)), sys.stdout)
    assert main([folder, "--stream"]) == 2
    captured = capsys.readouterr()
    assert "BLSTMGenerator hears the future" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "more", [["noisy.wav"], ["-o", "out"], ["-o", ""], ["--overwrite"]]
)
def test_stream_goes_with_no_files(model, capsys, more):
    assert main([model, "--stream", *more]) == 2
    assert "leave out INPUT, -o and --overwrite" in capsys.readouterr().err


def test_nobody_listens_any_more(pipes, model):
    """The write fails; the end of the process writes nothing again."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        pipes(Trickle(pcm(speech())), stdout)
        assert main([model, "--stream"]) == 0


def test_interrupted(pipes, model, tmp_path):
    class Interrupted(Trickle):
        def read1(self, size=-1):
            if self.tell() > 4000:
                raise KeyboardInterrupt
            return super().read1(size)

    path = tmp_path / "out.raw"
    with open(path, "w") as stdout:
        pipes(Interrupted(pcm(speech())), stdout)
        assert main([model, "--stream"]) == 0
    assert path.stat().st_size >= 4000 - 2 * 512


@pytest.mark.slow
def test_as_a_process_live_and_cut_off(model):
    """A chunk comes out while the next has not gone in; then the pipe breaks."""
    environment = dict(os.environ)
    environment.pop("PYTHONUNBUFFERED", None)  # which would hide what is left
    process = subprocess.Popen(
        [sys.executable, "-m", "okd_brain.enhance", model, "--stream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment,
    )
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        wave = speech(3, 4096)
        process.stdin.write(pcm(wave))
        process.stdin.flush()
        first = process.stdout.read(2 * (4096 - 256))
        process.stdout.close()
        _, errors = process.communicate(pcm(speech(4, 1000)))
    finally:
        killer.cancel()
    expected = offline(remembering(), wave)[: 4096 - 256]
    error = (wave_of(first) - expected).abs().max()
    assert error < HALF_A_STEP + 1e-5
    assert process.returncode == 0
    assert b"Traceback" not in errors and b"Exception" not in errors

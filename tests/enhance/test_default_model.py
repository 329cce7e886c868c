"""The model that comes with okd: the command without a model, and Enhancer."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from enhancing import FIRST, RATE, difference_db, exported, hiss, talk, wide
from stand_in_model import use_models, write_model

import okd_brain
from okd_brain.enhance import enhance_wave, main
from okd_brain.messages import UserError
from okd_brain.tasks.ssdrc import ssdrc

PCM_16 = 1.01 / 2**16  # half a step


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_model(folder)
    return folder


@pytest.fixture
def work(tmp_path, monkeypatch, models):
    """A folder to work in, with a.flac; the stand-in comes with okd."""
    use_models(models, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.flac").write_bytes(FIRST.read_bytes())
    return tmp_path


@pytest.fixture
def generator(work):
    return okd_brain.load_generator("causal")


def command(*arguments):
    return main([*arguments, "--device", "cpu"])


def read(path):
    return soundfile.read(path, dtype="float32")[0]


def test_without_a_model_the_default_is_used_and_named(work, generator, caplog):
    assert command("a.flac", "-o", "out/") == 0
    expected = enhance_wave(generator, read("a.flac"), RATE)
    np.testing.assert_allclose(read("out/a.flac"), expected, atol=PCM_16)
    assert "Model: causal, which comes with okd" in caplog.text


@pytest.mark.parametrize(
    "arguments", [["--model", "causal", "a.flac"], ["causal", "a.flac"]]
)
def test_a_model_is_named(work, generator, caplog, arguments):
    assert command(*arguments, "-o", "out") == 0
    assert Path("out/a.flac").exists()
    assert "Model:" not in caplog.text


def test_files_and_folders_come_first_where_they_are_no_models(work):
    Path("in").mkdir()
    Path("in/b.wav").symlink_to(work / "a.flac")
    assert command("in", "*.flac", "-o", "out") == 0
    assert {path.name for path in Path("out").iterdir()} == {"a.flac", "b.wav"}
    assert command("gone.wav", "a.flac", "-o", "more") == 1  # one failed
    assert [path.name for path in Path("more").iterdir()] == ["a.flac"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["causal", "-o", "out"], "INPUT and -o/--output are required"),
        (["-o", "out"], "INPUT and -o/--output are required"),
        (["owner/model", "-o", "out"], "is named by --model"),
        (
            ["casual", "a.flac", "-o", "out"],
            "did you mean 'causal'? Known: causal, ssdrc.",
        ),
        (["a.flac", "--stream"], "leave out INPUT"),
        (["a.flac", "-o", "out", "--task", "le"], "--model ssdrc is the class"),
        (["a.flac", "-o", "out", "--model", "ssdrc"], "add --task le"),
        (
            ["a.flac", "-o", "out", "--model", "ssdrc", "--task", "le"]
            + ["--noise", "a.flac"],
            "ssdrc does not look at the noise: leave out --noise",
        ),
        (["--stream", "--model", "ssdrc", "--task", "le"], "does not stream"),
        (
            ["a.flac", "-o", "o", "--task", "le", "--dry", "0.5"]
            + ["--model", "ssdrc"],
            "--dry is for noisy speech",
        ),
    ],
)
def test_wrong_commands_do_nothing(work, capsys, arguments, message):
    assert command(*arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert [path.name for path in work.iterdir()] == ["a.flac"]


@pytest.mark.parametrize("share", ["-0.1", "1.5", "nan"])
def test_a_share_is_one(work, share, capsys):
    with pytest.raises(SystemExit):
        command("a.flac", "-o", "out", f"--dry={share}")
    assert "is not a number from 0 to 1" in capsys.readouterr().err


def test_dry_mixes_the_input_back(work, generator):
    assert command("a.flac", "-o", "out", "--dry", "0.25") == 0
    noisy = read("a.flac")
    wet = enhance_wave(generator, noisy, RATE)
    expected = 0.25 * noisy + 0.75 * wet
    np.testing.assert_allclose(read("out/a.flac"), expected, atol=PCM_16)


def test_dry_keeps_its_share_of_what_the_model_cannot_hear(work):
    """A tone of 10 kHz is above all that a model hears."""
    tone = np.sin(2 * np.pi * 10000 * np.arange(48000) / 48000)
    enhance = okd_brain.Enhancer(dry=0.5)
    middle = enhance(tone, 48000)[8000:40000]
    assert difference_db(middle, 0.5 * tone[8000:40000]) < -40


def test_the_stream_is_that_of_the_file(work, monkeypatch, generator):
    samples = (read("a.flac") * 2**15).astype("<i2")
    sink = BytesIO()
    source = BytesIO(samples.tobytes())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=source))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=sink))
    assert command("--stream", "--dry", "0.25") == 0
    streamed = np.frombuffer(sink.getvalue(), "<i2") / 2**15
    wave = samples.astype(np.float32) / 2**15
    expected = enhance_wave(generator, wave, RATE, dry=0.25)
    assert abs(streamed - expected).max() < 0.5 / 2**15 + 1e-4


def test_models_are_listed(work, capsys):
    assert main(["--list-models"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("causal: speech enhancement, default. A mask")
    assert last.startswith("ssdrc: listening enhancement.")


@pytest.mark.slow
def test_models_are_listed_without_pytorch(work):
    code = (
        "import sys; from okd_brain.enhance import main; main(['--list-models'])"
        "; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_listening_enhancement_has_a_default_where_there_is_one(
    work, tmp_path, monkeypatch, caplog
):
    write_model(tmp_path / "models", wide(), "listening")
    use_models(tmp_path / "models", monkeypatch)
    soundfile.write("noise.wav", hiss().numpy(), RATE)
    noise = ["--noise", "noise.wav"]
    assert command("a.flac", "-o", "out", "--task", "le", *noise) == 0
    assert "Model: listening" in caplog.text


def test_ssdrc_needs_no_network_and_no_noise(work):
    """Each channel is that of the function, at the power of its input."""
    speech = np.stack([talk(RATE).numpy(), np.zeros(RATE)], axis=1)
    soundfile.write("b.wav", speech, RATE, "FLOAT")
    ways = ["--task", "le", "--model", "ssdrc"]
    assert command("b.wav", "-o", "out", *ways) == 0
    played = read("out/b.wav")
    expected = ssdrc(speech[:, 0])
    np.testing.assert_allclose(played[:, 0], expected, atol=1e-5)
    assert not played[:, 1].any()


# Python


@pytest.mark.parametrize("shape", [(8000,), (8000, 2), (8000, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_arrays_come_back_as_they_went_in(work, generator, shape, dtype):
    wave = np.random.default_rng(0).normal(scale=0.1, size=shape).astype(dtype)
    before = wave.copy()
    enhanced = okd_brain.Enhancer()(wave, 8000)
    assert (type(enhanced), enhanced.shape) == (np.ndarray, shape)
    assert enhanced.dtype == dtype
    expected = enhance_wave(generator, wave.astype("float32"), 8000)
    np.testing.assert_allclose(enhanced, expected, atol=1e-3)
    np.testing.assert_array_equal(wave, before)


@pytest.mark.parametrize("shape", [(8000,), (2, 8000), (1, 8000)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_tensors_come_back_as_they_went_in(work, generator, shape, dtype):
    torch.manual_seed(0)
    wave = 0.1 * torch.randn(shape).to(getattr(torch, dtype))
    enhanced = okd_brain.Enhancer("causal", "cpu")(wave, 44100)
    assert (enhanced.shape, enhanced.dtype) == (wave.shape, wave.dtype)
    expected = enhance_wave(generator, wave.float(), 44100)
    torch.testing.assert_close(enhanced.float(), expected, atol=4e-3, rtol=1e-2)


def test_a_stream_of_its_own(work, generator):
    enhance = okd_brain.Enhancer(dry=0.25)
    wave = read("a.flac")
    streams = [enhance.stream(chunk_samples=256) for _ in range(2)]
    for stream in streams:  # each remembers what it heard
        parts = [stream.process(wave[:9000]), stream.process(wave[9000:])]
        whole = np.concatenate([*parts, stream.flush()])
        np.testing.assert_allclose(whole, enhance(wave, RATE), atol=1e-4)
    assert repr(enhance) == "Enhancer('causal')"


def test_the_hub_is_asked_for_what_is_neither_path_nor_name(work, monkeypatch):
    import speechbrain.utils.fetching as fetching

    asked = []

    def fetch(name, source):
        asked.append(source.path)
        return okd_brain.models.find_model("causal") / name

    monkeypatch.setattr(fetching, "fetch", fetch)
    assert okd_brain.Enhancer("owner/causal").model == "owner/causal"
    assert asked == ["owner/causal"]


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: okd_brain.Enhancer("missing"), "Known: causal, ssdrc"),
        (lambda: okd_brain.Enhancer(device="cuda:99"), "this machine has"),
        (lambda: okd_brain.Enhancer(dry=2), "dry is 2, must be a number from"),
        (lambda: okd_brain.Enhancer("LE"), "is for listening enhancement"),
        (lambda: okd_brain.Enhancer()("a.flac", RATE), "got str. soundfile"),
        (
            lambda: okd_brain.Enhancer().stream().process("a.flac"),
            "a numpy.ndarray; got str",
        ),
        (
            lambda: enhance_wave("causal", np.zeros(RATE), RATE),
            "got str. okd_brain.Enhancer takes names",
        ),
        (
            lambda: okd_brain.enhance_file("causal", "a.flac", "b.flac"),
            "a.flac: A generator is a torch.nn.Module",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(work, act, message):
    exported(work / "LE")
    with pytest.raises(UserError, match=message):
        act()

"""``okd-enhance``: files, folders and streams of either task; wrong commands."""

import logging
import resource
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from enhancing import (
    FIRST,
    RATE,
    ROUNDING,
    SECOND,
    exported,
    hiss,
    recordings,
    remembering,
    talk,
    wide,
)

import okd_brain
from okd_brain.enhance import (
    enhance_listening,
    enhance_listening_file,
    enhance_wave,
    main,
    read_listener_noise,
    read_noise_levels,
)
from okd_brain.export import (
    export_generator,
)
from okd_brain.generators import (
    CausalLSTMGenerator,
)


@pytest.fixture(scope="module")
def generator():
    return remembering()


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "pesq"
    export_generator(generator, folder, name="pesq", details={})
    return str(folder)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder to work in: in/a.flac, in/sub/b.wav, in/sub/notes.txt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.flac").symlink_to(FIRST)
    soundfile.write("in/sub/b.wav", recordings(SECOND).numpy(), 16000)
    (tmp_path / "in" / "sub" / "notes.txt").write_text("not audio")
    return tmp_path


def test_command_enhances_what_it_is_given(corpus, model, generator):
    assert main([model, "in", "-o", "out", "--device", "cpu"]) == 0
    for name, source in (("a.flac", FIRST), ("sub/b.wav", SECOND)):
        enhanced, _ = soundfile.read(f"out/{name}", dtype="float32")
        expected = enhance_wave(generator, recordings(source), 16000)
        np.testing.assert_allclose(enhanced, expected, atol=1e-4)
    files = [p for p in Path("out").rglob("*") if p.is_file()]
    assert len(files) == 2


def test_bad_files_are_named_while_the_rest_goes_on(corpus, model, caplog):
    soundfile.write("in/short.wav", np.zeros(100), 16000)
    soundfile.write("in/zero.wav", np.zeros(0), 16000)
    bad = np.full(16000, np.nan)
    soundfile.write("in/nan.wav", bad, 16000, subtype="FLOAT")
    Path("in/text.wav").write_text("text")
    Path("in/empty.wav").touch()
    status = main([model, "missing.wav", "in", "-o", "out", "--device", "cpu"])
    assert status == 1
    errors = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 6
    for name, reason in [
        ("missing.wav", "does not exist"),
        ("short.wav", "at least 32 ms; got 100 samples"),
        ("zero.wav", "got 0 samples"),
        ("nan.wav", "must be finite"),
        ("text.wav", "cannot be read as audio"),
        ("empty.wav", "cannot be read as audio"),
    ]:
        [message] = [error for error in errors if name in error]
        assert reason in message
    assert "2 files enhanced, 6 failed" in caplog.text
    written = {p.name for p in Path("out").rglob("*") if p.is_file()}
    assert written == {"a.flac", "b.wav"}


def test_a_full_disk_is_named_and_no_half_file_left(corpus, model, caplog):
    """What fails is the temporary file of samples, or the output itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert main([model, "in", "-o", "out", "--device", "cpu"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for name in ("a.flac", "sub/b.wav"):
        assert f"out/{name}: cannot be written: File too large" in caplog.text
    assert "System error" not in caplog.text
    assert [p for p in Path("out").rglob("*") if p.is_file()] == []


def test_second_run_needs_overwrite(corpus, model, caplog):
    command = [model, "in/a.flac", "-o", "out", "--device", "cpu"]
    assert main(command) == 0
    assert main(command) == 1
    assert "exists already" in caplog.text
    assert main([*command, "--overwrite"]) == 0


def test_earlier_output_elsewhere_in_the_input_is_left_out(
    corpus, model, caplog
):
    command = [model, "in", "--device", "cpu", "-o"]
    assert main([*command, "in/clean"]) == 0
    assert main([*command, "in/clean", "--overwrite"]) == 0
    assert "Left out" not in caplog.text
    assert main([*command, "in/cleaner"]) == 0
    assert (
        "Left out: 2 that okd-enhance wrote (in/clean/a.flac, in/clean/sub/b.wav)"
    ) in caplog.text
    assert "2 files enhanced, 0 failed. Left out: 2." in caplog.text
    assert not Path("in/cleaner/clean").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["MODEL", "in"], "-o/--output"),
        (["MODEL", "-o", "out"], "INPUT"),
        (["MODEL", "in/*.mp3", "-o", "out"], "no audio file found"),
        (["MODEL", "in", "-o", "in"], "is an input"),
        (["in/none/here", "in", "-o", "o"], "in/none/here is neither a model"),
        (["in/none", "-o", "out"], "in/none is neither a model nor something"),
        (["MODEL", "in/a.flac", "-o", "out.mp4"], "can write .wav and .flac"),
        (["MODEL", "in/a.flac", "-o", "out.xyz"], "write out.xyz/"),
        (["--model", "in", "in", "-o", "out"], "holds no enhance_model.ckpt"),
        (["--model", "in/none/here", "in", "-o", "o"], "is not a folder"),
        (["MODEL", "in", "-o", "out", "--device", "gpu7"], "'gpu7': this mac"),
        (["MODEL", "in", "-o", "out", "--device", "cuda:99"], "this machine"),
        (["MODEL", "in/a.flac", "-o", "out.mp3"], "can write .wav and .flac"),
        (
            ["MODEL", "in", "-o", "out.wav"],
            "out.wav is one file, but in/a.flac",
        ),
        (["MODEL", "in", "-o", "in/a.flac/out"], "in/a.flac is a file"),
    ],
)
def test_wrong_commands_do_nothing(corpus, model, capsys, arguments, message):
    arguments = [model if a == "MODEL" else a for a in arguments]
    assert main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not Path("out").exists()


@pytest.mark.slow
def test_module_runs_as_a_program(corpus, model):
    command = [sys.executable, "-m", "okd_brain.enhance"]
    root = Path(okd_brain.__file__).parents[1]
    result = subprocess.run(
        [
            *command,
            model,
            str(corpus / "in" / "*.flac"),
            str(corpus / "none.wav"),
        ]
        + ["-o", str(corpus / "out"), "--device", "cpu"],
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert result.returncode == 1
    assert (corpus / "out" / "a.flac").exists()
    assert result.stdout == ""
    assert "ERROR: " + str(corpus / "none.wav") in result.stderr
    assert "INFO: 1 file enhanced, 1 failed." in result.stderr


# Listening enhancement


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """LE, whose power is equal in every frame, and SE."""
    folder = tmp_path_factory.mktemp("export")
    exported(folder / "LE", "frame")
    export_generator(
        CausalLSTMGenerator(), folder / "SE", name="pesq", details={}
    )
    return folder


@pytest.fixture
def work(tmp_path, monkeypatch, models):
    """A folder to work in: LE, SE, in/a.wav, in/sub/b.flac, noise.wav ..."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("LE", "SE"):
        (tmp_path / name).symlink_to(models / name)
    soundfile.write("in/a.wav", talk().numpy(), RATE, "FLOAT")
    soundfile.write("in/sub/b.flac", talk(RATE).numpy(), RATE)
    soundfile.write("noise.wav", hiss().numpy(), RATE, "FLOAT")
    soundfile.write("silence.wav", np.zeros(RATE), RATE)
    late = np.zeros(3 * RATE)
    late[-1] = 0.5
    soundfile.write("late.wav", late, RATE, "FLOAT")
    Path("levels.csv").write_text("0,-40\n1,-20\n")
    Path("bad.csv").write_text("0,-40\n0,-20\n")
    return tmp_path


def command(*arguments):
    return main([*arguments, "--device", "cpu"])


def test_listening_command_enhances_what_it_is_given(work):
    status = command(
        "LE", "in", "-o", "out", "--task", "le", "--noise", "noise.wav"
    )
    assert status == 0
    expected = enhance_listening(
        wide(), talk(), RATE, hiss(), RATE, equal_power="frame"
    )
    written, _ = soundfile.read("out/a.wav", dtype="float32")
    np.testing.assert_allclose(written, expected, atol=ROUNDING)
    assert soundfile.info("out/sub/b.flac").frames == RATE


@pytest.mark.parametrize(
    "options",
    [
        ["--noise", "noise.wav", "--snr_db", "-5"],
        ["--noise", "noise.wav", "--noise_levels", "levels.csv"],
        ["--noise_levels", "levels.csv"],
    ],
)
def test_command_is_told_the_noise(work, options):
    assert command("LE", "in/a.wav", "-o", "out", "--task", "le", *options) == 0
    written, _ = soundfile.read("out/a.wav", dtype="float32")
    noise = {"noise": None, "noise_levels": None, "snr_db": None}
    if "--noise" in options:
        noise["noise"] = read_listener_noise("noise.wav")
    if "--noise_levels" in options:
        noise["noise_levels"] = read_noise_levels("levels.csv")
    if "--snr_db" in options:
        noise["snr_db"] = -5.0
    enhance_listening_file(
        wide(), "in/a.wav", "expected.wav", equal_power="frame", **noise
    )
    expected, _ = soundfile.read("expected.wav", dtype="float32")
    np.testing.assert_array_equal(written, expected)


@pytest.fixture
def stream(monkeypatch):
    """Stream raw PCM through the command: bytes in, samples out."""

    def run(model, data):
        sink = BytesIO()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=sink))
        assert command(model, "--stream", "--task", "le") == 0
        return np.frombuffer(sink.getvalue(), "<i2") / 2**15

    return run


def two_channels(speech, noise):
    """Return raw PCM of both."""
    both = torch.stack([speech, noise], dim=1)
    return (both * 2**15).round().to(torch.int16).numpy().tobytes()


def test_command_streams_speech_and_noise(work, stream, caplog):
    """A stream of two channels becomes one, that of the files."""
    # At the level that files are brought to first; a stream is taken as it is.
    data = two_channels(talk(8000, level_dbfs=-25), hiss()[:8000])
    streamed = stream("LE", data)
    samples = np.frombuffer(data, "<i2").astype("f4") / 2**15
    played, noise = torch.from_numpy(samples.reshape(-1, 2).T)
    expected = enhance_listening(
        *(wide(), played, RATE, noise, RATE), equal_power="frame"
    )
    assert streamed.shape == expected.shape
    assert abs(streamed - expected.numpy()).max() < 0.5 / 2**15 + 1e-4
    assert abs(streamed - played.numpy()).max() > 0.02
    assert not caplog.records


def test_a_stream_keeps_the_power_of_frames(work, stream, caplog):
    exported(work / "whole", "utterance")
    data = two_channels(talk(3000), hiss()[:3000])
    np.testing.assert_array_equal(stream("whole", data), stream("LE", data))
    assert "whole was trained to keep the power of the whole" in caplog.text


@pytest.mark.parametrize("excess", [1, 2, 3])
def test_a_stream_may_end_within_a_sample(work, stream, caplog, excess):
    data = two_channels(talk(700), hiss()[:700])
    assert len(stream("LE", data + bytes(excess))) == 700
    assert "ends within a sample of 4 bytes" in caplog.text


def test_files_that_cannot_be_enhanced_are_named(work, caplog):
    soundfile.write("in/zero.wav", np.zeros(RATE), RATE)
    noise = ["--noise", "late.wav", "--snr_db", "0"]
    assert command("LE", "in", "-o", "out", "--task", "le", *noise) == 1
    errors = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert [error.partition(": ")[0] for error in errors] == [
        "in/a.wav",
        "in/sub/b.flac",
        "in/zero.wav",
    ]
    assert "noise is silent for the 1.500 s" in errors[0]
    assert "speech holds nothing but zeros" in errors[2]
    assert not [p for p in Path("out").rglob("*") if p.is_file()]


TOLD = ["--task", "le", "--noise", "noise.wav"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["SE", "in", "-o", "out", *TOLD], "trained for speech enhancement"),
        (["LE", "in", "-o", "out"], "trained for listening enhancement"),
        (["LE", "--stream"], "trained for listening enhancement"),
        (["LE", "--stream", *TOLD], "the second channel is the noise"),
        (["SE", "--stream", "--task", "le"], "trained for speech enhancement"),
        (["LE", "in", "-o", "out", "--task", "le"], "needs to know the noise"),
        (["SE", "in", "-o", "out", *TOLD[2:]], "--noise is for listening"),
        (
            ["SE", "in", "-o", "out", "--noise_levels", "levels.csv"],
            "--noise_levels is for listening",
        ),
        (["SE", "in", "-o", "out", "--snr_db", "3"], "--snr_db is for list"),
        (
            ["LE", "in", "-o", "out", *TOLD, "--snr_db", "loud"],
            "argument --snr_db",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--snr_db", "nan"],
            "nan is not a number of dB",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--snr_db", "3"]
            + ["--noise_levels", "levels.csv"],
            "--snr_db goes with --noise alone",
        ),
        (
            ["LE", "in", "-o", "out", "--task", "le", "--snr_db", "3"]
            + ["--noise_levels", "levels.csv"],
            "--snr_db goes with --noise alone",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--noise", "none.wav"],
            "none.wav: does not exist",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--noise", "levels.csv"],
            "levels.csv: cannot be read as audio",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--noise", "silence.wav"],
            "silence.wav: the noise holds nothing but zeros",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--noise_levels", "bad.csv"],
            "bad.csv, line 2: times must ascend",
        ),
        (
            ["LE", "in/noise.wav", "-o", ".", *TOLD, "--overwrite"],
            "noise.wav, the output of in/noise.wav, is an input",
        ),
    ],
)
def test_wrong_listening_commands_do_nothing(work, capsys, arguments, message):
    before = sorted(work.rglob("*"))
    try:
        status = command(*arguments)
    except SystemExit as stop:  # argparse's own
        status = stop.code
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(work.rglob("*")) == before

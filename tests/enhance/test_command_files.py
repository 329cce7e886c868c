"""``okd-enhance`` on the files, folders and commands that people have."""

import logging
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from enhancing import RATE, exported, hiss, remembering, talk, wide

import okd_brain
from okd_brain.cli import DEBUG_VARIABLE
from okd_brain.enhance import command as command_module
from okd_brain.enhance import enhance_listening, enhance_wave, main
from okd_brain.export import export_generator
from okd_brain.generators import CausalLSTMGenerator
from okd_brain.messages import UserError

ROOT = Path(okd_brain.__file__).parents[1]
LE = ["LE", "--task", "le", "--noise"]
WRITTEN = 2e-4  # 16-bit samples


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    exported(folder / "LE")
    export_generator(
        remembering(CausalLSTMGenerator), folder / "SE", name="pesq", details={}
    )
    return folder


@pytest.fixture
def work(tmp_path, monkeypatch, models):
    """A folder to work in, with two models and a noise."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("LE", "SE"):
        Path(name).symlink_to(models / name)
    soundfile.write("noise.wav", hiss().numpy(), RATE, "FLOAT")
    return tmp_path


def command(*arguments):
    """Return the exit status of a command, also if argparse ends it."""
    try:
        return main([*map(str, arguments), "--device", "cpu"])
    except SystemExit as stop:
        return stop.code


def write(path, wave=None, rate=RATE, **layout):
    wave = talk(RATE).numpy() if wave is None else wave
    with open(path, "wb") as file:  # soundfile cannot open every name
        layout.setdefault("format", Path(path).suffix[1:].upper())
        soundfile.write(file, wave, rate, **layout)
    return Path(path)


def read(path):
    with open(path, "rb") as file:
        return soundfile.read(file, dtype="float32")[0]


def patch(path, position, content):
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)
    return path


def enhanced(wave, rate=RATE):
    return enhance_wave(
        remembering(CausalLSTMGenerator), np.float32(wave), rate
    )


def listening(wave, noise=None):
    noise = hiss() if noise is None else noise
    return enhance_listening(wide(), np.float32(wave), RATE, noise, RATE)


def written(folder="out"):
    return sorted(
        os.fsencode(path.relative_to(folder))
        for path in Path(folder).rglob("*")
        if path.is_file()
    )


def messages(caplog, level):
    return [r.getMessage() for r in caplog.records if r.levelno == level]


# 5: what a command imports


@pytest.mark.parametrize(
    "code",
    [
        "from okd_brain.enhance import main; main(['--help'])",
        "from okd_brain.enhance import main; main(['--version'])",
        "from okd_brain.export.import_authors import main; main(['--help'])",
        "from okd_brain.enhance import main; main(['in', 'in', '-o', 'out'])",
        "import okd_brain, okd_brain.streaming, okd_brain.export",
    ],
)
def test_what_needs_no_torch_does_not_load_it(work, code):
    check = "import atexit, sys; atexit.register(lambda: print('\\nloaded', "
    check += "{'torch', 'speechbrain', 'scipy'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", f"{check}\n{code}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.stdout.splitlines()[-1] == "loaded set()", result.stderr
    assert "Traceback" not in result.stderr
    if "--version" in code:
        assert f"okd {okd_brain.__version__}" in result.stdout


def test_the_help_states_the_constants_of_the_code():
    from okd_brain.enhance import segments
    from okd_brain.streaming import MAX_DELAY_MS

    text = command_module.DESCRIPTION
    assert f"from {1000 * segments.MIN_SECONDS:.0f} ms on" in text
    assert f"segments of {segments.SEGMENT_SECONDS} s that" in text
    assert f"overlap by {segments.OVERLAP_SECONDS} s" in text
    assert f"at most {MAX_DELAY_MS:.1f} ms later" in text


# 4: errors end in one line


def test_a_device_without_a_driver(work, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    write("in/a.wav")
    status = main("SE in -o out --device cuda:0".split())
    assert status == 2
    assert capsys.readouterr().err == (
        "error: device 'cuda:0': this machine has cpu (PyTorch finds no GPU "
        "with a driver)\n"
    )


def test_a_device_that_does_not_compute(work, capsys, monkeypatch):
    """A driver that is too old is found when the first tensor is made."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def fail(*arguments, **options):
        raise RuntimeError("The NVIDIA driver is too old\nand so on")

    monkeypatch.setattr(torch, "zeros", fail)
    write("in/a.wav")
    assert main("SE in -o out".split()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "'cuda:0' does not compute: The NVIDIA driver is too old;" in line


def test_ctrl_c(work, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("okd_brain.enhance.files.enhance_file", interrupted)
    write("in/a.wav")
    assert command("SE", "in", "-o", "out") == 130
    error = capsys.readouterr().err
    assert "Interrupted. What is enhanced stays" in error
    assert "Traceback" not in error


def test_a_traceback_can_be_had(work, monkeypatch):
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(UserError, match="no audio file found"):
        command("SE", "in", "-o", "out")


# 6: models, outputs, patterns


def run_folder(folder, models, *names):
    for name in names:
        (folder / "export").mkdir(parents=True, exist_ok=True)
        (folder / "export" / name).symlink_to(models / "SE")
    (folder / "export" / "discriminator").mkdir()
    return folder


def test_a_run_stands_for_its_only_generator(work, models):
    wave = read(write("in/a.wav"))
    run = run_folder(work / "results" / "1", models, "pesq")
    for number, model in enumerate((run, run / "export", run / "export/pesq")):
        assert command(model, "in", "-o", f"out{number}") == 0
        np.testing.assert_allclose(
            read(f"out{number}/a.wav"), enhanced(wave), atol=WRITTEN
        )


def test_a_run_of_several_generators_lists_them(work, models, capsys):
    write("in/a.wav")
    run_folder(work / "run", models, "csig", "pesq")
    for arguments in (["run", "in"], ["--model", "run", "in"]):
        assert command(*arguments, "-o", "out") == 2
        assert capsys.readouterr().err == (
            "error: run holds 2 generators; name one of them: "
            "run/export/csig, run/export/pesq\n"
        )


def test_a_run_that_was_interrupted_is_told_to_go_on(work, capsys):
    write("in/a.wav")
    (work / "run").mkdir()
    (work / "run" / "run.json").touch()
    assert command("--model", "run", "in", "-o", "out") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: run is a run that has exported nothing yet")


def test_model_says_it_without_doubt(work):
    write("in/a.wav")
    write("in/b.wav")
    arguments = ["in/a.wav", "in/b.wav", "-o", "out"]
    assert command("--model", "SE", *arguments) == 0
    assert written() == [b"a.wav", b"b.wav"]


@pytest.mark.parametrize("name", ["new/b.wav", "b.FLAC"])
def test_one_file_to_a_file(work, name):
    wave = read(write("in/a.wav"))
    assert command("SE", "in/a.wav", "-o", name) == 0
    np.testing.assert_allclose(read(name), enhanced(wave), atol=WRITTEN)
    assert soundfile.info(name).format == Path(name).suffix[1:].upper()
    assert command("SE", "in/a.wav", "-o", name) == 1  # exists already
    assert command("SE", "in", "-o", name, "--overwrite") == 0


def test_a_folder_called_like_a_file_is_a_folder(work):
    Path("take1.wav").mkdir()
    Path("out.wav").mkdir()
    write("take1.wav/a.wav")
    assert command("SE", "take1.wav", "-o", "out.wav") == 0
    assert written("out.wav") == [b"a.wav"]


def test_brackets_in_a_name_that_exists_are_no_pattern(work):
    for folder in ("take [1]", "take 1"):
        Path("in", folder).mkdir()
    write("in/take [1]/a.wav")
    write("in/take [1]/b[2].wav")
    write("in/take 1/c.wav")
    assert command("SE", "in/take [1]/*.wav", "-o", "out") == 0
    assert written() == [b"a.wav", b"b[2].wav"]
    assert command("SE", "in/take [1]", "-o", "out2") == 0
    assert written("out2") == [b"a.wav", b"b[2].wav"]
    assert command("SE", "in/t*/c.wav", "-o", "out3") == 0
    assert written("out3") == [b"take 1/c.wav"]


def test_formats_that_cannot_be_read_are_counted_and_named(work, caplog):
    write("in/a.wav")
    Path("in/sub").mkdir()
    for name in ("my song.M4A", "sub/b.wma", "notes.txt"):
        Path("in", name).write_bytes(b"x")
    assert command("SE", "in", "-o", "out") == 0
    [warning] = messages(caplog, logging.WARNING)
    assert warning == (
        "Left out: 2 in a format that cannot be read (in/my song.M4A, "
        "in/sub/b.wma). Convert: ffmpeg -i 'in/my song.M4A' 'in/my song.wav'"
    )
    assert "1 file enhanced, 0 failed. Left out: 2." in caplog.text


def test_a_folder_of_nothing_else_says_so(work, capsys):
    Path("in/a.m4a").write_bytes(b"x")
    assert command("SE", "in", "-o", "out") == 2
    assert capsys.readouterr().err == (
        "error: in: no audio file found; 1 in a format that cannot be read "
        "(in/a.m4a). Convert: ffmpeg -i in/a.m4a in/a.wav\n"
    )


def test_a_file_of_such_a_format_that_is_named_fails(work, caplog):
    Path("in/a.m4a").write_bytes(b"x")
    assert command("SE", "in/a.m4a", "-o", "out") == 1
    [error] = messages(caplog, logging.ERROR)
    assert error.startswith("in/a.m4a: cannot be read as audio")
    assert "ffmpeg -i a.m4a" in error


# 8: names that are not UTF-8

LATIN = b"caf\xe9"


def latin(text):
    return os.fsdecode(text.replace(b"cafe", LATIN))


def test_names_that_are_not_utf8(work, caplog, capsys):
    Path(latin(b"in/cafe")).mkdir()
    wave = read(write(latin(b"in/cafe/cafe.flac")))
    write(latin(b"in/cafe/bad cafe.wav"), np.zeros(9))
    assert command("SE", "in", "-o", latin(b"out cafe")) == 1
    folder = latin(b"out cafe/cafe")
    assert written(folder) == [LATIN + b".flac"]
    result = read(latin(b"out cafe/cafe/cafe.flac"))
    np.testing.assert_allclose(result, enhanced(wave), atol=WRITTEN)
    [error] = messages(caplog, logging.ERROR)
    assert r"bad caf\xe9.wav: A wave must last" in error
    assert command("SE", latin(b"in/cafe/cafe.flac"), "-o", "out") == 0
    assert command("SE", latin(b"in/c*/*cafe.flac"), "-o", "out2") == 0
    assert written() == [LATIN + b".flac"]
    assert written("out2") == [LATIN + b"/" + LATIN + b".flac"]
    assert command("SE", latin(b"none cafe/*.wav"), "-o", "out3") == 2
    assert r"none caf\xe9/*.wav: no audio" in capsys.readouterr().err


def test_models_noises_and_levels_of_such_names(work):
    wave = read(write(latin(b"in/cafe.wav"), subtype="FLOAT"))
    os.rename("noise.wav", latin(b"noise cafe.wav"))
    Path(latin(b"levels cafe.csv")).write_text("0,-20\n")
    Path(latin(b"LE cafe")).symlink_to(Path("LE").resolve())
    model = [latin(b"LE cafe"), "--task", "le"]
    noise = ["--noise", latin(b"noise cafe.wav")]
    assert command(*model, "in", "-o", "out", *noise) == 0
    expected = listening(wave)
    result = read(latin(b"out/cafe.wav"))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    levels = ["--noise_levels", latin(b"levels cafe.csv")]
    assert command(*model, "in", "-o", "out2", *noise, *levels) == 0
    result = read(latin(b"out2/cafe.wav"))  # the noise is at -20 dBFS anyway
    np.testing.assert_allclose(result, expected, atol=1e-2)


# 9: links, twins, accents


def test_links_to_folders_are_followed_and_loops_are_not(work):
    Path("elsewhere/deep").mkdir(parents=True)
    write("elsewhere/deep/b.wav")
    write("in/a.wav")
    Path("in/linked").symlink_to(work / "elsewhere")
    Path("elsewhere/loop").symlink_to(work / "in")
    Path("in/round").symlink_to(work / "in")
    assert command("SE", "in", "-o", "out") == 0
    assert written() == [b"a.wav", b"linked/deep/b.wav"]
    assert command("SE", "in/**/*.wav", "-o", "out2") == 0
    assert written("out2") == [b"a.wav", b"linked/deep/b.wav"]


def test_a_folder_that_cannot_be_listed_is_named(work, capsys, monkeypatch):
    Path("in/secret").mkdir()
    write("in/a.wav")
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert command("SE", "in", "-o", "out") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == "error: [Errno 13] Permission denied: 'in/secret'"


def test_twins_are_both_enhanced(work):
    for name in ("p_1.wav", "p_1.WAV", "p_1.flac"):
        rng = np.random.default_rng(len(name) + name.isupper())
        write(f"in/{name}", rng.normal(0, 0.01, RATE))
    assert command("SE", "in", "-o", "out") == 0
    assert written() == [b"p_1.WAV", b"p_1.flac", b"p_1.wav"]
    for name in ("p_1.wav", "p_1.WAV", "p_1.flac"):
        np.testing.assert_allclose(
            read(f"out/{name}"), enhanced(read(f"in/{name}")), atol=WRITTEN
        )


def test_twins_that_would_become_one_are_refused(work, capsys):
    write("in/a.ogg", format="OGG")
    write("in/a.wav")
    assert command("SE", "in", "-o", "out") == 2
    message = "in/a.ogg and in/a.wav would both be written to out/a.wav"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("on_disk, typed", [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_may_be_composed_or_not(work, on_disk, typed):
    def name(form, text):
        return unicodedata.normalize(form, text)

    there = name(on_disk, "café/é_01.wav")
    Path("in", there).parent.mkdir()
    write(Path("in", there))
    for number, text in enumerate(
        ("in/café/é_01.wav", "in/café", "in/café/é*.wav", "in/*/é_01.wav")
    ):
        out = f"out{number}"
        assert command("SE", name(typed, text), "-o", out) == 0
        assert [Path(os.fsdecode(f)).name for f in written(out)] == [
            Path(there).name
        ]
    os.rename("noise.wav", name(on_disk, "né.wav"))
    noise = name(typed, "né.wav")
    assert command(*LE, noise, "in", "-o", "out_le") == 0


def test_accents_of_both_kinds_side_by_side_stay_two(work):
    for form in ("NFC", "NFD"):
        write(Path("in", unicodedata.normalize(form, "é.wav")))
    assert command("SE", "in", "-o", "out") == 0
    assert written() == sorted(
        unicodedata.normalize(form, "é.wav").encode() for form in ("NFC", "NFD")
    )


# 12: long names


@pytest.mark.parametrize("options", [["SE"], [*LE, "noise.wav"]])
def test_long_names(work, options):
    name = "n" * 251 + ".wav"
    write(f"in/{name}")
    assert command(*options, "in", "-o", "out") == 0
    assert written() == [name.encode()]
    assert soundfile.info(f"out/{name}").frames == RATE


# 13: integers stored as floats


@pytest.mark.parametrize("options", [["SE"], [*LE, "noise.wav"]])
def test_integers_stored_as_floats_are_refused(work, caplog, options):
    wave = talk(2 * RATE).numpy()
    wave = np.round(32767 * wave / np.abs(wave).max())
    write("in/a_float.wav", wave, subtype="FLOAT")
    write("in/b.wav")
    assert command(*options, "in", "-o", "out") == 1
    [error] = messages(caplog, logging.ERROR)
    assert error.startswith("in/a_float.wav: has a sample of 32767, must be")
    assert written() == [b"b.wav"]


def test_such_a_noise_is_refused(work, capsys):
    write("in/a.wav")
    write("loud.wav", 32767 * hiss().numpy(), subtype="FLOAT")
    assert command(*LE, "loud.wav", "in", "-o", "out") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "loud.wav: has a sample of" in line
    assert "must be within 16" in line


# 14: less than the header says


@pytest.mark.parametrize("options", [["SE"], [*LE, "noise.wav"]])
@pytest.mark.parametrize("announced", [2 * RATE, 0])
def test_a_truncated_or_unclosed_file_is_enhanced_as_far_as_it_goes(
    work, caplog, options, announced
):
    """The first is s24_truncated.wav, the second what a crash leaves."""
    path = write("in/a.wav", 0.3 * talk(RATE).numpy(), subtype="PCM_16")
    patch(path, 40, (2 * announced).to_bytes(4, "little"))
    assert command(*options, "in", "-o", "out") == 0
    [warning] = messages(caplog, logging.WARNING)
    assert warning.startswith("in/a.wav: ")
    assert f"its header announces {announced} samples" in warning
    assert f"it has {RATE}" in warning
    assert warning.endswith("; enhanced as far as it goes.")
    assert "1 file enhanced, 0 failed. Incomplete, as warned: 1" in caplog.text
    whole = write("whole.wav", 0.3 * talk(RATE).numpy(), subtype="PCM_16")
    expected = enhanced if options == ["SE"] else listening
    np.testing.assert_allclose(
        read("out/a.wav"), expected(read(whole)), atol=WRITTEN
    )


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
def test_truncated_files_of_other_kinds(work, caplog, kind):
    path = write(f"in/a.{kind.lower()}", np.tile(talk(RATE), 12), format=kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples = len(soundfile.read(path)[0])
    assert command("SE", "in", "-o", "out") == 0
    [warning] = messages(caplog, logging.WARNING)
    assert "in/a." in warning and "is truncated" in warning
    assert str(samples) in warning
    assert soundfile.info("out/a.wav").frames == samples


def test_what_is_left_is_too_short(work, caplog):
    path = write("in/a.wav", talk(100).numpy(), subtype="PCM_16")
    patch(path, 40, (2 * RATE).to_bytes(4, "little"))
    assert command("SE", "in", "-o", "out") == 1
    [error] = messages(caplog, logging.ERROR)
    assert "at least 32 ms; got 100 samples" in error
    assert f"The file is truncated: its header announces {RATE}" in error


def test_a_truncated_noise_is_used_with_a_warning(work, caplog):
    wave = read(write("in/a.wav", subtype="FLOAT"))
    whole = write("noise.wav", hiss(9000).numpy(), subtype="PCM_16")
    noise = torch.from_numpy(read(whole))
    patch(whole, 40, (2 * RATE).to_bytes(4, "little"))
    assert command(*LE, "noise.wav", "in", "-o", "out") == 0
    [warning] = messages(caplog, logging.WARNING)
    assert "noise.wav: is truncated" in warning and "9000" in warning
    np.testing.assert_allclose(
        read("out/a.wav"), listening(wave, noise), atol=1e-5
    )


# 15: streams of unknown length


def unknown_length(path):
    """Make a FLAC file as an encoder leaves it in a pipe (RFC 9639)."""
    data = path.read_bytes()
    return patch(path, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0]))


@pytest.mark.parametrize("options", [["SE"], [*LE, "streamed.flac"]])
def test_flac_of_unknown_length(work, caplog, options):
    wave = read(write("in/streamed.flac", 0.3 * talk(RATE).numpy()))
    unknown_length(Path("in/streamed.flac"))
    noise = read(write("streamed.flac", hiss(9000).numpy()))
    unknown_length(Path("streamed.flac"))
    assert command(*options, "in", "-o", "out") == 0
    assert messages(caplog, logging.WARNING) == []
    if options == ["SE"]:
        expected = enhanced(wave)
    else:
        expected = listening(wave, torch.from_numpy(noise))
    np.testing.assert_allclose(
        read("out/streamed.flac"), expected, atol=WRITTEN
    )


# 16: whatever a file does, the rest goes on


def test_impossible_rates_are_refused(work, caplog):
    for number, rate in enumerate((1, 999_983, 2**31 - 1)):
        path = write(f"in/{number}.wav", subtype="PCM_16")
        patch(path, 24, rate.to_bytes(4, "little"))
    write("in/good.wav")
    assert command("SE", "in", "-o", "out") == 1
    errors = messages(caplog, logging.ERROR)
    assert len(errors) == 3
    for number, rate in enumerate((1, 999_983, 2**31 - 1)):
        assert errors[number].startswith(
            f"in/{number}.wav: has a sample rate of {rate} Hz, must be 1000 to "
            "768000 Hz"
        )
    assert written() == [b"good.wav"]
    path = write("noise.wav", subtype="PCM_16")
    patch(path, 24, (2**31 - 1).to_bytes(4, "little"))
    assert command(*LE, "noise.wav", "in/good.wav", "-o", "out2") == 2


@pytest.mark.parametrize(
    "error, reason",
    [
        (MemoryError(), "MemoryError"),
        (
            RuntimeError("CUDA out of memory.\nTried"),
            "RuntimeError: CUDA out of",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_one_file_cannot_end_the_others(
    work, caplog, monkeypatch, error, reason
):
    from okd_brain.enhance import enhance_file

    def enhance(generator, source, *arguments, **options):
        if source.name == "a.wav":
            raise error
        return enhance_file(generator, source, *arguments, **options)

    monkeypatch.setattr("okd_brain.enhance.files.enhance_file", enhance)
    write("in/a.wav")
    write("in/b.wav")
    assert command("SE", "in", "-o", "out") == 1
    [line] = messages(caplog, logging.ERROR)
    assert line.startswith("in/a.wav: ") and reason in line
    assert "\n" not in line
    assert written() == [b"b.wav"]
    assert "1 file enhanced, 1 failed." in caplog.text


# 7: arrays as soundfile reads them


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_come_back_as_arrays(dtype):
    generator = remembering(CausalLSTMGenerator)
    mono = talk(9000).numpy().astype(dtype)
    stereo = np.stack([mono, 0.5 * mono], 1)
    tensor = torch.from_numpy(stereo.T.copy())
    expected = okd_brain.enhance_wave(generator, tensor, RATE)
    assert isinstance(expected, torch.Tensor)
    found = okd_brain.enhance_wave(generator, stereo, RATE)
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.numpy().T)
    alone = okd_brain.enhance_wave(generator, mono, RATE)
    np.testing.assert_array_equal(alone, found[:, 0])


def test_speech_and_noise_may_be_arrays():
    speech, noise = talk(9000), hiss(5000)
    expected = okd_brain.enhance_listening(wide(), speech, RATE, noise, RATE)
    for around in (noise, noise.numpy(), noise.numpy()[:, None]):
        stereo = np.stack([speech, speech], 1)
        found = okd_brain.enhance_listening(wide(), stereo, RATE, around, RATE)
        assert found.shape == (9000, 2)
        np.testing.assert_allclose(found[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize(
    "wave, message",
    [
        (np.zeros((2, RATE)), r"\[samples, channels\].*\(2, 16000\).*Transp"),
        (torch.zeros(RATE, 2), r"\[channels, samples\].*\(16000, 2\).*Transp"),
        (np.zeros((1, 2, RATE)), r"float NumPy array of \[samples\]"),
        (np.zeros(RATE, np.int16), "got int16 of shape"),
        ([0.0] * RATE, "torch.Tensor or a numpy.ndarray; got list"),
        (np.full(RATE, 32767.0), "within 16; the sample at 0.000 s is 32767"),
    ],
)
def test_shapes_that_cannot_be_meant(wave, message):
    with pytest.raises(UserError, match=message):
        okd_brain.enhance_wave(remembering(CausalLSTMGenerator), wave, RATE)


def test_names_at_the_top(models):
    generator = okd_brain.load_generator(models / "SE")
    assert okd_brain.enhance_wave(generator, np.zeros(600), RATE).shape == (
        600,
    )
    pair = np.ones(9), np.ones(9)
    assert okd_brain.Scorer(["si_sdr"], 1).score([pair]).shape == (1, 1)
    assert "pesq" in okd_brain.METRICS
    assert set(okd_brain.__all__) <= set(dir(okd_brain))
    with pytest.raises(AttributeError, match="no attribute 'enhance_waves'"):
        _ = okd_brain.enhance_waves

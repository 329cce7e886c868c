"""Waves, files and command lines of any shape, through the task's own path."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from okd_brain.enhance import command as enhance
from okd_brain.enhance import enhance_file, enhance_wave, main
from okd_brain.enhance.speech import enhanced_blocks
from okd_brain.enhance.jobs import plan
from okd_brain.export import export_generator
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator
from okd_brain.tasks import SpeechEnhancement

SAMPLES = Path(__file__).parents[1] / "samples"
FIRST, SECOND, THIRD = (
    SAMPLES / name
    for name in (
        "june_fr_vm-next.flac",
        "carlo_it_invalid.flac",
        "allison_en_vm-repeat.flac",
    )
)
ROUNDING_DB = -100  # float32 STFT and back


class ConstantMask(torch.nn.Module):
    """A generator whose mask is one number: 1 gives back what comes in."""

    def __init__(self, mask=1.0):
        super().__init__()
        self.mask = torch.nn.Parameter(torch.tensor(mask))

    def forward(self, x, lengths=None):
        return self.mask.expand_as(x)


@pytest.fixture
def identity():
    return ConstantMask().eval()


def remembering(kind):
    """Return a generator that remembers, as trained ones do."""
    torch.manual_seed(0)
    generator = kind()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "bias_ih" in name:
                parameter[200:400] = 2.0  # forget gate: sigmoid(2) = 0.88
    return generator.eval()


@pytest.fixture(scope="module")
def generator():
    return remembering(BLSTMGenerator)


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "pesq"
    export_generator(generator, folder, name="pesq", details={})
    return str(folder)


def speech(*paths):
    signals = [soundfile.read(path, dtype="float32")[0] for path in paths]
    return torch.from_numpy(np.concatenate(signals))


def difference_db(wave, expected):
    """Return the level of the difference relative to what is expected."""
    wave, expected = np.asarray(wave), np.asarray(expected)
    error = np.mean((wave - expected) ** 2) / np.mean(expected**2)
    return 10 * np.log10(error + 1e-30)


def one_pass(generator, wave):
    task = SpeechEnhancement()
    with torch.inference_mode():
        inputs = task.analyse(wave[None], torch.ones(1))
        return task.enhance(generator, inputs).wave[0]


# Waves


def test_wave_of_one_segment_takes_the_training_path(generator):
    wave = speech(FIRST)
    before = wave.clone()
    enhanced = enhance_wave(generator, wave, 16000)
    assert torch.equal(enhanced, one_pass(generator, wave))
    assert torch.equal(wave, before)


@pytest.mark.parametrize("kind", [BLSTMGenerator, CausalLSTMGenerator])
def test_segments_are_close_to_a_single_pass(kind):
    generator = remembering(kind)
    wave = speech(FIRST, SECOND, THIRD)  # 9.2 s
    expected = one_pass(generator, wave)
    assert difference_db(expected, wave) > -20  # the generator does something
    enhanced = enhance_wave(generator, wave, 16000, segment_seconds=4)
    assert -200 < difference_db(enhanced, expected) < -30


@pytest.mark.parametrize("extra", [-1, 0, 1, 999])
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_segments_are_joined_seamlessly(identity, segments, extra):
    # Segments of 4 s that overlap by 2 s end at 4, 6 and 8 s.
    count = (2 + 2 * segments) * 16000 + extra
    wave = torch.from_numpy(
        np.random.default_rng(0).normal(size=(2, count)).astype("f4")
    )
    enhanced = enhance_wave(identity, wave, 16000, segment_seconds=4)
    assert difference_db(enhanced, wave) < ROUNDING_DB


@pytest.mark.parametrize("rate", [8000, 11025, 22254, 44100, 44101, 48000])
def test_any_sample_rate_comes_back(identity, rate):
    count = 5 * rate + 7  # two segments of 4 s
    seconds = torch.arange(count, dtype=torch.float64) / rate
    tones = [torch.sin(2 * np.pi * f * seconds) for f in (300.0, 3100.0)]
    wave = sum(tones).float()
    enhanced = enhance_wave(identity, wave, rate, segment_seconds=4)
    assert enhanced.shape == wave.shape
    inner = slice(rate // 10, -rate // 10)
    assert difference_db(enhanced[inner], wave[inner]) < -80


def test_above_8_khz_nothing_is_left(identity):
    seconds = torch.arange(44100, dtype=torch.float64) / 44100
    tone = torch.sin(2 * np.pi * 9000 * seconds).float()
    enhanced = enhance_wave(identity, tone, 44100)
    assert enhanced[4410:-4410].abs().max() < 1e-4


def test_channels_do_not_mix(generator):
    pair = torch.stack([speech(FIRST)[:30000], speech(SECOND)[:30000]])
    enhanced = enhance_wave(generator, pair, 16000)
    for channel, wave in zip(enhanced, pair, strict=True):
        assert torch.equal(channel, enhance_wave(generator, wave, 16000))


def test_silence_stays_silence(generator):
    assert enhance_wave(generator, torch.zeros(9000), 16000).abs().max() < 1e-6


def test_only_two_segments_are_held_at_a_time(identity):
    rng = np.random.default_rng(0)
    total, seconds_read, seconds_written = 60, 0, 0

    def read(count):
        nonlocal seconds_read
        count = min(count, (total - seconds_read) * 8000)
        seconds_read += count // 8000
        return rng.normal(size=(count, 1))

    for block in enhanced_blocks(identity, read, 8000, segment_seconds=4):
        seconds_written += len(block) // 8000
        assert seconds_read - seconds_written <= 4
    assert seconds_written == total


@pytest.mark.parametrize(
    "wave, message",
    [
        (torch.zeros(0), "at least 32 ms; got 0 samples"),
        (torch.zeros(511), "at least 32 ms; got 511 samples, 31.9 ms"),
        (torch.zeros(1, 2, 16000), "float tensor of .samples."),
        (torch.zeros(16000, dtype=torch.int16), "got torch.int16"),
        (torch.full((16000,), 1e30), "its peak is 1e.30"),
    ],
)
def test_waves_that_cannot_be_enhanced(generator, wave, message):
    with pytest.raises(ValueError, match=message):
        enhance_wave(generator, wave, 16000)


@pytest.mark.parametrize("bad_second", [0.5, 4.5, 7.25])
def test_samples_that_are_not_finite(identity, bad_second):
    wave = torch.zeros(2, 8 * 16000)
    wave[1, int(bad_second * 16000)] = float("nan")
    with pytest.raises(ValueError, match=f"at {bad_second:.3f} s is not"):
        enhance_wave(identity, wave, 16000, segment_seconds=4)


def test_generator_in_training_mode():
    with pytest.raises(ValueError, match="training mode.*eval"):
        enhance_wave(CausalLSTMGenerator(), torch.zeros(16000), 16000)


@pytest.mark.parametrize("segment_seconds", [2, 5])
def test_segment_lengths_that_would_not_fit(identity, segment_seconds):
    with pytest.raises(ValueError, match="even and at least 4"):
        enhance_wave(
            identity,
            torch.zeros(16000),
            16000,
            segment_seconds=segment_seconds,
        )


# Files


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


@pytest.mark.parametrize("container", ["OGG", "MP3", "AIFF"])
def test_other_formats_become_wav(tmp_path, identity, container):
    source, destination = tmp_path / "noisy", tmp_path / "enhanced.wav"
    wave = speech(FIRST).numpy()
    soundfile.write(source, wave, 16000, format=container)
    decoded, _ = soundfile.read(source)
    enhance_file(identity, source, destination)
    enhanced, _ = soundfile.read(destination)
    assert soundfile.info(destination).subtype == "PCM_16"
    np.testing.assert_allclose(enhanced, decoded, atol=2e-4)


def test_file_equals_wave(tmp_path, generator):
    wave = torch.stack([speech(FIRST, SECOND), speech(SECOND, FIRST)])
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
    wave = speech(FIRST)
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
    with pytest.raises(FileExistsError, match="enhanced.flac: exists already"):
        enhance_file(identity, FIRST, destination)
    assert destination.read_text() == "old"
    enhance_file(identity, FIRST, destination, overwrite=True)
    assert soundfile.info(destination).frames == len(speech(FIRST))


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
    with pytest.raises(ValueError, match=f"{name}: not audio that can be read"):
        enhance_file(identity, tmp_path / name, tmp_path / "out.wav")


def test_damaged_file(tmp_path, identity):
    damaged = tmp_path / "damaged.flac"
    content = FIRST.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged.flac: .*sync"):
        enhance_file(identity, damaged, tmp_path / "out.flac")
    assert not (tmp_path / "out.flac").exists()


def test_missing_file_and_unknown_format(tmp_path, identity):
    with pytest.raises(FileNotFoundError, match="none.wav: there is no such"):
        enhance_file(identity, tmp_path / "none.wav", tmp_path / "out.wav")
    with pytest.raises(ValueError, match=r"can write .wav and .flac, not"):
        enhance_file(identity, FIRST, tmp_path / "out.mp3")


# Command lines


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder to work in: in/a.flac, in/sub/b.wav, in/sub/notes.txt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.flac").symlink_to(FIRST)
    soundfile.write("in/sub/b.wav", speech(SECOND).numpy(), 16000)
    (tmp_path / "in" / "sub" / "notes.txt").write_text("not audio")
    return tmp_path


def destinations(*inputs, folder="out"):
    return [job.destination.as_posix() for job in plan(list(inputs), folder)]


def test_where_files_folders_and_patterns_go(corpus):
    folder = ["out/a.flac", "out/sub/b.wav"]
    assert destinations("in") == folder
    assert destinations("in/**/*.[fw]*") == folder
    assert destinations("in/sub/b.wav", "in/a.flac") == [
        "out/b.wav",
        "out/a.flac",
    ]
    assert destinations("in/s*/*.wav") == ["out/sub/b.wav"]
    assert destinations("in/sub/*.wav", "in/sub/b.wav") == ["out/b.wav"]
    assert destinations("in/x.mp3", "y") == ["out/x.wav", "out/y.wav"]


def test_special_characters_of_existing_files_are_no_pattern(corpus):
    Path("in/a[1]*.wav").touch()
    assert destinations("in/a[1]*.wav") == ["out/a[1]*.wav"]


def test_hidden_files_are_no_input(corpus):
    Path("in/.b.wav").touch()
    Path("in/.cache").mkdir()
    Path("in/.cache/b.wav").touch()
    assert destinations("in") == ["out/a.flac", "out/sub/b.wav"]


def test_earlier_output_below_the_input_is_no_input(corpus):
    Path("in/enhanced").mkdir()
    Path("in/enhanced/a.flac").touch()
    assert destinations("in", folder="in/enhanced") == [
        "in/enhanced/a.flac",
        "in/enhanced/sub/b.wav",
    ]


@pytest.mark.parametrize(
    "inputs, folder, message",
    [
        (["in/sub/*.flac"], "out", r"in/sub/\*.flac: no audio file found"),
        (["empty"], "out", "empty: no audio file found"),
        (["in", "in/sub/c/../b.wav", "b.wav"], "out/sub", "both be written to"),
        (["in"], "in", "the output of .*, is an input"),
        (["in/a.flac"], "in/sub/..", "the output of .*, is an input"),
        (["in/b.ogg", "in/sub/b.wav"], "in/sub", "both be written"),
        (["in/b.ogg", "in/sub"], "in/sub", "both be written"),
        (["in"], "in/a.flac", "the output folder is a file"),
    ],
)
def test_plans_that_cannot_work(corpus, inputs, folder, message):
    Path("empty").mkdir()
    Path("in/sub/c").mkdir()
    with pytest.raises(ValueError, match=message):
        plan(inputs, folder)


def test_command_enhances_what_it_is_given(corpus, model, generator):
    assert main([model, "in", "-o", "out", "--device", "cpu"]) == 0
    for name, source in (("a.flac", FIRST), ("sub/b.wav", SECOND)):
        enhanced, _ = soundfile.read(f"out/{name}", dtype="float32")
        expected = enhance_wave(generator, speech(source), 16000)
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
        ("missing.wav", "no such file"),
        ("short.wav", "at least 32 ms; got 100 samples"),
        ("zero.wav", "got 0 samples"),
        ("nan.wav", "must be finite"),
        ("text.wav", "not audio"),
        ("empty.wav", "not audio"),
    ]:
        [message] = [error for error in errors if name in error]
        assert reason in message
    assert "2 files enhanced, 6 failed" in caplog.text
    written = {p.name for p in Path("out").rglob("*") if p.is_file()}
    assert written == {"a.flac", "b.wav"}


def test_second_run_needs_overwrite(corpus, model, caplog):
    command = [model, "in/a.flac", "-o", "out", "--device", "cpu"]
    assert main(command) == 0
    assert main(command) == 1
    assert "exists already" in caplog.text
    assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["MODEL", "in"], "-o/--output"),
        (["MODEL", "-o", "out"], "INPUT"),
        (["MODEL", "in/*.mp3", "-o", "out"], "no audio file found"),
        (["MODEL", "in", "-o", "in"], "is an input"),
        (["in", "in", "-o", "out"], "holds no enhance_model.ckpt"),
        (["in/none/here", "in", "-o", "out"], "is not a folder"),
        (["MODEL", "in", "-o", "out", "--device", "gpu7"], "invalid choice"),
        (["MODEL", "in", "-o", "out", "--device", "cuda:99"], "invalid choice"),
    ],
)
def test_wrong_commands_do_nothing(corpus, model, capsys, arguments, message):
    arguments = [model if a == "MODEL" else a for a in arguments]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_module_runs_as_a_program(corpus, model):
    command = [sys.executable, "-m", "okd_brain.enhance"]
    root = Path(enhance.__file__).parents[2]
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
    assert "INFO: 1 files enhanced, 1 failed." in result.stderr

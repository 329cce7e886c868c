"""Generators of listening enhancement: exported, loaded, used on any files."""

import json
import logging
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from experiments import LE_BASE
from hyperpyyaml import load_hyperpyyaml
from scipy.signal import welch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.inference.interfaces import Pretrained
from streams import speech

from okd_brain.config import read_experiment
from okd_brain.discriminators import Discriminator
from okd_brain.enhance import (
    enhance_speech,
    enhance_speech_file,
    enhance_wave,
    main,
)
from okd_brain.enhance.noise import (
    ListenerNoise,
    noise_shaped_like,
    read_listener_noise,
)
from okd_brain.enhance.noise_levels import NoiseLevels, read_noise_levels
from okd_brain.export import (
    export_discriminator,
    export_generator,
    load_generator,
)
from okd_brain.export.details import read_details, task_of
from okd_brain.export.import_authors import export_for_authors
from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator
from okd_brain.tasks import ListeningEnhancement
from okd_brain.training import (
    build_modules,
    export_trained,
    start_from_pretrained,
)

RATE = 16000
ROUNDING = 1e-6


def wide(seed=0):
    """Return a generator with gains all over their range."""
    torch.manual_seed(seed)
    generator = BandGainGenerator()
    with torch.no_grad():
        generator.linear1.weight *= 4
        generator.linear2.weight *= 4
    return generator.eval()


@pytest.fixture(scope="module")
def generator():
    return wide()


class Memoryless(BandGainGenerator):
    """More gain where the noise is loud, frame by frame."""

    def forward(self, x):
        return torch.exp(3 * torch.tanh(x[..., 64:] - x[..., :64]))


def talk(samples=24000, level_dbfs=None):
    """Return prompts one after the other, at a level if one is named."""
    wave = torch.cat([speech(number) for number in range(1 + samples // RATE)])
    wave = wave[:samples]
    if level_dbfs is not None:
        wave = wave * 10 ** (level_dbfs / 20) / wave.square().mean().sqrt()
    return wave


def hiss(samples=24000, level_dbfs=-20, seed=0):
    wave = torch.randn(samples, generator=torch.Generator().manual_seed(seed))
    return wave * 10 ** (level_dbfs / 20)


def energy(wave):
    return torch.as_tensor(wave).double().square().sum(-1)


def level_db(wave):
    return 10 * np.log10(np.mean(np.square(np.asarray(wave))))


def difference_db(wave, expected):
    return 10 * torch.log10(energy(wave - expected) / energy(expected))


# Exports


def exported(folder, equal_power="utterance", generator=None):
    """Return a folder as the recipe writes it."""
    task = ListeningEnhancement(equal_power=equal_power)
    export_generator(
        generator or wide(),
        folder,
        name="siib",
        details={**task.description, "epoch": 7},
    )
    return folder


@pytest.mark.parametrize("equal_power", ["utterance", "frame"])
def test_an_export_gives_the_waves_of_the_test(tmp_path, equal_power):
    """From the folder alone, of a mixture as the recipe's loader gives it."""
    clean, noise = talk(23001, level_dbfs=-25), hiss(23001)
    item = {"id": "u", "clean_sig": clean, "noise_sig": noise}
    task = ListeningEnhancement(equal_power=equal_power)
    with torch.no_grad():
        [tested] = task.enhance(wide(), PaddedBatch([item])).wave
    folder = exported(tmp_path / "siib", equal_power)
    loaded = load_generator(str(folder))
    assert not loaded.training
    found = task_of(loaded, read_details(folder))
    assert found.equal_power == equal_power
    played = enhance_speech(
        loaded, clean, RATE, noise, RATE, equal_power=found.equal_power
    )
    assert difference_db(played, clean) > -10
    torch.testing.assert_close(played, tested, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("equal_power", ["utterance", "frame"])
def test_speechbrain_loads_an_export_where_okd_is(tmp_path, equal_power):
    """As its model card shows it."""
    folder = exported(tmp_path / "siib", equal_power)
    model = Pretrained.from_hparams(source=str(folder), savedir=None)
    task, network = model.hparams.task, model.mods.enhance_model
    assert task.equal_power == equal_power
    clean, noise = talk(level_dbfs=-25), hiss()
    with torch.no_grad():
        inputs = task.analyse(clean[None], noise[None], torch.ones(1))
        wave = task.enhance(network, inputs).wave[0]
    ours = enhance_speech(
        wide(), clean, RATE, noise, RATE, equal_power=equal_power
    )
    torch.testing.assert_close(wave, ours, atol=ROUNDING, rtol=0)


def test_an_export_says_what_it_is_for(tmp_path):
    folder = exported(tmp_path / "siib", "frame")
    model = json.loads((folder / "model.json").read_text())
    assert model["generator"] == "BandGainGenerator"
    assert model["details"] == {
        "task": "listening enhancement",
        "equal_power": "frame",
        "epoch": 7,
    }
    card = (folder / "README.md").read_text()
    assert "# Listening enhancement: `siib`" in card
    assert "--task le --noise" in card
    assert "| equal_power | frame |" in card
    for key, value in wide().state_dict().items():
        assert torch.equal(load_generator(folder).state_dict()[key], value)


def test_training_exports_what_its_task_is(tmp_path):
    target = SimpleNamespace(name="siib")
    brain = SimpleNamespace(
        task=ListeningEnhancement(equal_power="frame"),
        artifacts_folder=tmp_path,
        targets=[target],
        hparams=SimpleNamespace(seed=1),
        generator=lambda target: wide(),
        discriminator_heads={},
        checkpointer=SimpleNamespace(
            find_checkpoint=lambda: SimpleNamespace(meta={"steps": {}})
        ),
    )
    export_trained(
        brain,
        corpus="mini",
        results={
            "systems": {"siib": {"siib": 20.0}},
            "checkpoints": {"siib": {"epoch": 3}},
        },
    )
    details = read_details(tmp_path / "export" / "siib")
    assert details["task"] == "listening enhancement"
    assert details["equal_power"] == "frame" and details["epoch"] == 3


def test_an_equal_power_that_there_is_not(tmp_path):
    with pytest.raises(ValueError, match="equal_power is 'never'"):
        export_generator(
            wide(), tmp_path / "e", name="e", details={"equal_power": "never"}
        )
    assert not (tmp_path / "e").exists()


def test_what_says_nothing_is_read_as_nothing(tmp_path):
    assert read_details(tmp_path) == {}
    assert read_details("speechbrain/metricgan-plus-voicebank") == {}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"details": 3}'])
def test_details_that_no_export_wrote(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ValueError, match="model.json is not what an export"):
        read_details(tmp_path)


def test_the_authors_code_has_no_such_network(tmp_path):
    folder = exported(tmp_path / "siib")
    with pytest.raises(ValueError, match="no network like a BandGain"):
        export_for_authors(folder, tmp_path / "siib.pth")
    assert not (tmp_path / "siib.pth").exists()


def test_warm_starts(tmp_path):
    """Of a generator by its name, of the others, and of every discriminator."""
    argv = [str(LE_BASE), f"--output_folder={tmp_path}", "--data_folder=unused"]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    heads = ["siib", "haspi_linear", "estoi"]
    judges = [
        Discriminator(heads=1, channels=3, normalise=False) for _ in heads
    ]
    export_discriminator(
        judges, tmp_path / "d", heads=[[head] for head in heads]
    )
    hparams["pretrained"] = {
        "siib": str(exported(tmp_path / "one", generator=wide(1))),
        "generators": str(exported(tmp_path / "two", generator=wide(2))),
        "discriminator": str(tmp_path / "d"),
    }
    modules = build_modules(hparams)
    started = start_from_pretrained(modules, hparams)
    assert set(started) == set(modules)
    sources = {"g_siib": wide(1), "g_haspi_linear": wide(2), "g_estoi": wide(2)}
    sources.update(zip((f"d_{head}" for head in heads), judges, strict=True))
    for name, source in sources.items():
        for key, value in source.state_dict().items():
            assert torch.equal(modules[name].state_dict()[key], value)


def test_a_warm_start_from_the_other_task(tmp_path):
    argv = [str(LE_BASE), f"--output_folder={tmp_path}", "--data_folder=unused"]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    export_generator(
        CausalLSTMGenerator(), tmp_path / "pesq", name="pesq", details={}
    )
    hparams["pretrained"] = str(tmp_path / "pesq")
    with pytest.raises(ValueError, match="pretrained siib: .*does not fit"):
        start_from_pretrained(build_modules(hparams), hparams)


# Waves


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_power_and_shape_of_every_channel_stay(generator, rate):
    pair = torch.stack([talk(rate + 7), 0.1 * talk(rate + 7).flip(0)])
    before = pair.clone()
    enhanced = enhance_speech(generator, pair, rate, hiss(), RATE)
    assert torch.equal(pair, before)
    assert enhanced.shape == pair.shape and enhanced.dtype == torch.float32
    ratio_db = 10 * torch.log10(energy(enhanced) / energy(pair))
    assert ratio_db.abs().max() < 1e-4
    for channel, wave in zip(enhanced, pair, strict=True):
        alone = enhance_speech(generator, wave, rate, hiss(), RATE)
        assert torch.equal(channel, alone)


def test_the_level_of_both_together_changes_nothing_else(generator):
    """The networks hear speech at -25 dBFS, whatever its level."""
    clean, noise = talk(), hiss()
    loud = enhance_speech(generator, clean, RATE, noise, RATE)
    soft = enhance_speech(generator, 1e-3 * clean, RATE, 1e-3 * noise, RATE)
    assert difference_db(1e3 * soft, loud) < -90
    other = enhance_speech(generator, clean, RATE, 0.1 * noise, RATE)
    assert difference_db(other, loud) > -40


def test_any_rate_of_noise(generator):
    seconds = torch.arange(66150) / 44100
    tone = 0.1 * torch.sin(2 * torch.pi * 1000 * seconds)
    expected = enhance_speech(
        generator,
        talk(),
        RATE,
        0.1 * torch.sin(2 * torch.pi * 1000 * torch.arange(24000) / RATE),
        RATE,
    )
    enhanced = enhance_speech(generator, talk(), RATE, tone, 44100)
    assert difference_db(enhanced, expected) < -30
    untold = enhance_speech(generator, talk(), RATE, hiss(), RATE)
    assert difference_db(untold, expected) > -20


def test_noise_is_repeated_or_cut(generator):
    short = hiss(7000)
    repeated = enhance_speech(generator, talk(), RATE, short, RATE)
    tiled = enhance_speech(generator, talk(), RATE, short.tile(4), RATE)
    assert torch.equal(repeated, tiled)


def test_a_silent_channel_stays_silent(generator):
    pair = torch.stack([torch.zeros(24000), talk()])
    enhanced = enhance_speech(generator, pair, RATE, hiss(), RATE)
    assert enhanced[0].abs().max() == 0
    assert enhanced[1].abs().max() > 0.01


def test_segments_hear_the_noise_of_their_time():
    """As a single pass does, but where one fades into the next."""
    clean, noise = talk(10 * RATE), hiss(10 * RATE)
    noise *= torch.linspace(0.01, 3, len(noise))
    together, cut = (
        enhance_speech(
            Memoryless().eval(),
            clean,
            RATE,
            noise,
            RATE,
            equal_power="frame",
            segment_seconds=seconds,
        )
        for seconds in (30, 4)
    )
    assert difference_db(together, clean) > -20
    assert difference_db(cut, together) < -50


def test_power_is_that_of_the_whole_wave_in_segments(generator):
    clean = talk(9 * RATE + 5)
    enhanced = enhance_speech(
        generator, clean, RATE, hiss(), RATE, segment_seconds=4
    )
    ratio_db = 10 * torch.log10(energy(enhanced) / energy(clean))
    assert abs(ratio_db) < 1e-4


@pytest.mark.parametrize(
    "clean, noise, message",
    [
        (torch.zeros(16000), hiss(), "speech holds nothing but zeros"),
        (torch.ones(511), hiss(), "at least 32 ms; got 511 samples"),
        (torch.ones(9000).div(0), hiss(), "sample at 0.000 s is not"),
        (talk(), torch.zeros(16000), "noise holds nothing but zeros"),
        (talk(), torch.zeros(0), "noise holds nothing but zeros"),
        (talk(), hiss().div(0), "sample at 0.000 s is not"),
        (talk(), torch.ones(2, 9000), r"Noise is a wave of \[samples\]"),
        (talk(), torch.ones(9000, dtype=torch.int16), "got torch.int16"),
    ],
)
def test_waves_that_cannot_be_enhanced(generator, clean, noise, message):
    with pytest.raises(ValueError, match=message):
        enhance_speech(generator, clean, RATE, noise, RATE)


def test_generators_do_only_what_they_are_for(generator):
    with pytest.raises(ValueError, match="for listening enhancement.*task le"):
        enhance_wave(generator, talk(), RATE)
    with pytest.raises(ValueError, match="BandGain.*got CausalLSTM"):
        enhance_speech(CausalLSTMGenerator().eval(), talk(), RATE, hiss(), RATE)
    with pytest.raises(ValueError, match="training mode"):
        enhance_speech(BandGainGenerator(), talk(), RATE, hiss(), RATE)


# Noise


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
        (None, "n.wav: there is no such file"),
        (np.zeros(900), "n.wav: the noise holds nothing but zeros"),
        (np.zeros(0), "n.wav: the noise holds nothing but zeros"),
        (np.ones((900, 2)), "n.wav: has 2 channels, but noise must have one"),
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
        ("0,65\n", "line 1: 65 dBFS is louder.*sound pressure level"),
    ],
)
def test_levels_that_are_none(tmp_path, text, message):
    path = tmp_path / "levels.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        read_noise_levels(path)


# Files


def test_file_equals_wave(tmp_path, generator):
    """In segments, of two channels, at another rate than the noise."""
    pair = torch.stack([talk(50000), talk(50000).flip(0)])
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, pair.T.numpy(), 8000, "FLOAT")
    noise = hiss(9000)
    gain = enhance_speech_file(
        generator,
        source,
        destination,
        noise=ListenerNoise(noise.numpy()),
        segment_seconds=4,
    )
    assert gain == 1
    written, rate = soundfile.read(destination, dtype="float32")
    expected = enhance_speech(
        generator, pair, 8000, noise, RATE, segment_seconds=4
    )
    assert rate == 8000
    np.testing.assert_allclose(written.T, expected, atol=ROUNDING)


def test_format_and_power_are_kept(tmp_path, generator):
    source, destination = tmp_path / "in.flac", tmp_path / "out.flac"
    wave = 0.2 * talk(44100).numpy()
    soundfile.write(source, np.stack([wave, -wave], 1), 44100, "PCM_24")
    enhance_speech_file(
        generator, source, destination, noise=ListenerNoise(hiss().numpy())
    )
    before, after = soundfile.info(source), soundfile.info(destination)
    for name in ("samplerate", "channels", "frames", "format", "subtype"):
        assert getattr(after, name) == getattr(before, name)
    written, _ = soundfile.read(destination)
    assert level_db(written) == pytest.approx(level_db(0.2 * talk(44100)), 1e-3)


def test_a_ratio_in_place_of_levels(tmp_path, generator):
    """Of the whole file, however long the noise, and of every channel."""
    clean, noise = talk(40000), hiss(3000)
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    pair = torch.stack([clean, 0.1 * clean])
    soundfile.write(source, pair.T.numpy(), RATE, "FLOAT")
    enhance_speech_file(
        generator,
        source,
        destination,
        noise=ListenerNoise(noise.numpy()),
        snr_db=-7,
    )
    written, _ = soundfile.read(destination, dtype="float32")
    heard = noise.tile(14)[:40000]
    heard *= (energy(clean) / energy(heard) * 10**0.7).sqrt()
    expected = enhance_speech(generator, clean, RATE, heard, RATE)
    for channel, gain in zip(written.T, (1, 10), strict=True):
        assert difference_db(gain * torch.tensor(channel), expected) < -80


def test_levels_of_a_recording(tmp_path, generator):
    clean, noise = talk(), hiss(5000, -3)
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, clean.numpy(), RATE, "FLOAT")
    enhance_speech_file(
        generator,
        source,
        destination,
        noise=ListenerNoise(noise.numpy()),
        noise_levels=NoiseLevels(np.array([0.0]), np.array([-30.0])),
    )
    written, _ = soundfile.read(destination, dtype="float32")
    noise *= 10**-1.5 / noise.square().mean().sqrt()
    expected = enhance_speech(generator, clean, RATE, noise, RATE)
    assert difference_db(torch.tensor(written), expected) < -80


def test_levels_of_noise_that_nobody_recorded(tmp_path, generator):
    clean = talk()
    source = tmp_path / "in.wav"
    soundfile.write(source, clean.numpy(), RATE, "FLOAT")
    noise = torch.from_numpy(
        noise_shaped_like(clean.numpy()[:, None], RATE).samples
    ).float()
    for dbfs in (-50.0, -20.0):
        levels = NoiseLevels(np.array([0.0]), np.array([dbfs]))
        enhance_speech_file(
            generator,
            source,
            tmp_path / "out.wav",
            noise_levels=levels,
            overwrite=True,
        )
        written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
        noise *= 10 ** (dbfs / 20) / noise.square().mean().sqrt()
        expected = enhance_speech(generator, clean, RATE, noise, RATE)
        assert difference_db(torch.tensor(written), expected) < -80


def test_peaks_are_never_clipped(tmp_path, caplog, generator):
    wave = talk()
    wave = torch.round(32000 * wave / wave.abs().max()) / 2**15
    expected = enhance_speech(generator, wave, RATE, hiss(), RATE)
    peak = expected.abs().max().item()
    assert peak > 1.01  # equal power, other peaks
    soundfile.write(tmp_path / "in.wav", wave.numpy(), RATE, "PCM_16")
    gain = enhance_speech_file(
        generator,
        tmp_path / "in.wav",
        tmp_path / "out.wav",
        noise=ListenerNoise(hiss().numpy()),
    )
    assert gain == pytest.approx(1 / peak, rel=1e-3)
    assert f"{20 * np.log10(gain):.2f} dB" in caplog.text
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_allclose(written, gain * expected, atol=2 / 2**15)


# Command lines


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


def test_command_enhances_what_it_is_given(work):
    status = command(
        "LE", "in", "-o", "out", "--task", "le", "--noise", "noise.wav"
    )
    assert status == 0
    expected = enhance_speech(
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
    enhance_speech_file(
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
    expected = enhance_speech(
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
            "none.wav: there is no such file",
        ),
        (
            ["LE", "in", "-o", "out", *TOLD, "--noise", "levels.csv"],
            "levels.csv: not audio that can be read",
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
def test_wrong_commands_do_nothing(work, capsys, arguments, message):
    before = sorted(work.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        command(*arguments)
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(work.rglob("*")) == before

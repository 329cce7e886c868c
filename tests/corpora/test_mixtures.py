"""Speech and noise are mixed as their manifest says, or not at all."""

import os

import numpy as np
import pytest
import torch
from tiny_corpus import burst, write_streamed_flac, write_wave

from okd_brain.corpora.mixtures import (
    make_mixture_dataset,
    mixture_entry,
    read_noise,
)
from okd_brain.files import write_json
from okd_brain.messages import UserError
from okd_brain.noises import mix

SAMPLES = 4800


def level_db(samples):
    return 10 * np.log10(np.mean(np.asarray(samples, dtype=np.float64) ** 2))


@pytest.fixture
def folder(tmp_path):
    """Make an utterance of 0.3 s and 1 s of noise."""
    write_wave(tmp_path / "speech" / "a.wav", 0.3 * burst(seed=1))
    write_wave(tmp_path / "noise" / "hiss.wav", burst(1.0, seed=2))
    return tmp_path


def dataset(folder, output_keys=None, loop=False, changes=None, **options):
    """Return a dataset of one mixture, by default at -7 dB from sample 100."""
    wanted = {
        "clean": "a.wav",
        "noise": "hiss.wav",
        "noise_start": 100,
        "snr_db": -7,
        "samples": SAMPLES,
        "speaker": "a",
        "noise_type": "hiss",
    }
    entry = mixture_entry(**{**wanted, **options}) | (changes or {})
    entry = {name: value for name, value in entry.items() if value != "absent"}
    write_json(folder / "m.json", {"a_hiss": entry})
    keys = {"output_keys": output_keys} if output_keys else {}
    return make_mixture_dataset(
        folder / "m.json",
        folder / "speech",
        folder / "noise",
        loop=loop,
        **keys,
    )


@pytest.mark.parametrize("snr_db", [-13, -3.5, 0, 20])
@pytest.mark.parametrize("level_dbfs", [-25.0, -40.0])
def test_level_and_ratio_are_those_asked_for(folder, snr_db, level_dbfs):
    (item,) = dataset(folder, snr_db=snr_db, level_dbfs=level_dbfs)
    assert set(item) == {"id", "clean_sig", "noise_sig", "noisy_sig"}
    assert item["id"] == "a_hiss"
    for name in ("clean_sig", "noise_sig", "noisy_sig"):
        assert item[name].dtype == torch.float32
        assert item[name].shape == (SAMPLES,)
    assert level_db(item["clean_sig"]) == pytest.approx(level_dbfs, abs=1e-4)
    ratio = level_db(item["clean_sig"]) - level_db(item["noise_sig"])
    assert ratio == pytest.approx(snr_db, abs=1e-4)
    total = item["clean_sig"] + item["noise_sig"]
    torch.testing.assert_close(item["noisy_sig"], total)


def test_signals_are_the_files_except_for_a_gain(folder):
    (item,) = dataset(folder)
    stretch = burst(1.0, seed=2)[100 : 100 + SAMPLES]
    for name, source in (("clean_sig", burst(seed=1)), ("noise_sig", stretch)):
        correlation = np.corrcoef(item[name].numpy(), source)[0, 1]
        assert correlation == pytest.approx(1, abs=1e-6)  # 16-bit files


def test_same_mixture_as_the_mini_corpus(folder):
    (item,) = dataset(folder, level_dbfs=-45.0)
    clean, noisy = mix(
        burst(seed=1),
        burst(1.0, seed=2)[100 : 100 + SAMPLES],
        snr_db=-7,
        level_dbfs=-45.0,
        peak=1,
    )
    np.testing.assert_allclose(item["clean_sig"], clean, atol=1e-5)
    np.testing.assert_allclose(item["noisy_sig"], noisy, atol=1e-5)


@pytest.mark.parametrize("nominal", [-13, -11, -7, -1, 5])
def test_paper_mixing_halves_the_decibels(folder, nominal):
    mixtures = dataset(
        folder,
        snr_db=nominal,
        paper_mixing=True,
        output_keys=["clean_sig", "noise_sig", "snr_db", "nominal_snr_db"],
    )
    (item,) = mixtures
    assert item["snr_db"] == nominal / 2
    assert item["nominal_snr_db"] == nominal
    # The authors' scaling, from the description of MS-SNSD's snr_mixer: speech
    # and noise at equal RMS, then a square root too many.
    clean, noise = burst(seed=1), burst(1.0, seed=2)[100 : 100 + SAMPLES]
    clean, noise = (x / np.sqrt(np.mean(x**2)) for x in (clean, noise))
    noise = noise * np.sqrt(1 / 10 ** (nominal / 20))
    found = level_db(item["clean_sig"]) - level_db(item["noise_sig"])
    assert found == pytest.approx(level_db(clean) - level_db(noise), abs=1e-4)


def test_sum_beyond_full_scale_is_neither_clipped_nor_softened(folder):
    (item,) = dataset(folder, snr_db=-30)
    assert item["noisy_sig"].abs().max() > 1.5
    assert level_db(item["clean_sig"]) == pytest.approx(-25, abs=1e-4)


def test_noise_shorter_than_speech(folder):
    mixtures = dataset(folder, noise_start=11201)
    with pytest.raises(
        ValueError, match=r"hiss.wav lasts 1.000 s, needed are 0.300 s from 0.7"
    ):
        mixtures[0]
    assert len(dataset(folder, noise_start=11200)[0]["noise_sig"]) == SAMPLES


def test_noise_may_be_looped(folder):
    whole = read_noise(folder / "noise" / "hiss.wav", 0, 16000)
    looped = read_noise(folder / "noise" / "hiss.wav", 15000, 20000, loop=True)
    expected = torch.cat([whole[15000:], whole, whole[:3000]])
    assert torch.equal(looped, expected)
    (item,) = dataset(folder, noise_start=15000, loop=True)
    assert item["noise_sig"].shape == (SAMPLES,)


def test_empty_noise_cannot_be_looped(folder):
    write_wave(folder / "noise" / "empty.wav", np.zeros(0))
    with pytest.raises(ValueError, match=r"empty.wav lasts 0.000 s"):
        read_noise(folder / "noise" / "empty.wav", 0, 10, loop=True)


@pytest.mark.parametrize("silent", ["speech/a.wav", "noise/hiss.wav"])
def test_silence_has_no_level(folder, silent):
    write_wave(folder / silent, np.zeros(16000))
    with pytest.raises(ValueError, match=f"{silent} holds nothing but zeros"):
        dataset(folder)[0]


@pytest.mark.parametrize("changed", ["speech/a.wav", "noise/hiss.wav"])
def test_file_that_changed_since(folder, changed):
    mixtures = dataset(folder)
    write_wave(folder / changed, burst(2.0), 48000)
    with pytest.raises(ValueError, match=f"{changed} holds .* has changed"):
        mixtures[0]


def test_speech_that_became_stereo(folder):
    mixtures = dataset(folder)
    write_wave(folder / "speech" / "a.wav", np.stack([burst(1.0)] * 2, axis=1))
    with pytest.raises(ValueError, match="a.wav holds .* has changed"):
        mixtures[0]


def test_noise_of_unknown_length_is_looped(folder):
    """Pipes leave FLAC whose header has no length."""
    path = folder / "noise" / "hiss.wav"
    before = dataset(folder, loop=True, noise_start=15900)[0]["noise_sig"]
    write_streamed_flac(path, burst(1.0, seed=2))
    after = dataset(folder, loop=True, noise_start=15900)[0]["noise_sig"]
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4)


def test_braces_in_a_name_are_not_placeholders(folder):
    (folder / "noise" / "hiss.wav").rename(folder / "noise" / "{0}.wav")
    assert len(dataset(folder, noise="{0}.wav")[0]["noise_sig"])


@pytest.mark.parametrize(
    "field",
    [
        "clean_wav",
        "noise_wav",
        "noise_start",
        "snr_db",
        "level_dbfs",
        "length",
    ],
)
def test_missing_field(folder, field):
    with pytest.raises(ValueError, match=f"utterance a_hiss: lacks {field}"):
        dataset(folder, changes={field: "absent"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("noise_start", -1),
        ("noise_start", 0.5),
        ("snr_db", "5"),
        ("snr_db", float("nan")),
        ("level_dbfs", None),
    ],
)
def test_impossible_number(folder, field, value):
    with pytest.raises(ValueError, match=f"utterance a_hiss: {field} is"):
        dataset(folder, changes={field: value})


@pytest.mark.parametrize(
    "kind, file", [("clean", "speech/a"), ("noise", "noise/hiss")]
)
def test_speech_or_noise_that_changes_is_named(folder, kind, file):
    path = folder / f"{file}.wav"
    status = path.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    mixtures = dataset(folder, changes={f"{kind}_stamp": stamp})
    assert len(mixtures[0]["noisy_sig"])
    os.utime(path, ns=(0, status.st_mtime_ns + 1))
    with pytest.raises(UserError, match=f"{file}.wav has changed since"):
        mixtures[0]


@pytest.mark.parametrize(
    "field, value",
    [
        ("noise_start", True),
        ("noise_start", 2**40),
        ("snr_db", False),
        ("snr_db", 1e308),
        ("level_dbfs", float("nan")),
    ],
)
def test_numbers_that_no_mixture_can_have(folder, field, value):
    with pytest.raises(UserError, match=f"a_hiss: {field} is"):
        dataset(folder, changes={field: value})

"""SSDRC: what it must keep, what it must change, and what that is good for."""

import numpy as np
import pytest
from intelligibility_pairs import SAMPLES, prompt

from okd_brain.metrics import METRICS
from okd_brain.noises import speech_shaped
from okd_brain.tasks.ssdrc import (
    compress_range,
    envelope,
    formants,
    shape_spectrum,
    ssdrc,
    voicing_probability,
)

SNR_DB = -5.0
RATE = 16000
PROMPTS = {
    speaker: [
        prompt(path.stem) for path in sorted(SAMPLES.glob(f"{speaker}_*"))
    ]
    for speaker in ("allison", "carlo", "june", "ivrvoice")
}
SPEECH = PROMPTS["allison"][0]


@pytest.mark.parametrize("speaker", PROMPTS)
def test_is_understood_better_in_steady_noise_at_the_same_power(speaker):
    rng = np.random.default_rng(0)
    gains = {"estoi": [], "siib": []}
    for speech in PROMPTS[speaker][::2]:
        noise = speech_shaped(len(speech), rng, PROMPTS[speaker])
        noise *= rms(speech) / rms(noise) * 10 ** (-SNR_DB / 20)
        for name, gain in gains.items():
            before, after = (
                METRICS[name].score(reference=speech, degraded=heard + noise)
                for heard in (speech, ssdrc(speech))
            )
            gain.append(after - before)
    assert min(gains["estoi"]) > 0.02 and np.mean(gains["estoi"]) > 0.08
    assert min(gains["siib"]) > 8 and np.mean(gains["siib"]) > 20  # bits/s


@pytest.mark.parametrize("samples", [332, 333, 997, 16001, 16384])
def test_keeps_length_and_power(samples):
    speech = SPEECH[8000:][:samples]
    assert len(speech) == samples
    enhanced = ssdrc(speech)
    assert enhanced.shape == (samples,) and enhanced.dtype == np.float64
    assert rms(enhanced) == pytest.approx(rms(speech), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_takes_every_float_and_leaves_it_as_it_is(dtype):
    speech = SPEECH.astype(dtype)
    before = speech.copy()
    speech.flags.writeable = False
    enhanced = ssdrc(speech)
    np.testing.assert_array_equal(speech, before)
    np.testing.assert_array_equal(enhanced, ssdrc(before.astype(np.float64)))


@pytest.mark.parametrize("factor", [1e-4, 0.3, 1e3])
def test_level_does_not_matter(factor):
    # Rounding may move a zero crossing or two where the prompt is silent.
    np.testing.assert_allclose(
        ssdrc(factor * SPEECH) / factor, ssdrc(SPEECH), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("speaker", PROMPTS)
def test_compresses(speaker):
    speech = np.concatenate(PROMPTS[speaker])
    shaped = shape_spectrum(speech)
    before = level_range_db(speech)
    assert level_range_db(compress_range(shaped)) < level_range_db(shaped) - 5
    assert level_range_db(ssdrc(speech)) < before


@pytest.mark.parametrize("speaker", PROMPTS)
def test_moves_power_to_the_range_of_consonants(speaker):
    speech = np.concatenate(PROMPTS[speaker])
    rise = consonants_db(ssdrc(speech)) - consonants_db(speech)
    assert 10 < rise < 25  # the fixed gain alone: 12 to 21 dB


def test_a_loud_tone_gains_less_than_a_soft_one():
    """Steady levels follow the characteristic; gains end at 15 and -12 dB."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    peak = 10 ** (-10.5 / 20) / 0.3  # so that 0 dB in is the reference level
    input_db = np.array([-40.0, -24.0, -18.0, -12.0, 0.0])
    parts = [0.3 * peak * 10 ** (level / 20) * tone for level in input_db]
    compressed = compress_range(np.concatenate([tone, *parts]))
    middles = compressed.reshape(-1, RATE)[:, 4000:12000]
    level_db = [20 * np.log10(rms(part)) for part in middles]
    np.testing.assert_allclose(
        np.array(level_db[1:]) - level_db[0],
        # From straight lines through (-24, -9), (-12, -1.5) and (12, 0).
        np.array([-25, -9, -5.25, -1.5, -0.75]) - (-0.09),
        atol=0.15,
    )


def test_sharpens_formants_of_a_vowel_and_not_of_hiss():
    rng = np.random.default_rng(0)
    vowel = synthetic_vowel((500.0, 1500.0, 2500.0))
    hiss = 0.01 * rng.standard_normal(RATE)
    speech = np.concatenate([vowel, hiss])
    shaped = shape_spectrum(speech)
    depths = {}
    for name, part in (
        ("vowel", slice(4000, 12000)),
        ("hiss", slice(20000, None)),
    ):
        depths[name] = formant_depth_db(shaped[part]) - formant_depth_db(
            speech[part]
        )
    assert depths["vowel"] > 3
    assert abs(depths["hiss"]) < 1


def test_pre_emphasis_follows_voicing(monkeypatch):
    monkeypatch.setattr("okd_brain.tasks.ssdrc.SHARPENING", 0.0)
    time = np.arange(RATE) / RATE
    voiced = np.sin(2 * np.pi * 100 * time)
    voiced += 0.001 * np.sin(2 * np.pi * 4500 * time)
    speech = np.concatenate([voiced, 1e-3 * voiced])
    middles = shape_spectrum(speech).reshape(2, RATE)[:, 4000:12000]
    loud, soft = np.abs(np.fft.rfft(middles))[:, 4500 // 2]
    # 4.5 kHz is halfway from 1 to 8, where full voicing adds 0.3.
    voicing = voicing_probability(speech).reshape(2, RATE)[:, 4000:12000]
    loud_voicing, soft_voicing = voicing.mean(axis=1)
    expected = (1 + 0.15 * loud_voicing) / (1 + 0.15 * soft_voicing)
    assert loud_voicing > 0.5 and soft_voicing < 1e-3
    assert 1e-3 * loud / soft == pytest.approx(expected, rel=0.01)


def test_the_gain_is_that_of_the_paper_s_recursion():
    """Attack 0.0001 and release 0.15, sample by sample of the envelope."""
    points = np.arange(0, len(SPEECH), 64)
    smooth = envelope(SPEECH)
    followed = [smooth[0]]
    for level in smooth[points[1:]]:
        kept = 1e-4 if level >= followed[-1] else 0.15
        followed.append(kept * followed[-1] + (1 - kept) * level)
    input_db = 20 * np.log10(np.array(followed) / (0.3 * smooth.max()))
    expected = np.interp(input_db, [-24, -12, 12], [15, 10.5, -12])
    audible = np.abs(SPEECH[points]) > 1e-3
    assert audible.sum() > 200
    gain = compress_range(SPEECH)[points][audible] / SPEECH[points][audible]
    np.testing.assert_allclose(
        20 * np.log10(gain), expected[audible], atol=0.01
    )


def test_formants_ignore_level_and_tilt():
    rng = np.random.default_rng(0)
    magnitude = np.exp(rng.standard_normal((257, 3)))
    tilt = np.exp(1.5 * np.cos(np.pi * np.arange(257) / 256))[:, None]
    flat = formants(np.ones((257, 3)))
    np.testing.assert_allclose(flat, 0, atol=1e-12)
    np.testing.assert_allclose(formants(7 * magnitude), formants(magnitude))
    assert np.abs(formants(tilt * np.ones((1, 3)))).max() < 0.1


@pytest.mark.parametrize(
    ("speech", "rate", "rule"),
    [
        (np.zeros(RATE), RATE, "the speech is silent or constant"),
        (np.full(RATE, 0.2), RATE, "the speech is silent or constant"),
        (SPEECH[:331], RATE, "at least 0.02075 s; the speech has 0.0207 s"),
        (np.zeros(0), RATE, "at least 0.02075 s; the speech has 0.0000 s"),
        (np.where(SPEECH > 0.1, np.nan, SPEECH), RATE, "has NaN or infinity"),
        (np.stack([SPEECH, SPEECH]), RATE, r"must be 1-D; got shape \(2, "),
        (SPEECH, 48000, "SSDRC needs 16000 Hz; got 48000 Hz"),
    ],
    ids=["silent", "constant", "short", "empty", "NaN", "stereo", "rate"],
)
def test_bad_speech_is_refused(speech, rate, rule):
    with pytest.raises(ValueError, match=rule):
        ssdrc(speech, rate)


def rms(signal):
    return np.sqrt(np.mean(signal**2))


def level_range_db(signal):
    """From the middle level to the loud ones; pauses count as they come."""
    middle, loud = np.quantile(envelope(signal), [0.5, 0.95])
    return 20 * np.log10(loud / middle)


def consonants_db(signal):
    """Power from 1 to 4 kHz over that below 500 Hz."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    high = power[(hz > 1000) & (hz < 4000)].sum()
    return 10 * np.log10(high / power[hz < 500].sum())


def synthetic_vowel(formants_hz, pitch_hz=100.0, width_hz=150.0):
    """One second of partials under resonances of equal height."""
    time = np.arange(RATE) / RATE
    vowel = np.zeros(RATE)
    for hz in np.arange(pitch_hz, 4000.0, pitch_hz):
        height = sum(1 / (1 + ((hz - f) / width_hz) ** 2) for f in formants_hz)
        vowel += height * np.cos(2 * np.pi * hz * time + hz**2 / 1e5)
    return 0.1 * vowel


def formant_depth_db(signal):
    """Power around 1.5 and 2.5 kHz over that around 2 kHz between them."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    peaks, valley = (
        np.mean([power[np.abs(hz - f) < 150].mean() for f in centres])
        for centres in ((1500, 2500), (2000,))
    )
    return 10 * np.log10(peaks / valley)

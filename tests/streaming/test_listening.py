"""Speech and noise in chunks give the offline result, a constant delay later."""

import numpy as np
import pytest
import torch
from streams import offline_listening as offline
from streams import speech_and_noise as pair
from streams import stream, wide

from okd_brain.generators import (
    CausalLSTMGenerator,
)
from okd_brain.streaming import StreamingListeningEnhancer

TOLERANCE = 1e-5
DELAY = 511


@pytest.fixture(scope="module")
def generator():
    return wide()


def assert_equal_to_offline(generator, played, noise, streamed):
    assert streamed.shape == played.shape
    difference = streamed - offline(generator, played, noise)
    assert difference.abs().max() < TOLERANCE


# Equal to the whole waves at once


@pytest.mark.parametrize("size", [1, 7, 160, 255, 256, 257, 512, 1000, 4096])
def test_streaming_equals_offline(generator, size):
    waves = [wave[4000:12000] for wave in pair(size % 20)]
    if size == 1:
        waves = [wave[:2000] for wave in waves]
    enhancer = StreamingListeningEnhancer(generator)
    streamed = stream(enhancer, size, *waves)
    assert_equal_to_offline(generator, *waves, streamed)


def test_the_generator_of_these_tests_does_something(generator):
    played, noise = pair()
    enhanced = offline(generator, played, noise)
    assert (enhanced - played).std() > 0.2 * played.std()
    # Other noise gives another result, and so does another past.
    other = offline(generator, played, 0.1 * noise)
    assert (enhanced - other).std() > 0.05 * played.std()
    late = offline(generator, played[8192:], noise[8192:])
    changed = (enhanced[8192:] - late)[-1000:]
    assert changed.abs().max() > 20 * TOLERANCE


@pytest.mark.parametrize("samples", [1, 255, 256, 511, 512, 513, 768, 1025])
def test_streams_of_any_length(generator, samples):
    waves = [wave[4000 : 4000 + samples] for wave in pair()]
    for size in (100, 256):
        streamed = stream(StreamingListeningEnhancer(generator), size, *waves)
        assert_equal_to_offline(generator, *waves, streamed)


def test_silence_on_either_side(generator):
    played, noise = pair(2)
    silence = torch.zeros_like(played)
    for waves in ((silence, noise), (played, silence), (silence, silence)):
        enhancer = StreamingListeningEnhancer(generator)
        streamed = stream(enhancer, 160, *waves)
        assert_equal_to_offline(generator, *waves, streamed)
    assert (streamed == 0).all()


def test_the_power_of_every_frame_is_that_of_the_speech(generator):
    played, noise = pair(3, 8000)
    enhancer = StreamingListeningEnhancer(generator)
    spectra = []
    monitored = enhancer._changed
    enhancer._changed = lambda spectrum: keep(spectrum, monitored(spectrum))

    def keep(before, after):
        spectra.append((before[0], after))
        return after

    stream(enhancer, 700, played, noise)
    before, after = map(torch.cat, zip(*spectra, strict=True))
    before[:, [0, 1, 256]] = 0  # what no band covers is not played
    powers = [torch.fft.irfft(s).square().sum(dim=1) for s in (before, after)]
    audible = powers[0] > 1e-4 * powers[0].max()
    assert audible.sum() > 20
    ratio_db = 10 * torch.log10(powers[1] / powers[0])[audible]
    assert ratio_db.abs().max() < 1e-3


# Delay, causality and state


def test_chunks_of_one_size_have_a_shorter_delay(generator):
    enhancer = StreamingListeningEnhancer(generator, chunk_samples=256)
    assert enhancer.delay_samples == 256
    waves = pair(4, 2560)
    parts = [
        enhancer.process(*chunks)
        for chunks in zip(*(wave.split(256) for wave in waves), strict=True)
    ]
    assert [len(part) for part in parts] == [0] + 9 * [256]
    streamed = torch.cat([*parts, enhancer.flush()])
    assert_equal_to_offline(generator, *waves, streamed)


def test_the_future_of_neither_changes_the_past(generator):
    played, noise = pair(5, 8000)
    past = StreamingListeningEnhancer(generator).process(played, noise)
    assert len(past) == 8000 - DELAY
    silence, loud = torch.zeros(4000), 3 * pair(11, 8000)[0][4000:]
    results = []
    for futures in ((silence, loud), (loud, silence), (loud, loud)):
        waves = map(torch.cat, zip((played, noise), futures, strict=True))
        results.append(offline(generator, *waves))
        assert (results[-1][: len(past)] - past).abs().max() < TOLERANCE
        # Among whole waves, which are rounded alike:
        assert (results[-1] - results[0])[: len(past)].abs().max() < 1e-6
    # ... and what comes directly after it depends on both.
    first, second, third = (wave[8000:9000] for wave in results)
    assert (third - first).abs().max() > 1e-3
    assert (third - second).abs().max() > 1e-3


# Errors


def test_a_generator_of_another_task():
    with pytest.raises(ValueError, match=r"needs.*BandGain.*got CausalLSTM"):
        StreamingListeningEnhancer(CausalLSTMGenerator().eval())


@pytest.mark.parametrize(
    ("played", "noise", "message"),
    [
        (
            torch.zeros(160),
            torch.zeros(161),
            "speech and noise must be equally long; got 160 and 161 samples",
        ),
        (
            torch.zeros(160),
            torch.full((160,), torch.nan),
            "The noise must be finite.* sample 1000 is nan.*not taken",
        ),
        (
            np.full(160, 1e30),
            np.zeros(160),
            r"The speech must be finite.* sample 1000 is 1e\+30",
        ),
        (
            torch.zeros(160),
            torch.zeros(2, 80),
            r"chunk of the noise is \[samples\] of one channel.*\(2, 80\)",
        ),
    ],
)
def test_bad_chunks_are_refused_and_the_streams_go_on(
    generator, played, noise, message
):
    waves = pair(10, 3000)
    enhancer = StreamingListeningEnhancer(generator)
    parts = [enhancer.process(*(wave[:1000] for wave in waves))]
    with pytest.raises(ValueError, match=message):
        enhancer.process(played, noise)
    parts.append(enhancer.process(*(wave[1000:] for wave in waves)))
    streamed = torch.cat([*parts, enhancer.flush()])
    assert_equal_to_offline(generator, *waves, streamed)

"""Speech and noise in chunks give the offline result, a constant delay later."""

import numpy as np
import pytest
import torch
from streams import held_bytes, speech

from okd_brain.gain_generators import CumulativeLayerNorm
from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator
from okd_brain.streaming.listening import StreamingListeningEnhancer
from okd_brain.tasks import ListeningEnhancement

TOLERANCE = 1e-5
DELAY = 511


@pytest.fixture(scope="module")
def generator():
    """Gains all over their range, of every band and frame another."""
    torch.manual_seed(0)
    generator = BandGainGenerator()
    with torch.no_grad():
        generator.linear1.weight *= 4
        generator.linear2.weight *= 4
    return generator.eval()


def pair(number=0, samples=16000):
    """Return speech, and other speech as its noise."""
    return speech(number, samples), speech(number + 20, samples).flip(0)


def stream(enhancer, sizes, played, noise):
    """Return all that comes out, the end included."""
    chunks = zip(played.split(sizes), noise.split(sizes), strict=True)
    parts = [enhancer.process(*chunk) for chunk in chunks]
    return torch.cat([*parts, enhancer.flush()])


def offline(generator, played, noise):
    """Enhance whole waves at once, by the path of training."""
    task = ListeningEnhancement(equal_power="frame")
    with torch.no_grad():
        inputs = task.analyse(played[None], noise[None], torch.ones(1))
        return task.enhance(generator, inputs).wave[0]


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


def test_chunks_of_ever_changing_size(generator):
    waves = pair(1)
    rng = np.random.default_rng(0)
    sizes = []
    while sum(sizes) < 16000:
        sizes.append(int(rng.integers(0, 2 ** rng.integers(1, 12))))
    sizes[-1] -= sum(sizes) - 16000
    streamed = stream(StreamingListeningEnhancer(generator), sizes, *waves)
    assert_equal_to_offline(generator, *waves, streamed)


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


@pytest.mark.parametrize("sizes", [[1] * 20, [20], [3, 7, 1, 9]])
def test_step_is_the_generator_frame_by_frame(generator, sizes):
    bands = torch.rand(2, 20, 128)
    memory, gains = None, []
    with torch.no_grad():
        for frames in bands.split(sizes, dim=1):
            some, memory = generator.step(frames, memory)
            gains.append(some)
        expected = generator(bands)
    assert torch.allclose(torch.cat(gains, dim=1), expected, rtol=1e-5)


def test_the_norm_is_that_of_all_so_far():
    torch.manual_seed(0)
    norm = CumulativeLayerNorm(3)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = 2 + torch.randn(2, 3, 9)
    for frame in range(9):
        heard = x[..., : frame + 1].flatten(1)
        mean, variance = heard.mean(dim=1), heard.var(dim=1, correction=0)
        scaled = (x[..., frame] - mean[:, None]) / torch.sqrt(
            variance[:, None] + 1e-5
        )
        expected = scaled * norm.weight + norm.bias
        assert torch.allclose(norm(x)[..., frame], expected, atol=1e-5)


# Delay, causality and state


@pytest.mark.parametrize("size", [1, 160, 256, 513, 4096])
def test_as_many_come_out_as_went_in_less_the_delay(generator, size):
    enhancer = StreamingListeningEnhancer(generator)
    assert (enhancer.delay_samples, enhancer.delay_ms) == (DELAY, 31.9375)
    received = returned = 0
    for chunk in torch.zeros(4500).split(size):
        received += len(chunk)
        returned += len(enhancer.process(chunk, chunk))
        assert returned == max(0, received - DELAY)
    assert len(enhancer.flush()) == DELAY


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


def test_streams_that_share_a_generator_are_independent(generator):
    pairs = pair(6), pair(7)
    enhancers = [StreamingListeningEnhancer(generator) for _ in pairs]
    parts = [[], []]
    for start in range(0, 16000, 800):
        for part, enhancer, waves in zip(parts, enhancers, pairs, strict=True):
            chunks = (wave[start : start + 800] for wave in waves)
            part.append(enhancer.process(*chunks))
    for part, enhancer, waves in zip(parts, enhancers, pairs, strict=True):
        streamed = torch.cat([*part, enhancer.flush()])
        assert_equal_to_offline(generator, *waves, streamed)


def test_reset_forgets_everything(generator):
    enhancer = StreamingListeningEnhancer(generator)
    enhancer.process(*pair(8, 5555))
    enhancer.reset()
    waves = pair(9)
    first = stream(enhancer, 999, *waves)
    enhancer.reset()  # after flush, too
    assert torch.equal(first, stream(enhancer, 999, *waves))
    assert_equal_to_offline(generator, *waves, first)


def test_memory_does_not_grow(generator):
    enhancer = StreamingListeningEnhancer(generator)
    sizes = []
    for number in range(20):
        enhancer.process(*pair(number, 7680))
        memory = [part for layer in enhancer._memory for part in layer]
        sizes.append(held_bytes(enhancer, memory))
    assert max(sizes[1:]) == min(sizes[1:]) < 200_000


# Errors


def test_a_generator_of_another_task():
    with pytest.raises(ValueError, match=r"needs.*BandGain.*got CausalLSTM"):
        StreamingListeningEnhancer(CausalLSTMGenerator().eval())


def test_a_generator_in_training_mode():
    with pytest.raises(ValueError, match=r"training mode.*eval\(\)"):
        StreamingListeningEnhancer(BandGainGenerator())


def test_another_sample_rate(generator):
    with pytest.raises(ValueError, match="at 16000 Hz; got 48000 Hz"):
        StreamingListeningEnhancer(generator, sample_rate=48000)


def test_an_impossible_chunk_size(generator):
    with pytest.raises(ValueError, match=r"from 1 on; got 0"):
        StreamingListeningEnhancer(generator, chunk_samples=0)


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


def test_nothing_but_reset_follows_flush(generator):
    enhancer = StreamingListeningEnhancer(generator)
    enhancer.flush()
    with pytest.raises(ValueError, match=r"flushed; reset\(\) starts another"):
        enhancer.process(torch.zeros(10), torch.zeros(10))

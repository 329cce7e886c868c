"""What streams of every kind promise: delay, state, and what they refuse."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from streams import (
    offline,
    offline_listening,
    remembering,
    speech,
    speech_and_noise,
    stream,
    wide,
)

from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator
from okd_brain.streaming import StreamingEnhancer, StreamingListeningEnhancer

TOLERANCE = 1e-5
DELAY = 511


@dataclass
class Kind:
    """A stream, a generator for it, its waves, and the result at once."""

    enhancer: type
    generator: torch.nn.Module
    untrained: type
    waves: callable
    offline: callable
    memory_bytes: int

    def stream(self, **options):
        return self.enhancer(self.generator, **options)

    def assert_equal_to_offline(self, waves, streamed):
        expected = self.offline(self.generator, *waves)
        assert streamed.shape == expected.shape
        assert (streamed - expected).abs().max() < TOLERANCE


@pytest.fixture(scope="module", params=["speech", "listening"])
def kind(request):
    if request.param == "speech":
        return Kind(
            StreamingEnhancer,
            remembering(),
            CausalLSTMGenerator,
            lambda number, samples=16000: (speech(number, samples),),
            offline,
            150_000,
        )
    return Kind(
        StreamingListeningEnhancer,
        wide(),
        BandGainGenerator,
        speech_and_noise,
        offline_listening,
        200_000,
    )


def test_chunks_of_ever_changing_size(kind):
    waves = kind.waves(1)
    sizes = []
    rng = np.random.default_rng(0)
    while sum(sizes) < 16000:
        sizes.append(int(rng.integers(0, 2 ** rng.integers(1, 12))))
    sizes[-1] -= sum(sizes) - 16000
    kind.assert_equal_to_offline(waves, stream(kind.stream(), sizes, *waves))


@pytest.mark.parametrize("size", [1, 7, 160, 256, 511, 512, 513, 4096])
def test_as_many_come_out_as_went_in_less_the_delay(kind, size):
    enhancer = kind.stream()
    assert (enhancer.delay_samples, enhancer.delay_ms) == (DELAY, 31.9375)
    received = returned = 0
    waves = kind.waves(0, 5000)
    for chunks in zip(*(wave.split(size) for wave in waves), strict=True):
        received += len(chunks[0])
        returned += len(enhancer.process(*chunks))
        assert returned == max(0, received - DELAY)
    assert len(enhancer.flush()) == DELAY


def test_streams_that_share_a_generator_are_independent(kind):
    both = kind.waves(10), kind.waves(11)
    enhancers = kind.stream(), kind.stream()
    parts = [[], []]
    for start in range(0, 16000, 700):
        for part, enhancer, waves in zip(parts, enhancers, both, strict=True):
            chunks = (wave[start : start + 700] for wave in waves)
            part.append(enhancer.process(*chunks))
    for waves, part, enhancer in zip(both, parts, enhancers, strict=True):
        streamed = torch.cat([*part, enhancer.flush()])
        kind.assert_equal_to_offline(waves, streamed)


def test_reset_forgets_everything(kind):
    enhancer = kind.stream()
    enhancer.process(*kind.waves(13, 5555))
    enhancer.reset()
    waves = kind.waves(14)
    first = stream(enhancer, 999, *waves)
    enhancer.reset()  # after flush, too
    assert torch.equal(first, stream(enhancer, 999, *waves))
    kind.assert_equal_to_offline(waves, first)


def tensors(value):
    """Yield the tensors in nested lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        values = value.values() if isinstance(value, dict) else value
        for item in values:
            yield from tensors(item)


def test_memory_does_not_grow(kind):
    enhancer = kind.stream()
    sizes = []
    for number in range(20):
        enhancer.process(*kind.waves(number, 7680))
        held = tensors(vars(enhancer))
        sizes.append(sum(t.untyped_storage().nbytes() for t in held))
    assert max(sizes[1:]) == min(sizes[1:]) < kind.memory_bytes


# Errors


def test_a_generator_in_training_mode(kind):
    with pytest.raises(ValueError, match=r"training mode.*eval\(\)"):
        kind.enhancer(kind.untrained())


@pytest.mark.parametrize("rate", [48000, 8000, 44100])
def test_other_sample_rates(kind, rate):
    message = rf"must be at 16000 Hz; got {rate} Hz. Resample it"
    with pytest.raises(ValueError, match=message):
        kind.stream(sample_rate=rate)


@pytest.mark.parametrize("size", [0, -256, 1.5, None])
def test_impossible_chunk_sizes(kind, size):
    with pytest.raises(ValueError, match=r"chunk_samples.*from 1 on; got"):
        kind.stream(chunk_samples=size)


@pytest.mark.parametrize("samples", [0, 1000])
def test_nothing_but_reset_follows_flush(kind, samples):
    enhancer = kind.stream()
    enhancer.process(*kind.waves(0, samples))
    enhancer.flush()
    with pytest.raises(ValueError, match=r"flushed; reset\(\) starts another"):
        enhancer.process(*kind.waves(0, 10))
    with pytest.raises(ValueError, match="flushed"):
        enhancer.flush()
    enhancer.reset()
    assert len(enhancer.process(*kind.waves(0, 1000))) == 1000 - DELAY

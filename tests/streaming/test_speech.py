"""A stream in chunks of any size is the offline result, a constant delay later."""

import numpy as np
import pytest
import soundfile
import torch
from streams import constant, offline, remembering, speech, stream

from okd_brain.audio import MAX_PEAK
from okd_brain.generators import BLSTMGenerator
from okd_brain.messages import UserError
from okd_brain.streaming import StreamingEnhancer

TOLERANCE = 1e-5
DELAY = 511
LOUD = 0.3 * torch.sin(torch.arange(4000.0))


@pytest.fixture(scope="module")
def generator():
    return remembering()


def assert_equal_to_offline(generator, wave, streamed):
    assert streamed.shape == wave.shape
    assert (streamed - offline(generator, wave)).abs().max() < TOLERANCE


# Equal to the whole wave at once


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=[pytest.mark.slow] if number >= 8 else [])
        for number in range(0, 40, 2)
    ],
)
def test_streaming_equals_offline_on_20_files(generator, number):
    wave = speech(number)
    assert len(wave) == 16000
    for size in (7, 160, 256, 257, 480, 512, 1000, 4096, 16000):
        streamed = stream(StreamingEnhancer(generator), size, wave)
        assert_equal_to_offline(generator, wave, streamed)
    start = wave[8000:9600]
    streamed = stream(StreamingEnhancer(generator), 1, start)
    assert_equal_to_offline(generator, start, streamed)


def test_the_generator_of_these_tests_does_something(generator):
    wave = speech()
    enhanced = offline(generator, wave)
    assert (enhanced - wave).std() > 0.2 * wave.std()
    # Without memory of the first half the second comes out otherwise.
    second = offline(generator, wave[8192:])
    changed = (enhanced[8192:] - second)[DELAY:4096]
    assert changed.std() > 100 * TOLERANCE


@pytest.mark.parametrize(
    "samples", [1, 2, 255, 256, 257, 511, 512, 513, 767, 768, 1024, 1025]
)
def test_streams_of_any_length(generator, samples):
    wave = speech()[4000 : 4000 + samples]
    for size in (100, 256, samples):
        streamed = stream(StreamingEnhancer(generator), size, wave)
        assert_equal_to_offline(generator, wave, streamed)


def test_digital_silence_and_full_scale(generator):
    wave = torch.cat([torch.zeros(4096), speech(), torch.zeros(4096)])
    wave /= wave.abs().max()
    streamed = stream(StreamingEnhancer(generator), 160, wave)
    assert_equal_to_offline(generator, wave, streamed)
    assert (streamed[:2000].abs() < 1e-6).all()


def test_empty_stream(generator):
    enhancer = StreamingEnhancer(generator)
    assert enhancer.process(torch.zeros(0)).shape == (0,)
    assert enhancer.flush().shape == (0,)


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "read-only"])
def test_arrays_and_tensors_of_any_precision(generator, kind):
    wave = speech(3, 2000)
    chunk = wave.numpy().copy()
    chunk.flags.writeable = kind != "read-only"
    if kind != "read-only":
        chunk = chunk.astype(kind)
    enhancer = StreamingEnhancer(generator)
    streamed = np.concatenate([enhancer.process(chunk), enhancer.flush()])
    assert streamed.dtype == np.float32
    expected = torch.tensor(chunk).float()
    assert_equal_to_offline(generator, expected, torch.from_numpy(streamed))


def test_blocks_come_out_as_soundfile_reads_them(generator, tmp_path):
    """One channel as [samples, 1], which is what comes out, too."""
    wave = speech(3, 2000)
    soundfile.write(tmp_path / "a.wav", wave.numpy(), 16000, "FLOAT")
    enhancer = StreamingEnhancer(generator)
    blocks = [
        enhancer.process(block)
        for block in soundfile.blocks(
            tmp_path / "a.wav", 300, dtype="float32", always_2d=True
        )
    ]
    streamed = np.concatenate([*blocks, enhancer.flush()])
    assert streamed.shape == (2000, 1)
    streamed = torch.from_numpy(streamed[:, 0])
    assert_equal_to_offline(generator, wave, streamed)


def test_a_stream_of_two_channels_is_refused(generator):
    with pytest.raises(UserError, match=r"of one channel.*\(160, 2\)"):
        StreamingEnhancer(generator).process(np.zeros((160, 2)))


# Delay


@pytest.mark.parametrize(
    ("size", "delay"),
    [(1, 511), (3, 511), (160, 480), (256, 256), (320, 448), (512, 256)],
)
def test_chunks_of_one_size_have_a_shorter_delay(generator, size, delay):
    enhancer = StreamingEnhancer(generator, chunk_samples=size)
    assert enhancer.delay_samples == delay
    wave = speech(4, 12 * size)
    streamed = []
    for number, chunk in enumerate(wave.split(size), start=1):
        streamed.append(enhancer.process(chunk))
        due = max(0, number * size - delay)
        assert sum(map(len, streamed)) == due
    streamed = torch.cat([*streamed, enhancer.flush()])
    assert_equal_to_offline(generator, wave, streamed)


def test_chunks_other_than_promised_are_taken(generator):
    wave = speech(5, 5000)
    enhancer = StreamingEnhancer(generator, chunk_samples=256)
    streamed = stream(enhancer, [300, 1, 255, 999, 3445], wave)
    assert_equal_to_offline(generator, wave, streamed)


def test_delay_is_no_longer_than_needed(generator):
    """The last sample before a frame is complete changes the first it yields."""
    wave = speech(6, 4096)
    other = wave.clone()
    other[2047] += 0.5
    changed = offline(generator, other) - offline(generator, wave)
    assert changed.nonzero()[0] == 2047 - DELAY


# Causality and state


def test_the_future_never_changes_the_past(generator):
    past = speech(7, 8000)
    futures = [
        torch.cat([past, future])
        for future in (LOUD, torch.zeros(4000), -LOUD[:400])
    ]
    first, *others = (offline(generator, wave) for wave in futures)
    streamed = [StreamingEnhancer(generator).process(wave) for wave in futures]
    enhanced = StreamingEnhancer(generator).process(past)
    assert len(enhanced) == 8000 - DELAY
    for wave in (first, *others, *streamed):
        difference = wave[: len(enhanced)] - enhanced
        assert difference.abs().max() < 1e-6
    # ... and directly after it does, so that the comparison means something.
    assert (streamed[0][7900:8000] - streamed[1][7900:8000]).abs().max() > 1e-3


def test_a_network_that_hears_the_future_would_be_caught():
    torch.manual_seed(0)
    generator = BLSTMGenerator().eval()
    past = speech(7, 8000)
    first, second = (
        offline(generator, torch.cat([past, future]))[: 8000 - DELAY]
        for future in (LOUD, torch.zeros(4000))
    )
    assert (first - second).abs().max() > 1e-3


def test_chunks_and_results_belong_to_the_caller(generator):
    wave = speech(12)
    enhancer = StreamingEnhancer(generator)
    buffer, streamed = torch.empty(500), []
    for chunk in wave.split(500):
        buffer[:] = chunk
        enhanced = enhancer.process(buffer)
        streamed.append(enhanced.clone())
        buffer.fill_(7.0)
        enhanced.fill_(7.0)
    streamed = torch.cat([*streamed, enhancer.flush()])
    assert_equal_to_offline(generator, wave, streamed)


# Errors


def test_a_generator_that_is_not_causal():
    with pytest.raises(ValueError, match="BLSTMGenerator hears the future"):
        StreamingEnhancer(BLSTMGenerator().eval())


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (torch.zeros(2, 160), r"one channel.*got torch.float32 .* \(2, 160\)"),
        (torch.tensor(0.5), r"of shape \(\)"),
        (np.zeros(160, np.int16), "float with full scale 1; got torch.int16"),
        (np.full(160, np.nan), "sample 1000 is nan. The chunk was not taken"),
        (torch.tensor([0.0, 0.0, -torch.inf]), "finite.*sample 1002 is -inf"),
        (np.full(160, 32767.0), "full scale 1; sample 1000 is 32767"),
        (torch.tensor([0.0, 1e30]), r"full scale 1; sample 1001 is 1e\+30"),
    ],
)
def test_a_bad_chunk_is_refused_and_the_stream_goes_on(
    generator, chunk, message
):
    wave = speech(15, 3000)
    enhancer = StreamingEnhancer(generator)
    first = enhancer.process(wave[:1000])
    with pytest.raises(ValueError, match=message):
        enhancer.process(chunk)
    streamed = [first, enhancer.process(wave[1000:]), enhancer.flush()]
    assert_equal_to_offline(generator, wave, torch.cat(streamed))


def test_the_loudest_sample_that_is_taken_stays_finite():
    wave = MAX_PEAK * torch.ones(2048)
    enhancer = StreamingEnhancer(constant(1.19))
    assert stream(enhancer, 2048, wave).isfinite().all()

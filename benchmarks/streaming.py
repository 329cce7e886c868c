"""What streaming costs and how late it is, for several chunk sizes.

    OMP_NUM_THREADS=1 python benchmarks/streaming.py

Prints what docs/performance.md says of streams, on one core. A real-time factor of 0.1
means that a second of sound takes 0.1 s. The factors are medians of repetitions
that take turns, so that a busy machine slows all alike: what holds elsewhere is
their ratio to the last row, the whole wave at once.

Latency is what the method itself needs on a machine of any speed: the time from
a sample's recording, as the first of its chunk, to its return.
"""

import statistics
import sys
import time
from pathlib import Path

import soundfile
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from okd_brain.generators import CausalLSTMGenerator  # noqa: E402
from okd_brain.signals import SAMPLE_RATE  # noqa: E402
from okd_brain.streaming import StreamingEnhancer  # noqa: E402
from okd_brain.tasks import SpeechEnhancement  # noqa: E402

SECONDS = 4
REPETITIONS = 7
CHUNKS = (1, 16, 64, 160, 256, 320, 512, 1024, 4096)  # samples


def prompts():
    """Return ``SECONDS`` of bundled speech, float32 [samples]."""
    paths = sorted((ROOT / "tests" / "samples").glob("*.flac"))[:4]
    waves = [soundfile.read(path, dtype="float32")[0] for path in paths]
    wave = torch.cat([torch.from_numpy(wave) for wave in waves])
    return wave[: SECONDS * SAMPLE_RATE]


def stream_seconds(enhancer, chunks):
    """Return the seconds of a whole stream and of its slowest chunk."""
    enhancer.reset()
    slowest = 0.0
    start = before = time.perf_counter()
    for chunk in chunks:
        enhancer.process(chunk)
        now = time.perf_counter()
        slowest = max(slowest, now - before)
        before = now
    enhancer.flush()
    return time.perf_counter() - start, slowest


def offline_seconds(task, generator, wave):
    """Return the seconds of the whole wave at once."""
    start = time.perf_counter()
    with torch.no_grad():
        task.enhance(generator, task.analyse(wave[None], torch.ones(1)))
    return time.perf_counter() - start


def main():
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = CausalLSTMGenerator().eval()
    task = SpeechEnhancement()
    wave = prompts()
    enhancers = {
        size: StreamingEnhancer(generator, chunk_samples=size)
        for size in CHUNKS
    }
    streams = {size: wave.split(size) for size in CHUNKS}
    times = {size: [] for size in CHUNKS}
    offline = []
    for _ in range(1 + REPETITIONS):
        for size in CHUNKS:
            seconds = stream_seconds(enhancers[size], streams[size])
            times[size].append(seconds)
        offline.append(offline_seconds(task, generator, wave))

    print(
        "| chunk | delay | latency | real-time factor | to offline "
        "| slowest chunk |\n| ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    offline = statistics.median(offline[1:])  # the first one warms up
    for size, enhancer in enhancers.items():
        whole, slowest = map(
            statistics.median, zip(*times[size][1:], strict=True)
        )
        latency_ms = enhancer.delay_ms + 1000 * (size - 1) / SAMPLE_RATE
        print(
            f"| {size} ({1000 * size / SAMPLE_RATE:.4g} ms) "
            f"| {enhancer.delay_samples} ({enhancer.delay_ms:.1f} ms) "
            f"| {latency_ms:.1f} ms | {whole / SECONDS:.4f} "
            f"| {whole / offline:.1f} | {1000 * slowest:.2f} ms |"
        )
    print(f"| offline | | | {offline / SECONDS:.4f} | 1.0 | |")


if __name__ == "__main__":
    main()

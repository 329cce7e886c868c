"""What scoring costs, measured side by side in one process.

    python benchmarks/scoring.py

Prints the tables of docs/performance.md. Every figure is a median of
repetitions that take turns, so that a busy machine slows all alike and the
ratios hold. Run it with one thread per process, as the scoring workers do:

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/scoring.py

The loops are those of the tests (tests/composite_loops.py), called as often as
the MetricGAN-OKD authors' code calls its own: PESQ and WSS once for each
composite score, LLR twice. HASPI is compared with pyclarity where that is
installed.
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
from pesq import pesq

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import composite_loops as loops  # noqa: E402

from okd_brain.measures import (  # noqa: E402
    CompositeReference,
    Pair,
    ReferenceHalves,
)
from okd_brain.metrics import METRICS  # noqa: E402
from okd_brain.scoring import Scorer  # noqa: E402

RATE = 16000
SECONDS = 3
COMPOSITES = ["csig", "cbak", "covl"]
BATCH = 64


def utterance(index):
    """3 s of prompts one after the other, and the same at 10 to 20 dB."""
    paths = sorted((ROOT / "tests" / "samples").glob("*.flac"))
    parts = [paths[(index + step) % len(paths)] for step in range(2)]
    clean = np.concatenate([soundfile.read(path)[0] for path in parts])
    clean = clean[: SECONDS * RATE].astype(np.float32)
    rng = np.random.default_rng(index)
    noise = rng.standard_normal(len(clean)).astype(np.float32)
    level = clean.std() * 10 ** (-rng.uniform(10, 20) / 20)
    return clean, clean + level * noise


def side_by_side(functions, repetitions):
    """Median seconds of each function; they take turns.

    Arguments
    ---------
    functions : dict from str to callable
    repetitions : int

    Returns
    -------
    dict from str to float
    """
    for function in functions.values():
        function()  # tables and caches
    seconds = {name: [] for name in functions}
    for _ in range(repetitions):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def composites(clean, degraded, halves=None):
    """PESQ and the three composite scores of one pair, by this package."""
    pair = Pair(reference=clean, degraded=degraded, halves=halves)
    return [METRICS[name].of_pair(pair) for name in ["pesq", *COMPOSITES]]


def composites_in_loops(clean, degraded):
    """The three composite scores frame by frame, nothing shared."""
    clean, degraded = clean.astype(float), degraded.astype(float)
    wss = [loops.trimmed(loops.wss(clean, degraded)) for _ in COMPOSITES]
    llr = [loops.trimmed(loops.llr(clean, degraded)) for _ in range(2)]
    segsnr = np.mean(loops.segmental_snr(clean, degraded))
    opinions = [pesq(RATE, clean, degraded, "wb") for _ in COMPOSITES]
    return wss, llr, segsnr, opinions


def measure_composites():
    """PESQ, the composites with and without a kept half, and the loops."""
    clean, degraded = utterance(0)
    halves = ReferenceHalves(clean)
    kept = CompositeReference(clean)
    return side_by_side(
        {
            "PESQ alone": partial(pesq, RATE, clean, degraded, "wb"),
            "PESQ + three composites": partial(composites, clean, degraded),
            "PESQ + three composites, clean half kept": partial(
                composites, clean, degraded, halves
            ),
            "WSS + LLR + segSNR": lambda: CompositeReference(clean).distances(
                degraded
            ),
            "WSS + LLR + segSNR, clean half kept": lambda: kept.distances(
                degraded
            ),
            "loops, as the authors call them": partial(
                composites_in_loops, clean, degraded
            ),
        },
        repetitions=9,
    )


def measure_intelligibility():
    """SIIB and HASPI with the reference's half made or kept."""
    clean, degraded = utterance(1)
    pair = {"reference": clean, "degraded": degraded}
    functions = {}
    for name in ("stoi", "estoi", "siib", "haspi", "haspi_linear"):
        functions[name] = partial(METRICS[name].score, **pair)
    halves = ReferenceHalves(clean)
    for name, half in (
        ("siib", halves.siib()),
        ("haspi", halves.haspi),
        ("haspi_linear", halves.haspi_linear),
    ):
        functions[f"{name}, clean half kept"] = partial(half.score, degraded)
    if find_spec("clarity"):
        functions["pyclarity HASPI"] = partial(pyclarity_haspi, **pair)
    return side_by_side(functions, repetitions=5)


def pyclarity_haspi(reference, degraded):
    """HASPI version 2 by pyclarity, normal hearing, 65 dB SPL."""
    from clarity.evaluator.haspi import haspi_v2
    from clarity.utils.audiogram import Audiogram

    frequencies = np.array([250, 500, 1000, 2000, 4000, 6000])
    normal = Audiogram(np.zeros(6), frequencies)
    level = np.sqrt(np.mean(reference**2))
    return haspi_v2(reference / level, RATE, degraded / level, RATE, normal)


def measure_processes():
    """A batch of 64 in one and in two processes."""
    pairs = [utterance(index) for index in range(BATCH)]
    names = ["pesq", *COMPOSITES]
    with ExitStack() as stack:
        scorers = {
            n_jobs: stack.enter_context(Scorer(names, n_jobs, memory_bytes=0))
            for n_jobs in (1, 2)
        }
        return side_by_side(
            {
                f"{BATCH} pairs, {n_jobs} process(es)": partial(
                    scorer.score, pairs
                )
                for n_jobs, scorer in scorers.items()
            },
            repetitions=3,
        )


def measure_cache():
    """A batch of 64 from its signals and from the disk."""
    pairs = [utterance(index) for index in range(BATCH)]
    names = ["pesq", *COMPOSITES]
    with tempfile.TemporaryDirectory() as folder:
        scorer = Scorer(names, cache_dir=folder, memory_bytes=0)
        return side_by_side(
            {
                f"{BATCH} pairs": partial(scorer.score, pairs),
                f"{BATCH} pairs, kept on disk": partial(
                    scorer.score, pairs, cached=True
                ),
            },
            repetitions=3,
        )


def print_table(title, seconds, ratios):
    """Prints measurements in ms and what is asked of their ratios.

    Arguments
    ---------
    title : str
    seconds : dict from str to float
    ratios : list of (str, float, str)
        What is compared, the figure, and what is required.
    """
    print(f"\n### {title}\n\n| what | ms |\n| --- | ---: |")
    for name, value in seconds.items():
        print(f"| {name} | {1000 * value:.1f} |")
    if ratios:
        print("\n| ratio | found | required |\n| --- | ---: | ---: |")
    for name, found, required in ratios:
        print(f"| {name} | {found:.3g} | {required} |")


def main():
    """Measures everything and prints the tables."""
    t = measure_composites()
    extra = t["PESQ + three composites"] - t["PESQ alone"]
    faster = t["loops, as the authors call them"] / t["PESQ + three composites"]
    print_table(
        f"Composite scores of {SECONDS} s",
        t,
        [
            ("three composites beyond PESQ, in ms", 1000 * extra, "<= 12"),
            ("loops : PESQ + three composites", faster, ">= 12"),
        ],
    )
    t = measure_intelligibility()
    ratios = [
        ("SIIB, half kept, in ms", 1000 * t["siib, clean half kept"], "<= 40")
    ]
    if "pyclarity HASPI" in t:
        faster = t["pyclarity HASPI"] / t["haspi, clean half kept"]
        ratios.append(("pyclarity : HASPI, half kept", faster, ">= 5"))
    print_table(f"Intelligibility of {SECONDS} s", t, ratios)
    t = measure_processes()
    one, two = t.values()
    print_table("Processes", t, [("one : two processes", one / two, ">= 1.7")])
    t = measure_cache()
    first, second = t.values()
    print_table(
        "Cache on disk", t, [("second : first", second / first, "<= 0.01")]
    )


if __name__ == "__main__":
    main()

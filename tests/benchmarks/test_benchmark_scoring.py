"""The benchmark compares like with like; speed is not judged here."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from okd_brain.measures import CompositeReference
from okd_brain.metrics import METRICS

PATH = Path(__file__).parents[2] / "benchmarks" / "scoring.py"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("benchmark_scoring", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    return module


@pytest.fixture
def results(benchmark, monkeypatch):
    """What the measured functions return, by name."""
    monkeypatch.setattr(
        benchmark,
        "side_by_side",
        lambda functions, repetitions: {
            name: function() for name, function in functions.items()
        },
    )
    return benchmark


def test_the_composites_and_the_loops_compute_the_same(results):
    found = results.measure_composites()
    ours = found["PESQ + three composites"]
    assert ours == found["PESQ + three composites, clean half kept"]
    distances = found["WSS + LLR + segSNR"]
    assert distances == found["WSS + LLR + segSNR, clean half kept"]
    wss, llr, segsnr, opinions = found["loops, as the authors call them"]
    assert wss == pytest.approx([distances.wss] * 3)
    assert llr == pytest.approx([distances.llr] * 2)
    assert segsnr == pytest.approx(distances.segsnr_db)
    assert opinions == pytest.approx([ours[0]] * 3, abs=1e-3)
    clean, degraded = results.utterance(0)
    assert distances == CompositeReference(clean).distances(degraded)


def test_a_kept_half_gives_the_metrics_score(results):
    found = results.measure_intelligibility()
    clean, degraded = results.utterance(1)
    for name in ("siib", "haspi", "haspi_linear"):
        assert found[name] == found[f"{name}, clean half kept"]
        expected = METRICS[name].score(reference=clean, degraded=degraded)
        assert found[name] == expected


@pytest.mark.parametrize("measure", ["measure_processes", "measure_cache"])
def test_all_ways_to_score_a_batch_give_the_same(results, measure):
    one, other = getattr(results, measure)().values()
    assert one.shape == (2, 4) and np.isfinite(one).all()
    np.testing.assert_array_equal(one, other)


def test_figures_and_ratios_are_those_of_the_measured_times(
    benchmark, monkeypatch, capsys
):
    monkeypatch.setattr(
        benchmark,
        "side_by_side",
        lambda functions, repetitions: {
            name: 0.001 * 2**place for place, name in enumerate(functions)
        },
    )
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    assert "| PESQ + three composites | 2.0 |" in lines
    assert "| three composites beyond PESQ, in ms | 1 | <= 12 |" in lines
    assert "| loops : PESQ + three composites | 16 | >= 12 |" in lines
    assert "| SIIB, half kept, in ms | 32 | <= 40 |" in lines
    assert "| one : two processes | 0.5 | >= 1.7 |" in lines
    assert "| second : first | 2 | <= 0.01 |" in lines


def test_functions_take_turns(benchmark):
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = benchmark.side_by_side(functions, repetitions=3)
    assert calls == list("abababab")
    assert set(seconds) == {"a", "b"} and min(seconds.values()) >= 0

"""The benchmark runs and fills its tables; speed is not judged here."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "scoring.py"


@pytest.fixture
def benchmark(monkeypatch):
    spec = importlib.util.spec_from_file_location("benchmark_scoring", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(
        module,
        "side_by_side",
        lambda functions, repetitions: {
            name: 0.001 * (function() is not None)
            for name, function in functions.items()
        },
    )
    return module


def test_the_tables_are_filled(benchmark, capsys):
    benchmark.main()
    text = capsys.readouterr().out
    for title in ("Composite", "Intelligibility", "Processes", "Cache"):
        assert f"### {title}" in text
    assert "| three composites beyond PESQ, in ms | 0 | <= 12 |" in text
    assert "| one : two processes | 1 | >= 1.7 |" in text


def test_functions_take_turns():
    spec = importlib.util.spec_from_file_location("benchmark_turns", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = module.side_by_side(functions, repetitions=3)
    assert calls == list("abababab")
    assert set(seconds) == {"a", "b"} and min(seconds.values()) >= 0

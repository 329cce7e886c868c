"""The training benchmark counts every second once and trains as it says."""

import importlib.util
import sys
import time
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[2] / "benchmarks" / "training.py"


@pytest.fixture(scope="module")
def benchmark():
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location("benchmark_training", PATH)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = path
        for name in ("train", "voicebank_prepare"):
            sys.modules.pop(name, None)


def test_arguments_name_what_is_measured(benchmark):
    cost = benchmark.read_arguments(["cost", "--tables", "fast"])
    assert cost.run is benchmark.print_cost and cost.tables == ["fast"]
    command = "time-to-quality --start run --seeds 1 2 -- --data_folder x"
    quality = benchmark.read_arguments(command.split())
    assert quality.run is benchmark.print_time_to_quality
    assert quality.seeds == [1, 2]
    assert quality.options == ["--data_folder", "x"]


@pytest.mark.parametrize("argv", [[], ["time-to-quality"], ["cost", "--x"]])
def test_incomplete_arguments_are_refused(benchmark, argv):
    with pytest.raises(SystemExit):
        benchmark.read_arguments(argv)


def test_each_second_counts_once(benchmark, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    meter = benchmark.Meter()  # at 0
    meter.enter("current")  # 1
    with meter.part("STFT"):  # 2
        with meter.during("making"):  # 3, 4
            pass
    meter.enter("aside")  # 6
    meter.enter("start")  # 7
    assert dict(meter.seconds) == {
        ("start", "updates"): 1,
        ("current", "updates"): 2,
        ("current", "STFT"): 2,
        ("making", "STFT"): 1,
        ("aside", "updates"): 1,
    }
    assert meter.total == meter.of("current") + meter.of("making") == 5


@pytest.mark.slow
def test_both_loops_make_the_same_updates(benchmark, monkeypatch, capsys):
    loops = []
    plain_loop = benchmark.PlainLoop
    monkeypatch.setattr(
        benchmark,
        "PlainLoop",
        lambda *given: loops.append(plain_loop(*given)) or loops[-1],
    )
    meters = []
    monkeypatch.setattr(
        benchmark, "print_parts", lambda _, meter, memory: meters.append(meter)
    )
    torch.manual_seed(0)
    argv = ["cost", "--tables", "paper", "--precisions", "fp32"]
    benchmark.main([*argv, "--utterances", "1", "--epochs", "2"])
    steps = {"making": 2, "generator": 1, "current": 12, "replay": 2}
    assert meters[0].steps == loops[0].meter.steps == steps
    lines = capsys.readouterr().out.splitlines()
    phases = ["generators", "current set", "D, current", "D, replay"]
    rows = [line.split("|")[1].strip() for line in lines[-6:]]
    assert rows == [*phases, "all", "750 epochs, h"]

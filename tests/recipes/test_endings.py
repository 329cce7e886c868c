"""Runs that share a folder, are told to end, or find their folder damaged."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from experiments import RECIPE, train_script
from owners import owner
from small_runs import arguments, write_corpus

from okd_brain import analyses, cli, evaluation
from okd_brain.studies import main as study

GO_ON = "The same command goes on."


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def train():
    with train_script(RECIPE) as module:
        yield module


def weights(run):
    """Return the exported weights of both generators."""
    files = sorted((run / "export").glob("*/enhance_model.ckpt"))
    assert len(files) == 2
    return [torch.load(file, weights_only=True) for file in files]


def begin(argv):
    return subprocess.Popen(
        [sys.executable, str(RECIPE / "train.py"), *argv],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process, log, text):
    deadline = time.monotonic() + 300
    while not (log.exists() and text in log.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_run_told_to_end_goes_on_and_ends_as_any_other(corpus, tmp_path):
    """The whole job hears the signal, the processes that score included."""
    ends = {}
    for name in ("whole", "cut"):
        argv = arguments(corpus, tmp_path / name, n_jobs=2, number_of_epochs=4)
        process = begin(argv)
        if name == "cut":
            wait_for(process, tmp_path / name / "log.txt", "into epoch 2")
            os.killpg(process.pid, signal.SIGUSR1)
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 75
            assert errors.endswith(f"\nSIGUSR1. {GO_ON}\n")
            assert "Traceback" not in errors and "BrokenPipe" not in errors
            assert not (tmp_path / name / "run.lock").exists()
            process = begin(argv)
        process.communicate(timeout=300)
        assert process.returncode == 0
        results = json.loads((tmp_path / name / "results.json").read_text())
        ends[name] = results["systems"], weights(tmp_path / name)
    (systems, whole), (same_systems, cut) = ends.values()
    assert systems == same_systems
    for one, other in zip(whole, cut, strict=True):
        assert all(one[key].equal(other[key]) for key in one)


@pytest.mark.slow
def test_killed_processes_leave_nothing_to_read_or_remove(corpus, tmp_path):
    """No traceback of scorers whose pipe broke; litter goes at the next start."""
    argv = arguments(corpus, tmp_path / "run", n_jobs=2, number_of_epochs=3)
    process = begin(argv)
    wait_for(process, tmp_path / "run" / "log.txt", "into epoch 2")
    process.kill()
    _, errors = process.communicate(
        timeout=60
    )  # scorers hold it, until they end
    assert "Traceback" not in errors
    litter = [
        tmp_path / "run" / "export" / ".discriminator.ab12cd34.new",
        tmp_path / "run" / "save" / "CKPT+2020-01-01+00-00-00+00",
    ]
    for folder in litter:
        folder.mkdir(parents=True)
    done = begin(argv)
    done.communicate(timeout=300)
    assert done.returncode == 0
    assert not any(folder.exists() for folder in litter)
    names = [path.name for path in (tmp_path / "run").rglob("*")]
    assert not [
        n for n in names if n.startswith((".", "unfinished", "run.lock"))
    ]


def test_a_folder_in_use_is_refused_by_every_command(
    train, corpus, tmp_path, capsys
):
    """Nothing in it changes."""
    folder = tmp_path / "out"
    (tmp_path / "study.yaml").write_text(
        "metrics: [pesq]\nmethods: {okd_pesq_csig: {}}\n"
    )
    with owner(folder) as process:
        there = sorted(folder.rglob("*"))
        pair = [f"--{kind}={corpus}/test/{kind}" for kind in ("clean", "noisy")]
        commands = {
            "train": lambda: cli.run(
                train.main, arguments(corpus, folder), after_interrupt=GO_ON
            ),
            "evaluate": lambda: evaluation.main(
                [f"{corpus}/test/noisy=same", *pair, "-o", str(folder)]
            ),
            "study": lambda: study(
                RECIPE,
                [str(tmp_path / "study.yaml"), "--output_folder", str(folder)],
            ),
            "analyse": lambda: analyses.main(
                ["front", str(folder), "-o", str(folder), "--control", "m"],
                "",
                lambda: train,
            ),
        }
        for name, command in commands.items():
            assert command() == 2, name
            errors = capsys.readouterr().err
            assert f"{folder} is in use: " in errors, name
            assert f"(process {process.pid} on " in errors, name
            assert sorted(folder.rglob("*")) == there, name


@pytest.mark.parametrize("text", ["", '{"okd', "[]", '{"options": 3}'])
def test_a_damaged_record_of_a_run_is_named(train, corpus, tmp_path, text):
    (tmp_path / "save" / "CKPT+2026-01-01+00-00-00+00").mkdir(parents=True)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match="run.json is damaged .*Restore it"):
        train.build(arguments(corpus, tmp_path))

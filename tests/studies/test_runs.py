"""Running a study: order, places, failures, and that nothing is left behind."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import types

import pytest
from owners import owner
from studies import plan_tiny, write_recipe

from okd_brain.studies import runs as study_runs
from okd_brain.studies.runs import (
    Command,
    LocalLauncher,
    RequeuedCommand,
    SlurmLauncher,
    run_all,
    slurm_launcher,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(study_runs, "POLL_SECONDS", 0.02)


@pytest.fixture
def plan(tmp_path):
    write_recipe(tmp_path)

    def plan(*tokens, seeds=(1,)):
        runs = plan_tiny(tmp_path, *tokens, seeds=seeds)
        for run in runs:
            run.folder.mkdir(parents=True, exist_ok=True)
        return runs

    return plan


@pytest.fixture
def started(tmp_path):
    """Experiment, seed and device of what has been started, in its order."""

    def read():
        order = tmp_path / "out" / "order.txt"
        return [tuple(line.split()) for line in order.read_text().splitlines()]

    return read


def test_one_after_another_and_only_once(plan, started, tmp_path):
    runs = plan()
    train, launcher = tmp_path / "train.py", LocalLauncher([None])
    assert run_all(runs, launcher, train) == []
    assert all(run.is_done for run in runs)
    assert [name for name, *_ in started()] == ["first", "first", "second"]
    run_all(plan(), launcher, train)
    assert len(started()) == 3
    runs[1].results_file.unlink()  # as if it had been cut off
    run_all(plan(), launcher, train)
    assert len(started()) == 4


def test_devices_run_at_once_and_each_one_at_a_time(plan, started, tmp_path):
    runs = plan("--seconds=0.3", seeds=(1, 2))
    launcher = LocalLauncher(["cuda:0", "cuda:1"])
    busiest = []
    launch = launcher.launch

    def watched(commands):
        busiest.append(launcher.free)
        jobs = launch(commands)
        busiest.append(launcher.free)
        return jobs

    launcher.launch = watched
    assert run_all(runs, launcher, tmp_path / "train.py") == []
    assert {device for *_, device in started()} == {"cuda:0", "cuda:1"}
    assert busiest[:2] == [2, 0]  # two runs need nothing
    assert min(busiest) == 0 and len(started()) == 6


def test_a_failure_stops_only_what_needs_it(plan, started, tmp_path, caplog):
    runs = plan("--breaks=1", seeds=(1, 2))
    seen = []
    failed = run_all(
        runs,
        LocalLauncher([None, None]),
        tmp_path / "train.py",
        lambda: seen.append(len([run for run in runs if run.is_done])),
    )
    assert {run.name for run in failed} == {
        "warm, seed 1",
        "first, seed 1",
        "second, seed 1",
    }
    assert "warm, seed 1: failed with exit code 1" in caplog.text
    assert "It broke, as told." in caplog.text
    assert "first, seed 1: not started, what it needs failed" in caplog.text
    assert [run.name for run in runs if run.is_done] == [
        "warm, seed 2",
        "first, seed 2",
        "second, seed 2",
    ]
    assert sorted(seen)[-1] == 3 and len(seen) == 5  # after each that ran


def test_what_stops_the_study_stops_its_runs(plan, tmp_path, monkeypatch):
    """Ctrl-C, while one run is at work and another has ended."""
    child = "import os, subprocess, sys, time; "
    (tmp_path / "train.py").write_text(
        child + "p = subprocess.Popen(['sleep', '60']); "
        "open(sys.argv[3].split('=')[1] + '/pids', 'w')"
        ".write(f'{os.getpid()} {p.pid}'); time.sleep(60)"
    )
    runs = plan()
    pids = runs[0].folder / "pids"

    def interrupted(seconds):
        time.sleep(0.02)
        if pids.exists() and len(pids.read_text().split()) == 2:
            raise KeyboardInterrupt

    clock = types.SimpleNamespace(sleep=interrupted, monotonic=time.monotonic)
    monkeypatch.setattr(study_runs, "time", clock)
    with pytest.raises(KeyboardInterrupt):
        run_all(runs, LocalLauncher([None]), tmp_path / "train.py")
    deadline = time.monotonic() + 30
    while any(_runs(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid):
    """Tell whether a process runs; one that nobody waits for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_deaf_run_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(study_runs, "SECONDS_TO_STOP", 0.2)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log.txt"
    launcher = LocalLauncher([None])
    command = Command([sys.executable, "-c", code], log)
    [job] = launcher.launch([command])
    while "deaf" not in log.read_text():
        time.sleep(0.02)
    launcher.stop()
    assert job.result(timeout=10) == -9


def test_two_do_not_work_on_one_run(plan, tmp_path):
    """Also when the launcher of the other has been killed."""
    runs = plan()
    train = tmp_path / "train.py"
    with owner(runs[0].folder) as process:
        with pytest.raises(ValueError, match=f"in use: .*{process.pid} on "):
            run_all(runs, LocalLauncher([None]), train)
        assert process.poll() is None
    assert run_all(runs, LocalLauncher([None]), train) == []  # it was killed


class ClusterJob:
    """What submitit gives back, run when first asked for."""

    def __init__(self, function, argument):
        self.call = (function, argument)
        self.cancelled = False

    def done(self):
        return self.call is None or self.run()

    def run(self):
        function, argument = self.call
        self.code, self.call = function(argument), None
        return False  # not before it is asked again

    def exception(self):
        return RuntimeError("out of time") if self.code == 124 else None

    def result(self):
        return self.code

    def cancel(self):
        self.cancelled = True


class Cluster:
    """An executor of submitit: what is submitted in a batch is one array."""

    def __init__(self):
        self.arrays = []

    @contextlib.contextmanager
    def batch(self):
        self.arrays.append([])
        yield

    def submit(self, function, argument):
        self.arrays[-1].append(ClusterJob(function, argument))
        return self.arrays[-1][-1]


def test_on_a_cluster_what_can_start_is_one_array(plan, tmp_path):
    cluster = Cluster()
    runs = plan(seeds=(1, 2))
    launcher = SlurmLauncher(cluster)
    assert run_all(runs, launcher, tmp_path / "train.py") == []
    assert sum(map(len, cluster.arrays)) == 6
    assert len(cluster.arrays[0]) == 4  # warm and second, of both seeds
    assert not any(job.cancelled for array in cluster.arrays for job in array)
    assert runs[0].log.exists()


def test_a_run_that_slurm_has_ended_goes_on(plan, tmp_path, started):
    """Here, whoever ends a run wants it to end."""
    train = tmp_path / "train.py"
    text = train.read_text()
    train.write_text(
        "from pathlib import Path; import sys\n"
        "told = Path(sys.argv[0]).with_name('told')\n"
        "if not told.exists(): told.touch(); sys.exit(75)\n" + text
    )
    runs = plan()
    assert run_all(runs, SlurmLauncher(Cluster()), train) == []
    assert len(started()) == 3
    (tmp_path / "told").unlink()
    for run in runs:
        run.results_file.unlink()
    assert len(run_all(runs, LocalLauncher([None]), train)) > 0


def test_slurm_requeues_what_it_ends(tmp_path, monkeypatch):
    """As submitit does: a signal, ``checkpoint``, the same command again."""
    pytest.importorskip("submitit")
    monkeypatch.setattr(study_runs, "SECONDS_TO_STOP", 10)
    code = (
        "import signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); "
        "print('at work', flush=True); time.sleep(60)"
    )
    command = Command([sys.executable, "-c", code], tmp_path / "log.txt")
    job, requeued = RequeuedCommand(), []

    def preempted(number, frame):
        requeued.append(job.checkpoint(command))

    before = signal.signal(signal.SIGUSR2, preempted)
    try:
        threading.Thread(target=signal_when_at_work, args=[command]).start()
        assert job(command) == 75
    finally:
        signal.signal(signal.SIGUSR2, before)
    (again,) = requeued
    assert isinstance(again.function, RequeuedCommand)
    assert again.args == (command,)


def signal_when_at_work(command):
    while not (command.log.exists() and command.log.read_text()):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGUSR2)


def test_what_stops_the_study_empties_the_cluster(plan, tmp_path, monkeypatch):
    cluster = Cluster()
    monkeypatch.setattr(ClusterJob, "done", lambda self: False)

    # Ctrl-C. Not a signal: where tests run in the background, it is ignored.
    def interrupted(seconds):
        raise KeyboardInterrupt

    clock = types.SimpleNamespace(sleep=interrupted, monotonic=time.monotonic)
    monkeypatch.setattr(study_runs, "time", clock)
    with pytest.raises(KeyboardInterrupt):
        run_all(plan(), SlurmLauncher(cluster), tmp_path / "train.py")
    assert [job.cancelled for job in cluster.arrays[0]] == [True, True]


def test_a_job_that_slurm_ended_has_failed(plan, tmp_path):
    (tmp_path / "train.py").write_text("raise SystemExit(124)")
    runs = plan()
    failed = run_all(runs, SlurmLauncher(Cluster()), tmp_path / "train.py")
    assert set(failed) == set(runs)


def test_slurm_gets_its_parameters(monkeypatch, tmp_path):
    given = {}

    class AutoExecutor:
        def __init__(self, **arguments):
            given.update(arguments)

        def update_parameters(self, **parameters):
            if "nonsense" in parameters:
                raise NameError("Unknown argument 'nonsense'")
            given.update(parameters)

    module = types.SimpleNamespace(AutoExecutor=AutoExecutor)
    monkeypatch.setitem(sys.modules, "submitit", module)
    settings = ["slurm_partition=gpu", "timeout_min=60"]
    assert slurm_launcher(settings, tmp_path).free > 1e9
    assert given == {
        "folder": tmp_path,
        "cluster": "slurm",
        "slurm_partition": "gpu",
        "timeout_min": 60,
    }
    with pytest.raises(ValueError, match="--slurm: Unknown argument 'nonsense"):
        slurm_launcher(["nonsense=1"], tmp_path)
    with pytest.raises(ValueError, match="--slurm gpu: write NAME=VALUE"):
        slurm_launcher(["gpu"], tmp_path)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"pip install 'okd\[slurm\]'"):
        slurm_launcher([], tmp_path)


def test_without_a_terminal_a_run_is_a_line_now_and_then(
    tmp_path, monkeypatch, caplog
):
    class run:
        name, folder = "okd_v2, seed 1", tmp_path

    watching = study_runs.Watch()
    with caplog.at_level(logging.INFO, "okd_brain.studies.runs"):
        watching.update([run])
        assert caplog.messages == []  # ten minutes have not passed
        monkeypatch.setattr(study_runs, "SECONDS_BETWEEN_LINES", -1.0)
        watching.update([run])
        (tmp_path / "progress.json").write_text(
            '{"text": "epoch 2/9 okd, replay 3/4, 5 min left"}'
        )
        watching.update([run])
        watching.update([])
    assert caplog.messages == [
        "okd_v2, seed 1: at work",
        "okd_v2, seed 1: epoch 2/9 okd, replay 3/4, 5 min left",
    ]

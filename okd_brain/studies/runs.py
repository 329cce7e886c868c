"""Run what a study still lacks, on this machine or on a Slurm cluster.

A launcher has ``free`` (how many more runs it takes now), ``launch(commands)``,
which starts them and returns a job for each, ``tries_again`` (whether a run that
a signal has ended is launched once more), and ``stop()``, which ends all. A job
is a ``concurrent.futures.Future`` of the exit code or submitit's ``Job``, which
has the same methods.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from speechbrain.utils.logger import get_logger
from tqdm import tqdm

from okd_brain.messages import UserError, counted
from okd_brain.survival import (
    PROGRESS,
    TOLD_TO_END,
    describe_owner,
    is_in_use,
)

logger = get_logger(__name__)

POLL_SECONDS = 1.0
SECONDS_TO_STOP = 30
TAIL_LINES = 15
SECONDS_BETWEEN_LINES = 600.0  # of a run at work, where there is no terminal


def run_all(runs, launcher, train, on_end=lambda: None):
    """Run what is not done, each run as soon as those it needs are.

    A run that fails is reported with the end of its log; the others go on,
    except those that need it. However this ends, no run is left behind.

    Arguments
    ---------
    runs : list of Run
        From ``plan_runs``.
    launcher : LocalLauncher or SlurmLauncher
        Starts them.
    train : str or Path
        The recipe's ``train.py``, which resumes a run that was cut off.
    on_end : callable
        Called after each run.

    Returns
    -------
    list of Run
        Those that failed or could not start.

    Raises
    ------
    UserError
        If a process that this call did not start is at work on a run.
    """
    waiting = [run for run in runs if not run.is_done]
    logger.info(
        "%d of %s to do.",
        len(waiting),
        counted(len(runs), "run is", "runs are"),
    )
    # Remembered, not looked up: a shared file system may show files late.
    done = set(runs) - set(waiting)
    running, failed = {}, []
    watch = Watch()
    try:
        while waiting or running:
            for run in [run for run, job in running.items() if job.done()]:
                job = running.pop(run)
                # Slurm may end a job that has no exit code then.
                code = 1 if job.exception() else job.result()
                if code == 0:
                    done.add(run)
                    logger.info("%s: done.", run.name)
                elif code == TOLD_TO_END and launcher.tries_again:
                    waiting.append(run)
                    logger.warning("%s: told to end; goes on.", run.name)
                else:
                    failed.append(run)
                    logger.error(
                        "%s: failed with exit code %s. The end of %s:\n%s",
                        *(run.name, code, run.log, _tail(run.log)),
                    )
                on_end()
            for run in [r for r in waiting if set(r.needs) & set(failed)]:
                waiting.remove(run)
                failed.append(run)
                logger.error("%s: not started, what it needs failed.", run.name)
            ready = [run for run in waiting if done.issuperset(run.needs)]
            ready = ready[: min(len(ready), launcher.free)]
            for run in ready:
                if is_in_use(run.folder):
                    raise UserError(
                        f"{run.folder} is in use: {describe_owner(run.folder)} "
                        "writes to it. Another study.py has left a run behind, "
                        "or somebody has started it by hand. End that first."
                    )
            if ready:
                jobs = launcher.launch([_command(train, run) for run in ready])
                for run, job in zip(ready, jobs, strict=True):
                    waiting.remove(run)
                    running[run] = job
                    logger.info("%s: started, see %s", run.name, run.log)
            watch.update(running)
            time.sleep(POLL_SECONDS)
    finally:
        watch.update(())
        launcher.stop()
    return failed


class Command(NamedTuple):
    """A program to run, and the file that receives its output."""

    arguments: list
    log: Path


class LocalLauncher:
    """Run on this machine, one run at a time on each device.

    Arguments
    ---------
    devices : list of (str or None)
        As ``train.py --device`` takes them; None leaves the choice to
        ``train.py``.
    """

    tries_again = False  # whoever ends a run here wants it to end

    def __init__(self, devices):
        self._devices = list(devices)
        self._processes = [None] * len(self._devices)  # the last one on each
        self._waiters = ThreadPoolExecutor(len(self._devices))

    @property
    def free(self):
        """How many devices are free."""
        return len(self._free_slots())

    def _free_slots(self):
        return [
            slot
            for slot, process in enumerate(self._processes)
            if process is None or process.poll() is not None
        ]

    def launch(self, commands):
        """Start commands, no more than ``free``; each gets its own device."""
        jobs = []
        for slot, command in zip(self._free_slots(), commands, strict=False):
            device = self._devices[slot]
            chosen = [] if device is None else [f"--device={device}"]
            with open(command.log, "ab") as log:
                process = subprocess.Popen(
                    [*command.arguments, *chosen],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # so that stop() reaches workers
                )
            self._processes[slot] = process
            jobs.append(self._waiters.submit(process.wait))
        return jobs

    def stop(self):
        """End what runs and the workers that it has started."""
        for process in filter(None, self._processes):
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is not None:
                    break
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SECONDS_TO_STOP)


class SlurmLauncher:
    """Run as jobs of a cluster; runs that can start together are one array.

    Arguments
    ---------
    executor : submitit.Executor
        Submits jobs.
    """

    free = float("inf")  # Slurm has the queue
    tries_again = True

    def __init__(self, executor):
        self._executor = executor
        self._jobs = []

    def launch(self, commands):
        """Submit commands as one array and return its jobs."""
        with self._executor.batch():
            jobs = [
                self._executor.submit(RequeuedCommand(), one)
                for one in commands
            ]
        self._jobs += jobs
        return jobs

    def stop(self):
        """Cancel the jobs that wait or run."""
        for job in self._jobs:
            if not job.done():
                job.cancel()


def slurm_launcher(settings, folder):
    """Return a launcher for Slurm.

    Arguments
    ---------
    settings : list of str
        "name=value", parameters of ``submitit.AutoExecutor``, for instance
        "slurm_partition=gpu", "gpus_per_node=1", "timeout_min=4320".
    folder : str or Path
        Receives Slurm's scripts and logs.

    Returns
    -------
    SlurmLauncher

    Raises
    ------
    UserError
        If submitit or Slurm is absent, or a setting is not a name=value that
        submitit knows.
    """
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise UserError(
            "--slurm needs submitit: pip install 'okd[slurm]'."
        ) from error
    parameters = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(
                f"--slurm {setting}: write NAME=VALUE, for instance "
                "slurm_partition=gpu."
            )
        parameters[name] = int(value) if value.isdecimal() else value
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm")
        executor.update_parameters(**parameters)
    except (RuntimeError, NameError) as error:
        raise UserError(f"--slurm: {error}") from error
    return SlurmLauncher(executor)


class RequeuedCommand:
    """Run a ``Command`` to its end, over as many Slurm jobs as that takes.

    What submitit calls in a job. Before Slurm ends the job (its time is up, or
    another one comes first), submitit calls ``checkpoint`` and puts the job
    back into the queue.
    """

    def __call__(self, command):
        """Return the exit code.

        Arguments
        ---------
        command : Command
            That goes on where it was when it is started again.

        Returns
        -------
        int
        """
        with open(command.log, "ab") as log:
            self.process = subprocess.Popen(
                command.arguments, stdout=log, stderr=subprocess.STDOUT
            )
        while (code := self.process.poll()) is None:
            time.sleep(POLL_SECONDS)  # `wait` would keep `checkpoint` waiting
        return code

    def checkpoint(self, command):
        """Let the command save what it has done; return what is to be requeued.

        Arguments
        ---------
        command : Command
            That is running.

        Returns
        -------
        submitit.helpers.DelayedSubmission
        """
        from submitit.helpers import DelayedSubmission

        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(SECONDS_TO_STOP)
        return DelayedSubmission(RequeuedCommand(), command)


def _command(train, run):
    arguments = [sys.executable, str(train), *run.arguments, "--noprogressbar"]
    return Command(arguments, run.log)


def _tail(log):
    """Return the last lines of a log; none if it is missing."""
    if not log.is_file():
        return ""
    text = log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-TAIL_LINES:])


class Watch:
    """Show a line for each run at work: its stage, and the time left.

    On a terminal the lines stay where they are; elsewhere each is logged every
    ten minutes.
    """

    def __init__(self):
        self._lines = {}  # run -> its bar
        self._logged = {}  # run -> when

    def update(self, running):
        """Show where runs are.

        Arguments
        ---------
        running : iterable of Run
            Those at work; the lines of others go.
        """
        running = list(running)
        for run in self._lines.keys() - set(running):
            self._lines.pop(run).close()
            self._logged.pop(run)
        for run in running:
            if run not in self._lines:
                self._logged[run] = time.monotonic()
                self._lines[run] = tqdm(
                    bar_format="{desc}", disable=None, leave=False
                )
            text = f"{run.name}: {_where(run)}"
            line = self._lines[run]
            if not line.disable:
                line.set_description_str(text)
            elif time.monotonic() - self._logged[run] > SECONDS_BETWEEN_LINES:
                self._logged[run] = time.monotonic()
                logger.info("%s", text)


def _where(run):
    """Return what a run says of itself."""
    try:
        return json.loads((run.folder / PROGRESS).read_text("utf-8"))["text"]
    except (OSError, ValueError, LookupError, TypeError):
        return "at work"  # before its first step, or after its last

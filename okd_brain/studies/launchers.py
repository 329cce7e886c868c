"""Where the runs of a study run: this machine, or a Slurm cluster.

A launcher has ``free`` (how many more runs it takes now), ``launch(commands)``,
which starts that many and returns a job for each, and ``stop()``, which ends all.
A job has ``poll()``: the exit code, or None while it waits or runs.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

SECONDS_TO_STOP = 30


class Command(NamedTuple):
    """A program to run, and the file that receives what it says."""

    arguments: list
    log: Path


@contextlib.contextmanager
def _own(path):
    """Open a log that is ours alone until the program that writes it ends.

    The lock goes with the open file, which the program inherits.
    """
    with open(path, "ab") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{path} is being written: another study.py is at work in this "
                "output folder, or has left a run behind. End that first."
            ) from error
        except OSError as error:
            logger.warning("%s cannot be locked: %s", path, error)
        yield log


def run_command(command):
    """Run a program to its end and return its exit code."""
    with _own(command.log) as log:
        return subprocess.run(
            command.arguments, stdout=log, stderr=subprocess.STDOUT
        ).returncode


class LocalLauncher:
    """Run on this machine, one run at a time on each slot.

    Arguments
    ---------
    slots : list of (str or None)
        The device of each, as ``train.py --device`` takes it; None leaves the
        choice to ``train.py``.
    """

    def __init__(self, slots):
        self._slots = list(slots)
        self._jobs = {}  # of each slot in use

    @property
    def free(self):
        """How many slots are free."""
        return len(self._free_slots())

    def _free_slots(self):
        busy = {slot for slot, job in self._jobs.items() if job.poll() is None}
        return [k for k in range(len(self._slots)) if k not in busy]

    def launch(self, commands):
        """Start commands, each on a slot of its own."""
        jobs = []
        for command, slot in zip(commands, self._free_slots(), strict=False):
            device = self._slots[slot]
            chosen = [] if device is None else [f"--device={device}"]
            job = LocalJob(Command([*command.arguments, *chosen], command.log))
            self._jobs[slot] = job
            jobs.append(job)
        return jobs

    def stop(self):
        """End all that runs."""
        for job in self._jobs.values():
            job.stop()


class LocalJob:
    """A child of this process, and the scoring workers that it has started.

    Arguments
    ---------
    command : Command
        Started at once.

    Raises
    ------
    ValueError
        If a process writes its log already.
    """

    def __init__(self, command):
        with _own(command.log) as log:
            self._process = subprocess.Popen(
                command.arguments,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # so that stop() reaches its workers
            )

    def poll(self):
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def stop(self):
        """End it: kindly, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.poll() is not None:
                return
            os.killpg(self._process.pid, number)
            try:
                self._process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                continue


class SlurmLauncher:
    """Run as jobs of a cluster; what can start together is one Slurm array.

    Arguments
    ---------
    executor : submitit.Executor
        Where to.
    """

    free = float("inf")  # Slurm has the queue

    def __init__(self, executor):
        self._executor = executor
        self._jobs = []

    def launch(self, commands):
        """Submit commands as one array."""
        with self._executor.batch():
            jobs = [
                self._executor.submit(run_command, command)
                for command in commands
            ]
        jobs = [SlurmJob(job) for job in jobs]
        self._jobs += jobs
        return jobs

    def stop(self):
        """Take off the cluster what waits or runs there."""
        for job in self._jobs:
            job.stop()


class SlurmJob:
    """A job of the cluster.

    Arguments
    ---------
    job : submitit.Job
        Submitted.
    """

    def __init__(self, job):
        self._job = job

    def poll(self):
        """Return the exit code, or None while it waits or runs; 1 if Slurm
        ended it."""
        if not self._job.done():
            return None
        return 1 if self._job.exception() else self._job.result()

    def stop(self):
        """Take it off the cluster."""
        if self.poll() is None:
            self._job.cancel()


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
    ValueError
        If submitit or Slurm is absent, or a setting is no name=value that
        submitit knows.
    """
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ValueError(
            "--slurm needs submitit: pip install 'okd[slurm]'."
        ) from error
    parameters = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(
                f"--slurm {setting}: write NAME=VALUE, for instance "
                "slurm_partition=gpu."
            )
        parameters[name] = int(value) if value.isdecimal() else value
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm")
        executor.update_parameters(**parameters)
    except (RuntimeError, NameError) as error:
        raise ValueError(f"--slurm: {error}") from error
    return SlurmLauncher(executor)

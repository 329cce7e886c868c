"""Run what a study still lacks."""

import sys
import time

from speechbrain.utils.logger import get_logger

from okd_brain.studies.launchers import Command

logger = get_logger(__name__)

POLL_SECONDS = 1.0
TAIL_LINES = 15


def run_all(runs, launcher, train, on_end=lambda: None):
    """Run what is not done, each run when those it needs are.

    A run that fails is reported with the end of its log; the others go on,
    but for those that need it.  However this ends, no run is left behind.

    Arguments
    ---------
    runs : list of Run
        From ``study_plan.plan_runs``.
    launcher : LocalLauncher or SlurmLauncher
        Starts them.
    train : str or Path
        The recipe's ``train.py``; it goes on where a run was cut off.
    on_end : callable
        Called after each run.

    Returns
    -------
    list of Run
        Those that failed or could not start.

    Raises
    ------
    ValueError
        If a process that this call did not start is at work on a run.
    """
    waiting = [run for run in runs if not run.is_done]
    logger.info("%d of %d runs are to do.", len(waiting), len(runs))
    # Remembered, not looked up: a shared file system may show files late.
    done = set(runs) - set(waiting)
    running, failed = {}, []
    try:
        while waiting or running:
            for run in _ended(running):
                code = running.pop(run).poll()
                if code == 0:
                    done.add(run)
                    logger.info("%s: done.", run.name)
                else:
                    failed.append(run)
                    logger.error(
                        "%s: failed with exit code %s. The end of %s:\n%s",
                        *(run.name, code, run.log, tail(run.log)),
                    )
                on_end()
            for run in [r for r in waiting if set(r.needs) & set(failed)]:
                waiting.remove(run)
                failed.append(run)
                logger.error("%s: not started, what it needs failed.", run.name)
            ready = [run for run in waiting if done.issuperset(run.needs)]
            ready = ready[: min(len(ready), launcher.free)]
            if ready:
                jobs = launcher.launch([_command(train, run) for run in ready])
                for run, job in zip(ready, jobs, strict=True):
                    waiting.remove(run)
                    running[run] = job
                    logger.info("%s: started, see %s", run.name, run.log)
            time.sleep(POLL_SECONDS)
    finally:
        launcher.stop()
    return failed


def _ended(running):
    return [run for run, job in running.items() if job.poll() is not None]


def _command(train, run):
    return Command(
        [sys.executable, str(train), *run.arguments, "--noprogressbar"],
        run.log,
    )


def tail(log, lines=TAIL_LINES):
    """Return the last lines of a file of text.

    Arguments
    ---------
    log : str or Path
        The file; if it is missing, there are no lines.
    lines : int
        How many.

    Returns
    -------
    str

    Example
    -------
    >>> log = getfixture("tmp_path") / "log.txt"
    >>> _ = log.write_text("one\\ntwo\\nthree\\n")
    >>> print(tail(log, 2))
    two
    three
    """
    if not log.is_file():
        return ""
    text = log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-lines:])

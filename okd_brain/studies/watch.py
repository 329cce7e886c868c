"""Where the runs of a study are, while it waits for them."""

import json
import time

from speechbrain.utils.logger import get_logger
from tqdm import tqdm

from okd_brain.survival import PROGRESS

logger = get_logger(__name__)

SECONDS_BETWEEN_LINES = 600.0  # of a run, where there is no terminal


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
                self._lines[run] = tqdm(
                    bar_format="{desc}", disable=None, leave=False
                )
                self._logged[run] = time.monotonic()
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

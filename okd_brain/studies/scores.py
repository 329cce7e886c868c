"""What the runs of a study have scored, as rows of its table."""

import json
from dataclasses import dataclass
from typing import NamedTuple

from okd_brain.results.report import chosen_on_test


@dataclass(frozen=True)
class Row:
    """A generator of a method, or the unprocessed input.

    Arguments
    ---------
    method, generator : str
        What it is called; the input has no generator.
    scores : dict
        metric -> seed -> mean score on the test set.
    paper : dict
        metric -> published figure.
    """

    method: str
    generator: str
    scores: dict
    paper: dict

    @property
    def name(self):
        """Method and generator, for a sentence."""
        return f"{self.method} ({self.generator})"


class Collected(NamedTuple):
    """What all runs have scored.

    Arguments
    ---------
    rows : list of Row
        The unprocessed input, then each generator of each entry in the table.
    corpus : str or None
        On what; None if nothing was.
    chosen_on_test : list of str
        The methods whose epochs were chosen on the very test set.
    """

    rows: list
    corpus: str
    chosen_on_test: list


def collect(study, runs):
    """Gather what the runs of a study have scored.

    Arguments
    ---------
    study : Study
        Its metrics are the columns.
    runs : list of Run
        From ``study_plan.plan_runs``; those without results are left out.

    Returns
    -------
    Collected
    """
    inputs, rows, corpus, optimistic = {}, {}, None, set()
    for run in runs:
        for generator in run.entry.paper:
            _row(rows, run.entry, generator)
        if not (run.is_done and run.entry.in_table):
            continue
        results = json.loads(run.results_file.read_text(encoding="utf-8"))
        corpus = results["corpus"]
        if chosen_on_test(results):
            optimistic.add(run.entry.name)
        for system, means in results["systems"].items():
            if system in results["checkpoints"]:
                if "@" in system:  # the warm-up of a run without a preparation
                    continue
                row = _row(rows, run.entry, system)
            else:
                row = inputs.setdefault(system, Row(system, "", {}, {}))
                if row.scores:
                    continue  # the same in every run
            for metric in study.metrics:
                if means.get(metric) is not None:
                    row.scores.setdefault(metric, {})[run.seed] = means[metric]
    rows = [*inputs.values(), *rows.values()]
    return Collected(rows, corpus, sorted(optimistic))


def _row(rows, entry, generator):
    """Return the row of a generator; a new one if there is none."""
    paper = entry.paper.get(generator, {})
    row = Row(entry.name, generator, {}, paper)
    return rows.setdefault((entry.name, generator), row)

"""Fronts: which methods are the better compromises between two metrics.

A generator that gains in one metric may lose in another. Each method has a dial
(the weight of the mimicry, or of the metrics), and each setting gives a point in
the plane of two metrics. The *front* of a family of methods is what of the plane
its points reach; a family wins where its front lies outside of the others'. Its
size is the *area* between the front and the unprocessed speech.

How certain differences are is told by a hierarchical bootstrap: seeds, speakers
and utterances might all have been others (`okd_brain.results.resampled_means`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from okd_brain.files import read_json
from okd_brain.messages import UserError, listed
from okd_brain.results import (
    CONFIDENCE,
    UNPROCESSED,
    conditions_of,
    markdown,
    read_scores,
    resampled_means,
)


@dataclass(frozen=True)
class Scores:
    """What the runs of a study have scored on the test set.

    Attributes
    ----------
    points : list of (str, str)
        Method and generator; ("", name of the system) for unprocessed speech.
    metrics : list of str
        Their names.
    seeds : list of str
        Those that all methods have.
    utterances : list of str
        Those that all have scored with all metrics.
    speakers : list of str
        Of the utterances.
    values : numpy.ndarray
        [points, seeds, utterances, metrics].
    """

    points: list
    metrics: list
    seeds: list
    utterances: list
    speakers: list
    values: np.ndarray


def read_study_scores(folder, methods):
    """Read the test scores of some methods of a study.

    Arguments
    ---------
    folder : str or Path
        The study's output folder, with ``METHOD/SEED/scores_test.csv``.
    methods : list of str
        Names of methods.

    Returns
    -------
    Scores
        First of the unprocessed speech, then of every generator of the methods;
        of the metrics that all have.

    Raises
    ------
    UserError
        If a method has no finished run, methods have no seed or no scored
        utterance in common, or unprocessed speech was not scored.
    """
    runs = {
        method: {
            results.parent.name: _read_run(results.parent)
            for results in sorted(Path(folder).glob(f"{method}/*/results.json"))
        }
        for method in methods
    }
    missing = [method for method, found in runs.items() if not found]
    if missing:
        raise UserError(
            f"{folder} has no finished run of {listed(missing)}: "
            "METHOD/SEED/results.json is expected."
        )
    seeds = sorted(set.intersection(*(set(found) for found in runs.values())))
    if not seeds:
        raise UserError(
            f"{folder}: {listed(methods)} have no seed in common that is "
            "finished."
        )
    first = runs[methods[0]][seeds[0]]
    unprocessed = next((n for n in UNPROCESSED if n in first.scores), None)
    if unprocessed is None:
        raise UserError(
            f"{folder}/{methods[0]}/{seeds[0]} has no scores of unprocessed speech "
            f"({' or '.join(UNPROCESSED)}), from which a front is measured."
        )
    systems = {("", unprocessed): [first.scores[unprocessed]] * len(seeds)}
    for method, by_seed in runs.items():
        for generator in by_seed[seeds[0]].generators:
            systems[method, generator] = [
                by_seed[seed].scores[generator] for seed in seeds
            ]
    tables = [table for by_seed in systems.values() for table in by_seed]
    metrics = list(next(iter(tables[0].values())))
    metrics = [m for m in metrics if all(m in _any(t) for t in tables)]
    utterances = [
        name
        for name in tables[0]
        if all(
            name in table
            and np.isfinite([table[name][m] for m in metrics]).all()
            for table in tables
        )
    ]
    if not utterances:
        raise UserError(
            f"{folder}: no utterance of the test set has finite scores in all "
            f"runs of {listed(methods)}."
        )
    values = [
        [
            [[table[u][m] for m in metrics] for u in utterances]
            for table in by_seed
        ]
        for by_seed in systems.values()
    ]
    return Scores(
        points=list(systems),
        metrics=metrics,
        seeds=seeds,
        utterances=utterances,
        speakers=[first.speakers[u] for u in utterances],
        values=np.array(values),
    )


def measure_front(scores, families, controls, metrics):
    """Compare families of methods in the plane of two metrics.

    Arguments
    ---------
    scores : Scores
        From `read_study_scores`.
    families : dict
        Name -> list of methods.
    controls : list of str
        Methods. Each score is compared with the best of their generators in
        that metric.
    metrics : (str, str)
        What the axes are.

    Returns
    -------
    points : list of dict
        ``family`` ("control" for the controls, "" for unprocessed speech),
        ``method``, ``generator``; for every metric its mean, and as
        ``METRIC gain``, ``METRIC low`` and ``METRIC high`` what it gains over
        the controls, with the ends of the 95 % interval; ``on_front``.
    areas : list of dict
        ``family``, its ``area`` in the product of the metrics' units, and
        ``difference``, ``low`` and ``high``: the first family's area less this
        one's. Empty without families.

    Raises
    ------
    UserError
        If a metric was not scored.
    """
    unknown = [m for m in metrics if m not in scores.metrics]
    if unknown:
        raise UserError(
            f"{listed(unknown)} was not scored; there are "
            f"{', '.join(scores.metrics)}."
        )
    family_of = {m: name for name, ms in families.items() for m in ms}
    family_of |= dict.fromkeys(controls, "control")
    means = scores.values.mean(axis=(1, 2))  # [points, metrics]
    drawn = resampled_means(scores.values, scores.speakers)
    against = np.flatnonzero([m in controls for m, _ in scores.points])
    best = against[means[against].argmax(axis=0)]  # [metrics]
    every = np.arange(len(scores.metrics))
    gains = means - means[best, every]
    low, high = _interval(drawn - drawn[:, best, every][:, None])
    axes = [scores.metrics.index(metric) for metric in metrics]

    rows = []
    for index, (method, generator) in enumerate(scores.points):
        family = family_of.get(method, "")
        mates = [
            i
            for i, (m, _) in enumerate(scores.points)
            if family_of.get(m, "") == family
        ]
        plane = means[mates][:, axes]
        row = {"family": family, "method": method, "generator": generator}
        for j, metric in enumerate(scores.metrics):
            row[metric] = float(means[index, j])
            row[f"{metric} gain"] = float(gains[index, j])
            row[f"{metric} low"] = float(low[index, j])
            row[f"{metric} high"] = float(high[index, j])
        beaten = (plane > means[index, axes]).all(axis=1).any()
        rows.append({**row, "on_front": bool(method and not beaten)})
    return rows, _areas(scores, families, means[:, axes], drawn[:, :, axes])


def front_area(points, reference):
    """Return the area that some points reach beyond a reference point.

    Arguments
    ---------
    points : numpy.ndarray
        [points, 2], larger is better.
    reference : numpy.ndarray
        [2]. Points that are not above it in both add nothing.

    Returns
    -------
    float
        Area of the union of the rectangles between the reference and each point
        (the hypervolume of two dimensions; Zitzler and Thiele, 1998).

    Example
    -------
    >>> front_area(np.array([[2.0, 1.0], [1.0, 3.0], [1.0, 1.0]]), np.zeros(2))
    4.0
    """
    beyond = points[(points > reference).all(axis=1)] - reference
    area = reached = 0.0
    for x, y in beyond[np.argsort(-beyond[:, 0])]:
        if y > reached:
            area += x * (y - reached)
            reached = y
    return float(area)


def front_tables(points, areas, metrics):
    """Return what `measure_front` found as Markdown.

    Arguments
    ---------
    points : list of dict
        From `measure_front`.
    areas : list of dict
        Likewise.
    metrics : list of str
        Columns.

    Returns
    -------
    str
    """
    head = ["family", "method", "generator", *metrics]
    table = [head]
    for row in points:
        cells = [row["family"], row["method"], row["generator"]]
        for metric in metrics:
            cell = f"{row[metric]:.3f}"
            if row["method"]:
                cell += (
                    f" ({row[f'{metric} low']:+.3f} to "
                    f"{row[f'{metric} high']:+.3f})"
                )
            cells.append(cell)
        table.append(cells)
    parts = [
        f"Means on the test set; in brackets the {100 * CONFIDENCE:.0f} % "
        "interval of what is gained over the best control (bootstrap over "
        "seeds, speakers and utterances).",
        markdown(table),
    ]
    if areas:
        first, *_ = (row["family"] for row in areas)
        lines = [["family", "area", f"{first} less this"]]
        for row in areas:
            text = (
                f"{row['difference']:+.4f} ({row['low']:+.4f} to "
                f"{row['high']:+.4f})"
            )
            lines.append(
                [
                    row["family"],
                    f"{row['area']:.4f}",
                    "" if row["family"] == first else text,
                ]
            )
        parts += ["Area between each front and the unprocessed speech:"]
        parts += [markdown(lines)]
    return "\n\n".join(parts) + "\n"


class _Run(NamedTuple):
    """What a finished run of a study says."""

    scores: dict  # system -> utterance -> metric -> value
    generators: list
    speakers: dict  # of the utterances


def _read_run(folder):
    """Return the _Run of a folder."""
    results = read_json(folder / "results.json")
    scores = read_scores(folder / "scores_test.csv")
    names = list(_any(scores))
    entries = read_json(folder / "test.json")
    known = conditions_of({name: entries[name] for name in names}, names)
    return _Run(
        scores,
        [name for name in results["checkpoints"] if "@" not in name],
        {name: known[name].get("speaker", name) for name in names},
    )


def _any(mapping):
    """Return the first value of a mapping."""
    return next(iter(mapping.values()))


def _areas(scores, families, means, drawn):
    """Return the area of every family, and how it differs from the first's."""
    index = {
        name: [
            i
            for i, (method, _) in enumerate(scores.points)
            if method in methods
        ]
        for name, methods in families.items()
    }
    found, draws = {}, {}
    for name, mine in index.items():
        found[name] = front_area(means[mine], means[0])
        draws[name] = np.array(
            [front_area(draw[mine], draw[0]) for draw in drawn]
        )
    rows = []
    for name in index:
        first = next(iter(index))
        low, high = _interval(draws[first] - draws[name])
        rows.append(
            {
                "family": name,
                "area": found[name],
                "difference": found[first] - found[name],
                "low": float(low),
                "high": float(high),
            }
        )
    return rows


def _interval(draws):
    """Return the ends of the central 95 % of draws, over the first axis."""
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(draws, [tail, 1 - tail], axis=0)

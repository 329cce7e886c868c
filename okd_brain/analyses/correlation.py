"""Correlation between metrics: which of them favour the same speech."""

import itertools

import numpy as np
from scipy import stats

from okd_brain.messages import UserError, counted
from okd_brain.tasks import SpeechEnhancement

METHODS = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
MIN_FILES = 3  # of two, the correlation is 1 or -1


def correlate(tables, systems=None, unprocessed=SpeechEnhancement.unprocessed):
    """Correlate every two metrics over enhanced files.

    Arguments
    ---------
    tables : dict
        Name of a file of scores -> system -> utterance -> metric -> value, from
        ``read_scores``; all of the same metrics.
    systems : list of str, optional
        Whose enhanced files are used; by default those of all systems except
        ``unprocessed``.
    unprocessed : str
        The row of the unprocessed speech.

    Returns
    -------
    list of dict
        ``of`` ("score"; or "gain", the score minus that of the unprocessed
        speech, if every file of scores has that), ``method`` ("pearson" or
        "spearman"), ``first`` and ``second`` metric, ``correlation`` (NaN if
        either is constant, or fewer than three files are left), ``files``, how
        many it is over, and ``left_out``, how many have a value that is not
        finite.

    Raises
    ------
    UserError
        If metrics differ, a system is unknown, or there are fewer than three
        enhanced files.
    """
    metrics = _common_metrics(tables)
    known = list(dict.fromkeys(itertools.chain(*tables.values())))
    if systems is None:
        systems = [system for system in known if system != unprocessed]
    unknown = [system for system in systems if system not in known]
    if unknown:
        raise UserError(
            f"No file of scores has a system '{unknown[0]}'; there are "
            f"{', '.join(known)}"
        )
    values = {"score": _values(tables, systems, metrics)}
    if len(values["score"]) < MIN_FILES:
        raise UserError(
            f"{', '.join(tables)}: "
            f"{counted(len(values['score']), 'enhanced file')} of "
            f"{', '.join(systems) or 'no system'}, but a correlation needs at "
            f"least {MIN_FILES}"
        )
    enhanced = [system for system in systems if system != unprocessed]
    if enhanced and all(unprocessed in table for table in tables.values()):
        values["gain"] = _values(tables, enhanced, metrics, unprocessed)
    return [
        row
        for of, array in values.items()
        for row in _correlate(of, metrics, array)
    ]


def correlation_matrices(rows):
    """Return the correlations for ``draw_matrices``.

    Arguments
    ---------
    rows : list of dict
        From ``correlate``.

    Returns
    -------
    matrices : dict
        Title -> numpy.ndarray, [metric, metric]; 1 on the diagonal.
    names : list of str
        The metrics.
    """
    names = list(
        dict.fromkeys(row[key] for key in ("first", "second") for row in rows)
    )
    matrices = {}
    for row in rows:
        matrix = matrices.setdefault(
            f"{row['of']}, {row['method']}", np.eye(len(names))
        )
        i, j = names.index(row["first"]), names.index(row["second"])
        matrix[i, j] = matrix[j, i] = row["correlation"]
    return matrices, names


def _common_metrics(tables):
    """Return the metrics, which all tables must share."""
    found = {
        name: tuple(next(iter(next(iter(table.values())).values())))
        for name, table in tables.items()
    }
    (first, metrics), *others = found.items()
    for name, others_metrics in others:
        if set(others_metrics) != set(metrics):
            raise UserError(
                f"{first} has the metrics {', '.join(metrics)}, but {name} has "
                f"{', '.join(others_metrics)}: score all with the same"
            )
    return list(metrics)


def _values(tables, systems, metrics, less=None):
    """Return scores, less those of a system: [enhanced file, metric].

    They are NaN where that system has no such utterance.
    """
    nothing = dict.fromkeys(metrics, np.nan)
    rows = []
    for table in tables.values():
        for system in systems:
            for utterance, scores in table.get(system, {}).items():
                row = [scores[metric] for metric in metrics]
                if less is not None:
                    start = table[less].get(utterance, nothing)
                    row = [
                        a - start[m] for a, m in zip(row, metrics, strict=True)
                    ]
                rows.append(row)
    return np.array(rows).reshape(-1, len(metrics))


def _correlate(of, metrics, values):
    rows = []
    pairs = itertools.combinations(range(len(metrics)), 2)
    for (method, function), (i, j) in itertools.product(METHODS.items(), pairs):
        both = values[np.isfinite(values[:, [i, j]]).all(axis=1)][:, [i, j]]
        defined = len(both) >= MIN_FILES and np.ptp(both, axis=0).all()
        rows.append(
            {
                "of": of,
                "method": method,
                "first": metrics[i],
                "second": metrics[j],
                "correlation": (
                    float(function(*both.T).statistic) if defined else np.nan
                ),
                "files": len(both),
                "left_out": len(values) - len(both),
            }
        )
    return rows

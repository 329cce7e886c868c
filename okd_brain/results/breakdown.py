"""Scores by SNR, noise and speaker."""

import math

from okd_brain.scoring.board import means

CROSSED = ("noise", "snr_db")  # these together make groups of their own
MAX_RATIOS = 10  # VoiceBank-DEMAND has four; a range has as many as utterances
BAND_DB = 5


def break_down(scores, conditions):
    """Average scores over the utterances of each condition.

    Arguments
    ---------
    scores : dict
        system -> utterance -> metric -> value.
    conditions : dict
        utterance -> condition -> value.

    Returns
    -------
    dict
        condition -> value, as text -> {"utterances", "systems"}, the latter
        system -> metric -> mean, None where there is no finite one. More than
        ten SNRs become bands of 5 dB, "0 to 5" without the 5. Noises and SNRs
        together are a condition of their own, "noise, snr_db". Left out is a
        condition that does not group: the same for all utterances, or another
        for each.

    Example
    -------
    >>> scores = {"noisy": {"a": {"pesq": 1.0}, "b": {"pesq": 2.0}}}
    >>> scores["noisy"]["c"] = {"pesq": 3.0}
    >>> snrs_db = {"a": 2.5, "b": 17.5, "c": 17.5}
    >>> conditions = {name: {"snr_db": snrs_db[name]} for name in snrs_db}
    >>> break_down(scores, conditions)["snr_db"]["17.5"]
    {'utterances': 2, 'systems': {'noisy': {'pesq': 2.5}}}
    """
    labels = _labels(conditions)
    groups = {
        condition: _groups(label_of) for condition, label_of in labels.items()
    }
    noise, snr_db = CROSSED
    if all(len(groups.get(condition, ())) > 1 for condition in CROSSED):
        # By noise, and within one in the order of the SNRs.
        names = sorted(labels[snr_db], key=labels[noise].get)
        groups[", ".join(CROSSED)] = _groups(
            {n: f"{labels[noise][n]}, {labels[snr_db][n]}" for n in names}
        )
    return {
        condition: {
            label: {
                "utterances": len(names),
                "systems": {
                    system: _means(rows, names)
                    for system, rows in scores.items()
                },
            }
            for label, names in by_label.items()
        }
        for condition, by_label in groups.items()
        if 1 < len(by_label) < len(conditions)
    }


def tables(breakdown, title=""):
    """Return a breakdown as Markdown tables, one per condition.

    Arguments
    ---------
    breakdown : dict
        From ``break_down``.
    title : str
        Stands above each of them, if it is not empty.

    Returns
    -------
    str

    Example
    -------
    >>> print(tables({"noise": {
    ...     "bus": {"utterances": 9, "systems": {"noisy": {"pesq": 1.5}}},
    ... }}))
    | noise | utterances | system | pesq |
    | --- | --- | --- | --- |
    | bus | 9 | noisy | 1.500 |
    """
    blocks = []
    for condition, groups in breakdown.items():
        rows = []
        for label, group in groups.items():
            for system, values in group["systems"].items():
                cells = [
                    "n/a" if value is None else f"{value:.3f}"
                    for value in values.values()
                ]
                rows.append([label, str(group["utterances"]), system, *cells])
        head = [condition, "utterances", "system", *values]
        rows = [head, ["---"] * len(head), *rows]
        if title:
            blocks.append(title)
        blocks.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(blocks)


def _labels(conditions):
    """Return condition -> utterance -> label, in the order of the values."""
    labels = {}
    for condition in next(iter(conditions.values())):
        values = {name: known[condition] for name, known in conditions.items()}
        if condition != "snr_db":
            label = str
        elif len(set(values.values())) <= MAX_RATIOS:
            label = "{:g}".format
        else:
            label = _band
        labels[condition] = {
            name: label(values[name]) for name in sorted(values, key=values.get)
        }
    return labels


def _groups(label_of):
    groups = {}
    for name, label in label_of.items():
        groups.setdefault(label, []).append(name)
    return groups


def _band(snr_db):
    low = math.floor(snr_db / BAND_DB) * BAND_DB
    return f"{low} to {low + BAND_DB}"


def _means(rows, names):
    averages = means({name: rows[name] for name in names})
    return {
        metric: mean if math.isfinite(mean) else None  # JSON has no other
        for metric, mean in averages.items()
    }

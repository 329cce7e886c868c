"""Scores by SNR, noise and speaker, where something says which is which."""

import json
import math
from pathlib import Path

from okd_brain.paired_folders import listed
from okd_brain.scoreboard import means

CONDITIONS = ("snr_db", "noise", "speaker")
LOG_PATTERN = "log_*.txt"  # VoiceBank-DEMAND: log_testset.txt
MAX_RATIOS = 10  # VoiceBank-DEMAND has four; a range has as many as utterances
BAND_DB = 5


def read_conditions(path, utterances):
    """Read what is known of utterances.

    Arguments
    ---------
    path : str or Path
        A log of VoiceBank-DEMAND, with lines ``p232_001 bus 17.5`` (name, noise,
        SNR in dB; the speaker is what the name has before its first
        underscore); or a manifest (``okd_brain.manifests``; ends in .json) with
        any of ``snr_db``, ``noise`` and ``speaker``.
    utterances : list of str
        Whose conditions are needed.

    Returns
    -------
    dict
        Utterance -> condition -> value; those that all utterances have.

    Raises
    ------
    ValueError
        If the file is none of these, or does not know all utterances.

    Example
    -------
    >>> log = getfixture("tmp_path") / "log_testset.txt"
    >>> length = log.write_text("p232_001 bus 17.5\\np232_002 cafe 12.5\\n")
    >>> read_conditions(log, ["p232_002"])
    {'p232_002': {'snr_db': 12.5, 'noise': 'cafe', 'speaker': 'p232'}}
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    is_manifest = path.suffix.lower() == ".json"
    known = _manifest(path, text) if is_manifest else _log(path, text)
    missing = [name for name in utterances if name not in known]
    if missing:
        raise ValueError(f"{path}: does not say anything of {listed(missing)}")
    shared = [
        condition
        for condition in CONDITIONS
        if all(condition in known[name] for name in utterances)
    ]
    if not shared:
        raise ValueError(
            f"{path}: does not give any of {', '.join(CONDITIONS)} for all "
            "utterances"
        )
    return {
        name: {condition: known[name][condition] for condition in shared}
        for name in utterances
    }


def find_conditions(noisy, utterances):
    """Look for a log beside a folder of noisy speech.

    Arguments
    ---------
    noisy : str or Path
        The folder.
    utterances : list of str
        Whose conditions are needed.

    Returns
    -------
    dict or None
        As ``read_conditions``, of the first ``log_*.txt`` beside the folder
        that knows all utterances; None if there is none.
    """
    for path in sorted(Path(noisy).resolve().parent.glob(LOG_PATTERN)):
        try:
            return read_conditions(path, utterances)
        except ValueError:  # of the training set, or no such log at all
            continue
    return None


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
        ten SNRs become bands of 5 dB, "0 to 5" without the 5. Left out is a
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
    found = {}
    for condition in next(iter(conditions.values())):
        values = {name: known[condition] for name, known in conditions.items()}
        groups = _groups(condition, values)
        if 1 < len(groups) < len(values):
            found[condition] = {
                label: {
                    "utterances": len(names),
                    "systems": {
                        system: _means(rows, names)
                        for system, rows in scores.items()
                    },
                }
                for label, names in groups.items()
            }
    return found


def tables(breakdown):
    """Return a breakdown as Markdown tables, one per condition.

    Arguments
    ---------
    breakdown : dict
        From ``break_down``.

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
        blocks.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(blocks)


def _log(path, text):
    known = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            name, noise, snr_db = line.split()
            snr_db = _finite(snr_db)
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: must be a name, a noise and an SNR in "
                f"dB, like 'p232_001 bus 17.5'; is {line!r}"
            ) from error
        speaker = name.split("_")[0]  # as layouts.Pair
        known[name] = {"snr_db": snr_db, "noise": noise, "speaker": speaker}
    return known


def _manifest(path, text):
    try:
        return {
            name: {
                condition: _READERS[condition](entry[condition])
                for condition in CONDITIONS
                if entry.get(condition) is not None
            }
            for name, entry in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is no manifest: {error}") from error


def _finite(snr_db):
    snr_db = float(snr_db)
    if not math.isfinite(snr_db):
        raise ValueError(f"an SNR must be finite, is {snr_db}")
    return snr_db


_READERS = {"snr_db": _finite, "noise": str, "speaker": str}


def _groups(condition, values):
    """Return label -> utterances, in the order of the values."""
    if condition != "snr_db":
        label = str
    elif len(set(values.values())) <= MAX_RATIOS:
        label = "{:g}".format
    else:
        label = _band
    groups = {}
    for name in sorted(values, key=values.get):
        groups.setdefault(label(values[name]), []).append(name)
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

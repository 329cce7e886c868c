"""SNR, noise type and speaker of utterances, and means by these conditions."""

import json
import math
from pathlib import Path

from okd_brain.files import composed
from okd_brain.messages import UserError, listed
from okd_brain.results.statistics import json_means

CONDITIONS = ("snr_db", "noise", "speaker")
CROSSED = ("noise", "snr_db")  # these together make groups of their own
LOG_PATTERN = "log_*.txt"  # VoiceBank-DEMAND: log_testset.txt
MAX_RATIOS = 10  # VoiceBank-DEMAND has four; a range has as many as utterances
BAND_DB = 5


def read_conditions(path, utterances):
    r"""Read SNR, noise type and speaker from a log or a manifest.

    Arguments
    ---------
    path : str or Path
        A log of VoiceBank-DEMAND, with lines ``p232_001 bus 17.5`` (name, noise,
        SNR in dB; the name up to its first underscore is the speaker); or a
        manifest (``okd_brain.corpora.manifests``; ends in .json) with any of
        ``snr_db``, ``noise`` and ``speaker``.
    utterances : list of str
        Which ones must be in it.

    Returns
    -------
    dict
        Utterance -> condition -> value; the conditions that all utterances have.

    Raises
    ------
    UserError
        If the file is neither, or does not describe all utterances.

    Example
    -------
    >>> log = getfixture("tmp_path") / "log_testset.txt"
    >>> length = log.write_text("p232_001 bus 17.5\np232_002 cafe 12.5\n")
    >>> read_conditions(log, ["p232_002"])
    {'p232_002': {'snr_db': 12.5, 'noise': 'cafe', 'speaker': 'p232'}}
    """
    path = Path(path)
    try:
        # Names of files may be in any encoding; they are compared only.
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    if "\0" in text:
        raise UserError(f"{path}: cannot be read: it is not UTF-8 text")
    is_manifest = path.suffix.lower() == ".json"
    known = _manifest(path, text) if is_manifest else _log(path, text)
    missing = [name for name in utterances if composed(name) not in known]
    if missing:
        raise UserError(f"{path}: does not describe {listed(missing)}")
    shared = _shared(known, utterances)
    if not any(shared.values()):
        raise UserError(
            f"{path}: does not give any of {', '.join(CONDITIONS)} for all "
            "utterances"
        )
    return shared


def conditions_of(entries, utterances):
    """Return the conditions that a manifest gives.

    Arguments
    ---------
    entries : dict
        Of the manifest; may have any of ``snr_db``, ``noise`` and ``speaker``.
    utterances : list of str
        Which ones are needed.

    Returns
    -------
    dict
        Utterance -> condition -> value; the conditions that all utterances have.

    Example
    -------
    >>> conditions_of({"a": {"snr_db": 5, "length": 9}}, ["a"])
    {'a': {'snr_db': 5.0}}
    """
    return _shared(_described(entries), utterances)


def find_conditions(folder, utterances):
    """Look for a log beside a folder of noisy speech, or of noise.

    Arguments
    ---------
    folder : str or Path
        The folder.
    utterances : list of str
        Which ones are needed.

    Returns
    -------
    dict or None
        As from ``read_conditions``, for the first ``log_*.txt`` beside the
        folder that describes all utterances; None if there is none.
    """
    for path in sorted(Path(folder).resolve().parent.glob(LOG_PATTERN)):
        try:
            return read_conditions(path, utterances)
        except UserError:  # a log of the training set, or another text
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
        ten SNRs become bands of 5 dB, "0 to 5" without the 5. Noises and SNRs
        together are a condition of their own, "noise, snr_db". A condition
        that does not group is left out: one that is the same for all
        utterances, or different for each.

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
    groups = {condition: _groups(of) for condition, of in labels.items()}
    if all(len(groups.get(condition, ())) > 1 for condition in CROSSED):
        noise, snr_db = (labels[condition] for condition in CROSSED)
        # By noise, and within one in the order of the SNRs.
        names = sorted(snr_db, key=noise.get)
        groups[", ".join(CROSSED)] = _groups(
            {name: f"{noise[name]}, {snr_db[name]}" for name in names}
        )
    return {
        condition: {
            label: {
                "utterances": len(names),
                "systems": {
                    system: json_means({name: rows[name] for name in names})
                    for system, rows in scores.items()
                },
            }
            for label, names in by_label.items()
        }
        for condition, by_label in groups.items()
        if 1 < len(by_label) < len(conditions)
    }


def _log(path, text):
    known = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            name, noise, snr_db = line.split()
            snr_db = _finite(snr_db)
        except ValueError as error:
            raise UserError(
                f"{path}, line {number}: must be a name, a noise and an SNR in "
                f"dB, like 'p232_001 bus 17.5'; is {line!r}"
            ) from error
        speaker = name.split("_")[0]  # as in paired corpora
        known[composed(name)] = {
            "snr_db": snr_db,
            "noise": noise,
            "speaker": speaker,
        }
    return known


def _manifest(path, text):
    try:
        return _described(json.loads(text))
    except (
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,  # of a whole number
        RecursionError,
    ) as error:
        raise UserError(f"{path}: is not a manifest: {error}") from error


def _described(entries):
    return {
        composed(name): {
            condition: _READERS[condition](entry[condition])
            for condition in CONDITIONS
            if entry.get(condition) is not None
        }
        for name, entry in entries.items()
    }


def _shared(known, utterances):
    """Keep the conditions that all utterances have."""
    described = {name: known[composed(name)] for name in utterances}
    shared = [
        condition
        for condition in CONDITIONS
        if all(condition in values for values in described.values())
    ]
    return {
        name: {condition: values[condition] for condition in shared}
        for name, values in described.items()
    }


def _finite(snr_db):
    snr_db = float(snr_db)
    if not math.isfinite(snr_db):
        raise ValueError(f"an SNR must be finite, is {snr_db}")
    return snr_db


_READERS = {"snr_db": _finite, "noise": str, "speaker": str}


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

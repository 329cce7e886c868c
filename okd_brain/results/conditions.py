"""SNR, noise and speaker of utterances, where something says which is which."""

import json
import math
from pathlib import Path

from okd_brain.evaluation.paired_folders import listed

CONDITIONS = ("snr_db", "noise", "speaker")
LOG_PATTERN = "log_*.txt"  # VoiceBank-DEMAND: log_testset.txt


def read_conditions(path, utterances):
    """Read what is known of utterances.

    Arguments
    ---------
    path : str or Path
        A log of VoiceBank-DEMAND, with lines ``p232_001 bus 17.5`` (name, noise,
        SNR in dB; the speaker is what the name has before its first
        underscore); or a manifest (``okd_brain.corpora.manifests``; ends in .json) with
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
    shared = _shared(known, utterances)
    if not any(shared.values()):
        raise ValueError(
            f"{path}: does not give any of {', '.join(CONDITIONS)} for all "
            "utterances"
        )
    return shared


def conditions_of(entries, utterances):
    """Return what the entries of a manifest say of utterances.

    Arguments
    ---------
    entries : dict
        Of a manifest; may have any of ``snr_db``, ``noise`` and ``speaker``.
    utterances : list of str
        Whose conditions are needed.

    Returns
    -------
    dict
        Utterance -> condition -> value; those that all utterances have.

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
        Whose conditions are needed.

    Returns
    -------
    dict or None
        As ``read_conditions``, of the first ``log_*.txt`` beside the folder
        that knows all utterances; None if there is none.
    """
    for path in sorted(Path(folder).resolve().parent.glob(LOG_PATTERN)):
        try:
            return read_conditions(path, utterances)
        except ValueError:  # of the training set, or no such log at all
            continue
    return None


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
        return _described(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is no manifest: {error}") from error


def _described(entries):
    return {
        name: {
            condition: _READERS[condition](entry[condition])
            for condition in CONDITIONS
            if entry.get(condition) is not None
        }
        for name, entry in entries.items()
    }


def _shared(known, utterances):
    """Keep the conditions that all utterances have."""
    shared = [
        condition
        for condition in CONDITIONS
        if all(condition in known[name] for name in utterances)
    ]
    return {
        name: {condition: known[name][condition] for condition in shared}
        for name in utterances
    }


def _finite(snr_db):
    snr_db = float(snr_db)
    if not math.isfinite(snr_db):
        raise ValueError(f"an SNR must be finite, is {snr_db}")
    return snr_db


_READERS = {"snr_db": _finite, "noise": str, "speaker": str}

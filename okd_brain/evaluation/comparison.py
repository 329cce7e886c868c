"""Scores of several systems on the same utterances."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from okd_brain.corpora import LAYOUTS
from okd_brain.scoring import Failure, Scorer


def compare(systems, given, metrics, n_jobs=1):
    """Score systems on the same utterances.

    Arguments
    ---------
    systems : list of (FolderSystem or EnhancingSystem)
        Of different names.
    given : dict
        Utterance -> Files, of ``paired_folders.pair_folders``, whose
        ``enhanced`` no system has touched.
    metrics : list of (str or Metric)
        What is computed.
    n_jobs : int
        Number of processes, see ``Scorer``.

    Returns
    -------
    scores : dict
        system -> utterance -> metric -> raw score; NaN where there is none.
    failures : dict
        system -> list of Failure: why there is none.

    Example
    -------
    >>> import soundfile
    >>> from okd_brain.evaluation.paired_folders import pair_folders
    >>> from okd_brain.evaluation.systems import FolderSystem
    >>> folder = getfixture("tmp_path")
    >>> speech = np.sin(np.arange(16000) ** 1.2) / 2
    >>> for name, level in (("clean", 0.0), ("noisy", 0.05)):
    ...     (folder / name).mkdir()
    ...     signal = speech + level * np.cos(np.arange(16000))
    ...     soundfile.write(folder / name / "a.wav", signal, 16000)
    >>> noisy = pair_folders(folder / "clean", folder / "noisy")
    >>> system = FolderSystem("noisy", noisy, {})
    >>> scores, failures = compare([system], noisy, ["si_sdr"])
    >>> round(scores["noisy"]["a"]["si_sdr"]), failures
    (20, {'noisy': []})
    """
    scores, failures = {}, {}
    with Scorer(metrics, n_jobs) as scorer:
        for system in systems:
            scored, unread = [], []
            pairs = _pairs(system, given, scored, unread)
            # The names are known when the pairs have all been read.
            rows = scorer.score(pairs, names=scored)
            found = dict(zip(scored, rows.tolist(), strict=True))
            nothing = [np.nan] * len(scorer.names)
            scores[system.name] = {
                name: dict(
                    zip(scorer.names, found.get(name, nothing), strict=True)
                )
                for name in given
            }
            failures[system.name] = scorer.failures + [
                Failure(name, metric, reason)
                for name, reason in unread
                for metric in scorer.names
            ]
    return scores, failures


def _pairs(system, given, scored, unread):
    """Yield what is compared; tell which utterances, and why not others."""
    bar = tqdm(given.items(), desc=system.name, unit="utterance", disable=None)
    for name, files in bar:
        try:
            signals = system.signals(files)
        except ValueError as error:
            unread.append((name, str(error)))
            continue
        scored.append(name)
        yield signals.compared


def corpus_name(folder, kind):
    """Return what to call the corpus that a folder of it belongs to.

    Arguments
    ---------
    folder : str or Path
        The folder.
    kind : str
        What is in it: "noisy" or "noise".

    Returns
    -------
    str
        The name of the folder that holds it, or of the corpus in the layouts
        of ``layouts.LAYOUTS``.

    Example
    -------
    >>> corpus_name("/data/mine/noisy", "noisy")
    'mine'
    >>> corpus_name("/data/VB/test/noisy", "noisy")
    'VB'
    """
    path = Path(folder).resolve()
    for layout in LAYOUTS:
        for split in ("train", "test"):
            parts = Path(layout.folder(split, kind)).parts
            if path.parts[-len(parts) :] == parts:
                return path.parents[len(parts) - 1].name
    return path.parent.name

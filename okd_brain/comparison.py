"""Scores of several systems on the same utterances."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from okd_brain.layouts import LAYOUTS
from okd_brain.scoring import Failure, Scorer


def compare(systems, noisy, metrics, n_jobs=1):
    """Score systems on the same utterances.

    Arguments
    ---------
    systems : list of (FolderSystem or GeneratorSystem)
        Of different names.
    noisy : dict
        Utterance -> Files, of ``paired_folders.pair_folders``.
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
    >>> from okd_brain.paired_folders import pair_folders
    >>> from okd_brain.systems import FolderSystem
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
            pairs = _pairs(system, noisy, scored, unread)
            # The names are known when the pairs have all been read.
            rows = scorer.score(pairs, names=scored)
            found = dict(zip(scored, rows.tolist(), strict=True))
            nothing = [np.nan] * len(scorer.names)
            scores[system.name] = {
                name: dict(
                    zip(scorer.names, found.get(name, nothing), strict=True)
                )
                for name in noisy
            }
            failures[system.name] = scorer.failures + [
                Failure(name, metric, reason)
                for name, reason in unread
                for metric in scorer.names
            ]
    return scores, failures


def _pairs(system, noisy, scored, unread):
    """Yield what is compared; tell which utterances, and why not others."""
    bar = tqdm(noisy.items(), desc=system.name, unit="utterance", disable=None)
    for name, files in bar:
        try:
            pair = system.pair(files)
        except ValueError as error:
            unread.append((name, str(error)))
            continue
        scored.append(name)
        yield pair


def corpus_name(noisy):
    """Return what to call the corpus that a folder of noisy speech belongs to.

    Arguments
    ---------
    noisy : str or Path
        The folder.

    Returns
    -------
    str
        The name of the folder that holds it, or of the corpus in the layouts
        of ``layouts.LAYOUTS``.

    Example
    -------
    >>> corpus_name("/data/mine/noisy"), corpus_name("/data/VB/test/noisy")
    ('mine', 'VB')
    """
    path = Path(noisy).resolve()
    for layout in LAYOUTS:
        for split in ("train", "test"):
            parts = Path(layout.folder(split, "noisy")).parts
            if path.parts[-len(parts) :] == parts:
                return path.parents[len(parts) - 1].name
    return path.parent.name

"""Some utterances of a test as files, to hear and to see.

``samples/`` in a results folder has a folder per utterance with a WAV file per
system, ``samples.json`` that says what is what, and a picture of the
spectrograms. In listening enhancement, a file is what the listener hears: what
is played and the noise together.
"""

import hashlib
import logging
import random
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile

from okd_brain.files import flush_tree, short_name, write_json, writing
from okd_brain.messages import UserError, is_whole

logger = logging.getLogger(__name__)

FOLDER = "samples"
INDEX = "samples.json"
CLEAN = "clean"
OURS = re.compile(r"\d{3}_.+")  # a folder of an utterance
PICTURES = 24  # utterances at most: each takes about a second to draw
RANGE_DB = 70.0  # of the colours, below the loudest bin of all systems


def check_samples(key, count, folder):
    """Refuse what is not a number of utterances, or would replace other files.

    Arguments
    ---------
    key : str
        The option.
    count : object
        Its value.
    folder : str or Path or None
        The results folder, if there is one.

    Raises
    ------
    UserError
        If it is not a whole number of at least 0, or the folder has a
        ``samples`` that no test has written.
    """
    if not is_whole(count, 0):
        raise UserError(
            f"{key} is {count!r}, must be a whole number of utterances; 0: none."
        )
    if folder is not None and not _is_ours(place := Path(folder) / FOLDER):
        raise UserError(
            f"{place} would be replaced, but no test has written it: rename it, "
            "or name another output folder."
        )


def _is_ours(place):
    """Tell whether a test has written a folder of samples, or nobody has."""
    if place.is_dir() and not (place / INDEX).is_file():
        return all(OURS.fullmatch(path.name) for path in place.iterdir())
    return place.is_dir() or not place.exists()


def gains(scores, unprocessed, metrics):
    """Return by how much each utterance has gained, over systems and metrics.

    Arguments
    ---------
    scores : dict
        system -> utterance -> metric -> value.
    unprocessed : str
        The system that the others are compared with.
    metrics : dict
        Name of a metric -> whether higher is better.

    Returns
    -------
    dict
        utterance -> mean of its differences from unprocessed, each divided by
        the standard deviation of the metric's differences; 0 where there is
        none.

    Example
    -------
    >>> scores = {"noisy": {"a": {"pesq": 1.0}, "b": {"pesq": 2.0}}}
    >>> scores["pesq"] = {"a": {"pesq": 3.0}, "b": {"pesq": 2.0}}
    >>> gains(scores, "noisy", {"pesq": True})
    {'a': 2.0, 'b': 0.0}
    """
    utterances = list(scores[unprocessed])
    total, number = np.zeros(len(utterances)), 0
    for system, rows in scores.items():
        for metric, higher_is_better in metrics.items():
            if system == unprocessed:
                continue
            gained = np.array(
                [
                    rows.get(name, {}).get(metric, np.nan)
                    - scores[unprocessed][name].get(metric, np.nan)
                    for name in utterances
                ]
            )
            gained[~np.isfinite(gained)] = 0.0
            spread = gained.std()
            if spread > 0:
                sign = 1 if higher_is_better else -1
                total += sign * gained / spread
                number += 1
    return dict(zip(utterances, (total / max(1, number)).tolist(), strict=True))


def choose(gained, count, seed=0):
    """Return some utterances: the best, the worst, and others at random.

    Arguments
    ---------
    gained : dict
        utterance -> gain.
    count : int
        How many, a third of each kind; all if there are not as many.
    seed : int
        Of what is random.

    Returns
    -------
    dict
        utterance -> "best", "worst" or "random".

    Example
    -------
    >>> choose({"a": 0.0, "b": 3.0, "c": 1.0, "d": 2.0}, 3)
    {'b': 'best', 'a': 'worst', 'd': 'random'}
    """
    ranked = sorted(gained, key=gained.get, reverse=True)
    count = min(count, len(ranked))
    third = -(-count // 3)
    best = ranked[:third]
    worst = ranked[third:][::-1][: min(third, count - len(best))]
    others = [name for name in ranked if name not in {*best, *worst}]
    drawn = random.Random(seed).sample(
        sorted(others), count - len(best) - len(worst)
    )
    kinds = (("best", best), ("worst", worst), ("random", drawn))
    return {name: kind for kind, names in kinds for name in names}


class SampleFolder:
    """Write the samples of a test, utterance by utterance.

    What an earlier test has left there is removed first; ``check_samples`` tells
    whether it has.

    Arguments
    ---------
    folder : str or Path
        The results folder, which receives ``samples/``.
    sample_rate : int
        In Hz.
    chosen : dict
        From ``choose``.
    """

    def __init__(self, folder, sample_rate, chosen):
        self.folder = Path(folder) / FOLDER
        self.sample_rate = sample_rate
        self.chosen = chosen
        self.utterances = {}
        self.can_draw = find_spec("matplotlib") is not None
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self.can_draw and chosen:
            logger.info(
                "No pictures in %s: matplotlib is not installed (pip install "
                "'okd[plots]').",
                self.folder,
            )

    def add(self, utterance, waves):
        """Write one utterance.

        Arguments
        ---------
        utterance : str
            One of those chosen.
        waves : dict
            system -> numpy.ndarray [samples], full scale 1; "clean" is the
            reference.
        """
        name = f"{len(self.utterances) + 1:03d}_{_plain(utterance)}"
        place = self.folder / name
        with writing(place):
            place.mkdir(parents=True)
            files = {}
            for system, wave in waves.items():
                file = f"{_plain(system)}.wav"
                # Float: the noise around a listener may exceed full scale.
                soundfile.write(
                    place / file, wave, self.sample_rate, subtype="FLOAT"
                )
                files[system] = f"{name}/{file}"
        self.utterances[utterance] = {
            "kind": self.chosen[utterance],
            "files": files,
        }
        if self.can_draw and len(self.utterances) <= PICTURES:
            figure = draw_spectrograms(waves, self.sample_rate, utterance)
            with writing(place):
                figure.savefig(place / "spectrograms.png", dpi=64)

    def close(self):
        """Write what is what, when all of it is on disk."""
        if self.utterances:
            with writing(self.folder):
                flush_tree(self.folder)
            content = {
                "sample_rate": self.sample_rate,
                "utterances": self.utterances,
            }
            write_json(self.folder / INDEX, content)


def spectrogram_db(wave, sample_rate, frame_seconds=0.032):
    """Return levels over time and frequency.

    Arguments
    ---------
    wave : numpy.ndarray
        [samples].
    sample_rate : int
        In Hz.
    frame_seconds : float
        Length of a Hann window, half of which is the hop.

    Returns
    -------
    numpy.ndarray
        [bins, frames], in dB; -120 at least.
    """
    size = round(frame_seconds * sample_rate)
    padded = np.pad(wave, (0, max(0, size - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)
    spectra = np.fft.rfft(frames[:: size // 2] * np.hanning(size), axis=1)
    return 20 * np.log10(np.abs(spectra.T) / size + 1e-6)


def draw_spectrograms(waves, sample_rate, title):
    """Draw the spectrogram of every system, one below the other.

    Arguments
    ---------
    waves : dict
        system -> numpy.ndarray [samples].
    sample_rate : int
        In Hz.
    title : str
        Of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    levels = {s: spectrogram_db(w, sample_rate) for s, w in waves.items()}
    loudest = max(level.max() for level in levels.values())
    figure = Figure(figsize=(8, 1.5 * len(waves) + 0.6), layout="constrained")
    axes = figure.subplots(len(waves), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (system, level) in zip(axes, levels.items(), strict=True):
        axis.imshow(
            level,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=loudest - RANGE_DB,
            vmax=loudest,
            extent=(
                *(0, len(waves[system]) / sample_rate),
                *(0, sample_rate / 2000),
            ),
        )
        axis.set_ylabel(f"{system}\nkHz", fontsize=8)
    axes[-1].set_xlabel("s")
    figure.suptitle(title.encode("ascii", "replace").decode(), fontsize=10)
    return figure


def _plain(name):
    """Return a name that any file system and web server takes."""
    plain = re.sub(r"[^A-Za-z0-9._+@-]+", "_", name).strip("._") or "_"
    if plain != name:
        plain += (
            "-"
            + hashlib.sha256(
                name.encode("utf-8", "surrogateescape")
            ).hexdigest()[:6]
        )
    return short_name(plain)

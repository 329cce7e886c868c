"""Which files are scored against which, and what is read of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from okd_brain.corpora import LENGTH_TOLERANCE_SECONDS
from okd_brain.enhance.jobs import SUFFIXES
from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE

LISTED = 5  # names in a message


@dataclass(frozen=True)
class Files:
    """The files of one utterance.

    Attributes
    ----------
    utterance : str
        Path within the folder, without suffix.
    clean, enhanced : Path
    noise : Path or None
        What the listener hears besides.
    """

    utterance: str
    clean: Path
    enhanced: Path
    noise: Path | None = None


@dataclass(frozen=True)
class Signals:
    """The signals of one utterance, 16 kHz, equally long.

    Attributes
    ----------
    clean, enhanced : np.ndarray [samples]
    noise : np.ndarray [samples] or None
        What the listener hears besides.
    """

    clean: np.ndarray
    enhanced: np.ndarray
    noise: np.ndarray | None = None

    @property
    def heard(self):
        """Enhanced plus noise; the enhanced signal itself without noise."""
        if self.noise is None:
            return self.enhanced
        return self.enhanced + self.noise

    @property
    def compared(self):
        """What metrics compare, as ``Scorer.score`` takes it."""
        if self.noise is None:
            return self.clean, self.enhanced
        return self.clean, self.heard, self.enhanced


def match(clean, enhanced, noise=None):
    """Pairs files by their names.

    Arguments
    ---------
    clean, enhanced : str or Path
        Two files, or two folders, whose sub-folders count as well. A name is
        the path within the folder without its suffix: `a/b.wav` belongs to
        `a/b.flac`.
    noise : str or Path or None
        A file or a folder likewise.

    Returns
    -------
    list of Files
        All that are enhanced, sorted by name.

    Raises
    ------
    ValueError
        If a path does not exist, a folder has no audio files or two of one
        name, or a name has no partner.
    """
    roles = {"clean": clean, "enhanced": enhanced, "noise": noise}
    roles = {role: Path(path) for role, path in roles.items() if path}
    kinds = {role: _kind(path) for role, path in roles.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{role} is a {kind}" for role, kind in kinds.items())
        raise ValueError(f"Give only files or only folders; {found}")
    if kinds["clean"] == "file":
        return [Files(roles["enhanced"].stem, **roles)]
    found = {role: _audio_files(folder) for role, folder in roles.items()}
    names = sorted(found["enhanced"])
    for role, files in found.items():
        missing = [name for name in names if name not in files]
        if missing:
            raise ValueError(
                f"{roles[role]}: no {role} file for {_listed(missing)}"
            )
    return [
        Files(name, **{role: files[name] for role, files in found.items()})
        for name in names
    ]


def read(files):
    """Reads the signals of one utterance.

    Any sample rate is converted to 16 kHz, the only one of PESQ wide band.
    Tails of up to 16 ms by which one file is longer are cut; many programs
    leave them.

    Arguments
    ---------
    files : Files

    Returns
    -------
    Signals

    Raises
    ------
    ValueError
        If a file cannot be read or has more than one channel, or rates or
        lengths differ.
    """
    paths = [files.clean, files.enhanced]
    paths += [files.noise] if files.noise else []
    signals, rates = zip(*map(_read, paths), strict=True)
    if len(set(rates)) > 1:
        found = ", ".join(map("{}: {} Hz".format, paths, rates))
        raise ValueError(f"sample rates differ; {found}")
    lengths = [len(signal) for signal in signals]
    if max(lengths) - min(lengths) > LENGTH_TOLERANCE_SECONDS * rates[0]:
        found = ", ".join(map("{}: {} samples".format, paths, lengths))
        raise ValueError(f"lengths differ; {found}")
    return Signals(
        *(
            resample(signal[: min(lengths)], rates[0], SAMPLE_RATE)
            for signal in signals
        )
    )


def _kind(path):
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "file"
    raise ValueError(f"{path}: no such file or folder")


def _audio_files(folder):
    """All audio files below a folder by name; hidden ones left out."""
    files = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_hidden or path.suffix.lower() not in SUFFIXES:
            continue
        name = relative.with_suffix("").as_posix()
        if name in files:
            raise ValueError(f"{files[name]} and {path} have the same name")
        files[name] = path
    if not files:
        raise ValueError(f"{folder}: no audio files")
    return files


def _read(path):
    try:
        signal, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    if signal.shape[1] != 1:
        raise ValueError(f"{path}: has {signal.shape[1]} channels; needs 1")
    return signal[:, 0], rate


def _listed(names):
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more

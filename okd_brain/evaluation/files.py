"""Files that are compared: matched by name, checked, read and scored."""

import itertools
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from speechbrain.utils.logger import get_logger
from tqdm import tqdm

from okd_brain.audio import CONVERTIBLE, AudioFile, read_audio
from okd_brain.cli import one_line
from okd_brain.corpora import LENGTH_TOLERANCE_SECONDS
from okd_brain.files import AUDIO_SUFFIXES, composed, on_disk, walk_audio
from okd_brain.messages import UserError, listed
from okd_brain.resampling import resample
from okd_brain.scoring import OUT_OF_MEMORY, Failure
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

PROBLEMS = 5  # in a message
ROLES = ("clean", "enhanced", "noise")


@dataclass(frozen=True)
class Files:
    """The files of one utterance."""

    utterance: str  # path within the folder, without suffix, as NFC
    clean: Path | None  # if only metrics without a reference are wanted
    enhanced: Path  # or the unprocessed input of systems
    noise: Path | None = None  # that the listener hears in addition

    @property
    def paths(self):
        """Role -> path of those that there are; the clean one first."""
        found = {role: getattr(self, role) for role in ROLES}
        return {role: path for role, path in found.items() if path}


@dataclass(frozen=True)
class Signals:
    """The signals of one utterance: [samples] each, equally long, 16 kHz."""

    clean: np.ndarray | None
    enhanced: np.ndarray
    noise: np.ndarray | None = None
    defects: tuple = ()  # of str: what is missing from the files

    @property
    def compared(self):
        """What ``Scorer.score`` takes: the ear also hears the noise."""
        if self.noise is None:
            return self.clean, self.enhanced
        return self.clean, self.enhanced + self.noise, self.enhanced


class FileScores(NamedTuple):
    """What has become of the files that were to be scored."""

    scores: dict  # utterance -> metric -> raw score; NaN where there is none
    failures: list  # of Failure: why there is none
    defects: list  # of str: scored files of which something is missing


def match(clean, enhanced, noise=None):
    """Match files by their names.

    Arguments
    ---------
    clean : str or Path or None
        A file or a folder, whose sub-folders and links count as well. A name is
        the path within the folder without its suffix: ``a/b.wav`` belongs to
        ``a/b.flac``. Letters with accents may be composed or not (Unicode NFC,
        NFD: macOS and Linux write them differently). None: there is no clean
        speech.
    enhanced : str or Path
        A file or a folder likewise.
    noise : str or Path, optional
        A file or a folder likewise.

    Returns
    -------
    list of Files
        One for each enhanced file, sorted by name.

    Raises
    ------
    UserError
        If a path does not exist, files and folders are mixed, a folder has no
        audio files or two of one name, or a name has no partner.
    """
    given = dict(zip(ROLES, (clean, enhanced, noise), strict=True))
    for role, path in given.items():
        if path == "":
            raise UserError(
                f"The argument for {role} is empty: is a variable not set?"
            )
    roles = {role: on_disk(path) for role, path in given.items() if path}
    kinds = {role: _kind(path) for role, path in roles.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{role} is a {kind}" for role, kind in kinds.items())
        raise UserError(f"Give only files or only folders; {found}")
    if kinds["enhanced"] == "file":
        return [Files(roles["enhanced"].stem, *map(roles.get, ROLES))]
    found = {role: _by_name(folder) for role, folder in roles.items()}
    names = list(found["enhanced"])
    for role, files in found.items():
        missing = [name for name in names if name not in files]
        if missing:
            raise UserError(
                f"{roles[role]}: no {role} file for {listed(missing)}"
            )
    return [
        Files(name, *(found.get(role, {}).get(name) for role in ROLES))
        for name in names
    ]


def pair_folders(clean, folder, noise=None):
    """Match a folder of noisy or enhanced files with all clean ones.

    Unlike ``match``, which is content with some of the clean files: systems
    that are compared have all been given the same utterances.

    Arguments
    ---------
    clean : str or Path
        Names are matched without suffix, sub-folders included.
    folder : str or Path
        The noisy or enhanced files.
    noise : str or Path, optional
        Folder of what the listener hears in addition.

    Returns
    -------
    dict
        Utterance -> Files, whose ``enhanced`` is in ``folder``; sorted.

    Raises
    ------
    UserError
        If a folder does not exist or has no audio files, or a file has no
        partner.
    """
    for path in (clean, folder):
        if not on_disk(path).is_dir():
            raise UserError(f"{path}: there is no such folder")
    files = {found.utterance: found for found in match(clean, folder)}
    missing = [name for name in _by_name(on_disk(clean)) if name not in files]
    if missing:
        raise UserError(f"{folder}: no file for {listed(missing)}")
    if noise is None:
        return files
    noises = pair_folders(clean, noise)
    return {
        name: replace(found, noise=noises[name].enhanced)
        for name, found in files.items()
    }


def read(files):
    """Read the signals of one utterance.

    Other sample rates are converted to 16 kHz, the only one of wide-band PESQ.
    Tails of up to 16 ms by which one file is longer are cut; many programs
    leave them.

    Arguments
    ---------
    files : Files
        Of the utterance.

    Returns
    -------
    Signals

    Raises
    ------
    UserError
        If a file cannot be read or has more than one channel, or sample rates
        or lengths differ; if the reason is that files are truncated, it is
        those that are named.
    """
    waves, headers, defects = {}, {}, []
    for role, path in files.paths.items():
        wave, rate, defect = read_audio(path)
        waves[role] = wave[:, 0]
        headers[path] = (rate, *wave.shape)
        if defect is not None:
            defects.append(f"{path} {defect}")
    problem = _mismatch(headers)
    if problem is not None:
        raise UserError("; ".join([*defects, problem]))
    length = min(map(len, waves.values()))
    waves = {
        role: resample(wave[:length], rate, SAMPLE_RATE) if length else wave
        for role, wave in waves.items()
    }
    return Signals(*map(waves.get, ROLES), tuple(defects))


def score_files(scorer, files, signals=read, label=None):
    """Score utterances, whose files are read as the work proceeds.

    Arguments
    ---------
    scorer : Scorer
        Computes the metrics.
    files : iterable of Files
        Of different utterances.
    signals : callable
        Returns the ``Signals`` of ``Files``; an error is a failure of that
        utterance, and the others go on.
    label : str, optional
        Of the progress bar.

    Returns
    -------
    FileScores

    Example
    -------
    >>> from okd_brain.scoring import Scorer
    >>> import soundfile
    >>> folder = getfixture("tmp_path")
    >>> clean = np.sin(np.arange(16000) ** 1.2) / 2
    >>> for name, level in (("clean", 0.0), ("enhanced", 0.01)):
    ...     signal = clean + level * np.cos(np.arange(16000))
    ...     soundfile.write(folder / f"{name}.wav", signal, 16000)
    >>> files = match(folder / "clean.wav", folder / "enhanced.wav")
    >>> found = score_files(Scorer(["si_sdr"]), files)
    >>> round(found.scores["enhanced"]["si_sdr"]), found.failures
    (34, [])
    """
    files = list(files)
    scored, unread, defects = [], [], []

    def pairs():
        bar = tqdm(files, desc=label, unit="utterance", disable=None)
        for found in bar:
            try:
                read_signals = signals(found)
                compared = read_signals.compared
            except Exception as error:  # whatever one file does to libraries
                unread.append((found.utterance, _reason(found, error)))
                continue
            scored.append(found.utterance)
            defects.extend(read_signals.defects)
            yield compared

    # The names are known when the pairs have all been read.
    rows = scorer.score(pairs(), names=scored)
    values = dict(zip(scored, rows.tolist(), strict=True))
    nothing = [np.nan] * len(scorer.names)
    scores = {
        found.utterance: dict(
            zip(scorer.names, values.get(found.utterance, nothing), strict=True)
        )
        for found in files
    }
    failures = scorer.failures + [
        Failure(name, metric, reason)
        for name, reason in unread
        for metric in scorer.names
    ]
    return FileScores(scores, failures, defects)


def report(found):
    """Log why utterances have no score, and which files are incomplete.

    Arguments
    ---------
    found : dict
        System -> FileScores. Each reason is given once: that of a clean file is
        the same for all systems, which are named, unless a name is None.
    """
    texts = {}
    for system, of in found.items():
        for one in of.failures:
            text = f"{one.utterance}: {one.reason}"
            texts.setdefault((logging.ERROR, text), {})[system] = None
        for defect in of.defects:
            text = f"{defect}; scored as far as it goes"
            texts.setdefault((logging.WARNING, text), {})[system] = None
    for (level, text), systems in texts.items():
        names = ", ".join(filter(None, systems))
        logger.log(level, one_line(f"{text} ({names})" if names else text))


def _reason(files, error):
    """Return what to say of files that could not be read or enhanced."""
    if isinstance(error, UserError):
        return str(error)
    paths = " and ".join(map(str, files.paths.values()))
    if isinstance(error, MemoryError):
        return f"{paths}: {OUT_OF_MEMORY}"
    return f"{paths}: {type(error).__name__}: {error}"


def check_headers(files):
    """Refuse files that could not be scored, judging by their headers.

    Arguments
    ---------
    files : iterable of Files
        Of all utterances.

    Raises
    ------
    UserError
        If a file cannot be opened or has more than one channel, or files of an
        utterance differ in sample rate, or in length by more than 16 ms.

    Example
    -------
    >>> import soundfile
    >>> folder = getfixture("tmp_path")
    >>> for name, rate in (("clean", 48000), ("noisy", 16000)):
    ...     (folder / name).mkdir()
    ...     soundfile.write(folder / name / "a.wav", [0.0] * rate, rate)
    >>> pairs = pair_folders(folder / "clean", folder / "noisy")
    >>> try:
    ...     check_headers(pairs.values())
    ... except ValueError as error:
    ...     print(str(error).replace(f"{folder}/", ""))
    noisy/a.wav has 16000 Hz, clean/a.wav 48000 Hz: convert one of them
    """
    problems = [*filter(None, map(_header_problem, files))]
    if problems:
        more = len(problems) - PROBLEMS
        tail = [f"... and {more} more like these"] if more > 0 else []
        raise UserError("\n".join(problems[:PROBLEMS] + tail))


def _header_problem(files):
    headers = {}
    for path in files.paths.values():
        try:
            with AudioFile(path) as audio:
                frames = audio.announced_frames
                headers[path] = audio.samplerate, frames, audio.channels
        except UserError as error:
            return str(error)
    return _mismatch(headers)


def _mismatch(headers):
    """Say why files do not fit; path -> (sample rate, samples, channels).

    The samples are None where a header does not say how many there are.
    """
    for path, (_, _, channels) in headers.items():
        if channels != 1:
            return f"{path} has {channels} channels, must have 1"
    for one, other in itertools.combinations(headers, 2):
        (rate, length, _), (other_rate, other_length, _) = (
            headers[one],
            headers[other],
        )
        if rate != other_rate:
            return (
                f"{other} has {other_rate} Hz, {one} {rate} Hz: convert one of "
                "them"
            )
        if length is None or other_length is None:
            continue
        tolerance = LENGTH_TOLERANCE_SECONDS * rate
        if abs(length - other_length) > tolerance:
            return (
                f"{other} has {other_length} samples, {one} {length}: they may "
                f"differ by {tolerance:.0f}"
            )
    return None


def _kind(path):
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "file"
    raise UserError(f"{path}: no such file or folder")


def _by_name(folder):
    """Return name -> path of all audio files below a folder, sorted.

    Those that cannot be read are there, too: each is a failure with its reason
    then, and none disappears silently.
    """
    files = {}
    for path in walk_audio(folder, AUDIO_SUFFIXES | CONVERTIBLE):
        name = path.relative_to(folder).with_suffix("").as_posix()
        name = composed(name)
        if name in files:
            raise UserError(
                f"{files[name]} and {path} have the same name: remove or "
                "rename one of them"
            )
        files[name] = path
    if not files:
        raise UserError(f"{folder}: no audio files")
    return dict(sorted(files.items()))

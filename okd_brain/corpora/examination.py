"""The one pass over a corpus: read every file, check it, resample it if need be."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
from speechbrain.utils.logger import get_logger
from speechbrain.utils.parallel import get_available_cpu_count, parallel_map

from okd_brain.audio import AudioFile
from okd_brain.corpora.checks import (
    Violation,
    read_checked,
    read_checked_pair,
)
from okd_brain.files import composed, replacing, short_name
from okd_brain.messages import UserError, counted
from okd_brain.resampling import resample
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

TWIN = "except for its suffix or how its accents are stored"


def examine_pairs(pairs, *, data_folder, data_root, sample_rate, **threads):
    """Check all pairs, and resample those that are not at 16 kHz.

    Arguments
    ---------
    pairs : list of FilePair
        What to read.
    data_folder : Path
        The corpus.
    data_root : Path
        Where the 16 kHz version is: the corpus itself, or the folder that
        receives resampled copies.
    sample_rate : int
        Rate in Hz that all files must have.
    **threads : object
        ``n_jobs`` and ``progressbar`` of `in_threads`.

    Returns
    -------
    good : list of (FilePair, int)
        The pairs that break no rule, with paths relative to ``data_root``, and
        their length in samples at 16 kHz; in the given order.
    violations : list of Violation
        In the given order.
    """
    results = in_threads(
        lambda pair: _examine_pair(
            pair,
            data_folder=data_folder,
            data_root=data_root,
            sample_rate=sample_rate,
        ),
        pairs,
        resampling=sample_rate != SAMPLE_RATE,
        unit="pair",
        **threads,
    )
    good = [(pair, samples) for pair, samples, bad in results if not bad]
    violations = [violation for _, _, bad in results for violation in bad]
    return good, violations


@dataclass(frozen=True)
class Recording:
    """A file that breaks no rule, at 16 kHz.

    Attributes
    ----------
    path : str
        Relative to the root that `examine_files` returns.
    samples : int
        Its length at 16 kHz.
    crest_db : float
        Its peak relative to its RMS level, in dB.
    """

    path: str
    samples: int
    crest_db: float

    @property
    def seconds(self):
        """Return the duration."""
        return self.samples / SAMPLE_RATE


def examine_files(files, *, folder, copy_folder, average=False, **threads):
    """Check files that have no partner, and resample them if one needs it.

    Arguments
    ---------
    files : iterable of str
        Paths relative to the folder, of any sample rates.
    folder : Path
        Where they are.
    copy_folder : Path
        If one of them is not at 16 kHz, receives a 16 kHz WAV file of every
        one, so that all are below one root.
    average : bool
        Accept files of several channels, of which the mean is taken; said in
        the log.
    **threads : object
        ``n_jobs`` and ``progressbar`` of `in_threads`.

    Returns
    -------
    root : Path
        The folder, or that of the copies.
    good : dict
        Path -> `Recording`, of the files that break no rule; in the given order.
    violations : list of Violation
        In the given order.
    """
    headers = {path: _rate_and_channels(folder / path) for path in files}
    rates = {path: rate for path, (rate, _) in headers.items()}
    copying = any(rate != SAMPLE_RATE for rate in rates.values())
    taken, violations = {}, []
    for path in headers:
        first = taken.setdefault(_wav(path), path)
        if first != path:
            rule = f"has the same name as {first}, {TWIN}"
            violations.append(Violation(str(folder / path), rule))
    files = list(taken.values())
    wide = [path for path in files if headers[path][1] > 1]
    if average and wide:
        logger.info(
            "%s: %s several channels, which are averaged; %s first",
            folder,
            counted(len(wide), "file has", "files have"),
            wide[0],
        )
    results = in_threads(
        lambda path: _examine_file(
            path,
            rate=rates[path],
            folder=folder,
            copy_folder=copy_folder if copying else None,
            average=average,
        ),
        files,
        resampling=copying,
        unit="file",
        **threads,
    )
    good = {}
    for path, (recording, bad) in zip(files, results, strict=True):
        violations += bad
        if not bad:
            good[path] = recording
    return copy_folder if copying else folder, good, violations


def store_resampled(samples, sample_rate, path, *, stamp_ns):
    """Write a 16 kHz copy of a recording unless it is there already.

    The file is 16-bit WAV; what overshoots full scale is clipped. It appears
    under its name only when complete, so that an interrupted run can be resumed,
    and bears the time of its source, by which a stale copy is recognised.

    Arguments
    ---------
    samples : numpy.ndarray
        [samples], float32, full scale 1.
    sample_rate : int
        Their rate in Hz.
    path : Path
        The file to write; parents are made.
    stamp_ns : int
        Time of the source's last change, in nanoseconds since 1970.
    """
    if not path.exists() or not _is_time(path.stat().st_mtime_ns, stamp_ns):
        wave = resample(samples, sample_rate, SAMPLE_RATE)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            name = os.fsencode(partial)
            soundfile.write(name, wave, SAMPLE_RATE, "PCM_16", format="WAV")
            os.utime(partial, ns=(stamp_ns, stamp_ns))


def _is_time(kept_ns, stamp_ns):
    """Tell whether a file system made one time of another, as exactly as it can.

    Some keep microseconds, tenths of them, or seconds, as did earlier versions.
    """
    units = (1, 100, 1000, 10**6, 10**9)
    return kept_ns in [stamp_ns // unit * unit for unit in units]


def in_threads(
    function, items, *, resampling, unit, n_jobs=None, progressbar=True
):
    """Return the function of every item, in order, by default a thread per CPU.

    Decoding, checking and filtering release Python's lock.
    """
    desc = "Resampling" if resampling else "Checking"
    with ThreadPoolExecutor(n_jobs or get_available_cpu_count()) as executor:
        return list(
            parallel_map(
                function,
                items,
                executor=executor,
                progress_bar=progressbar,
                progress_bar_kwargs={
                    **{"desc": desc, "unit": unit},
                    "disable": None,  # without a terminal
                },
            )
        )


def _rate_and_channels(path):
    """Return a file's rate in Hz and its channels.

    One that cannot be read is reported later.
    """
    try:
        with AudioFile(path) as audio:
            return audio.samplerate, audio.channels
    except UserError:
        return SAMPLE_RATE, 1


def _wav(path):
    """Return the name of a copy; equal for names that look alike."""
    path = PurePosixPath(path)
    return str(path.with_name(f"{short_name(composed(path.stem))}.wav"))


def _examine_file(path, *, rate, folder, copy_folder, average):
    """Return the recording at 16 kHz, None for a bad one, and what is wrong."""
    source = Path(folder, path)
    samples, violations = read_checked(
        source, sample_rate=rate, average=average
    )
    if violations:
        return None, violations
    if copy_folder is not None:
        stamp = os.stat(source).st_mtime_ns
        path = _wav(path)
        store_resampled(samples, rate, copy_folder / path, stamp_ns=stamp)
    level = np.sqrt(np.mean(samples**2, dtype=np.float64))
    crest_db = float(20 * np.log10(np.abs(samples).max() / level))
    length = math.ceil(len(samples) * SAMPLE_RATE / rate)
    return Recording(path, length, crest_db), violations


def _examine_pair(pair, *, data_folder, data_root, sample_rate):
    """Return where the 16 kHz pair is, its length, and what is wrong with it."""
    sources = {
        "reference": data_folder / pair.clean,
        "degraded": data_folder / pair.noisy,
    }
    clean, noisy, violations = read_checked_pair(
        **sources, sample_rate=sample_rate
    )
    if violations:
        return pair, 0, violations
    if sample_rate == SAMPLE_RATE:
        return pair, len(clean), violations
    stored = pair.resampled()
    # The later of the two, since either decides where both are cut.
    stamp = max(os.stat(path).st_mtime_ns for path in sources.values())
    for wave, path in ((clean, stored.clean), (noisy, stored.noisy)):
        store_resampled(wave, sample_rate, data_root / path, stamp_ns=stamp)
    return stored, math.ceil(len(clean) * SAMPLE_RATE / sample_rate), violations

"""The one pass over a corpus: read, check, resample if need be."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from speechbrain.utils.parallel import get_available_cpu_count, parallel_map

from okd_brain.audio_checks import read_checked_pair
from okd_brain.resampling import store_resampled
from okd_brain.signals import SAMPLE_RATE


def examine_pairs(
    pairs,
    *,
    data_folder,
    data_root,
    sample_rate,
    n_jobs=None,
    progressbar=True,
):
    """Check all pairs and see to it that each has a 16 kHz version.

    Arguments
    ---------
    pairs : list of Pair
        What to read.
    data_folder : Path
        The corpus.
    data_root : Path
        Where the 16 kHz version is: the corpus itself, or the folder that
        receives resampled copies.
    sample_rate : int
        Rate in Hz that all files must have.
    n_jobs : int, optional
        Number of threads (decoding, checking and filtering release Python's
        lock); by default one per available CPU.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    good : list of (Pair, int)
        The pairs that break no rule, with paths relative to ``data_root``, and
        their length in samples at 16 kHz; in the given order.
    violations : list of Violation
        In the given order.
    """
    examine = partial(
        _examine,
        data_folder=data_folder,
        data_root=data_root,
        sample_rate=sample_rate,
    )
    resampling = sample_rate != SAMPLE_RATE
    with ThreadPoolExecutor(n_jobs or get_available_cpu_count()) as executor:
        examined = parallel_map(
            examine,
            pairs,
            executor=executor,
            progress_bar=progressbar,
            progress_bar_kwargs={
                "desc": "Resampling" if resampling else "Checking",
                "unit": "pair",
            },
        )
        results = list(examined)
    good = [(pair, samples) for pair, samples, bad in results if not bad]
    violations = [violation for _, _, bad in results for violation in bad]
    return good, violations


def _examine(pair, *, data_folder, data_root, sample_rate):
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
    # Whole seconds, since not every file system keeps fractions; the later of
    # the two, since either decides where both are cut.
    stamp = int(max(os.stat(path).st_mtime for path in sources.values()))
    for wave, path in ((clean, stored.clean), (noisy, stored.noisy)):
        store_resampled(
            wave, sample_rate, data_root / path, stamp_seconds=stamp
        )
    return stored, math.ceil(len(clean) * SAMPLE_RATE / sample_rate), violations

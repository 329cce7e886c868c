"""SSDRC, the classical listening enhancement that networks are compared with.

Spectral shaping and dynamic range compression change clean speech so that it is
understood better in noise at the same power.  They do not look at the noise.

T.-C. Zorila, V. Kandia and Y. Stylianou, "Speech-in-noise intelligibility
improvement based on spectral shaping and dynamic range compression",
Interspeech 2012.  The authors have published no program and no exact figures
for all of it: what is theirs and what is ours is said constant by constant in
``spectral_shaping`` and ``range_compression``.
"""

import numpy as np

from okd_brain.measures import check_reference
from okd_brain.tasks.range_compression import compress_range
from okd_brain.tasks.spectral_shaping import SAMPLE_RATE, WINDOW, shape_spectrum


def ssdrc(speech, sample_rate=SAMPLE_RATE):
    """Return speech that is easier to understand in noise, at equal power.

    Arguments
    ---------
    speech : numpy.ndarray
        [samples], clean speech of one channel, at least 332 samples (21 ms).
        Its level does not matter: k times the speech gives k times the result,
        for k > 0.  It is not modified.
    sample_rate : int
        16000 Hz is accepted.

    Returns
    -------
    numpy.ndarray
        [samples], float64, of the same length and RMS.  Peaks may exceed 1.

    Raises
    ------
    ValueError
        If the rate is another one, or the speech is not 1-D, too short, not
        finite, silent or constant.

    Example
    -------
    >>> noise = np.random.default_rng(0).standard_normal(16000)
    >>> louder = ssdrc(noise)
    >>> bool(np.isclose(np.sum(louder**2), np.sum(noise**2)))
    True
    """
    speech = check_reference(
        speech,
        role="speech",
        name="SSDRC",
        sample_rate=sample_rate,
        accepted_rates=(SAMPLE_RATE,),
        min_seconds=WINDOW / SAMPLE_RATE,
    )
    enhanced = compress_range(shape_spectrum(speech))
    return enhanced * np.sqrt(np.sum(speech**2) / np.sum(enhanced**2))

"""The linear form of HASPI version 2, which NELE-GAN and MetricGAN-OKD report.

A weighted sum, from 0 to 11.467, of the modulation correlations from which
HASPI version 2 predicts intelligibility (Kates and Arehart, Speech
Communication 131, 2021, eq. 1). H. Li and J. Yamagishi, "Multi-metric
optimization using generative adversarial networks for near-end speech
intelligibility enhancement", IEEE/ACM TASLP 29, 2021, and their code: both
signals are brought to the same level and are not aligned.

Two things differ from that code: its noise in the firing rates is left out
(4e-4 in the score), and the smoothing window is Kates's (5e-4).
"""

from functools import lru_cache

import numpy as np

from okd_brain.measures.checks import check_degraded, check_reference
from okd_brain.measures.haspi.ear_model import (
    INPUT_SAMPLE_RATE,
    LEVEL_DB_SPL,
    MIN_SECONDS,
    UP,
    EarReference,
    at_24_khz,
    rms,
)
from okd_brain.measures.haspi.modulation import ModulationReference

WEIGHTS = np.array(
    [1.361, 1.521, 1.164, 0.492, 0.436, 0.690, 1.142, 0.816, 1.576, 2.269]
)
"""Weights of the modulation rates 2 to 256 Hz."""

HASPI_LINEAR_PERFECT = float(WEIGHTS.sum())
"""The score of two equal signals, 11.467."""


class HASPILinearReference:
    """The reference's half of NELE-GAN's linear HASPI, computed once.

    Reference and degraded signal are each brought to 65 dB SPL, so the level
    at which something is heard does not count, and must be aligned.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], clean speech at 16 kHz, at least 0.25 s, with 0.24 s of it
        audible. It is not modified.
    sample_rate : int
        16000 Hz is accepted.

    Raises
    ------
    ValueError
        If the rate is another one, or the reference is too short, not finite,
        silent, or constant.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.standard_normal(16000) * (1 + np.sin(np.arange(16000) / 500))
    >>> reference = HASPILinearReference(clean)
    >>> round(reference.score(clean), 3), reference.score(0 * clean)
    (11.467, 0.0)
    """

    def __init__(self, reference, *, sample_rate=INPUT_SAMPLE_RATE):
        reference = check_reference(
            reference,
            name="HASPI",
            sample_rate=sample_rate,
            accepted_rates=(INPUT_SAMPLE_RATE,),
            min_seconds=MIN_SECONDS,
        )
        self.samples = len(reference)
        self._ear = EarReference(presented(reference), align=False)
        self._modulation = ModulationReference(self._ear.rates, name="HASPI")

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        return self._ear.nbytes + self._modulation.nbytes

    def score(self, degraded):
        """Compare one degraded signal with the reference.

        Arguments
        ---------
        degraded : numpy.ndarray
            [samples], what is heard, as long as the reference and aligned with
            it. It is not modified.

        Returns
        -------
        float
            In [0, 11.467]; 0 for silence.

        Raises
        ------
        ValueError
            If the length differs or a sample is not finite.
        """
        degraded = check_degraded(degraded, name="HASPI", samples=self.samples)
        rates = self._ear.rates_of(presented(degraded))
        return float(WEIGHTS @ self._modulation.correlations(rates))


def presented(signal):
    """Bring a signal to 24 kHz and 65 dB SPL; silence stays silent."""
    sound = at_24_khz(signal, lowpass=lowpass())
    level = rms(sound)
    return sound * (10 ** (LEVEL_DB_SPL / 20) / level) if level > 0 else sound


@lru_cache(maxsize=1)
def lowpass():
    """Return the filter of librosa 0.7 with which NELE-GAN resamples, [385].

    A sinc of 64 zero crossings with roll-off 0.948 under a Kaiser window,
    "kaiser_best" of resampy 0.2. What it leaves between 7 and 8 kHz matters:
    with another filter the score differs by 0.03.
    """
    time = np.arange(-64 * UP, 64 * UP + 1) / UP
    rolloff, beta = 0.9475937167399596, 14.769656459379492
    window = np.kaiser(len(time), beta)
    return rolloff / UP * np.sinc(rolloff * time) * window

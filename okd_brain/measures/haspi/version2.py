"""The Hearing-Aid Speech Perception Index, version 2, for normal hearing.

J. M. Kates and K. H. Arehart, "The Hearing-Aid Speech Perception Index (HASPI)
version 2", Speech Communication 131, 2021. Both signals pass a model of the
ear; the correlations of their modulations at ten rates predict how many words
listeners understand. It saturates: most noisy files of VoiceBank-DEMAND score
above 0.999. The linear form does not.

Kates's program adds noise of 0.1 dB to the firing rates, drawn anew in every
call, which moves the index by up to 7e-4. Here there is none: equal signals
have equal scores.
"""

import numpy as np

from okd_brain.measures.checks import check_degraded, check_reference
from okd_brain.measures.haspi.ear_model import (
    INPUT_SAMPLE_RATE,
    LEVEL_DB_SPL,
    MIN_SECONDS,
    SAMPLE_RATE,
    EarReference,
    LagFinder,
    at_24_khz,
    rms,
    shifted,
)
from okd_brain.measures.haspi.modulation import (
    ModulationReference,
    check_audible,
)
from okd_brain.measures.haspi.networks import intelligibility

LOWPASS = ("kaiser", 5.0)  # of the resampling
ACTIVE = 1e-3  # of the peak; before and after, the reference is not speech
BACK_UP = 48  # 2 ms, for the dispersion in a hearing aid

HASPI_PERFECT = intelligibility(np.ones(10))
"""The score of two equal signals, 0.999986."""


class HASPIReference:
    """The reference's half of HASPI version 2, computed once.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], clean speech at 16 kHz, at least 0.25 s, with 0.24 s of it
        audible. It is not modified.
    sample_rate : int
        16000 Hz is accepted.
    level_db_spl : float
        Sound pressure level at which the reference is presented, whatever its
        level in the file. Degraded signals are amplified as much, so that
        their level relative to the reference counts.

    Raises
    ------
    ValueError
        If the rate is another one, or the reference is too short, not finite,
        silent, or constant.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> clean = rng.standard_normal(16000) * (1 + np.sin(np.arange(16000) / 500))
    >>> reference = HASPIReference(clean)
    >>> round(reference.score(clean), 4), round(reference.score(0 * clean), 4)
    (1.0, 0.0039)
    """

    def __init__(
        self,
        reference,
        *,
        sample_rate=INPUT_SAMPLE_RATE,
        level_db_spl=LEVEL_DB_SPL,
    ):
        reference = check_reference(
            reference,
            name="HASPI",
            sample_rate=sample_rate,
            accepted_rates=(INPUT_SAMPLE_RATE,),
            min_seconds=MIN_SECONDS,
        )
        self.samples = len(reference)
        self._gain = 10 ** (level_db_spl / 20) / rms(reference)
        sound = at_24_khz(self._gain * reference, lowpass=LOWPASS)
        active = np.flatnonzero(np.abs(sound) > ACTIVE * np.abs(sound).max())
        self._span = slice(active[0], active[-1] + 1)
        check_audible(len(sound[self._span]) / SAMPLE_RATE, name="HASPI")
        any_lag = len(sound) - 1
        self._aligner = LagFinder(
            sound - sound.mean(), earliest=-any_lag, latest=any_lag
        )
        self._ear = EarReference(sound[self._span], align=True)
        self._modulation = ModulationReference(self._ear.rates, name="HASPI")

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        kept = (self._aligner, self._ear, self._modulation)
        return sum(part.nbytes for part in kept)

    def correlations(self, degraded):
        """Correlate the modulations of one degraded signal.

        Arguments
        ---------
        degraded : numpy.ndarray
            [samples], what is heard, as long as the reference; it may be
            delayed. It is not modified.

        Returns
        -------
        numpy.ndarray
            [10], from 0 to 1, at the modulation rates 2 to 256 Hz; 0 for
            silence.

        Raises
        ------
        ValueError
            If the length differs or a sample is not finite.
        """
        degraded = check_degraded(degraded, name="HASPI", samples=self.samples)
        sound = at_24_khz(self._gain * degraded, lowpass=LOWPASS)
        lag = self._aligner.lag_of(sound - sound.mean(), either_sign=True)
        sound = shifted(sound, lag + BACK_UP)[self._span]
        return self._modulation.correlations(self._ear.rates_of(sound))

    def score(self, degraded):
        """Compare one degraded signal with the reference.

        Arguments
        ---------
        degraded : numpy.ndarray
            [samples], as for ``correlations``.

        Returns
        -------
        float
            Intelligibility in (0, 1). Without any correlation, as for
            silence, 0.0039.
        """
        return intelligibility(self.correlations(degraded))

"""Speech intelligibility in bits with Gaussian statistics: SIIB^Gauss.

How much of what a speaker says reaches a listener, in bits per second. The
reference's log spectra in gammatone bands, without its pauses and without what
the ear masks after a sound, are stacked over 200 ms and rotated so that their
components are uncorrelated. The correlation of each component with that of the
degraded signal gives, as for a Gaussian channel, its mutual information.

S. Van Kuyk, W. B. Kleijn and R. C. Hendriks, "An instrumental intelligibility
metric based on information theory", IEEE SPL 25(1), 2018 (ear and speaker)
and "An evaluation of intrusive instrumental intelligibility metrics", IEEE/ACM
TASLP 26(11), 2018 (the Gaussian form).

From 5.4 s of speech on, scores agree with the authors' program to 1e-12. They
follow it in how it treats the ends of a signal (``masked``, ``_stacks``).
"""

from functools import lru_cache

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view

from okd_brain.measures.checks import (
    check_degraded,
    check_reference,
    is_constant,
)

SAMPLE_RATE = 16000
FRAME = 400  # 25 ms
HOP = 200
FRAMES_PER_SECOND = SAMPLE_RATE / HOP
ACTIVE_RANGE_DB = 40.0  # below the loudest frames; what is softer is a pause
LOUDEST = 0.999  # rank of the frame that counts as the loudest

BANDS = 28
BAND_RANGE_HZ = (100.0, 6500.0)
# Equivalent rectangular bandwidth of a 4th-order gammatone filter in units of
# its parameter b (Patterson et al. 1992): pi 6! 2^-6 / 3!^2.
BANDWIDTH_OF_GAMMATONE = np.pi * 720 / 64 / 36
SKIRT = 1e-3  # magnitude, relative to the peak, under which a filter is 0

MASKING_FRAMES = 16  # 200 ms, Rhebergen et al. 2006

MIN_SECONDS = 1.0
MIN_ACTIVE_FRAMES = 40  # half a second; 15 are one stack

STACK = 15  # frames in one vector
DIMENSIONS = STACK * BANDS
# Two speakers who say the same correlate by 0.75 in each component.
PRODUCTION_CORRELATION = 0.75
BITS_PER_NAT_OF_COMPONENT = FRAMES_PER_SECOND / (2 * STACK) / np.log(2)

PERFECT = float(
    -BITS_PER_NAT_OF_COMPONENT
    * DIMENSIONS
    * np.log1p(-(PRODUCTION_CORRELATION**2))
)
"""Bits per second that arrive if nothing is lost: 1335.76."""

_NO_VARIANCE = 1e-12  # relative to the largest; speech has 1e-7, rounding 1e-16


class SIIBReference:
    """The reference's half of SIIB^Gauss, computed once.

    With fewer than 435 active frames (5.4 s of speech without its pauses)
    there are fewer stacks than the 420 dimensions of one, so the basis is
    rank-deficient. Then components of the degraded signal correlate by chance
    and SIIB is too high (34 instead of 30 bits/s for a sentence of 2.1 s):
    compare only signals of equal length, or concatenate utterances.

    In the dimensions without variance the reference has nothing but the mean
    of its stacks, an end effect. The authors' program compares it dimension
    by dimension, under whatever basis the linear algebra library returns, and
    gives silence more than 120 bits/s. Here these dimensions are compared as
    one vector, which does not depend on the basis. That is 2 % (at most 11 %)
    less for 3 s of speech in noise and 8 % (at most 21 %) less for 2 s; from
    5.4 s on there is no difference.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], clean speech at 16 kHz, at least 1 s, with 0.5 s of it
        within 40 dB of the loudest. Its level does not matter. It is not
        modified.
    sample_rate : int
        16000 Hz is accepted.
    tile_seconds : float or None
        If given, both signals are repeated as often as the active speech fits
        into that many seconds. 25 gives NELE-GAN's figures, at ten times the
        cost; a repetition adds no information.

    Attributes
    ----------
    samples : int
        Length of the reference, and of what is compared with it.
    scale : float
        Gain that gives the reference unit variance.
    tiles : int
        How often both signals are repeated.
    active : numpy.ndarray
        [active], indices of the frames that are not pauses.
    floor : numpy.ndarray
        [28], least log power of the bands, in nats.
    basis : numpy.ndarray
        [420, 420], from stacks to uncorrelated components.
    varies : numpy.ndarray
        [420], bool: components with variance.
    components : numpy.ndarray
        [active - 15, 420], those of the reference, of unit power.

    Raises
    ------
    ValueError
        If the rate is another one, or the reference is too short, not finite,
        silent, or constant.

    Example
    -------
    >>> clean = np.random.default_rng(0).standard_normal(16000)
    >>> reference = SIIBReference(clean)
    >>> round(reference.score(clean), 2), reference.score(0 * clean)
    (1335.76, 0.0)
    """

    def __init__(
        self, reference, *, sample_rate=SAMPLE_RATE, tile_seconds=None
    ):
        reference = check_reference(
            reference,
            name="SIIB",
            sample_rate=sample_rate,
            accepted_rates=(SAMPLE_RATE,),
            min_seconds=MIN_SECONDS,
        )
        self.samples = len(reference)
        self.scale = 1 / np.std(reference)
        active = active_frames(self.scale * reference)
        if active.sum() < MIN_ACTIVE_FRAMES:
            raise ValueError(
                f"SIIB needs {MIN_ACTIVE_FRAMES / FRAMES_PER_SECOND} s of"
                f" speech within {ACTIVE_RANGE_DB:.0f} dB of the loudest; the"
                f" reference has {active.sum() / FRAMES_PER_SECOND} s"
            )
        self.tiles = 1
        if tile_seconds is not None:
            active_seconds = active.sum() / FRAMES_PER_SECOND
            self.tiles = max(1, int(tile_seconds / active_seconds))
        reference = self._prepare(reference)
        self.active = np.flatnonzero(active_frames(reference))
        levels = log_power(reference, self.active)
        self.floor = levels.min(axis=0)
        stacks = _stacks(masked(levels, self.floor))
        variance, self.basis = np.linalg.eigh(np.cov(stacks.T))
        self.varies = variance > _NO_VARIANCE * variance[-1]
        components = stacks @ self.basis
        # Without variance all rows are the mean up to rounding.
        components[:, ~self.varies] = components[:, ~self.varies].mean(axis=0)
        power = (components**2).sum(axis=0)
        power[~self.varies] = power[~self.varies].sum()
        self.components = components / np.sqrt(np.where(power > 0, power, 1))

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        arrays = (self.active, self.floor, self.basis, self.components)
        return sum(array.nbytes for array in arrays)

    def score(self, degraded):
        """Compare one degraded signal with the reference.

        Arguments
        ---------
        degraded : numpy.ndarray
            [samples], what is heard, as long as the reference and
            time-aligned. It is not modified.

        Returns
        -------
        float
            Bits per second in [0, 1335.76]. A silent or constant signal, or
            one that is masked throughout, has 0.

        Raises
        ------
        ValueError
            If the length differs or a sample is not finite.
        """
        degraded = check_degraded(degraded, name="SIIB", samples=self.samples)
        levels = log_power(self._prepare(degraded), self.active)
        # The authors' program gives silence a high score: its rules at the ends
        # of the signal make everything that is left of it agree.
        if is_constant(degraded) or (levels <= self.floor).all():
            return 0.0
        stacks = _stacks(masked(levels, self.floor))
        determination = self._determination(stacks @ self.basis)
        nats = np.log1p(-(PRODUCTION_CORRELATION**2) * determination)
        nats = self._joined(np.ones(DIMENSIONS)) @ nats
        return float(-BITS_PER_NAT_OF_COMPONENT * nats)

    def _determination(self, components):
        """Return squared correlations with the reference's components, joined.

        Not about the mean of the stacks, as in the authors' program: the
        spectra have no mean, and that of their stacks is an end effect.
        """
        power = self._joined((components**2).sum(axis=0))
        shared = self._joined((components * self.components).sum(axis=0))
        return shared**2 / np.where(power > 0, power, 1)

    def _joined(self, values):
        """Return values per dimension, with the sum of the steady ones last."""
        return np.append(values[self.varies], values[~self.varies].sum())

    def _prepare(self, signal):
        """Put a signal on the reference's scale and tile it."""
        return np.tile(self.scale * signal, self.tiles)


def _stacks(spectrum):
    """Return every stack of 15 frames except the last, [frames - 15, 420].

    The mean of each band is removed.
    """
    spectrum = spectrum - spectrum.mean(axis=0)
    windows = sliding_window_view(spectrum, STACK, axis=0)[:-1]
    return windows.reshape(len(windows), DIMENSIONS)


@lru_cache(maxsize=1)
def window():
    """Return the Hann window of a frame, [400]."""
    return scipy.signal.windows.hann(FRAME, sym=False)


@lru_cache(maxsize=1)
def filterbank():
    """Return powers of gammatone filters evenly spaced in ERB, [201, 28]."""
    erb_rate = 21.4 * np.log10(1 + 0.00437 * np.array(BAND_RANGE_HZ))
    spaced = np.linspace(*erb_rate, BANDS)
    centre_hz = (10 ** (spaced / 21.4) - 1) / 0.00437
    # Glasberg and Moore 1990.
    width_hz = 24.7 * (1 + 0.00437 * centre_hz) / BANDWIDTH_OF_GAMMATONE
    frequency_hz = np.arange(FRAME // 2 + 1)[:, None] * SAMPLE_RATE / FRAME
    distance = (frequency_hz - centre_hz) / width_hz
    magnitude = (1 + distance**2) ** -2.0
    magnitude[magnitude < SKIRT * magnitude.max(axis=0)] = 0.0
    return magnitude**2


def _frames(signal):
    """Return windowed frames, without one that ends with the signal."""
    return sliding_window_view(signal[:-1], FRAME)[::HOP] * window()


def active_frames(reference):
    """Return which frames of a reference are not a pause, [frames], bool."""
    power = (_frames(reference) ** 2).mean(axis=1)
    level_db = 10 * np.log10(power + np.finfo(float).eps)
    loudest = np.sort(level_db)[round(LOUDEST * len(level_db)) - 1]
    return level_db > loudest - ACTIVE_RANGE_DB


def log_power(signal, active):
    """Return the log power of some frames in the bands, [active, 28], in nats.

    The signal is on a scale on which the reference has unit variance.
    """
    spectrum = scipy.fft.rfft(_frames(signal)[active])
    power = (spectrum.real**2 + spectrum.imag**2) @ filterbank()
    return np.log(power + np.finfo(float).eps)


def masked(levels, floor):
    """Return what the sound of the last 200 ms leaves audible.

    A masker's threshold falls with the logarithm of time, from its own level
    to the floor, the reference's minimum. Two rules of the authors' program:
    the first frames have no masker that would lift them to the floor, and the
    last one is at the floor. Levels and result are [frames, 28] in nats, the
    floor is [28]; the result is never below the sound itself.
    """
    audible = np.full_like(levels, -np.inf)
    audible[-1] = floor
    decay = np.log(np.arange(1, MASKING_FRAMES + 1)) / np.log(MASKING_FRAMES)
    for delay, fallen in enumerate(decay):
        masker = levels[: -1 - delay]
        threshold = masker + fallen * (floor - masker)
        np.maximum(audible[delay:-1], threshold, out=audible[delay:-1])
    return audible

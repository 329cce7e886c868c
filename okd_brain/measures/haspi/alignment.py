"""How much later one signal is than another, by cross-correlation."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft


class LagFinder:
    """Finds the lag of signals behind one reference.

    Arguments
    ---------
    reference : np.ndarray [samples]
        Its spectrum is kept.
    earliest, latest : int
        The range of lags to search, in samples, -samples < earliest < 0 <=
        latest < samples. A signal that comes too late has a negative lag.

    Example
    -------
    >>> click = np.eye(1, 100, 50)[0]
    >>> finder = LagFinder(click, earliest=-10, latest=10)
    >>> late = shifted(click, 7)
    >>> finder.lag_of(late)
    -7
    >>> np.array_equal(shifted(late, -7), click)
    True
    """

    def __init__(self, reference, *, earliest, latest):
        assert -len(reference) < earliest < 0 <= latest < len(reference)
        self._lags = (earliest, latest)
        # Long enough that no lag in the range wraps around.
        reach = max(-earliest, latest)
        self._size = next_fast_len(len(reference) + reach, real=True)
        self._spectrum = rfft(reference, self._size)

    @property
    def nbytes(self):
        """Size of what is kept, in bytes."""
        return self._spectrum.nbytes

    def lag_of(self, signal, *, either_sign=False):
        """The lag at which a signal matches the reference best.

        Arguments
        ---------
        signal : np.ndarray [samples]
            As long as the reference.
        either_sign : bool
            Whether an inverted signal matches, too.

        Returns
        -------
        int
            By which to shift the signal; the earliest of equally good ones.
        """
        spectrum = self._spectrum * rfft(signal, self._size).conj()
        circular = irfft(spectrum, self._size)
        earliest, latest = self._lags
        correlation = np.concatenate(
            [circular[earliest:], circular[: latest + 1]]
        )
        if either_sign:
            correlation = np.abs(correlation)
        return int(np.argmax(correlation)) + earliest


def shifted(signal, lag):
    """A signal moved in time, silent where nothing is known of it.

    Arguments
    ---------
    signal : np.ndarray [samples]
    lag : int
        In samples; positive is later.

    Returns
    -------
    np.ndarray [samples]

    Example
    -------
    >>> shifted(np.array([1, 2, 3]), 1), shifted(np.array([1, 2, 3]), -2)
    (array([0, 1, 2]), array([3, 0, 0]))
    """
    moved = np.zeros_like(signal)
    kept = max(0, len(signal) - abs(lag))
    if lag > 0:
        moved[len(signal) - kept :] = signal[:kept]
    else:
        moved[:kept] = signal[len(signal) - kept :]
    return moved

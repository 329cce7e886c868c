"""Linear prediction of many frames at once, for LLR."""

from functools import lru_cache

import numpy as np

from okd_brain.measures.frames import LPC_ORDER, window


def predictors(spectra):
    """Prediction-error filters by the Levinson-Durbin recursion.

    Arguments
    ---------
    spectra : FrameSpectra

    Returns
    -------
    np.ndarray [17, frames]
        1, a1, ... a16 of each frame.
    """
    autocorrelation = spectra.autocorrelation
    filters = np.zeros_like(autocorrelation)
    filters[0] = 1.0
    error = autocorrelation[0].copy()
    for order in range(1, LPC_ORDER + 1):
        recent = autocorrelation[order:0:-1]
        reflection = -(filters[:order] * recent).sum(axis=0) / error
        filters[1 : order + 1] += reflection * filters[:order][::-1]
        error *= 1 - reflection**2
    filters[:, spectra.constant] = constant_predictor()[:, None]
    return filters


@lru_cache(maxsize=1)
def constant_predictor():
    """The prediction-error filter of a constant frame. [17]

    The windowed frame is the window. Its prediction error is 2e-11 of its
    energy, so from the autocorrelation the recursion finds the coefficients
    to 1 % only. Least squares on the samples has the square root of that
    condition number.
    """
    delays = range(1, LPC_ORDER + 1)
    target = np.pad(window(), (0, LPC_ORDER))
    past = np.stack([np.roll(target, delay) for delay in delays], axis=1)
    coefficients, *_ = np.linalg.lstsq(past, -target, rcond=None)
    return np.concatenate([[1.0], coefficients])


def prediction_error(filters, autocorrelation):
    """Energy that is left of frames after filtering.

    The quadratic form of the filter with the Toeplitz matrix of the
    autocorrelation is the product of both autocorrelations.

    Arguments
    ---------
    filters, autocorrelation : np.ndarray [17, frames]

    Returns
    -------
    np.ndarray [frames]
    """
    error = (filters**2).sum(axis=0) * autocorrelation[0]
    for lag in range(1, LPC_ORDER + 1):
        product = (filters[lag:] * filters[:-lag]).sum(axis=0)
        error += 2 * product * autocorrelation[lag]
    return error

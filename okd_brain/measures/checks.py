"""What a signal must be to have a score, and what counts as silent."""

import numpy as np

SILENCE_PEAK = 1e-10
"""A signal that stays within +-1e-10 of its mean, 200 dB below full scale, is
silent or constant: no audio format has a step that small."""


def is_constant(signal):
    """Return whether a signal has no alternating part above -200 dB.

    Arguments
    ---------
    signal : numpy.ndarray
        [samples], at least one, full scale 1.

    Returns
    -------
    bool

    Example
    -------
    >>> is_constant(np.full(100, 0.25)), is_constant(np.array([0, 1e-6]))
    (True, False)
    """
    return bool(np.ptp(signal) <= 2 * SILENCE_PEAK)


def check_reference(
    reference,
    *,
    name,
    sample_rate,
    accepted_rates,
    min_seconds,
    role="reference",
):
    """Return a reference as float64, or refuse it.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], clean speech.
    name : str
        Name of the measure, for the messages.
    sample_rate : int
        Sample rate of the reference, in Hz.
    accepted_rates : tuple of int
        Sample rates that the measure accepts, in Hz.
    min_seconds : float
        Length of the shortest accepted reference.
    role : str
        What the messages call the signal.

    Returns
    -------
    numpy.ndarray
        [samples], float64.

    Raises
    ------
    ValueError
        If it has no score; the message has the rule, what was found and what
        would be accepted.
    """
    check_rate(sample_rate, accepted_rates, name=name)
    reference = np.asarray(reference, np.float64)
    check_signal(
        reference,
        name=name,
        role=role,
        sample_rate=sample_rate,
        min_seconds=min_seconds,
    )
    check_varies(reference, name=name, role=role)
    return reference


def check_degraded(degraded, *, name, samples):
    """Return a degraded signal as float64, or refuse it.

    Arguments
    ---------
    degraded : numpy.ndarray
        [samples].
    name : str
        Name of the measure, for the messages.
    samples : int
        Length of the reference.

    Returns
    -------
    numpy.ndarray
        [samples], float64.

    Raises
    ------
    ValueError
        If the length differs or a sample is not finite.
    """
    degraded = np.asarray(degraded, np.float64)
    check_signal(degraded, name=name, role="degraded signal")
    check_lengths(samples, len(degraded), name=name)
    return degraded


def check_rate(sample_rate, accepted_rates, *, name):
    """Raise a ValueError unless a sample rate is among the accepted ones."""
    if sample_rate not in accepted_rates:
        accepted = " or ".join(map(str, accepted_rates))
        raise ValueError(f"{name} needs {accepted} Hz; got {sample_rate} Hz")


def check_signal(signal, *, name, role, sample_rate=1, min_seconds=0.0):
    """Raise a ValueError unless a signal is 1-D, long enough and finite."""
    if signal.ndim != 1:
        raise ValueError(
            f"{name}: the {role} must be 1-D; got shape {signal.shape}"
        )
    seconds = len(signal) / sample_rate
    if seconds < min_seconds:
        raise ValueError(
            f"{name}: needs at least {min_seconds} s; the {role} has"
            f" {seconds:.4f} s"
        )
    if not np.isfinite(signal).all():
        raise ValueError(f"{name}: the {role} has NaN or infinity")


def check_lengths(reference, degraded, *, name):
    """Raise a ValueError unless two numbers of samples are equal."""
    if reference != degraded:
        raise ValueError(
            f"{name}: lengths differ; the reference has {reference} samples,"
            f" the degraded signal {degraded}"
        )


def check_varies(signal, *, name, role="reference"):
    """Raise a ValueError if a signal is silent or constant."""
    if is_constant(signal):
        raise ValueError(
            f"{name}: the {role} is silent or constant; it must be speech"
        )

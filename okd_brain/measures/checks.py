"""What a pair of signals must be to have an intelligibility score."""

import numpy as np

from okd_brain.measures.silence import is_constant


def check_reference(
    reference,
    *,
    name,
    sample_rate,
    accepted_rates,
    min_seconds,
    role="reference",
):
    """A reference as float64, if it can be one.

    Arguments
    ---------
    reference : np.ndarray [samples]
        Clean speech.
    name : str
        Of the measure, for the messages.
    sample_rate : int
        Of the reference, in Hz.
    accepted_rates : tuple of int
        Rates in Hz that the measure accepts.
    min_seconds : float
        Length of the shortest accepted reference.
    role : str
        What the messages call it.

    Returns
    -------
    np.ndarray [samples]

    Raises
    ------
    ValueError
        With the rule, what was found, and what would be accepted.
    """
    if sample_rate not in accepted_rates:
        accepted = " or ".join(map(str, accepted_rates))
        raise ValueError(f"{name} needs {accepted} Hz; got {sample_rate} Hz")
    reference = _finite_signal(reference, role=role, name=name)
    seconds = len(reference) / sample_rate
    if seconds < min_seconds:
        raise ValueError(
            f"{name} needs at least {min_seconds} s; the {role} has"
            f" {seconds:.4f} s"
        )
    if is_constant(reference):
        raise ValueError(
            f"{name}: the {role} is silent or constant; it must be speech"
        )
    return reference


def check_degraded(degraded, *, name, samples):
    """A degraded signal as float64, if it can be compared.

    Arguments
    ---------
    degraded : np.ndarray [samples]
    name : str
        Of the measure, for the messages.
    samples : int
        Length of the reference.

    Returns
    -------
    np.ndarray [samples]

    Raises
    ------
    ValueError
        If the length differs or a sample is not finite.
    """
    degraded = _finite_signal(degraded, role="degraded signal", name=name)
    if len(degraded) != samples:
        raise ValueError(
            f"{name}: lengths differ; the reference has {samples} samples,"
            f" the degraded signal {len(degraded)}"
        )
    return degraded


def _finite_signal(signal, *, role, name):
    signal = np.asarray(signal, dtype=np.float64)
    if signal.ndim != 1:
        raise ValueError(
            f"{name}: the {role} must be 1-D; got shape {signal.shape}"
        )
    if not np.isfinite(signal).all():
        raise ValueError(f"{name}: the {role} has NaN or infinity")
    return signal

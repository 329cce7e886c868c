"""Which pairs of signals have no defined score.

A silent or constant *degraded* signal is a result, the worst one: a generator
can make it. Everything below is a mistake in the data or in the call, and gets
no number at all.
"""

ROLES = {"reference": "reference", "degraded": "degraded signal"}


def check_pair(metric, pair):
    """Raises if the pair has no defined score under the metric.

    Arguments
    ---------
    metric : Metric
    pair : Pair

    Raises
    ------
    ValueError
        With the metric, the broken rule, the value found and what would do.
    """
    if pair.sample_rate != metric.sample_rate:
        raise ValueError(
            f"{metric.name}: needs {metric.sample_rate} Hz;"
            f" got {pair.sample_rate} Hz"
        )
    for role, label in ROLES.items():
        if role == "reference" and not metric.needs_reference:
            continue
        signal = getattr(pair, role)
        if signal is None:
            raise ValueError(f"{metric.name}: needs a reference; got None")
        if signal.ndim != 1 or signal.dtype.kind != "f":
            raise ValueError(
                f"{metric.name}: the {label} must be a 1-D array of floats;"
                f" got shape {signal.shape} of {signal.dtype}"
            )
        seconds = len(signal) / metric.sample_rate
        if seconds < metric.min_seconds:
            raise ValueError(
                f"{metric.name}: needs at least {metric.min_seconds} s;"
                f" the {label} has {seconds:.3f} s"
            )
        if not getattr(pair, f"{role}_is_finite"):
            raise ValueError(f"{metric.name}: the {label} has NaN or infinity")
    if metric.needs_reference:
        if len(pair.reference) != len(pair.degraded):
            raise ValueError(
                f"{metric.name}: lengths differ; the reference has"
                f" {len(pair.reference)} samples, the degraded signal"
                f" {len(pair.degraded)}"
            )
        if pair.reference_is_constant:
            raise ValueError(
                f"{metric.name}: the reference is silent or constant;"
                " it must be speech"
            )

"""Batches of signals of different lengths, as the twins take them."""

import torch

SAMPLE_RATE = 16000


def check_rate(name, sample_rate):
    """Check that a twin is asked for the only rate it knows.

    Arguments
    ---------
    name : str
        Of the twin, for the message.
    sample_rate : int
        In Hz.

    Raises
    ------
    ValueError
        If it is not 16 kHz.
    """
    if sample_rate != SAMPLE_RATE:
        raise ValueError(
            f"{name} works at {SAMPLE_RATE} Hz only; got {sample_rate} Hz"
        )


def check_batch(signals, name):
    """Check that signals are a batch of waves.

    Arguments
    ---------
    signals : torch.Tensor
        ``[batch, samples]``, floating point.
    name : str
        Of the signals, for the message.

    Raises
    ------
    ValueError
        If they have another shape or type, or if the batch is empty.
    """
    shape = tuple(signals.shape)
    if signals.dim() != 2 or 0 in shape or not signals.is_floating_point():
        raise ValueError(
            f"{name} must be a batch of waves, floating point of shape"
            f" [batch, samples]; got {signals.dtype} of shape {shape}"
        )


def read_lengths(signals, lengths, min_samples):
    """Read and check the lengths of a batch's signals.

    Arguments
    ---------
    signals : torch.Tensor
        ``[batch, samples]``
    lengths : torch.Tensor or list of int or None
        ``[batch]``, in samples, padding excluded; None if there is none.
    min_samples : int
        Length of the shortest signal that has a score.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If there is not one length per signal, or one is too short or longer
        than the signal.

    Example
    -------
    >>> read_lengths(torch.zeros(2, 8000), [8000, 5000], 4000)
    [8000, 5000]
    """
    batch, samples = signals.shape
    if lengths is None:
        lengths = [samples] * batch
    elif torch.is_tensor(lengths):
        lengths = lengths.tolist()
    if not isinstance(lengths, (list, tuple)) or len(lengths) != batch:
        raise ValueError(
            f"lengths must hold one number of samples for each of the {batch}"
            f" signals; got {lengths}"
        )
    for length in lengths:
        if length != int(length) or not min_samples <= length <= samples:
            raise ValueError(
                f"lengths must be whole samples from {min_samples} (the"
                f" shortest signal with a score) to {samples} (the batch's"
                f" size); got {lengths}"
            )
    return [int(length) for length in lengths]


def check_degraded(degraded, lengths):
    """Check degraded signals against the reference's lengths.

    Arguments
    ---------
    degraded : torch.Tensor
        ``[batch, samples]``
    lengths : list of int
        ``[batch]``, in samples.

    Raises
    ------
    ValueError
        If they are not a batch of as many waves of at least these lengths.
    """
    check_batch(degraded, "degraded")
    if len(degraded) != len(lengths) or degraded.shape[1] < max(lengths):
        raise ValueError(
            f"degraded must have the reference's shape, [{len(lengths)},"
            f" {max(lengths)} or more]; got {list(degraded.shape)}"
        )


def valid_mask(lengths, size, device):
    """Mark what is not padding.

    Arguments
    ---------
    lengths : list of int
    size : int
        Length of the padded axis.
    device : torch.device

    Returns
    -------
    torch.Tensor
        ``[batch, size]``, bool.

    Example
    -------
    >>> valid_mask([1, 3], 3, "cpu").int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    lengths = torch.tensor(lengths, device=device)
    return torch.arange(size, device=device) < lengths[:, None]

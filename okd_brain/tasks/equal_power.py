"""The equal-power rule: what is played must not be louder than what came in."""

import torch

SILENT_POWER = 1e-12  # of a frame or an utterance that stays as it is


def bin_power(spectrum):
    """Return the power of the bins of an STFT.

    Arguments
    ---------
    spectrum : torch.Tensor
        [..., 257, 2], real and imaginary part.

    Returns
    -------
    torch.Tensor
        [..., 257].
    """
    return (spectrum**2).sum(dim=-1)


def frame_power(power):
    """Return the power of frames from one-sided power spectra.

    By Parseval's theorem, up to the common factor of the transform: all bins
    but the first and the last stand for two.

    Arguments
    ---------
    power : torch.Tensor
        [..., 257].

    Returns
    -------
    torch.Tensor
        [...].
    """
    return 2 * power.sum(dim=-1) - power[..., 0] - power[..., -1]


def frame_powers(power, gains):
    """Return the power of frames before and after gains.

    Arguments
    ---------
    power, gains : torch.Tensor
        [batch, frames, 257], power of bins and its gains.

    Returns
    -------
    (torch.Tensor, torch.Tensor)
        [batch, frames, 1] each.
    """
    return tuple(
        frame_power(bins)[..., None] for bins in (power, power * gains)
    )


def power_ratio(before, after):
    """Return the gain of power that restores it; silence stays silent.

    Arguments
    ---------
    before, after : torch.Tensor or numpy.ndarray
        Powers, of one shape.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        Of that shape.
    """
    return (before + SILENT_POWER) / (after + SILENT_POWER)


def at_power_of(reference, wave, samples):
    """Scale waves to the power of others over their valid samples.

    Arguments
    ---------
    reference, wave : torch.Tensor
        [batch, samples].
    samples : torch.Tensor
        [batch], int64, valid samples of each item.

    Returns
    -------
    torch.Tensor
        [batch, samples].

    Example
    -------
    >>> ones = torch.ones(1, 4)
    >>> at_power_of(ones, 3 * ones, torch.tensor([4])).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    index = torch.arange(wave.shape[1], device=wave.device)
    valid = index < samples[:, None]
    wanted, found = (
        (signal * valid).double().square().sum(dim=1, keepdim=True)
        for signal in (reference, wave)
    )
    return wave * power_ratio(wanted, found).sqrt().float()

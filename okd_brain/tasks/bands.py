"""Bands of spectra, and gains of bands that keep the power of speech.

The equal-power rule: what is played must not be louder than what came in.
"""

import torch

from okd_brain.signals import SAMPLE_RATE, band_matrix, compress_bands

SILENT_POWER = 1e-12  # of a frame or an utterance that stays as it is


class BandGains:
    """What the networks of listening enhancement see, and what they do.

    Arguments
    ---------
    sample_rate : int
        Of the waves in Hz.

    Example
    -------
    >>> band_gains = BandGains()
    >>> power = torch.rand(1, 7, 257)
    >>> bands = band_gains.bands(power)
    >>> bands.shape
    torch.Size([1, 7, 64])
    >>> gains = band_gains.gains(lambda bands: bands[..., :64], bands, bands, power)
    >>> gains.shape
    torch.Size([1, 7, 257])
    """

    def __init__(self, sample_rate=SAMPLE_RATE):
        self._matrix = band_matrix(sample_rate)

    def bands(self, power):
        """Return the compressed bands of power spectra.

        Arguments
        ---------
        power : torch.Tensor
            [..., 257], float32.

        Returns
        -------
        torch.Tensor
            [..., 64], float32.
        """
        # Powers have more range than bf16 has digits.
        with torch.autocast(power.device.type, enabled=False):
            return compress_bands(power @ self._on(power.device))

    def gains(self, generator, speech, noise, power, frames=None):
        """Return gains for the bins that keep the power equal.

        Arguments
        ---------
        generator : callable
            From bands of speech and noise, [batch, frames, 128], to gains of
            power, [batch, frames, 64].
        speech : torch.Tensor
            [batch, frames, 64], compressed bands of the speech.
        noise : torch.Tensor
            [batch, frames, 64], compressed bands of the noise.
        power : torch.Tensor
            [batch, frames, 257], of the bins of the speech.
        frames : torch.Tensor, optional
            [batch], int64, valid frames of each utterance, which keeps its
            power as a whole. Without them each frame does, in the bins that
            bands cover: what is below 47 Hz is not played, and its power in a
            pause would make hiss as loud as rumble.

        Returns
        -------
        torch.Tensor
            [batch, frames, 257], float32, gains of power.
        """
        gains = generator(torch.cat([speech, noise], dim=-1)).float()
        with torch.autocast(gains.device.type, enabled=False):
            gains = gains @ self._on(gains.device).T
        if frames is None:
            power = power * self._on(power.device).sum(dim=1)
        before, after = (
            frame_power(bins)[..., None] for bins in (power, power * gains)
        )
        if frames is not None:
            index = torch.arange(before.shape[1], device=before.device)
            valid = (index < frames[:, None])[..., None]
            before = (before * valid).sum(dim=1, keepdim=True)
            after = (after * valid).sum(dim=1, keepdim=True)
        return gains * power_ratio(before, after)

    def _on(self, device):
        """Return the matrix on a device, where it stays."""
        self._matrix = self._matrix.to(device)
        return self._matrix


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


def amplitude_gains(gains):
    """Return gains of amplitude from gains of power.

    Bins below 47 Hz have gain 0, where the square root has no derivative: there
    the gradient is 0.

    Arguments
    ---------
    gains : torch.Tensor
        Not negative.

    Returns
    -------
    torch.Tensor
        Of the same shape.

    Example
    -------
    >>> gains = torch.tensor([0.0, 4.0], requires_grad=True)
    >>> amplitude_gains(gains).sum().backward()
    >>> gains.grad.tolist()
    [0.0, 0.25]
    """
    positive = gains > 0
    return torch.where(positive, gains, 1).sqrt() * positive


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


def power_ratio(before, after):
    """Return the gain of power that restores it; silence stays silent.

    Arguments
    ---------
    before : torch.Tensor or numpy.ndarray
        Powers to be restored.
    after : torch.Tensor or numpy.ndarray
        Present powers, of the same shape.

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
    reference : torch.Tensor
        [batch, samples], waves of the wanted power.
    wave : torch.Tensor
        [batch, samples], waves to be scaled.
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

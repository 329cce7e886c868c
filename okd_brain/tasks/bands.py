"""Bands of spectra, and gains of bands that keep the power of speech."""

import torch

from okd_brain.signals import SAMPLE_RATE, band_matrix, compress_bands
from okd_brain.tasks.equal_power import frame_powers, power_ratio


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
        speech, noise : torch.Tensor
            [batch, frames, 64], their compressed bands.
        power : torch.Tensor
            [batch, frames, 257], of the bins of the speech.
        frames : torch.Tensor, optional
            [batch], int64, valid frames of each utterance, which keeps its
            power as a whole.  Without them each frame does, in the bins that
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
        before, after = frame_powers(power, gains)
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

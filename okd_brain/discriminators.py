"""Discriminators: networks that imitate metrics on pairs of spectrograms.

The layers are those of the authors' code (four spectrally normalised 5 x 5
convolutions of 16-32-64-128 channels, mean over time and frequency, 50-10-heads).
Their BatchNorm over the input channels, which runs in training mode at batch
size 1, is a per-utterance normalisation; here it is built as one
(``ChannelNorm``), and pooling covers valid frames only, so that the score of an
utterance does not depend on the rest of its batch.
"""

import torch
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.lobes.models.MetricGAN import xavier_init_layer

from okd_brain.messages import UserError
from okd_brain.signals import MIN_FRAMES

KERNEL = 5  # frames and bins (authors' model.py)
CHANNELS = (16, 32, 64, 128)  # authors' model.py


class ChannelNorm(torch.nn.Module):
    """Normalise every channel of every item over its valid frames and bins.

    For a single item this equals ``BatchNorm2d`` in training mode (biased
    variance, same epsilon and affine part); several items are normalised
    independently.

    Arguments
    ---------
    channels : int
        Number of input channels.

    Example
    -------
    >>> x = 3 + 2 * torch.randn(1, 2, 30, 257)
    >>> ours = ChannelNorm(2)(x, torch.tensor([30]))
    >>> bool((ours - torch.nn.BatchNorm2d(2)(x)).abs().max() < 1e-5)
    True
    """

    EPSILON = 1e-5  # torch.nn.BatchNorm2d

    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, x, frames):
        """Normalise x, [batch, channels, frames, bins]; frames is [batch]."""
        mask = length_to_mask(frames, x.shape[2]).to(x.dtype)[:, None, :, None]
        count = (frames * x.shape[3]).to(x.dtype)[:, None, None, None]
        mean = (x * mask).sum(dim=(2, 3), keepdim=True) / count
        centred = (x - mean) * mask
        variance = (centred**2).sum(dim=(2, 3), keepdim=True) / count
        scaled = centred / torch.sqrt(variance + self.EPSILON)
        affine = self.weight[:, None, None] * scaled + self.bias[:, None, None]
        return affine * mask


class Discriminator(torch.nn.Module):
    """Predict the normalised scores of a degraded utterance, one per head.

    Arguments
    ---------
    heads : int
        Number of outputs.
    channels : int
        Number of input spectrograms: 2 in speech enhancement (clean, degraded).
    normalise : bool
        Normalise every input channel per utterance (``ChannelNorm``).
    widths : sequence of int
        Channels of the four convolutions. The authors' take ten times as long
        as (16, 16, 16, 16).

    Raises
    ------
    UserError
        If ``widths`` are not four positive whole numbers.

    Example
    -------
    >>> discriminator = Discriminator(heads=2)
    >>> sum(p.numel() for p in discriminator.parameters())
    276826
    >>> discriminator(torch.rand(3, 2, 40, 257), torch.tensor([40, 30, 17])).shape
    torch.Size([3, 2])
    """

    def __init__(self, heads, channels=2, normalise=True, widths=CHANNELS):
        super().__init__()
        if len(widths) != len(CHANNELS) or not all(
            isinstance(width, int) and width > 0 for width in widths
        ):
            raise UserError(
                f"widths of the discriminator are {list(widths)}, must be "
                f"{len(CHANNELS)} whole numbers above 0, such as {CHANNELS}."
            )
        self.norm = ChannelNorm(channels) if normalise else None
        sizes = (channels, *widths)
        self.convolutions = torch.nn.ModuleList(
            xavier_init_layer(
                sizes[i],
                sizes[i + 1],
                layer_type=torch.nn.Conv2d,
                kernel_size=KERNEL,
            )
            for i in range(len(widths))
        )
        self.linears = torch.nn.ModuleList(
            [
                xavier_init_layer(widths[-1], 50),
                xavier_init_layer(50, 10),
                xavier_init_layer(10, heads),
            ]
        )
        self.activation = torch.nn.LeakyReLU(negative_slope=0.3)

    def forward(self, spectra, frames):
        """Score a batch.

        Arguments
        ---------
        spectra : torch.Tensor
            [batch, channels, frames, bins].
        frames : torch.Tensor
            [batch], int64, valid frames of each item, at least 17.

        Returns
        -------
        torch.Tensor
            [batch, heads], unbounded estimates of scores in [0, 1].

        Raises
        ------
        UserError
            If an item is shorter than the receptive field.
        """
        shortest = int(frames.min())
        if shortest < MIN_FRAMES:
            raise UserError(
                f"The discriminator needs at least {MIN_FRAMES} frames (its "
                f"receptive field), but the batch holds an item of {shortest}. "
                "Leave out utterances this short."
            )
        out = spectra if self.norm is None else self.norm(spectra, frames)
        for convolution in self.convolutions:
            out = self.activation(convolution(out))
        valid = frames - (MIN_FRAMES - 1)
        mask = length_to_mask(valid, out.shape[2]).to(out.dtype)
        out = (out.mean(dim=3) * mask[:, None]).sum(dim=2) / valid[:, None]
        for linear in self.linears[:-1]:
            out = self.activation(linear(out))
        return self.linears[-1](out)

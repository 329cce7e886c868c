"""Discriminators: the authors' normalisation, and scores of single items."""

import pytest
import torch

from okd_brain.discriminators import (
    CHANNELS,
    KERNEL,
    ChannelNorm,
    Discriminator,
)
from okd_brain.export import export_discriminator, load_discriminator
from okd_brain.messages import UserError
from okd_brain.signals import MIN_FRAMES


def spectra(frames, seed=0, channels=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, frames, 257, generator=generator)


def padded(items):
    """Stack items of unequal length, padded with what must not count."""
    longest = max(item.shape[2] for item in items)
    shape = len(items), items[0].shape[1], longest, 257
    batch = torch.full(shape, 7.0, dtype=items[0].dtype)
    for row, item in zip(batch, items, strict=True):
        row[:, : item.shape[2]] = item[0]
    return batch, torch.tensor([item.shape[2] for item in items])


def test_channel_norm_is_batch_norm_at_batch_one():
    """In training mode, with its affine part, as in the authors' code."""
    theirs = torch.nn.BatchNorm2d(2, momentum=0.01)
    ours = ChannelNorm(2)
    with torch.no_grad():
        for norm in (theirs, ours):
            norm.weight.copy_(torch.tensor([0.5, 2.0]))
            norm.bias.copy_(torch.tensor([-1.0, 0.25]))
    x = 3 * spectra(40) + 1
    expected = theirs.train()(x)
    torch.testing.assert_close(
        ours(x, torch.tensor([40])), expected, rtol=0, atol=1e-5
    )


def test_channel_norm_does_not_see_the_level():
    norm = ChannelNorm(2)
    x, frames = spectra(30), torch.tensor([30])
    torch.testing.assert_close(
        norm(5 * x + 3, frames),
        norm(x, frames),
        rtol=0,
        atol=3e-4,  # the epsilon weighs 25 times less after scaling by 5
    )


@pytest.mark.parametrize("normalise", [True, False])
def test_a_score_does_not_depend_on_batch_mates(normalise):
    # Untrained, its scores may be of any size: double precision fits all.
    network = Discriminator(heads=3, normalise=normalise).double().eval()
    items = [spectra(frames, seed=frames).double() for frames in (40, 17, 29)]
    batch, frames = padded(items)
    together = network(batch, frames)
    for row, item in zip(together, items, strict=True):
        alone = network(item, torch.tensor([item.shape[2]]))[0]
        torch.testing.assert_close(row, alone, rtol=1e-9, atol=1e-9)


def test_without_normalisation_the_level_counts():
    network = Discriminator(heads=1, normalise=False).eval()
    x, frames = spectra(20), torch.tensor([20])
    assert (network(x, frames) - network(3 * x, frames)).abs() > 1e-4


def test_clips_shorter_than_the_receptive_field():
    network = Discriminator(heads=1)
    assert MIN_FRAMES == 1 + len(CHANNELS) * (KERNEL - 1) == 17
    network(spectra(17), torch.tensor([17]))
    with pytest.raises(ValueError, match="at least 17 frames .* item of 16"):
        network(padded([spectra(30), spectra(16)])[0], torch.tensor([30, 16]))


def test_spectral_norm_moves_in_training_mode_only():
    network = Discriminator(heads=1)
    before = network.convolutions[0].weight_u.clone()
    network.eval()(spectra(17), torch.tensor([17]))
    assert torch.equal(before, network.convolutions[0].weight_u)
    network.train()(spectra(17), torch.tensor([17]))
    assert not torch.equal(before, network.convolutions[0].weight_u)


def test_slim_ones_are_smaller_and_come_back_from_disk(tmp_path):
    slim = Discriminator(heads=1, widths=(4, 4, 6, 8))
    assert [c.out_channels for c in slim.convolutions] == [4, 4, 6, 8]
    folder = export_discriminator([slim], tmp_path / "d", heads=[["pesq"]])
    [(loaded, heads)] = load_discriminator(folder)
    x, frames = spectra(20), torch.tensor([20])
    assert heads == ("pesq",)
    assert torch.equal(loaded.eval()(x, frames), slim.eval()(x, frames))


@pytest.mark.parametrize("widths", [(16, 16), (16, 16, 16, 0), (16,) * 5])
def test_impossible_widths(widths):
    with pytest.raises(UserError, match="widths of the discriminator are"):
        Discriminator(heads=1, widths=widths)

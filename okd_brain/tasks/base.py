"""What every task makes of a batch, and of its waves."""

from dataclasses import dataclass

import torch

from okd_brain.signals import sample_counts


@dataclass(frozen=True)
class Enhanced:
    """What a generator made of a batch.

    Attributes
    ----------
    spectrum : torch.Tensor
        [batch, frames, bins], what the discriminator and the peers compare:
        log1p magnitude in speech enhancement, compressed bands in listening
        enhancement.
    wave : torch.Tensor
        [batch, samples]; samples beyond an item's own length mean nothing.
    samples : torch.Tensor
        [batch], int64, valid samples of each item.
    """

    spectrum: torch.Tensor
    wave: torch.Tensor
    samples: torch.Tensor


def cut_waves(relative_lengths, *waves):
    """Cut padded waves to the length of each item.

    Arguments
    ---------
    relative_lengths : torch.Tensor
        [batch], SpeechBrain's relative lengths of the first wave.
    *waves : torch.Tensor
        [batch, samples] each.

    Returns
    -------
    list of tuple of numpy.ndarray
        For each item its stretch of every wave, float32, 1-D, on the CPU.

    Example
    -------
    >>> clean = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.0]])
    >>> [(one, two), _] = cut_waves(torch.tensor([1.0, 2 / 3]), clean, -clean)
    >>> len(one), two.tolist() == (-one).tolist()
    (3, True)
    """
    counts = sample_counts(relative_lengths, waves[0].shape[1]).tolist()
    return [
        tuple(wave[item, :count].cpu().numpy() for wave in waves)
        for item, count in enumerate(counts)
    ]

"""A metric, a generator and a mimicry divergence of one's own.

``own_parts.yaml`` names them, with ``examples`` on Python's path::

    PYTHONPATH=examples python recipes/VoiceBank/okd/train.py examples/own_parts.yaml
"""

import numpy as np
import torch

from okd_brain.signals import MASK_FLOOR, N_BINS, masked_mean


def envelope_correlation(*, reference, degraded, sample_rate):
    """Score a pair by the correlation of its levels in frames of 10 ms.

    Metrics take 1-D float arrays, which they must not modify, and return a
    float. The ``Metric`` in the YAML says what the number means: 0 is the worst
    and 1 perfect.
    """
    size = sample_rate // 100
    levels = [
        np.log(
            signal[: len(signal) // size * size].reshape(-1, size).std(1) + 1e-4
        )
        for signal in (reference, degraded)
    ]
    return max(0.0, float(np.corrcoef(levels)[0, 1]))


class ConvolutionalGenerator(torch.nn.Module):
    """Estimate a mask from the frames around each frame.

    A generator takes noisy log1p magnitudes [batch, frames, 257], which are zeros
    behind the end of an utterance, and the relative lengths of the utterances,
    [batch]. It returns a mask of the same shape, of at least MASK_FLOOR.
    """

    def __init__(self, channels=64, width=5):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv1d(N_BINS, channels, width, padding="same"),
            torch.nn.LeakyReLU(0.3),
            torch.nn.Conv1d(channels, N_BINS, width, padding="same"),
        )

    def forward(self, x, lengths=None):
        """Return the mask."""
        logits = self.layers(x.transpose(1, 2)).transpose(1, 2)
        return (1.2 * torch.sigmoid(logits)).clamp(min=MASK_FLOOR)


def huber(student, teacher, frames, delta=0.5):
    """Return the Huber distance of two spectra [batch, frames, 257].

    The peer's spectrum, ``teacher``, is detached by the caller. ``frames``,
    [batch], says how many frames of each item are no padding.
    """
    distance = torch.nn.functional.huber_loss(
        student, teacher, reduction="none", delta=delta
    )
    return masked_mean(distance, frames)

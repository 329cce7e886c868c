"""Networks that enhance: estimators of masks and of band gains.

Speech enhancement: noisy log1p magnitude in, floored mask out.  Both are
SpeechBrain's MetricGAN+ generator with the two things the authors of
MetricGAN-OKD changed: dropout 0.1 between the LSTM layers, and a causal variant
(one direction).  The mask floor sits inside ``forward`` because SpeechBrain's
inference class does not apply it.

Listening enhancement: ``okd_brain.gain_generators``.
"""

import torch
from speechbrain.lobes.models.MetricGAN import (
    EnhancementGenerator,
    Learnable_sigmoid,
    xavier_init_layer,
)
from speechbrain.nnet.RNN import LSTM

from okd_brain.gain_generators import BandGainGenerator
from okd_brain.signals import MASK_FLOOR, N_BINS

__all__ = ["BLSTMGenerator", "BandGainGenerator", "CausalLSTMGenerator"]


class BLSTMGenerator(EnhancementGenerator):
    """The MetricGAN+ generator: 2 x 200 BLSTM, 300, 257, learnable sigmoid.

    It has the parameter names of ``EnhancementGenerator``, so that weights
    published as ``enhance_model.ckpt`` load into it.

    Arguments
    ---------
    dropout : float
        Dropped fraction between the LSTM layers (authors' model.py: 0.1;
        SpeechBrain's recipe: 0).

    Example
    -------
    >>> mask = BLSTMGenerator()(torch.rand(1, 20, 257))
    >>> mask.shape, bool(mask.min() >= 0.05), bool(mask.max() <= 1.2)
    (torch.Size([1, 20, 257]), True, True)
    """

    causal = False

    def __init__(self, dropout=0.1):
        super().__init__(dropout=dropout)

    def forward(self, x, lengths=None):
        """Estimate the mask.

        Arguments
        ---------
        x : torch.Tensor
            [batch, frames, 257], noisy log1p magnitude.
        lengths : torch.Tensor
            [batch], relative lengths (see ``signals.relative_frames``).

        Returns
        -------
        torch.Tensor
            [batch, frames, 257], in [0.05, 1.2].
        """
        return super().forward(x, lengths).clamp(min=MASK_FLOOR)


class CausalLSTMGenerator(torch.nn.Module):
    """The causal generator: one direction, otherwise as ``BLSTMGenerator``.

    Frame t of the mask depends on frames up to t of the input.

    Arguments
    ---------
    dropout : float
        Dropped fraction between the LSTM layers.

    Example
    -------
    >>> generator = CausalLSTMGenerator()
    >>> sum(p.numel() for p in generator.parameters())
    826714
    """

    causal = True
    HIDDEN = 200  # units per layer (authors' model.py)

    def __init__(self, dropout=0.1):
        super().__init__()
        self.lstm = LSTM(
            input_size=N_BINS,
            hidden_size=self.HIDDEN,
            num_layers=2,
            dropout=dropout,
            re_init=False,
        )
        for name, parameter in self.lstm.named_parameters():
            if "bias" in name:
                torch.nn.init.zeros_(parameter)
            elif "weight_ih" in name:
                torch.nn.init.xavier_uniform_(parameter)
            else:
                torch.nn.init.orthogonal_(parameter)
        self.linear1 = xavier_init_layer(self.HIDDEN, 300, spec_norm=False)
        self.activation = torch.nn.LeakyReLU(negative_slope=0.3)
        self.linear2 = xavier_init_layer(300, N_BINS, spec_norm=False)
        self.Learnable_sigmoid = Learnable_sigmoid(N_BINS)

    def forward(self, x, lengths=None):
        """Estimate the mask; arguments and result as ``BLSTMGenerator``."""
        out, _ = self.lstm(x, lengths=lengths)
        return self._mask(out)

    def step(self, x, memory=None):
        """Estimate the mask of further frames of a stream.

        Arguments
        ---------
        x : torch.Tensor
            [batch, frames, 257], noisy log1p magnitude of the next frames.
        memory : (torch.Tensor, torch.Tensor), optional
            What the LSTM remembers of the frames so far: hidden and cell state,
            each [2, batch, 200]; none at the start (as good as zeros).

        Returns
        -------
        mask : torch.Tensor
            [batch, frames, 257], in [0.05, 1.2].
        memory : (torch.Tensor, torch.Tensor)
            For the next call.

        Example
        -------
        >>> generator = CausalLSTMGenerator().eval()
        >>> noisy = torch.rand(1, 7, 257)
        >>> first, memory = generator.step(noisy[:, :3])
        >>> second, memory = generator.step(noisy[:, 3:], memory)
        >>> mask = torch.cat([first, second], dim=1)
        >>> torch.allclose(mask, generator(noisy), atol=1e-6)
        True
        """
        out, memory = self.lstm(x, hx=memory)
        return self._mask(out), memory

    def _mask(self, out):
        out = self.activation(self.linear1(out))
        out = self.Learnable_sigmoid(self.linear2(out))
        return out.clamp(min=MASK_FLOOR)

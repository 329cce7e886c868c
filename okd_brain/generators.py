"""Networks that enhance: estimators of masks and of band gains.

Speech enhancement: noisy log1p magnitude in, floored mask out. Both mask
estimators are SpeechBrain's MetricGAN+ generator with the two changes that the
authors of MetricGAN-OKD made: dropout 0.1 between the LSTM layers, and a causal
variant (one direction). The mask floor is part of ``forward`` because
SpeechBrain's inference class does not apply it.

Listening enhancement: compressed bands of clean speech and noise in, gains of
the speech's bands out, as in NELE-GAN (Li and Yamagishi, ICASSP 2021, and their
code).
"""

import torch
from speechbrain.lobes.models.MetricGAN import (
    EnhancementGenerator,
    Learnable_sigmoid,
    xavier_init_layer,
)
from speechbrain.nnet.RNN import LSTM

from okd_brain.signals import MASK_FLOOR, N_BANDS, N_BINS


def run_lstm(lstm, x, lengths=None):
    """Run an LSTM over a padded batch; padding does not matter.

    Items of unequal length on a CPU take a third of the time of PyTorch's
    packed sequences: each direction of each layer runs over the padded batch,
    the backward one over items that are reversed within their lengths; always in
    the precision of x, as few processors have an LSTM in bf16. Any other batch
    is SpeechBrain's to run, and one utterance is what it always was.

    Arguments
    ---------
    lstm : speechbrain.nnet.RNN.LSTM
        Of one direction or two, with biases.
    x : torch.Tensor
        [batch, frames, features].
    lengths : torch.Tensor, optional
        [batch], relative lengths (see ``signals.relative_frames``).

    Returns
    -------
    torch.Tensor
        [batch, frames, units * directions], 0 behind the lengths.
    """
    is_cpu = x.device.type == "cpu"
    if lengths is None or not is_cpu or len(set(lengths.tolist())) == 1:
        return lstm(x, lengths=lengths)[0]
    rnn = lstm.rnn
    frames = (lengths * x.shape[1]).long()[:, None]  # as SpeechBrain has it
    index = torch.arange(x.shape[1])
    valid = index < frames
    backwards = torch.where(valid, frames - 1 - index, index)[..., None]
    directions = 2 if rnn.bidirectional else 1
    state = 2 * (x.new_zeros(1, len(x), rnn.hidden_size),)
    for layer in range(rnn.num_layers):
        outputs = []
        for direction in range(directions):
            weights = rnn.all_weights[directions * layer + direction]
            out = x.gather(1, backwards.expand_as(x)) if direction else x
            # with biases, one layer, no dropout, one direction, batch first
            options = True, 1, 0.0, rnn.training, False, True
            with torch.autocast("cpu", enabled=False):
                out = torch.lstm(out, state, weights, *options)[0]
            if direction:
                out = out.gather(1, backwards.expand_as(out))
            outputs.append(out)
        x = torch.cat(outputs, dim=2)
        if layer + 1 < rnn.num_layers:
            x = torch.dropout(x, rnn.dropout, rnn.training)
    return x * valid[..., None]


class BLSTMGenerator(EnhancementGenerator):
    """The MetricGAN+ generator: 2 x 200 BLSTM, 300, 257, learnable sigmoid.

    Its parameters have the names of ``EnhancementGenerator``, so that weights
    published as ``enhance_model.ckpt`` load into it.

    Arguments
    ---------
    dropout : float
        Fraction dropped between the LSTM layers (authors' model.py: 0.1;
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
        out = run_lstm(self.blstm, x, lengths)
        out = self.activation(self.linear1(out))
        out = self.Learnable_sigmoid(self.linear2(out))
        return out.clamp(min=MASK_FLOOR)


class CausalLSTMGenerator(torch.nn.Module):
    """The causal generator: one direction, otherwise as ``BLSTMGenerator``.

    Frame t of the mask depends on frames up to t of the input.

    Arguments
    ---------
    dropout : float
        Fraction dropped between the LSTM layers.

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
        """Estimate the mask; see ``BLSTMGenerator.forward``."""
        return self._mask(run_lstm(self.lstm, x, lengths))

    def step(self, x, memory=None):
        """Estimate the mask of the next frames of a stream.

        Arguments
        ---------
        x : torch.Tensor
            [batch, frames, 257], noisy log1p magnitude of the next frames.
        memory : (torch.Tensor, torch.Tensor), optional
            Hidden and cell state of the LSTM after the frames so far, each
            [2, batch, 200]; None at the start, which is the same as zeros.

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


class CumulativeLayerNorm(torch.nn.Module):
    """Normalise each frame by all frames up to it.

    Mean and variance are taken over all channels of frames 1 to t (Luo and
    Mesgarani, IEEE/ACM TASLP 27(8), 2019, eq. 15 to 17), so that the norm is
    causal. SpeechBrain's ``CumulativeLayerNorm``, despite its name, normalises
    every frame by itself.

    Arguments
    ---------
    channels : int
        Number of input channels.

    Example
    -------
    >>> norm = CumulativeLayerNorm(1)
    >>> [round(y, 3) for y in norm(torch.tensor([[[1.0, 3.0, 5.0]]])).flatten().tolist()]
    [0.0, 1.0, 1.225]
    """

    EPSILON = 1e-5  # torch.nn.LayerNorm

    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        """Normalise x, [batch, channels, frames]."""
        return self.step(x)[0]

    def step(self, x, sums=None):
        """Normalise the next frames of a stream.

        Arguments
        ---------
        x : torch.Tensor
            [batch, channels, frames].
        sums : torch.Tensor, optional
            [3, batch], float64: number of values in the frames so far, their
            sum and the sum of their squares; None at the start.

        Returns
        -------
        normalised : torch.Tensor
            [batch, channels, frames].
        sums : torch.Tensor
            For the next call.
        """
        # Double precision: the sums run over a whole utterance or stream.
        wide = x.double()
        total, squares = wide.sum(dim=1), (wide**2).sum(dim=1)
        count = torch.full_like(total, x.shape[1])
        sums_by_frame = torch.stack([count, total, squares]).cumsum(dim=2)
        if sums is not None:
            sums_by_frame = sums_by_frame + sums[..., None]
        count, total, squares = sums_by_frame
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=0)
        deviation = (variance + self.EPSILON).sqrt()
        scaled = ((wide - mean[:, None]) / deviation[:, None]).to(x.dtype)
        normalised = self.weight[:, None] * scaled + self.bias[:, None]
        return normalised, sums_by_frame[..., -1].clone()


class BandGainGenerator(torch.nn.Module):
    """The generator of NELE-GAN: power gains for 64 bands, frame by frame.

    Six causal convolutions over time (256 channels, 64 in the last; 5, 7, 7, 7,
    7 and 5 frames), each followed by a cumulative layer norm and a leaky ReLU,
    then two linear layers, 64 to 64. The receptive field of the convolutions is
    33 frames, 0.53 s; the norms depend on everything before.

    Example
    -------
    >>> generator = BandGainGenerator()
    >>> sum(p.numel() for p in generator.parameters())
    2093120
    >>> generator(torch.rand(1, 20, 128)).shape
    torch.Size([1, 20, 64])
    """

    causal = True
    CHANNELS = (256, 256, 256, 256, 256, N_BANDS)  # NELE-GAN's model.py
    KERNELS = (5, 7, 7, 7, 7, 5)  # frames
    SLOPE = 0.3  # of the leaky ReLU
    MAX_LOG_GAIN = 3.2  # of power: exp(3.2) is 13.9 dB

    def __init__(self):
        super().__init__()
        sizes = (2 * N_BANDS, *self.CHANNELS)
        self.convolutions = torch.nn.ModuleList(
            torch.nn.Conv1d(sizes[i], sizes[i + 1], kernel)
            for i, kernel in enumerate(self.KERNELS)
        )
        self.norms = torch.nn.ModuleList(
            CumulativeLayerNorm(channels) for channels in self.CHANNELS
        )
        self.linear1 = torch.nn.Linear(N_BANDS, N_BANDS)
        self.linear2 = torch.nn.Linear(N_BANDS, N_BANDS)
        self.activation = torch.nn.LeakyReLU(self.SLOPE)

    def forward(self, x):
        """Estimate the gains.

        Arguments
        ---------
        x : torch.Tensor
            [batch, frames, 128], compressed bands of the clean speech and of
            the noise (``signals.compress_bands``).

        Returns
        -------
        torch.Tensor
            [batch, frames, 64], gains of power, in [0.041, 24.5]; frame t
            depends on frames up to t.
        """
        return self.step(x)[0]

    def step(self, x, memory=None):
        """Estimate the gains of the next frames of a stream.

        Arguments
        ---------
        x : torch.Tensor
            [batch, frames, 128], compressed bands of the next frames.
        memory : list of (torch.Tensor, torch.Tensor), optional
            For each convolution, its last inputs, [batch, channels,
            kernel - 1], and the sums of its norm; None at the start.

        Returns
        -------
        gains : torch.Tensor
            [batch, frames, 64], as from ``forward``.
        memory : list of (torch.Tensor, torch.Tensor)
            For the next call; its size is constant.

        Example
        -------
        >>> generator = BandGainGenerator().eval()
        >>> bands = torch.rand(1, 7, 128)
        >>> first, memory = generator.step(bands[:, :3])
        >>> second, memory = generator.step(bands[:, 3:], memory)
        >>> gains = torch.cat([first, second], dim=1)
        >>> torch.allclose(gains, generator(bands), rtol=1e-5)
        True
        """
        out = x.transpose(1, 2)
        remembered = []
        for i, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            width = convolution.kernel_size[0] - 1
            if memory is None:
                past, sums = out.new_zeros(*out.shape[:2], width), None
            else:
                past, sums = memory[i]
            known = torch.cat([past, out], dim=2)
            out, sums = norm.step(convolution(known), sums)
            out = self.activation(out)
            remembered.append((known[..., -width:].clone(), sums))
        out = self.activation(self.linear1(out.transpose(1, 2)))
        gains = torch.exp(self.MAX_LOG_GAIN * torch.tanh(self.linear2(out)))
        return gains, remembered


GENERATORS = {
    "blstm.": BLSTMGenerator,
    "lstm.": CausalLSTMGenerator,
    "norms.": BandGainGenerator,
}
"""Classes that exports may name, by the first parameter names of each."""

"""Time-frequency analysis shared by every task, and its constants.

The transform is SpeechBrain's own ``STFT`` / ``ISTFT`` with the settings of the
authors' code (512-point FFT, 32 ms periodic Hamming window, 16 ms hop, centred,
zero padded), so that an exported generator runs in SpeechBrain's stock
inference classes.
"""

import numpy as np
import torch
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.processing.features import ISTFT, STFT, spectral_magnitude
from speechbrain.processing.signal_processing import resynthesize
from torch.nn.utils.rnn import pad_sequence

SAMPLE_RATE = 16000  # Hz; wide-band PESQ and every published figure use it
N_FFT = 512  # samples (authors' signal_processing.py)
WINDOW_MS = 32  # 512 samples at 16 kHz
HOP_MS = 16  # 256 samples at 16 kHz
N_BINS = N_FFT // 2 + 1
LEVEL_DBFS = -25.0  # of speech in mixtures (MS-SNSD's and the authors' scripts)
MIN_FRAMES = 17  # receptive field of the discriminator, which needs no fewer
MASK_FLOOR = 0.05  # authors' train.py; SpeechBrain's MetricGAN `min_mask`
N_BANDS = 64  # NELE-GAN (Li and Yamagishi, ICASSP 2021), code
LOWEST_BIN, HIGHEST_BIN = 2, 255  # NELE-GAN's code silences 0, 1 and 256
BAND_EXPONENT = 1 / 6  # of power: a loudness-like scale (NELE-GAN)
INAUDIBLE_POWER = 1e-6  # of a band, 60 dB below speech at -25 dBFS


class SpectralAnalysis:
    """Transform waves to log1p magnitudes and back.

    Arguments
    ---------
    sample_rate : int
        Rate of the waves in Hz.

    Example
    -------
    >>> analysis = SpectralAnalysis()
    >>> wave = torch.randn(2, 16000)
    >>> spectrum = analysis.log_magnitude(wave)
    >>> spectrum.shape
    torch.Size([2, 63, 257])
    >>> again = analysis.resynthesise(spectrum, wave, torch.tensor([16000, 16000]))
    >>> bool((again - wave).abs().max() < 1e-4)
    True
    """

    def __init__(self, sample_rate=SAMPLE_RATE):
        self.sample_rate = sample_rate
        self.hop = round(sample_rate * HOP_MS / 1000)
        layout = {
            "sample_rate": sample_rate,
            "n_fft": N_FFT,
            "win_length": WINDOW_MS,
            "hop_length": HOP_MS,
            "window_fn": torch.hamming_window,
        }
        self.stft = STFT(**layout)
        self.istft = ISTFT(**layout)

    def log_magnitude(self, wave):
        """Return log(1 + magnitude of the STFT) of a batch of waves.

        Arguments
        ---------
        wave : torch.Tensor
            [batch, samples], full scale 1.

        Returns
        -------
        torch.Tensor
            [batch, frames, 257], not negative; always float32, whatever the
            precision around it (a magnitude has more range than fp16).
        """
        spectrum = self.transform(wave)
        with torch.autocast(wave.device.type, enabled=False):
            return torch.log1p(spectral_magnitude(spectrum, power=0.5))

    def transform(self, wave):
        """Return the STFT of waves, [batch, samples].

        It is [batch, frames, 257, 2], real and imaginary part, in float32.
        """
        with torch.autocast(wave.device.type, enabled=False):
            return self.stft(wave.float())

    def invert(self, spectrum, counts):
        """Return the waves, [batch, samples], of an STFT; undoes ``transform``.

        It is [batch, frames, 257, 2]; ``counts``, [batch] int64, says how many
        samples each item has. Zeros are behind shorter ones.
        """

        def inverted(items, frames, samples):
            return self.istft(spectrum[items, :frames], samples)

        with torch.autocast(spectrum.device.type, enabled=False):
            waves = self._each(inverted, counts)
        return waves

    def resynthesise(self, log_magnitude, phase_wave, counts):
        """Return waves with these magnitudes and another wave's phase.

        Arguments
        ---------
        log_magnitude : torch.Tensor
            [batch, frames, 257], log(1 + magnitude).
        phase_wave : torch.Tensor
            [batch, samples], the wave that lends its phase.
        counts : torch.Tensor
            [batch], int64, samples of each item.

        Returns
        -------
        torch.Tensor
            [batch, samples of the longest], zeros behind shorter items.
        """

        def resynthesised(items, frames, samples):
            return resynthesize(
                torch.expm1(log_magnitude[items, :frames].float()),
                phase_wave[items, :samples].float(),
                stft=self.stft,
                istft=self.istft,
                normalize_wavs=False,
            )

        with torch.autocast(phase_wave.device.type, enabled=False):
            waves = self._each(resynthesised, counts)
        return waves

    def _each(self, make, counts):
        """Make the waves of a batch at once if they are of one length, or singly.

        Frames in the padding of a shorter item would reach into its end, so that
        this would depend on what else is in the batch.
        """
        counts = counts.tolist()
        longest = max(counts)
        if min(counts) == longest:
            return make(slice(None), self.frames(longest), longest)
        waves = [
            make(slice(i, i + 1), self.frames(count), count)[0]
            for i, count in enumerate(counts)
        ]
        return pad_sequence(waves, batch_first=True)

    def frames(self, samples):
        """Return how many frames cover a number of samples (int or tensor)."""
        return samples // self.hop + 1


def erb_centres(sample_rate=SAMPLE_RATE):
    """Return the centres of 64 bands that are evenly spaced in ERB.

    Centres are an equivalent rectangular bandwidth (ERB) apart, up to a common
    factor, but never less than a bin.

    From bin 2 to bin 255 the steps between neighbours are ``max(1, c * ERB)``
    bins, with ``c`` such that 64 centres fit. Below 400 Hz a 512-point
    transform cannot tell true ERB steps apart; NELE-GAN's bands are ERB-like in
    the same sense. ERB: Glasberg and Moore, Hearing Research 47, 1990, eq. 3.

    Arguments
    ---------
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        [64], in bins, ascending.

    Example
    -------
    >>> erb_centres().round(2)[[0, 1, 2, 31, 62, 63]].tolist()
    [2.0, 3.0, 4.0, 47.03, 242.41, 255.0]
    """
    bins = np.linspace(LOWEST_BIN, HIGHEST_BIN, 10_001)
    bin_hz = sample_rate / N_FFT
    erb_bins = 24.7 * (4.37 * bins * bin_hz / 1000 + 1) / bin_hz

    def bands_below(factor):
        density = 1 / np.maximum(factor * erb_bins, 1.0)
        return cumulative_trapezoid(density, bins, initial=0)

    factor = brentq(lambda c: bands_below(c)[-1] - (N_BANDS - 1), 0.01, 10.0)
    return np.interp(np.arange(N_BANDS), bands_below(factor), bins)


def band_matrix(sample_rate=SAMPLE_RATE):
    """Return triangular bands as a matrix.

    Band b rises from the centre of its lower neighbour to its own and falls to
    that of its upper one, so that each bin's weights add up to 1: bin powers
    times the matrix are band powers, and the matrix times band gains are the
    bin gains, interpolated linearly between the centres. Bins outside the
    bands (below 47 Hz, and the last) have no weight and get no gain.

    Arguments
    ---------
    sample_rate : int
        In Hz.

    Returns
    -------
    torch.Tensor
        [257, 64], float32, in [0, 1].

    Example
    -------
    >>> matrix = band_matrix()
    >>> matrix.shape, round(matrix[2:256].sum(dim=1).min().item(), 6)
    (torch.Size([257, 64]), 1.0)
    """
    bands, bins = np.arange(N_BANDS), np.arange(N_BINS)
    position = np.interp(bins, erb_centres(sample_rate), bands)
    matrix = np.maximum(0, 1 - np.abs(position[:, None] - bands))
    matrix[:LOWEST_BIN] = 0
    matrix[HIGHEST_BIN + 1 :] = 0
    return torch.from_numpy(matrix).float()


def compress_bands(power):
    """Return band powers on a scale like loudness, ``(power + 1e-6)^(1/6)``.

    The constant is inaudible, and keeps the gradient finite in silence.
    """
    return (power + INAUDIBLE_POWER) ** BAND_EXPONENT


def sample_counts(relative_lengths, padded_samples):
    """Turn SpeechBrain's relative lengths back into numbers of samples.

    Arguments
    ---------
    relative_lengths : torch.Tensor
        [batch], each in (0, 1].
    padded_samples : int
        Length of the padded batch.

    Returns
    -------
    torch.Tensor
        [batch], int64.
    """
    return torch.round(relative_lengths.double() * padded_samples).long()


def relative_frames(frames):
    """Return relative lengths that survive SpeechBrain's truncation.

    ``pack_padded_sequence`` truncates ``length * max``, so that exact ratios
    of frames in float32 lose a frame now and then; half a frame more never
    does.

    Arguments
    ---------
    frames : torch.Tensor
        [batch], int64, valid frames of each item of a padded batch.

    Returns
    -------
    torch.Tensor
        [batch], float32.
    """
    return (frames + 0.5) / frames.max()


def masked_mean(values, frames):
    """Average over the valid frames of each item, then over the items.

    Every utterance weighs the same whatever its length, so that the loss of a
    padded batch is the mean of the losses of its items.

    Arguments
    ---------
    values : torch.Tensor
        [batch, frames, bins].
    frames : torch.Tensor
        [batch], int64, valid frames of each item.

    Returns
    -------
    torch.Tensor
        Scalar.
    """
    mask = length_to_mask(frames, values.shape[1]).to(values.dtype)
    per_frame = values.mean(dim=2)
    return ((per_frame * mask).sum(dim=1) / frames).mean()

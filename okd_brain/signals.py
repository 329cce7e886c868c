"""Time-frequency analysis shared by every task: the only home of its constants.

The transform is SpeechBrain's own ``STFT`` / ``ISTFT`` with the settings of the
authors' code (512-point FFT, 32 ms periodic Hamming window, 16 ms hop, centred,
zero padded), so that an exported generator runs in SpeechBrain's stock
inference classes.
"""

import torch
from speechbrain.dataio.dataio import length_to_mask
from speechbrain.processing.features import ISTFT, STFT, spectral_magnitude
from speechbrain.processing.signal_processing import resynthesize

SAMPLE_RATE = 16000  # Hz; wide-band PESQ and every published figure use it
N_FFT = 512  # samples (authors' signal_processing.py)
WINDOW_MS = 32  # 512 samples at 16 kHz
HOP_MS = 16  # 256 samples at 16 kHz
N_BINS = N_FFT // 2 + 1
MASK_FLOOR = 0.05  # authors' train.py; SpeechBrain's MetricGAN `min_mask`


class SpectralAnalysis:
    """Waveforms to log1p magnitudes and back.

    Arguments
    ---------
    sample_rate : int
        Rate of the waveforms in Hz.

    Example
    -------
    >>> analysis = SpectralAnalysis()
    >>> wave = torch.randn(2, 16000)
    >>> spectrum = analysis.log_magnitude(wave)
    >>> spectrum.shape
    torch.Size([2, 63, 257])
    >>> again = analysis.resynthesise(spectrum, wave)
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
        """Return log(1 + \\|STFT\\|) of a batch of waveforms.

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
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = self.stft(wave.float())
            return torch.log1p(spectral_magnitude(spectrum, power=0.5))

    def resynthesise(self, log_magnitude, phase_wave):
        """Return the waveform with these magnitudes and another wave's phase.

        Arguments
        ---------
        log_magnitude : torch.Tensor
            [batch, frames, 257], log(1 + magnitude).
        phase_wave : torch.Tensor
            [batch, samples], the waveform that lends its phase.

        Returns
        -------
        torch.Tensor
            [batch, samples], as long as ``phase_wave``.
        """
        with torch.autocast(phase_wave.device.type, enabled=False):
            return resynthesize(
                torch.expm1(log_magnitude.float()),
                phase_wave.float(),
                stft=self.stft,
                istft=self.istft,
                normalize_wavs=False,
            )

    def frames(self, samples):
        """Return how many frames cover a number of samples (int or tensor).

        Example
        -------
        >>> SpectralAnalysis().frames(16000)
        63
        """
        return samples // self.hop + 1


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

    ``pack_padded_sequence`` truncates ``length * max``, so that frame-exact
    float32 ratios lose a frame now and then; half a frame more never does.

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

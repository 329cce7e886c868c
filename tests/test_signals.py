"""The transform against torch's own, lengths, and padded batches."""

import numpy as np
import torch
from experiments import speech

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.signals import SpectralAnalysis, masked_mean, sample_counts
from okd_brain.tasks import SpeechEnhancement


def test_log_magnitude_is_the_authors():
    """512-point STFT, 512 / 256 samples, periodic Hamming, zero padding."""
    wave = torch.tensor(speech(0), dtype=torch.float32)[None]
    window = torch.hamming_window(512)
    spectrum = torch.stft(
        wave, 512, 256, 512, window, pad_mode="constant", return_complex=True
    )
    expected = torch.log1p(torch.sqrt(spectrum.abs() ** 2 + 1e-14))
    torch.testing.assert_close(
        SpectralAnalysis().log_magnitude(wave),
        expected.transpose(1, 2),
        rtol=1e-5,
        atol=1e-6,
    )


def test_padding_does_not_change_a_spectrum():
    analysis = SpectralAnalysis()
    wave = torch.tensor(speech(1), dtype=torch.float32)[None]
    for samples in (4096, 9999, 12345):
        alone = analysis.log_magnitude(wave[:, :samples])
        padded = wave.clone()
        padded[:, samples:] = 0
        frames = analysis.frames(samples)
        assert alone.shape[1] == frames
        torch.testing.assert_close(
            analysis.log_magnitude(padded)[:, :frames], alone
        )


def test_sample_counts_are_exact():
    rng = np.random.default_rng(0)
    counts = torch.tensor(rng.integers(1, 480001, size=2000))
    relative = counts / 480000  # float32, as PaddedBatch makes it
    assert torch.equal(sample_counts(relative, 480000), counts)


def test_masked_mean_weighs_utterances_alike():
    values = torch.zeros(2, 4, 3)
    values[0] += 1
    values[1, :2] += 3
    values[1, 2:] += 100  # padding
    assert masked_mean(values, torch.tensor([4, 2])) == 2


def test_the_end_of_an_item_does_not_depend_on_its_batch():
    wave = torch.tensor(speech(1), dtype=torch.float32)[None]
    count = 10_200
    batch = wave.repeat(2, 1)
    batch[0, count:] = 0
    lengths = torch.tensor([count / wave.shape[1], 1.0])
    torch.manual_seed(0)
    generator = CausalLSTMGenerator().eval()
    task = SpeechEnhancement()

    def enhanced(wave, lengths):
        return task.enhance(generator, task.analyse(wave, lengths)).wave

    with torch.no_grad():
        alone = enhanced(wave[:, :count], torch.ones(1))
        together = enhanced(batch, lengths)
    torch.testing.assert_close(together[:1, :count], alone, rtol=0, atol=1e-6)
    assert together.shape == wave.repeat(2, 1).shape
    assert together[0, count:].eq(0).all()


def test_a_mask_of_ones_gives_the_wave_back():
    wave = torch.tensor(speech(2), dtype=torch.float32)[None]
    task = SpeechEnhancement()

    def ones(x, lengths):
        return torch.ones_like(x)

    enhanced = task.enhance(ones, task.analyse(wave, torch.ones(1)))
    torch.testing.assert_close(enhanced.wave, wave, rtol=0, atol=1e-4)
    assert enhanced.samples.tolist() == [wave.shape[1]]

"""Speech, noise and edits of enhanced speech for the tests of the twins."""

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch

from okd_brain.scoring import Scorer

SAMPLES = Path(__file__).parents[2] / "samples"
RATE = 16000
NAMES = ("pesq", "csig", "cbak", "covl", "segsnr")
FFT = {"n_fft": 512, "hop_length": 256, "window": torch.hann_window(512)}


@cache
def _prompt(index):
    paths = sorted(SAMPLES.glob("*.flac"))
    return soundfile.read(paths[index], dtype="float32")[0]


def speech(index=0):
    """One of the bundled prompts, 1.8 to 3.6 s. [samples], float32"""
    return torch.from_numpy(_prompt(index).copy())


def noisy(index=0, snr_db=10.0):
    """A prompt in pink-like noise at a signal-to-noise ratio in dB."""
    clean = speech(index)
    white = np.random.default_rng(index).standard_normal(len(clean))
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(1 + np.arange(len(spectrum)))
    noise = torch.from_numpy(np.fft.irfft(spectrum, len(clean))).float()
    level = (clean.square().mean() / noise.square().mean()).sqrt()
    return clean + noise * level * 10 ** (-snr_db / 20)


def masked(wave, gains):
    """A wave with gains on its spectrum."""
    spectrum = torch.stft(wave, **FFT, return_complex=True)
    return torch.istft(gains * spectrum, **FFT, length=len(wave))


@cache
def variants(index, snr_db):
    """Clean speech, and a list of its noisy, enhanced and edited versions."""
    clean, mixed = speech(index), noisy(index, snr_db)
    spectrum = torch.stft(mixed, **FFT, return_complex=True)
    noise = torch.stft(mixed - clean, **FFT, return_complex=True)
    power, mean = (x.abs().square() for x in (spectrum, noise))
    mean = mean.mean(-1, keepdim=True)
    mask = (1 - 1.5 * mean / power.clamp(min=1e-12)).clamp(min=0.01).sqrt()
    bins = torch.linspace(0, 1, len(mask))[:, None]
    frames = torch.linspace(0, 1, mask.shape[1])

    def wave(gains):
        return masked(mixed, gains)

    enhanced = wave(mask)
    waves = [mixed, enhanced]
    waves += [wave(mask**exponent) for exponent in (0.3, 0.7, 0.95, 1.3, 2)]
    waves += [
        wave(mask * 10 ** (decibels * (bins - 0.5) / 20))
        for decibels in (-12, -3, 3, 12)
    ]
    ripple = torch.cos(6 * bins) * torch.cos(9 * frames)
    waves += [wave(mask * 10 ** (gain * ripple / 20)) for gain in (1, 6)]
    waves += [enhanced + share * (mixed - enhanced) for share in (0.05, 0.3)]
    waves += [enhanced + share * (clean - enhanced) for share in (0.05, 0.3)]
    return clean, torch.stack(waves)


@cache
def true_scores(index, snr_db):
    """True scores of the variants, by name. [variants] each"""
    clean, waves = variants(index, snr_db)
    pairs = [(clean.numpy(), wave.numpy()) for wave in waves]
    scores = Scorer(list(NAMES), n_jobs=1).score(pairs)
    return dict(zip(NAMES, scores.T, strict=True))


def hard_cases():
    """Degraded signals that break careless code, by name, with references."""
    clean = speech()
    time = torch.arange(len(clean)) / RATE
    muted = noisy()
    muted[16000:24000] = 0
    cases = {
        "silence": (clean, torch.zeros_like(clean)),
        "constant": (clean, torch.full_like(clean, 0.1)),
        "silent segment": (clean, muted),
        "one click": (clean, (time == 1.0).float()),
        "clipped": (clean, (40 * noisy()).clamp(-1, 1)),
        "very soft": (clean, 1e-7 * noisy()),
        "very loud": (clean, 1e4 * noisy()),
        "tone": (clean, torch.sin(1000 * time)),
        "perfect": (clean, clean.clone()),
        "silent reference": (torch.zeros_like(clean), noisy()),
        "both silent": (torch.zeros_like(clean), torch.zeros_like(clean)),
        "short": (clean[8000:12000], noisy()[8000:12000]),
    }
    return cases


def derivative_error(function, wave, seed=0, step=1e-6):
    """Relative error of a gradient along a random direction, in float64."""
    wave = wave.double().requires_grad_()
    (gradient,) = torch.autograd.grad(function(wave), wave)
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(wave.shape, generator=generator).double()
    direction *= wave.detach().abs() + 0.01
    with torch.no_grad():
        rise = function(wave + step * direction)
        fall = function(wave - step * direction)
    expected = float(rise - fall) / (2 * step)
    return abs(float((gradient * direction).sum()) - expected) / abs(expected)


def pearson(left, right):
    """Pearson's correlation."""
    return float(np.corrcoef(left, right)[0, 1])

"""Generators, speech and noise for the tests of exports and enhancement."""

from pathlib import Path

import numpy as np
import soundfile
import torch
from streams import speech, wide

from okd_brain.export import export_generator
from okd_brain.generators import BLSTMGenerator
from okd_brain.tasks import ListeningEnhancement

SAMPLES = Path(__file__).parent / "samples"
FIRST, SECOND, THIRD = (
    SAMPLES / name
    for name in (
        "june_fr_vm-next.flac",
        "carlo_it_invalid.flac",
        "allison_en_vm-repeat.flac",
    )
)
RATE = 16000
ROUNDING = 1e-6


class ConstantMask(torch.nn.Module):
    """A generator whose mask is one number: 1 gives back what comes in."""

    def __init__(self, mask=1.0):
        super().__init__()
        self.mask = torch.nn.Parameter(torch.tensor(mask))

    def forward(self, x, lengths=None):
        return self.mask.expand_as(x)


def remembering(kind=BLSTMGenerator):
    """Return a mask estimator that remembers, as trained ones do."""
    torch.manual_seed(0)
    generator = kind()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "bias_ih" in name:
                parameter[200:400] = 2.0  # forget gate: sigmoid(2) = 0.88
    return generator.eval()


def exported(folder, equal_power="utterance", generator=None):
    """Export a gain estimator as the recipe does; return the folder."""
    task = ListeningEnhancement(equal_power=equal_power)
    return export_generator(
        generator or wide(),
        folder,
        name="siib",
        details={**task.description, "epoch": 7},
    )


def recordings(*paths):
    """Return recordings one after the other, float32 [samples]."""
    signals = [soundfile.read(path, dtype="float32")[0] for path in paths]
    return torch.from_numpy(np.concatenate(signals))


def talk(samples=24000, level_dbfs=None):
    """Return prompts one after the other, at a level if one is named."""
    wave = torch.cat([speech(number) for number in range(1 + samples // RATE)])
    wave = wave[:samples]
    if level_dbfs is not None:
        wave = wave * 10 ** (level_dbfs / 20) / wave.square().mean().sqrt()
    return wave


def hiss(samples=24000, level_dbfs=-20, seed=0):
    """Return white noise."""
    wave = torch.randn(samples, generator=torch.Generator().manual_seed(seed))
    return wave * 10 ** (level_dbfs / 20)


def energy(wave):
    """Return the sum of squares of each channel."""
    return torch.as_tensor(wave).double().square().sum(-1)


def level_db(wave):
    """Return the RMS of a wave in dB."""
    return 10 * np.log10(np.mean(np.square(np.asarray(wave))))


def difference_db(wave, expected):
    """Return the level of the difference relative to what is expected."""
    wave, expected = map(torch.as_tensor, (wave, expected))
    difference = energy(wave - expected).sum() / energy(expected).sum()
    return 10 * torch.log10(difference + 1e-30).item()

"""Causal generators, speech and whole-wave results for the tests of streaming."""

import math
from pathlib import Path

import soundfile
import torch

from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator
from okd_brain.signals import MASK_FLOOR
from okd_brain.tasks import ListeningEnhancement, SpeechEnhancement

PROMPTS = sorted((Path(__file__).parent / "samples").glob("*.flac"))


def remembering():
    """Return a generator that remembers, as trained ones do."""
    torch.manual_seed(0)
    generator = CausalLSTMGenerator()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "bias_ih" in name:
                parameter[200:400] = 2.0  # forget gate: sigmoid(2) = 0.88
            if "linear2" in name or "weight_ih" in name:
                parameter *= 3.0  # masks all over their range
    return generator.eval()


def wide(seed=0):
    """Return a gain estimator with gains all over their range."""
    torch.manual_seed(seed)
    generator = BandGainGenerator()
    with torch.no_grad():
        generator.linear1.weight *= 4
        generator.linear2.weight *= 4
    return generator.eval()


def constant(mask):
    """Return a generator whose mask is one number in [0.05, 1.2)."""
    assert MASK_FLOOR <= mask < 1.2
    generator = CausalLSTMGenerator()
    with torch.no_grad():
        generator.linear2.weight.zero_()
        generator.linear2.bias.fill_(-math.log(1.2 / mask - 1))
    return generator.eval()


def speech(number=0, samples=16000):
    """Return the start of a prompt, float32 [samples]."""
    wave, _ = soundfile.read(PROMPTS[number], frames=samples, dtype="float32")
    return torch.from_numpy(wave)


def offline(generator, wave):
    """Enhance a whole wave at once, by the path of training."""
    task = SpeechEnhancement()
    with torch.no_grad():
        inputs = task.analyse(wave[None], torch.ones(1))
        return task.enhance(generator, inputs).wave[0]


def speech_and_noise(number=0, samples=16000):
    """Return speech, and other speech as its noise."""
    return speech(number, samples), speech(number + 20, samples).flip(0)


def offline_listening(generator, played, noise):
    """Enhance whole waves of speech and noise, by the path of training."""
    task = ListeningEnhancement(equal_power="frame")
    with torch.no_grad():
        inputs = task.analyse(played[None], noise[None], torch.ones(1))
        return task.enhance(generator, inputs).wave[0]


def stream(enhancer, sizes, *waves):
    """Return all that comes out of streams in chunks, the end included."""
    chunks = zip(*(wave.split(sizes) for wave in waves), strict=True)
    parts = [enhancer.process(*chunk) for chunk in chunks]
    return torch.cat([*parts, enhancer.flush()])

"""A causal generator and speech for the tests of streaming."""

import math
from pathlib import Path

import soundfile
import torch

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.signals import MASK_FLOOR
from okd_brain.tasks import SpeechEnhancement

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


def held_bytes(enhancer, memory):
    """Return what an enhancer and its generator's memory hold, in bytes."""
    return sum(
        tensor.untyped_storage().nbytes()
        for tensor in [*vars(enhancer).values(), *memory]
        if isinstance(tensor, torch.Tensor)
    )

"""An untrained model in the place of those that come with okd."""

from pathlib import Path

import torch

from okd_brain.export import export_generator, pack_model
from okd_brain.generators import CausalLSTMGenerator
from okd_brain.models import registry


def write_model(folder, generator=None, name="causal"):
    """Write a model to a folder of models; return its own folder."""
    torch.manual_seed(0)
    export = export_generator(
        generator or CausalLSTMGenerator(),
        folder / "export",
        name="pesq",
        details={},
    )
    return pack_model(export, folder / name, licence_file())


def licence_file():
    """Return the licence of the code, which will do for a stand-in."""
    return Path(__file__).parents[1] / "LICENSE"


def use_models(folder, monkeypatch):
    """Let the models of a folder come with okd, and no others."""
    monkeypatch.setattr(registry, "FOLDER", folder)

"""Trained networks for others: export folders, ONNX files, the authors' files.

``folders`` writes and reads a folder per generator and one for the
discriminators. In a folder, ``weights`` are tensors alone, ``texts`` tell
SpeechBrain how to rebuild the network and people what it is, and ``details``
say where it comes from and which task it is for. ``onnx`` writes one frame of a
causal generator. ``authors`` reads and writes checkpoints of the released
MetricGAN-OKD code; ``import_authors`` is the command ``okd-import``.
"""

from okd_brain.export.details import read_details, task_of
from okd_brain.export.folders import (
    WEIGHTS,
    export_discriminator,
    export_generator,
    load_discriminator,
    load_generator,
    read_generator,
)
from okd_brain.export.onnx import export_onnx_step
from okd_brain.export.weights import fill

__all__ = [
    "WEIGHTS",
    "export_discriminator",
    "export_generator",
    "export_onnx_step",
    "fill",
    "load_discriminator",
    "load_generator",
    "read_details",
    "read_generator",
    "task_of",
]

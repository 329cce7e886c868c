"""Trained networks for others: export folders, ONNX files, the authors' files.

``folders`` writes and reads a folder per generator and one for the
discriminators; ``sources`` says what names one. In a folder, ``weights`` are
tensors alone, ``texts`` tell SpeechBrain how to rebuild the network and people
what it is, and ``details`` say where it comes from and which task it is for.
``onnx`` writes one frame of a causal generator. ``authors`` reads and writes
checkpoints of the released MetricGAN-OKD code; ``import_authors`` is the command
``okd-import``.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "details": ["read_details", "task_of"],
        "folders": [
            "export_discriminator",
            "export_generator",
            "load_discriminator",
            "load_generator",
            "pack_model",
            "read_generator",
        ],
        "onnx": ["export_onnx_step"],
        "sources": ["WEIGHTS"],
        "weights": ["fill", "save_weights"],
    },
)

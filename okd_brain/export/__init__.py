"""Export folders: write, read, convert from and to the authors' checkpoints."""

from okd_brain.export.folders import (
    WEIGHTS,
    export_discriminator,
    export_generator,
    fetch,
    load_discriminator,
    load_generator,
    read_generator,
)

__all__ = [
    "WEIGHTS",
    "export_discriminator",
    "export_generator",
    "fetch",
    "load_discriminator",
    "load_generator",
    "read_generator",
]

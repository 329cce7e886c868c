"""The Hearing-Aid Speech Perception Index in two forms, and its ear.

``HASPIReference`` gives HASPI version 2 (``version2``): intelligibility from 0
to 1, of signals at their levels, aligned. ``HASPILinearReference`` gives the
weighted sum, from 0 to 11.467, that NELE-GAN and MetricGAN-OKD report under the
same name (``linear``): both signals are brought to one level and are not
aligned. Both keep the reference's half, pass signals through a model of the ear
(``ear_model``) and correlate their modulations (``modulation``). Version 2
predicts from these correlations with ten small networks (``networks``).
"""

from okd_brain.measures.haspi.ear_model import MIN_SECONDS
from okd_brain.measures.haspi.linear import (
    HASPI_LINEAR_PERFECT,
    HASPILinearReference,
)
from okd_brain.measures.haspi.version2 import (
    HASPI_PERFECT,
    HASPIReference,
)

__all__ = [
    "HASPI_LINEAR_PERFECT",
    "HASPI_PERFECT",
    "MIN_SECONDS",
    "HASPILinearReference",
    "HASPIReference",
]

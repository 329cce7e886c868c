"""The Hearing-Aid Speech Perception Index in two forms, and the ear behind them.

``haspi`` is HASPI version 2 (``version2``): intelligibility from 0 to 1, of
signals at their levels, aligned. ``haspi_linear`` is the weighted sum, from 0
to 11.467, that NELE-GAN and MetricGAN-OKD report under the same name
(``linear``): both signals are brought to one level and are not aligned. Both
pass signals through a model of the ear (``ear_model``) and correlate their
modulations (``modulation``); version 2 predicts from these correlations with
ten small networks (``networks``). Each form has a class that keeps the
reference's half.
"""

from okd_brain.measures.haspi.ear_model import MIN_SECONDS
from okd_brain.measures.haspi.linear import (
    HASPI_LINEAR_PERFECT,
    HASPILinearReference,
    haspi_linear,
)
from okd_brain.measures.haspi.version2 import (
    HASPI_PERFECT,
    HASPIReference,
    haspi,
)

__all__ = [
    "HASPI_LINEAR_PERFECT",
    "HASPI_PERFECT",
    "MIN_SECONDS",
    "HASPILinearReference",
    "HASPIReference",
    "haspi",
    "haspi_linear",
]

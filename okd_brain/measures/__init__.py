"""Algorithms that score speech, as NumPy functions of signals.

What no installed library offers is written here: the distances behind the
composite scores (``composite``), SIIB (``siib``), two forms of HASPI
(``haspi``), and PESQ of any length (``wideband_pesq``). Many of them have a
half that depends on the reference alone; ``ReferenceHalves`` makes and keeps
these halves, and a ``Pair`` adds a degraded signal and what several metrics
share. ``scores`` has one function of a pair per metric, on which
``okd_brain.metrics`` builds its table; ``optional`` has the measures whose
packages are installed only on request. ``checks`` has the rules that signals
must meet.

Scoring workers import this room, so nothing here imports torch, except
``okd_brain.measures.twins``: differentiable imitations, which whoever trains
imports by name.
"""

from okd_brain.measures import (
    checks,
    haspi,
    optional,
    scores,
    siib,
    wideband_pesq,
)
from okd_brain.measures.checks import check_reference, is_constant
from okd_brain.measures.composite import (
    SEGMENTAL_SNR_RANGE_DB,
    CompositeReference,
)
from okd_brain.measures.optional import check_installed, is_installed
from okd_brain.measures.pair import Pair, ReferenceHalves

__all__ = [
    "SEGMENTAL_SNR_RANGE_DB",
    "CompositeReference",
    "Pair",
    "ReferenceHalves",
    "check_installed",
    "check_reference",
    "checks",
    "haspi",
    "is_constant",
    "is_installed",
    "optional",
    "scores",
    "siib",
    "wideband_pesq",
]

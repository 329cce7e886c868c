"""One reference and one degraded signal, with what several metrics share.

PESQ enters four scores, WSS three; here each is computed when first asked for
and kept. What depends on the reference alone lives in ``ReferenceHalves``, so
that it can outlive the pair.
"""

from functools import cached_property

import numpy as np

from okd_brain.measures.composite import CompositeReference
from okd_brain.measures.haspi.linear import HASPILinearReference
from okd_brain.measures.haspi.version2 import HASPIReference
from okd_brain.measures.optional import dnsmos
from okd_brain.measures.siib import SIIBReference
from okd_brain.measures.silence import is_constant
from okd_brain.measures.wideband_pesq import wideband_pesq


class ReferenceHalves:
    """The reference's half of every measure that has one, made on demand.

    Arguments
    ---------
    reference : np.ndarray [samples]
        Speech at 16 kHz.
    """

    def __init__(self, reference):
        self.reference = reference

    @cached_property
    def composite(self):
        """Half of WSS, LLR and segmental SNR (CompositeReference)."""
        return CompositeReference(self.reference)

    @cached_property
    def siib(self):
        """Half of SIIB^Gauss (SIIBReference)."""
        return SIIBReference(self.reference)

    @cached_property
    def haspi(self):
        """Half of HASPI version 2 (HASPIReference)."""
        return HASPIReference(self.reference)

    @cached_property
    def haspi_linear(self):
        """Half of NELE-GAN's HASPI (HASPILinearReference)."""
        return HASPILinearReference(self.reference)

    @property
    def nbytes(self):
        """Size of what has been made so far and its signal, in bytes."""
        made = [
            value for name, value in vars(self).items() if name != "reference"
        ]
        sizes = [half.nbytes for half in made]
        return self.reference.nbytes + sum(sizes) if made else 0


class Pair:
    """A reference, a degraded version of it, and their shared measures.

    Arguments
    ---------
    reference : np.ndarray [samples] or None
        None for metrics that need no reference.
    degraded : np.ndarray [samples]
    sample_rate : int
        Of both, in Hz.
    halves : ReferenceHalves or None
        Of this same reference, if they were made before.
    """

    def __init__(
        self, *, reference=None, degraded, sample_rate=16000, halves=None
    ):
        self.reference = None if reference is None else _read_only(reference)
        self.degraded = _read_only(degraded)
        self.sample_rate = sample_rate
        self.halves = halves or ReferenceHalves(self.reference)

    @cached_property
    def reference_is_constant(self):
        """True if the reference is silent or constant."""
        return is_constant(self.reference)

    @cached_property
    def degraded_is_constant(self):
        """True if the degraded signal is silent or constant."""
        return is_constant(self.degraded)

    @cached_property
    def reference_is_finite(self):
        """True if the reference has neither NaN nor infinity."""
        return bool(np.isfinite(self.reference).all())

    @cached_property
    def degraded_is_finite(self):
        """True if the degraded signal has neither NaN nor infinity."""
        return bool(np.isfinite(self.degraded).all())

    @cached_property
    def pesq(self):
        """Wide-band PESQ (float)."""
        return wideband_pesq(reference=self.reference, degraded=self.degraded)

    @cached_property
    def dnsmos(self):
        """The opinions of DNSMOS (dict from str to float)."""
        return dnsmos(self.degraded)

    @cached_property
    def distances(self):
        """WSS, LLR and segmental SNR (CompositeDistances)."""
        return self.halves.composite.distances(self.degraded)


def _read_only(signal):
    """A view that no measure can write to by mistake."""
    view = np.asarray(signal).view()
    view.flags.writeable = False
    return view

"""One reference and one degraded signal, with what several metrics share.

PESQ enters four scores and WSS three: each is computed on first use and kept.
What depends on the reference alone lives in ``ReferenceHalves``, so that it can
outlive the pair.
"""

from functools import cached_property

import numpy as np

from okd_brain.measures.checks import is_constant
from okd_brain.measures.composite import CompositeReference
from okd_brain.measures.haspi import HASPILinearReference, HASPIReference
from okd_brain.measures.optional import dnsmos
from okd_brain.measures.siib import SIIBReference
from okd_brain.measures.wideband_pesq import wideband_pesq


class ReferenceHalves:
    """The reference's half of every measure that has one, made on demand.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], speech at 16 kHz.
    """

    def __init__(self, reference):
        self.reference = reference

    @cached_property
    def composite(self):
        """Half of WSS, LLR and segmental SNR (CompositeReference)."""
        return CompositeReference(self.reference)

    def siib(self, tile_seconds=None):
        """Half of SIIB^Gauss, tiled or not (SIIBReference)."""
        made = vars(self)
        name = f"siib {tile_seconds}"
        if name not in made:
            made[name] = SIIBReference(
                self.reference, tile_seconds=tile_seconds
            )
        return made[name]

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
        """Size in bytes of the signal and its halves; 0 without halves."""
        made = sum(
            half.nbytes
            for name, half in vars(self).items()
            if name != "reference"
        )
        return made and self.reference.nbytes + made


class Pair:
    """A reference, a degraded version of it, and their shared measures.

    Arguments
    ---------
    reference : numpy.ndarray or None
        [samples]; None for metrics that need no reference.
    degraded : numpy.ndarray
        [samples].
    sample_rate : int
        Sample rate of both, in Hz.
    halves : ReferenceHalves or None
        Halves of this same reference, if they were made before.
    """

    def __init__(
        self, *, reference=None, degraded, sample_rate=16000, halves=None
    ):
        self.reference = None if reference is None else _read_only(reference)
        self.degraded = _read_only(degraded)
        self.sample_rate = sample_rate
        self.halves = halves or ReferenceHalves(self.reference)

    @cached_property
    def degraded_is_constant(self):
        """Whether the degraded signal is silent or constant."""
        return is_constant(self.degraded)

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
    """Return a view that no measure can write to by mistake."""
    view = np.asarray(signal).view()
    view.flags.writeable = False
    return view

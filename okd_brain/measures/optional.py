"""Measures from packages that are installed only on request.

DNSMOS (Reddy, Gopal and Cutler, "DNSMOS P.835", ICASSP 2022; "DNSMOS", ICASSP
2021) through speechmos, which ships Microsoft's networks, and ViSQOL (Chinen
et al., "ViSQOL v3", QoMEX 2020) through visqol-python. Both work offline.
"""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from okd_brain.messages import MissingPackage

SAMPLE_RATE = 16000
OPINION_RANGE = (1.0, 5.0)
MODULE_OF_EXTRA = {"dnsmos": "speechmos", "visqol": "visqol"}


def is_installed(extra):
    """Return whether the package behind an extra of this one is installed.

    Arguments
    ---------
    extra : str
        Key of ``MODULE_OF_EXTRA``; "" needs nothing.

    Returns
    -------
    bool
    """
    return extra == "" or find_spec(MODULE_OF_EXTRA[extra]) is not None


def check_installed(name, extra):
    """Raise an error if the package behind an extra is not installed.

    Arguments
    ---------
    name : str
        Name of the metric, for the message.
    extra : str
        Key of ``MODULE_OF_EXTRA``, or "".

    Raises
    ------
    MissingPackage
        With the command that installs it.
    """
    if not is_installed(extra):
        raise MissingPackage(
            f"{name} needs the package {MODULE_OF_EXTRA[extra]!r}:"
            f" pip install 'okd[{extra}]'"
        )


def dnsmos(degraded):
    """Return the four opinions of DNSMOS about one signal.

    Arguments
    ---------
    degraded : numpy.ndarray
        [samples], at 16 kHz. Samples beyond full scale are clipped, as in a
        sound card; signals shorter than 9.01 s are repeated, longer ones are
        averaged over windows that start every second (0.2 s of work each).

    Returns
    -------
    dict from str to float
        "ovrl", "sig", "bak" (P.835) and "p808"; MOS, about 1 to 5.
    """
    check_installed("dnsmos", "dnsmos")
    clipped = np.clip(degraded, -1.0, 1.0)
    opinions = import_module("speechmos.dnsmos").run(clipped, SAMPLE_RATE)
    return {
        name.removesuffix("_mos"): float(opinion)
        for name, opinion in opinions.items()
    }


def visqol(*, reference, degraded):
    """Return ViSQOL in speech mode with the lattice mapper.

    That mapper is the default of Google's program; the older exponential one
    gives about 1.2 MOS more.

    Arguments
    ---------
    reference : numpy.ndarray
        [samples], at 16 kHz, at least 0.7 s.
    degraded : numpy.ndarray
        [samples], as long.

    Returns
    -------
    float
        MOS-LQO within [1, 5]. Equal signals get 4.3 to 4.6, depending on the
        signal.
    """
    check_installed("visqol", "visqol")
    result = _visqol().measure_from_arrays(
        np.asarray(reference, np.float64),
        np.asarray(degraded, np.float64),
        SAMPLE_RATE,
    )
    return float(result.moslqo)


@lru_cache(maxsize=1)
def _visqol():
    """Load ViSQOL and its model, which takes 2 s."""
    api = import_module("visqol").VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    return api

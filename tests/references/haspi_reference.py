# /// script
# requires-python = ">=3.11"
# dependencies = ["pyclarity==0.9.0", "soundfile"]
# ///
"""Makes haspi_reference.json: what pyclarity says about the tests' pairs.

    uv run tests/references/haspi_reference.py

pyclarity's dither, noise of 0.1 dB drawn afresh in every call, is switched off.
The linear form is put together from pyclarity's parts: signals at the same
level, no alignment, weights in the place of the networks.
"""

import json
import sys
from pathlib import Path

import numpy as np
from clarity.evaluator.haspi import eb, ebm, haspi
from clarity.utils.audiogram import Audiogram

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from intelligibility_pairs import RATE, pairs  # noqa: E402

NORMAL_HEARING = Audiogram(levels=np.zeros(6), frequencies=np.array([250, 500, 1000, 2000, 4000, 6000]))  # fmt: skip
# Kates and Arehart 2021, eq. 1.
WEIGHTS = [1.361, 1.521, 1.164, 0.492, 0.436, 0.690, 1.142, 0.816, 1.576, 2.269]


def rms(signal):
    return np.sqrt(np.mean(signal**2))


def score(reference, degraded):
    """The reference at 65 dB SPL, the degraded signal amplified as much."""
    index, correlations = haspi.haspi_v2(
        reference / rms(reference),
        RATE,
        degraded / rms(reference),
        RATE,
        NORMAL_HEARING,
        level1=65.0,
    )
    return {"haspi": float(index), "correlations": correlations.tolist()}


def score_linear(reference, degraded):
    """Both at 65 dB SPL, and not aligned."""
    kept = eb.input_align, eb.envelope_align
    eb.input_align = lambda reference, processed: (reference, processed)
    eb.envelope_align = lambda reference, output: output
    signals = [s / rms(s) for s in map(at_24_khz, (reference, degraded))]
    _, correlations = haspi.haspi_v2(
        signals[0], 24000, signals[1], 24000, NORMAL_HEARING, level1=65.0
    )
    eb.input_align, eb.envelope_align = kept
    return {"haspi_linear": float(np.dot(WEIGHTS, correlations))}


def at_24_khz(signal):
    """Every output sample as a sum over a windowed sinc, as in resampy 0.2."""
    position = np.arange(-(-len(signal) * 3 // 2)) * 2 / 3
    result = np.zeros(len(position))
    padded = np.pad(signal, 64)
    nearest = np.floor(position).astype(int)
    for offset in range(-63, 65):
        distance = nearest + offset - position
        window = np.i0(
            14.769656459379492
            * np.sqrt(1 - np.minimum(1, (distance / 64) ** 2))
        ) / np.i0(14.769656459379492)
        result += padded[nearest + offset + 64] * window * np.sinc(0.9475937167399596 * distance)  # fmt: skip
    return result


if __name__ == "__main__":
    ebm.add_noise = lambda envelopes, level_db: envelopes
    scores = {
        name: score(reference, degraded) | score_linear(reference, degraded)
        for name, reference, degraded in pairs()
    }
    (HERE / "haspi_reference.json").write_text(
        json.dumps(scores, indent=1) + "\n"
    )

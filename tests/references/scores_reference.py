# /// script
# requires-python = ">=3.11"
# dependencies = ["pesq==0.0.4", "pystoi==0.4.1", "soundfile", "scipy", "requests",
#                 "speechmos==0.0.1.1", "onnxruntime", "librosa", "numba",
#                 "visqol-python[lattice]==3.8.0"]
# ///
"""Makes scores_reference.json: every metric of the table on three noisy prompts.

    uv run tests/references/scores_reference.py

The numbers do not come from okd_brain: PESQ, STOI, DNSMOS and ViSQOL are asked
of their packages, the composite scores are put together from the tests' loops,
and SI-SDR is a projection. SIIB and HASPI have references of their own beside
this file.
"""

import json
import sys
from pathlib import Path

import numpy as np
from pesq import pesq
from pystoi import stoi
from speechmos import dnsmos
from visqol import VisqolApi

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
import composite_loops as loops  # noqa: E402
from scoring_signals import RATE, noisy, speech  # noqa: E402

PAIRS = [(0, 30.0), (20, 15.0), (40, 0.0)]  # prompt, SNR in dB


def si_sdr_db(reference, degraded):
    """What is left outside the line through the reference."""
    reference = reference - np.mean(reference)
    degraded = degraded - np.mean(degraded)
    fit = np.linalg.lstsq(reference[:, None], degraded, rcond=None)
    inside, outside = fit[0][0] * reference, fit[1][0]
    return 10 * np.log10(np.dot(inside, inside) / outside)


def scores(reference, degraded):
    """All metrics of one pair; the formulas of Hu and Loizou 2008."""
    opinion = pesq(RATE, reference, degraded, "wb")
    wss = loops.trimmed(loops.wss(reference, degraded))
    llr = loops.trimmed(loops.llr(reference, degraded))
    segsnr = np.mean(loops.segmental_snr(reference, degraded))
    csig = 3.093 - 1.029 * llr + 0.603 * opinion - 0.009 * wss
    cbak = 1.634 + 0.478 * opinion - 0.007 * wss + 0.063 * segsnr
    covl = 1.594 + 0.805 * opinion - 0.512 * llr - 0.007 * wss
    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    heard = dnsmos.run(np.clip(degraded, -1, 1), RATE)
    found = {
        "pesq": opinion,
        "csig": min(max(csig, 1), 5),
        "cbak": min(max(cbak, 1), 5),
        "covl": min(max(covl, 1), 5),
        "segsnr": segsnr,
        "stoi": stoi(reference, degraded, RATE),
        "estoi": stoi(reference, degraded, RATE, extended=True),
        "si_sdr": si_sdr_db(reference, degraded),
        "dnsmos_ovrl": heard["ovrl_mos"],
        "dnsmos_sig": heard["sig_mos"],
        "dnsmos_bak": heard["bak_mos"],
        "dnsmos_p808": heard["p808_mos"],
        "visqol": api.measure_from_arrays(reference, degraded, RATE).moslqo,
    }
    return {name: float(value) for name, value in found.items()}


def main():
    """Writes the file."""
    content = [
        {
            "prompt": prompt,
            "snr_db": snr_db,
            "scores": scores(speech(prompt), noisy(prompt, snr_db)),
        }
        for prompt, snr_db in PAIRS
    ]
    path = HERE / "scores_reference.json"
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

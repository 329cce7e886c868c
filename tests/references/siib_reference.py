# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "pysiib @ git+https://github.com/kamo-naoyuki/pySIIB",
#     "soundfile",
# ]
# ///
"""Makes siib_reference.json: what the authors' program says about long pairs.

    uv run tests/references/siib_reference.py

pysiib is the Python port of Van Kuyk's SIIB_Gauss.m. It is licensed under the
GPL, so it is only run here; okd_brain is written from the papers.
"""

import json
import sys
from pathlib import Path

from pysiib import SIIB

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from intelligibility_pairs import RATE, long_pairs  # noqa: E402

if __name__ == "__main__":
    scores = {
        name: float(SIIB(reference, degraded, RATE, gauss=True, window="hann"))
        for name, reference, degraded in long_pairs()
    }
    text = json.dumps(scores, indent=1) + "\n"
    (HERE / "siib_reference.json").write_text(text)

"""Every metric against stored numbers that okd_brain did not make.

``references/scores_reference.py`` makes them.
"""

import json
from pathlib import Path

import pytest
from scoring_signals import noisy, speech

from okd_brain.measures import is_installed
from okd_brain.metrics import METRICS

REFERENCES = Path(__file__).parents[1] / "references"
STORED = json.loads((REFERENCES / "scores_reference.json").read_text())
# Tested against references of their own in test_siib.py and test_haspi.py.
ELSEWHERE = {"siib", "haspi", "haspi_linear"}
TOLERANCE = {"dnsmos": 1e-3, "visqol": 1e-2}  # networks, by extra; else 1e-6


def test_every_metric_has_a_stored_number():
    for pair in STORED:
        assert set(pair["scores"]) == set(METRICS) - ELSEWHERE


@pytest.mark.parametrize(
    "pair", STORED, ids=lambda pair: f"{pair['snr_db']} dB"
)
@pytest.mark.parametrize("name", STORED[0]["scores"])
def test_scores_are_the_stored_ones(name, pair):
    metric = METRICS[name]
    if is_installed(metric.extra):
        score = metric.score(
            reference=speech(pair["prompt"]),
            degraded=noisy(pair["prompt"], pair["snr_db"]),
        )
        tolerance = TOLERANCE.get(metric.extra, 1e-6)
        assert score == pytest.approx(pair["scores"][name], abs=tolerance)

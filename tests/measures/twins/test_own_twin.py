"""A user's own metric brings a twin, as docs/twins.md shows."""

import re
from pathlib import Path

import torch
from twin_checks import (
    check_agreement,
    check_degenerate_signals,
    check_messages,
    check_padding_and_batch_mates,
    enhanced_edits,
)

from okd_brain.measures import twins
from okd_brain.metrics import METRICS

PAGE = Path(__file__).parents[3] / "docs" / "twins.md"


def test_the_example_of_the_docs_keeps_the_rules(monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names = {}
    exec(compile(example, PAGE, "exec"), names)
    metric, twin = names["snr"], names["snr"].twin(sample_rate=16000)
    monkeypatch.setitem(METRICS, "snr", metric)
    check_agreement(twin, "snr", enhanced_edits, within=0.99999, absolute=1e-3)
    check_padding_and_batch_mates(twin, relative=1e-5)
    check_degenerate_signals(twin, metric.floor, metric.perfect + 1e-3)
    check_messages(metric.twin)


def test_the_face_gives_twins_when_they_are_first_used():
    assert issubclass(twins.PESQTwin, twins.Twin)
    assert issubclass(twins.Twin, torch.nn.Module)
    assert set(dir(twins)) >= {"Twin", "SIIBTwin", "HASPILinearTwin"}

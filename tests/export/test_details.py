"""Details of an export: what it was given, and the task it is for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from enhancing import (
    wide,
)

from okd_brain.export import (
    export_generator,
    read_details,
)
from okd_brain.generators import (
    BLSTMGenerator,
    CausalLSTMGenerator,
)


def test_details_are_told_in_json_and_on_the_card(tmp_path):
    details = {
        "target": "csig+cbak",
        "epoch": 12,
        "corpus": Path("corpora") / "mini",
        "validation": {"csig": np.float32(3.25), "cbak": torch.tensor(2.5)},
        "silent": float("nan"),
        "seeds": (1, 2),
        "resumed": False,
        "notes": None,
    }
    folder = export_generator(
        CausalLSTMGenerator(), tmp_path / "e", name="csig+cbak", details=details
    )
    model = json.loads((folder / "model.json").read_text())
    assert model["name"] == "csig+cbak"
    assert model["generator"] == "CausalLSTMGenerator"
    assert model["details"] == {
        "target": "csig+cbak",
        "epoch": 12,
        "corpus": str(Path("corpora") / "mini"),
        "validation": {"csig": 3.25, "cbak": 2.5},
        "silent": None,
        "seeds": [1, 2],
        "resumed": False,
        "notes": None,
    }
    card = (folder / "README.md").read_text()
    assert "| validation | csig 3.25, cbak 2.5 |" in card
    assert "| seeds | 1, 2 |" in card
    yaml = (folder / "hyperparams.yaml").read_text()
    assert '"csig+cbak"' in yaml and "okd_brain." not in yaml


@pytest.mark.parametrize("value", [object(), np.zeros(2), {"a": {1, 2}}])
def test_details_that_json_cannot_hold(tmp_path, value):
    with pytest.raises(ValueError, match="numbers, strings, lists and dicts"):
        export_generator(
            BLSTMGenerator(), tmp_path / "e", name="e", details={"x": value}
        )
    assert not (tmp_path / "e").exists()


def test_an_equal_power_that_there_is_not(tmp_path):
    with pytest.raises(ValueError, match="equal_power is 'never'"):
        export_generator(
            wide(), tmp_path / "e", name="e", details={"equal_power": "never"}
        )
    assert not (tmp_path / "e").exists()


def test_what_says_nothing_is_read_as_nothing(tmp_path):
    assert read_details(tmp_path) == {}
    assert read_details("speechbrain/metricgan-plus-voicebank") == {}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"details": 3}'])
def test_details_that_no_export_wrote(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ValueError, match="model.json is not what an export"):
        read_details(tmp_path)

"""Files of weights: what cannot be read is refused, and nothing is executed."""

from pathlib import Path

import pytest
import torch

from okd_brain.export import (
    load_generator,
)
from okd_brain.generators import BLSTMGenerator


def test_folder_without_weights(tmp_path):
    with pytest.raises(ValueError, match="holds no enhance_model.ckpt"):
        load_generator(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"hello there", b"PK\x03\x04 cut off", b"\x80\x02}q"]
)
def test_file_that_holds_no_weights(tmp_path, content):
    (tmp_path / "enhance_model.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="ckpt is not a file of weights"):
        load_generator(tmp_path)


class _Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_loading_executes_nothing(tmp_path):
    trap = tmp_path / "executed"
    torch.save({"blstm.": _Touches(trap)}, tmp_path / "enhance_model.ckpt")
    with pytest.raises(ValueError, match="not a file of weights"):
        load_generator(tmp_path)
    assert not trap.exists()


@pytest.mark.parametrize("content", [[1, 2], {}, torch.zeros(3)])
def test_weights_that_are_no_dict(tmp_path, content):
    torch.save(content, tmp_path / "enhance_model.ckpt")
    with pytest.raises(ValueError, match="no dict of weights"):
        load_generator(tmp_path)


def test_weights_of_another_network(tmp_path):
    torch.save({"encoder.w": torch.ones(1)}, tmp_path / "enhance_model.ckpt")
    with pytest.raises(ValueError, match=r"encoder.w .* 'blstm.\*'"):
        load_generator(tmp_path)


@pytest.mark.parametrize("defect", ["missing", "unexpected", "shape", "type"])
def test_weights_that_do_not_fit(tmp_path, defect):
    weights = BLSTMGenerator().state_dict()
    if defect == "missing":
        del weights["linear2.bias"]
    elif defect == "unexpected":
        weights["linear3.bias"] = torch.ones(1)
    elif defect == "shape":
        weights["linear2.bias"] = torch.ones(5)
    else:
        weights["linear2.bias"] = "text"
    torch.save(weights, tmp_path / "enhance_model.ckpt")
    with pytest.raises(ValueError, match=r"does not fit(.|\n)*linear\d.bias"):
        load_generator(tmp_path)

"""Files of weights: what cannot be read is refused, and nothing is executed."""

import math
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from okd_brain.export import load_generator
from okd_brain.export.weights import load_weights
from okd_brain.generators import BLSTMGenerator
from okd_brain.messages import UserError


def test_folder_without_weights(tmp_path):
    with pytest.raises(ValueError, match="holds no enhance_model.ckpt"):
        load_generator(tmp_path)


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(ValueError, match="holds no xxx"):
        load_weights(tmp_path / (300 * "x"))


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


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_weights_that_are_not_finite(tmp_path, value):
    weights = BLSTMGenerator().state_dict()
    weights["linear1.bias"][7] = value
    torch.save(weights, tmp_path / "enhance_model.ckpt")
    with pytest.raises(UserError, match=r"model.ckpt: linear1.bias holds NaN"):
        load_generator(tmp_path)


def test_weights_that_are_not_finite_in_single_precision(tmp_path):
    weights = BLSTMGenerator().state_dict()
    weights["linear1.bias"] = weights["linear1.bias"].double() + 1e300
    torch.save(weights, tmp_path / "enhance_model.ckpt")
    with pytest.raises(UserError, match=r"model.ckpt: linear1.bias holds NaN"):
        load_generator(tmp_path)


def test_weights_of_before_pytorch_1_6_are_read(tmp_path):
    weights = BLSTMGenerator().state_dict()
    path = tmp_path / "enhance_model.ckpt"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    found = load_generator(tmp_path).state_dict()
    assert torch.equal(found["linear1.bias"], weights["linear1.bias"])


def test_an_archive_that_unpacks_to_more_than_it_is(tmp_path):
    path = tmp_path / "enhance_model.ckpt"
    torch.save({"blstm.": torch.zeros(10**6)}, tmp_path / "plain")
    with (
        zipfile.ZipFile(tmp_path / "plain") as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(UserError, match="would unpack to 4.*, which packs"):
        load_generator(tmp_path)


def shared(levels):
    """Return a tuple that shares its parts; each level doubles them."""
    value = ()
    for _ in range(levels):
        value = (value, value)
    return value


def nested(levels):
    """Return the pickle of a dict whose key is a tuple of one, and so on."""
    return b"\x80\x02})" + levels * b"\x85" + b"K\x01s."


ALLOCATING = b"\x80\x02c__builtin__\nbytearray\nJ\x00\x00\x00\x40\x85R."


@pytest.mark.parametrize("format", ["zip", "legacy"])
@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"blstm.": shared(60)}, 2),
        nested(200),
        nested(10**6),
        ALLOCATING,
    ],
    ids=["shared", "nested", "deep", "allocating"],
)
def test_pickles_that_take_more_than_their_size(tmp_path, content, format):
    """The third overflows the stack of the process, the last takes 1 GiB."""
    path = tmp_path / "enhance_model.ckpt"
    if format == "legacy":
        before = pickle.dumps(0x1950A86A20F9469CFC6C, 2)  # torch's magic number
        before += pickle.dumps(1001, 2) + pickle.dumps({}, 2)
        path.write_bytes(before + content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights/data.pkl", content)
            archive.writestr("weights/version", "3")
    with pytest.raises(UserError, match="no state of a network has"):
        load_generator(tmp_path)


def test_keys_that_are_no_names(tmp_path):
    torch.save({3: torch.ones(1)}, tmp_path / "enhance_model.ckpt")
    with pytest.raises(UserError, match="no dict of weights"):
        load_generator(tmp_path)

"""Checkpoints of the authors' code are read without trust."""

import builtins

import numpy as np
import pytest
import torch
from authors_code import save_as_theirs

from okd_brain.export.authors import AuthorsCheckpoint


@pytest.mark.parametrize(
    "numpy_name", [b"numpy.core.multiarray", b"numpy._core.multiarray"]
)
def test_numbers_of_any_numpy_are_read(tmp_path, numpy_name):
    save_as_theirs(tmp_path / "a.pth", causal=True, numpy_name=numpy_name)
    allowed = set(torch.serialization.get_safe_globals())
    checkpoint = AuthorsCheckpoint(tmp_path / "a.pth")
    assert (checkpoint.epoch, type(checkpoint.epoch)) == (712, int)
    assert checkpoint.test_scores["pesq"] == 3.25
    # what is allowed for this file is not for the next
    assert set(torch.serialization.get_safe_globals()) == allowed
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(tmp_path / "a.pth", weights_only=True)


def test_a_scalar_that_is_no_number_is_refused(tmp_path):
    torch.save({"epoch": np.datetime64("2023-07-23")}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="not a file of weights"):
        AuthorsCheckpoint(tmp_path / "a.pth")


class Trap:
    def __reduce__(self):
        return exec, ("import builtins; builtins.okd_trap = True",)


def test_nothing_is_executed(tmp_path):
    torch.save({"generator": {}, "epoch": Trap()}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="not a file of weights"):
        AuthorsCheckpoint(tmp_path / "a.pth")
    assert not hasattr(builtins, "okd_trap")


def test_every_misfit_is_listed(tmp_path):
    generator, _ = save_as_theirs(tmp_path / "a.pth")
    weights = generator.state_dict()
    weights["fc3.weight"] = weights.pop("fc2.weight")
    weights["fc1.weight"] = weights["fc1.weight"][:, :128]
    torch.save({"generator": weights}, tmp_path / "a.pth")
    with pytest.raises(ValueError) as error:
        AuthorsCheckpoint(tmp_path / "a.pth")
    assert str(tmp_path / "a.pth") in str(error.value)
    for fault in (
        "missing fc2.weight;",
        "unexpected fc3.weight;",
        "fc1.weight is [300, 128], but [300, 400] is needed",
    ):
        assert fault in str(error.value)


def test_no_discriminator_in_the_file(tmp_path):
    generator, _ = save_as_theirs(tmp_path / "a.pth", causal=True)
    torch.save({"generator": generator.state_dict()}, tmp_path / "a.pth")
    checkpoint = AuthorsCheckpoint(tmp_path / "a.pth")
    assert checkpoint.epoch is None and checkpoint.test_scores == {}
    with pytest.raises(ValueError, match="'discriminator': its keys are gen"):
        checkpoint.discriminator()


def test_a_discriminator_of_other_layers(tmp_path):
    generator, discriminator = save_as_theirs(tmp_path / "a.pth", causal=True)
    for part in ({}, {**discriminator.state_dict(), "fc3.bias": "text"}):
        tree = {"generator": generator.state_dict(), "discriminator": part}
        torch.save(tree, tmp_path / "a.pth")
        with pytest.raises(ValueError, match="would become a Discriminator"):
            AuthorsCheckpoint(tmp_path / "a.pth").discriminator()


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_weights_that_are_not_finite(tmp_path, part):
    networks = save_as_theirs(tmp_path / "a.pth")
    tree = {}
    for name, network in zip(
        ("generator", "discriminator"), networks, strict=True
    ):
        tree[name] = network.state_dict()
    tree[part]["fc2.bias"][3] = np.inf
    torch.save(tree, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="a.pth: fc2.bias holds NaN or inf"):
        AuthorsCheckpoint(tmp_path / "a.pth").discriminator()

"""Checkpoints of the authors' code against networks written from its description.

The networks below are what reference texts say of the released code, in plain
torch; ours are SpeechBrain's. Random weights, saved as that code saves them.
"""

import json
import zipfile

import numpy as np
import pytest
import torch
from torch.nn.utils import spectral_norm

from okd_brain.discriminators import Discriminator
from okd_brain.export import (
    export_discriminator,
    export_generator,
    load_discriminator,
    load_generator,
)
from okd_brain.export.authors import (
    AuthorsCheckpoint,
    write_checkpoint,
)
from okd_brain.export.import_authors import main
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator


class Sigmoid(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(0.5 + torch.rand(257))


class TheirGenerator(torch.nn.Module):
    """2 x 200 (B)LSTM, 300, LeakyReLU 0.3, 257, 1.2 sigmoid(slope x)."""

    def __init__(self, causal):
        super().__init__()
        self.lstm = torch.nn.LSTM(
            257, 200, 2, batch_first=True, bidirectional=not causal
        )
        self.fc1 = torch.nn.Linear(200 if causal else 400, 300)
        self.fc2 = torch.nn.Linear(300, 257)
        self.Learnable_sigmoid = Sigmoid()
        with torch.no_grad():  # masks from below the floor to the ceiling
            self.fc2.bias.copy_(torch.linspace(-8, 8, 257))

    def forward(self, x):
        hidden = torch.nn.functional.leaky_relu(self.fc1(self.lstm(x)[0]), 0.3)
        slope = self.Learnable_sigmoid.slope
        return 1.2 * torch.sigmoid(slope * self.fc2(hidden))


class TheirDiscriminator(torch.nn.Module):
    """BatchNorm, SN convolutions 5 x 5, mean, SN linears 50-10-heads."""

    def __init__(self, heads):
        super().__init__()
        self.BN = torch.nn.BatchNorm2d(2, momentum=0.01)
        sizes = (2, 16, 32, 64, 128)
        self.layers = torch.nn.ModuleList(
            spectral_norm(torch.nn.Conv2d(*pair, 5))
            for pair in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.fc1 = spectral_norm(torch.nn.Linear(128, 50))
        self.fc2 = spectral_norm(torch.nn.Linear(50, 10))
        self.fc3 = spectral_norm(torch.nn.Linear(10, heads))
        torch.nn.init.uniform_(self.BN.weight, 0.5, 2)
        torch.nn.init.uniform_(self.BN.bias)

    def forward(self, x):
        out = self.BN(x)
        for layer in self.layers:
            out = torch.nn.functional.leaky_relu(layer(out), 0.3)
        out = out.mean(dim=(2, 3))
        for layer in (self.fc1, self.fc2):
            out = torch.nn.functional.leaky_relu(layer(out), 0.3)
        return self.fc3(out)


def save_as_theirs(path, causal=False, heads=2, numpy_name=None):
    """Save as the authors' train.py does, epoch and means in NumPy's types."""
    torch.manual_seed(3)
    generator = TheirGenerator(causal).eval()
    discriminator = TheirDiscriminator(heads)
    optimizer = torch.optim.Adam(generator.parameters(), lr=5e-4)
    generator(torch.rand(1, 3, 257)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "epoch": np.arange(1, 751)[711],
            "stats": {"pesq": np.mean([3.0, 3.5]), "avg": 0},
            "generator": generator.state_dict(),
            "discriminator": discriminator.state_dict(),
            "g_optimizer": optimizer.state_dict(),
        },
        path,
    )
    if numpy_name is not None:
        rename_numpy(path, numpy_name)
    return generator, discriminator


def rename_numpy(path, name):
    """Write the names that pickles of another version of NumPy have."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members.items():
            for known in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
                if info.filename.endswith("/data.pkl"):
                    data = data.replace(known, name)
            archive.writestr(info, data)


@pytest.mark.parametrize("causal", [False, True])
def test_the_generator_gives_the_same_masks(tmp_path, causal):
    original, _ = save_as_theirs(tmp_path / "best_model0.pth", causal)
    assert (
        main([str(tmp_path / "best_model0.pth"), "-o", str(tmp_path / "pesq")])
        == 0
    )
    ours = load_generator(tmp_path / "pesq")
    assert type(ours) is (CausalLSTMGenerator if causal else BLSTMGenerator)
    noisy = 3 * torch.rand(2, 40, 257)
    with torch.inference_mode():
        theirs = original(noisy)
        assert theirs.min() < 0.01 and theirs.max() > 1.1
        torch.testing.assert_close(
            ours(noisy), theirs.clamp(min=0.05), atol=1e-5, rtol=0
        )
    model = json.loads((tmp_path / "pesq" / "model.json").read_text())
    assert model["name"] == "pesq"
    assert model["details"] == {
        "imported from": "best_model0.pth",
        "epoch": 712,
        "scores on the authors' test set": {"pesq": 3.25, "avg": 0},
    }


def test_the_discriminator_gives_the_same_scores(tmp_path):
    _, original = save_as_theirs(tmp_path / "a.pth")
    folder = tmp_path / "discriminator"
    options = ["--discriminator", str(folder), "--heads", "pesq", "csig+cbak"]
    main([str(tmp_path / "a.pth"), "-o", str(tmp_path / "g"), *options])
    [(ours, names)] = load_discriminator(folder)
    assert names == ("pesq", "csig+cbak")
    pair = torch.rand(1, 2, 30, 257)
    for _ in range(2):  # the vectors of spectral norm move alike
        torch.testing.assert_close(
            ours(pair, torch.tensor([30])), original(pair), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("causal", [False, True])
def test_there_and_back(tmp_path, causal):
    """What they load equals what we had; importing it again gives it back."""
    torch.manual_seed(0)
    ours = (CausalLSTMGenerator if causal else BLSTMGenerator)().eval()
    discriminator = Discriminator(heads=2)
    details = {"epoch": 20}
    export_generator(ours, tmp_path / "g", name="csig", details=details)
    export_discriminator(
        [discriminator], tmp_path / "d", heads=[["pesq", "csig"]]
    )
    file = tmp_path / "theirs" / "csig.pth"
    options = ["--to-authors", "--discriminator", str(tmp_path / "d")]
    assert main([str(tmp_path / "g"), "-o", str(file), *options]) == 0
    assert [path.name for path in file.parent.iterdir()] == ["csig.pth"]

    checkpoint = torch.load(file, weights_only=True)
    assert checkpoint["epoch"] == 20
    theirs = TheirGenerator(causal).eval()
    theirs.load_state_dict(checkpoint["generator"])  # strict
    their_discriminator = TheirDiscriminator(2)
    their_discriminator.load_state_dict(checkpoint["discriminator"])
    noisy, pair = torch.rand(1, 20, 257), torch.rand(1, 2, 30, 257)
    with torch.no_grad():
        torch.testing.assert_close(
            theirs(noisy).clamp(min=0.05), ours(noisy), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(
            their_discriminator(pair),
            discriminator(pair, torch.tensor([30])),
            atol=1e-5,
            rtol=0,
        )
    again = AuthorsCheckpoint(file).generator
    for key, value in ours.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)


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
    import builtins

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


def complaint(capsys, *argv):
    """Return what okd-import says to a command that it refuses."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in argv])
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_what_is_no_checkpoint(tmp_path, capsys):
    (tmp_path / "notes.pth").write_text("weights, honestly\n")
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    (tmp_path / "folder").mkdir()
    for name, reason in (
        ("notes.pth", "is not a file of weights"),
        ("other.pth", "keeps weights under the key 'generator'"),
        ("folder", "is a folder, but a checkpoint"),
        ("absent.pth", "holds no absent.pth"),
    ):
        said = complaint(capsys, tmp_path / name, "-o", tmp_path / "out")
        assert reason in said and name in said
        assert not (tmp_path / "out").exists()


def test_no_place_to_write_to(tmp_path, capsys):
    save_as_theirs(tmp_path / "a.pth", causal=True)
    output = tmp_path / "a.pth" / "pesq"  # below a file
    said = complaint(capsys, tmp_path / "a.pth", "-o", output)
    assert f"'{tmp_path / 'a.pth'}'" in said


def test_heads_must_fit_the_discriminator(tmp_path, capsys):
    save_as_theirs(tmp_path / "a.pth", causal=True)
    command = [tmp_path / "a.pth", "-o", tmp_path / "out"]
    d = ["--discriminator", tmp_path / "d"]
    for options, reason in (
        (d, "--discriminator and --heads go together"),
        (["--heads", "pesq", "csig"], "--discriminator and --heads go tog"),
        ([*d, "--heads", "pesq"], "has 2 outputs, but --heads names 1: pesq"),
        ([*d, "--heads", "pesq", "csg"], "did you mean 'csig'"),
    ):
        assert reason in complaint(capsys, *command, *options)
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "d").exists()


def test_what_their_code_cannot_have(tmp_path, capsys):
    export_generator(
        CausalLSTMGenerator(), tmp_path / "g", name="g", details={}
    )
    command = [tmp_path / "g", "--to-authors", "-o", tmp_path / "a.pth"]
    for option in (["--name", "x"], ["--heads", "pesq"]):
        said = complaint(capsys, *command, *option)
        assert f"{option[0]} has no place in the authors' files" in said

    one = Discriminator(heads=1)
    odd = Discriminator(heads=1, channels=3, normalise=False)
    for networks, reason in (
        ([one, one], "2 separate discriminators"),
        ([odd], "this one has 3 and does not normalise"),
    ):
        heads = [["pesq"] for _ in networks]
        export_discriminator(networks, tmp_path / "d", heads=heads)
        said = complaint(capsys, *command, "--discriminator", tmp_path / "d")
        assert reason in said
    assert not (tmp_path / "a.pth").exists()

    write_checkpoint(tmp_path / "a.pth", generator=CausalLSTMGenerator())
    assert "exists already" in complaint(capsys, *command)
    assert torch.load(tmp_path / "a.pth", weights_only=True)["epoch"] == 0


def test_an_export_folder_that_states_no_epoch(tmp_path):
    export_generator(
        CausalLSTMGenerator(), tmp_path / "g", name="g", details={}
    )
    main([str(tmp_path / "g"), "-o", str(tmp_path / "a.pth"), "--to-authors"])
    assert torch.load(tmp_path / "a.pth", weights_only=True)["epoch"] == 0

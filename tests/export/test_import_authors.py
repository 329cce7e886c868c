"""``okd-import`` both ways, against networks written from a description."""

import json

import pytest
import torch
from authors_code import TheirDiscriminator, TheirGenerator, save_as_theirs
from enhancing import exported

from okd_brain.discriminators import Discriminator
from okd_brain.export import (
    export_discriminator,
    export_generator,
    load_discriminator,
    load_generator,
)
from okd_brain.export.authors import AuthorsCheckpoint, write_checkpoint
from okd_brain.export.import_authors import export_for_authors, main
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator


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


def complaint(capsys, *argv):
    """Return what okd-import says to a command that it refuses."""
    assert main([str(argument) for argument in argv]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


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


def test_the_authors_code_has_no_such_network(tmp_path):
    folder = exported(tmp_path / "siib")
    with pytest.raises(ValueError, match="no network like a BandGain"):
        export_for_authors(folder, tmp_path / "siib.pth")
    assert not (tmp_path / "siib.pth").exists()

"""The models that come with okd: complete, whole, found by name."""

import re

import pytest
import torch
from enhancing import wide
from stand_in_model import use_models, write_model

from okd_brain.evaluation.systems import find_systems
from okd_brain.evaluation.tasks import ENHANCEMENT
from okd_brain.export import load_generator, read_details
from okd_brain.files import damage
from okd_brain.generators import CausalLSTMGenerator
from okd_brain.messages import UserError
from okd_brain.models import (
    DEFAULTS,
    default_model,
    find_model,
    known_models,
    registry,
)

FILES = "LICENSE README.md SHA256SUMS enhance_model.ckpt hyperparams.yaml"
OURS = sorted(
    path
    for path in registry.FOLDER.iterdir()
    if path.is_dir() and path.name != "__pycache__"
)


@pytest.mark.parametrize("folder", OURS, ids=lambda folder: folder.name)
def test_a_model_of_ours_is_complete(folder):
    """Weights, card, licence; what the card must say; and it loads."""
    names = {path.name for path in folder.iterdir()}
    assert names == {*FILES.split(), "model.json"}
    assert damage(folder) is None
    assert len((folder / "LICENSE").read_text()) > 500
    card = (folder / "README.md").read_text()
    model = known_models()[folder.name]
    metrics = {"se": "PESQ", "le": "SIIB|HASPI|ESTOI"}[model.task]
    for said in (
        "licen[cs]e",
        "seed",
        metrics,
        "16 kHz",
        "data|corpus|trained",
    ):
        assert re.search(said, card, re.IGNORECASE), said
    assert model.summary
    assert not load_generator(folder.name).training


@pytest.mark.xfail(
    not OURS, reason="the default model is being trained", strict=True
)
def test_the_default_model_is_there_and_causal():
    generator = load_generator(default_model("se"))
    assert isinstance(generator, CausalLSTMGenerator)


def test_a_default_is_of_the_task_that_it_is_for():
    known = known_models()
    tasks = {task: known[n].task for task, n in DEFAULTS.items() if n in known}
    assert tasks and all(task == own for task, own in tasks.items())


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of models: causal, listening."""
    write_model(tmp_path / "models")
    write_model(tmp_path / "models", wide(), "listening")
    use_models(tmp_path / "models", monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "models"


def test_models_are_listed_with_a_line_each(models):
    assert list(known_models()) == ["causal", "listening"]
    known = known_models()
    assert [known[name].task for name in known] == ["se", "le"]
    assert known["causal"].summary.startswith("A mask estimator")
    assert known["causal"].summary.endswith("at 16 kHz")
    assert default_model("se") == "causal"
    assert default_model("le") == "listening"


def test_a_model_is_loaded_by_its_name(models, tmp_path):
    """Half the size on disk, 32 bits in memory, the same network."""
    whole = load_generator(models / "export")
    torch.manual_seed(0)
    whole = CausalLSTMGenerator().state_dict()
    loaded = load_generator("causal").state_dict()
    for key, value in loaded.items():
        assert value.dtype == torch.float32
        # 16 bits: 11 of them significant.
        torch.testing.assert_close(value, whole[key], rtol=2**-11, atol=1e-7)
    assert read_details("causal") == {}


def test_evaluate_takes_names_of_models(models, tmp_path):
    for kind in ("clean", "noisy"):
        (tmp_path / kind).mkdir()
    [system] = find_systems(["causal=ours"], ENHANCEMENT, "clean", "noisy")
    assert (system.name, system.origin["source"]) == ("ours", "causal")


def test_a_folder_here_goes_first_if_it_is_a_model(models, tmp_path):
    (tmp_path / "causal").mkdir()
    assert load_generator("causal").state_dict()
    write_model(tmp_path, wide(), "causal")
    assert type(load_generator("causal")) is type(wide())


@pytest.mark.parametrize(
    "name, rule",
    [
        ("enhance_model.ckpt", "enhance_model.ckpt is not as it was written"),
        ("LICENSE", "LICENSE is missing"),
    ],
)
def test_a_damaged_model_is_refused(models, name, rule):
    path = models / "causal" / name
    if "missing" in rule:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match=f"causal in .* is damaged: {rule}"):
        load_generator("causal")


def test_what_has_no_checksums_is_no_model(models):
    (models / "causal" / "SHA256SUMS").unlink()
    assert find_model("causal") is None
    with pytest.raises(UserError, match="no model for speech enhancement"):
        default_model("se")


def test_an_unknown_name_lists_the_known_ones(models):
    rule = "did you mean 'causal'. Known: causal, listening, ssdrc"
    with pytest.raises(UserError, match=rule):
        load_generator("casual")


def test_ssdrc_is_said_to_be_no_network(models):
    with pytest.raises(UserError, match="ssdrc is a method without a network"):
        load_generator("ssdrc")

"""Networks of listening enhancement: exported by training, and where it starts."""

from types import SimpleNamespace

import pytest
import torch
from enhancing import (
    exported,
    wide,
)
from experiments import LE_BASE
from hyperpyyaml import load_hyperpyyaml
from small_networks import SmallGenerator

from okd_brain.config import read_experiment
from okd_brain.discriminators import Discriminator
from okd_brain.export import (
    export_discriminator,
    export_generator,
    read_details,
)
from okd_brain.generators import CausalLSTMGenerator
from okd_brain.metrics import parse_targets
from okd_brain.tasks import ListeningEnhancement, SpeechEnhancement
from okd_brain.training import (
    build_modules,
    export_trained,
    start_from_pretrained,
)


def export(folder, generator, task):
    """Export as a run does that has trained a generator on SIIB."""
    (target,) = parse_targets([["siib"]])
    brain = SimpleNamespace(
        task=task,
        artifacts_folder=folder,
        targets=[target],
        hparams=SimpleNamespace(seed=1),
        generators={target: generator},
        discriminator_heads={},
        checkpointer=SimpleNamespace(
            find_checkpoint=lambda **_: SimpleNamespace(meta={"steps": {}})
        ),
    )
    export_trained(
        brain,
        corpus="mini",
        results={
            "systems": {"siib": {"siib": 20.0}},
            "checkpoints": {"siib": {"epoch": 3}},
        },
    )


def test_training_exports_what_its_task_is(tmp_path):
    export(tmp_path, wide(), ListeningEnhancement(equal_power="frame"))
    details = read_details(tmp_path / "export" / "siib")
    assert details["task"] == "listening enhancement"
    assert details["equal_power"] == "frame" and details["epoch"] == 3


def test_a_generator_of_ones_own_leaves_its_weights(tmp_path):
    generator = SmallGenerator()
    export(tmp_path, generator, SpeechEnhancement())
    assert [path.name for path in tmp_path.rglob("*.*")] == ["siib.ckpt"]
    weights = torch.load(tmp_path / "export" / "siib.ckpt")
    assert weights.keys() == generator.state_dict().keys()
    assert weights["slope"].equal(generator.slope)


def test_warm_starts(tmp_path):
    """Of a generator by its name, of the others, and of every discriminator."""
    argv = [str(LE_BASE), f"--output_folder={tmp_path}", "--data_folder=unused"]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    heads = ["siib", "haspi_linear", "estoi"]
    judges = [
        Discriminator(heads=1, channels=3, normalise=False) for _ in heads
    ]
    export_discriminator(
        judges, tmp_path / "d", heads=[[head] for head in heads]
    )
    hparams["pretrained"] = {
        "siib": str(exported(tmp_path / "one", generator=wide(1))),
        "generators": str(exported(tmp_path / "two", generator=wide(2))),
        "discriminator": str(tmp_path / "d"),
    }
    modules = build_modules(hparams)
    started = start_from_pretrained(modules, hparams)
    assert set(started) == set(modules)
    sources = {"g_siib": wide(1), "g_haspi_linear": wide(2), "g_estoi": wide(2)}
    sources.update(zip((f"d_{head}" for head in heads), judges, strict=True))
    for name, source in sources.items():
        for key, value in source.state_dict().items():
            assert torch.equal(modules[name].state_dict()[key], value)


def test_a_warm_start_from_the_other_task(tmp_path):
    argv = [str(LE_BASE), f"--output_folder={tmp_path}", "--data_folder=unused"]
    hparams = load_hyperpyyaml(read_experiment(argv).yaml)
    export_generator(
        CausalLSTMGenerator(), tmp_path / "pesq", name="pesq", details={}
    )
    hparams["pretrained"] = str(tmp_path / "pesq")
    with pytest.raises(ValueError, match="pretrained siib: .*does not fit"):
        start_from_pretrained(build_modules(hparams), hparams)

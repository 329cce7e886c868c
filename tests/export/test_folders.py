"""Exported folders: equal to training, loaded by others, written safely."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from enhancing import (
    RATE,
    ROUNDING,
    difference_db,
    exported,
    hiss,
    talk,
    wide,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
)
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.inference.interfaces import Pretrained
from speechbrain.lobes.models.MetricGAN import EnhancementGenerator
from streams import offline

from okd_brain.discriminators import Discriminator
from okd_brain.enhance import (
    enhance_listening,
)
from okd_brain.export import (
    export_discriminator,
    export_generator,
    load_discriminator,
    load_generator,
    read_details,
    task_of,
)
from okd_brain.generators import (
    BLSTMGenerator,
    CausalLSTMGenerator,
)
from okd_brain.messages import UserError
from okd_brain.tasks import ListeningEnhancement, SpeechEnhancement

SPEECH = Path(__file__).parents[1] / "samples" / "june_fr_vm-next.flac"
KINDS = [BLSTMGenerator, CausalLSTMGenerator]


# Runs isolated (-I), in another folder, and cannot import okd_brain.
STOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "okd_brain":
            raise ImportError("okd_brain is not installed here")
sys.meta_path.insert(0, Blocker())
import numpy, torch
from speechbrain.inference.enhancement import SpectralMaskEnhancement
noisy, *folders = sys.argv[1:]
for folder in folders:
    enhancer = SpectralMaskEnhancement.from_hparams(source=folder, savedir=None)
    wave = enhancer.load_audio(noisy)[None]
    numpy.save(folder + ".npy", enhancer.enhance_batch(wave).numpy()[0])
    numpy.save(
        folder + ".with_lengths.npy",
        enhancer.enhance_batch(wave, lengths=torch.ones(1)).numpy()[0],
    )
    enhancer.enhance_file(noisy, folder + ".wav")
assert not any(name.startswith("okd_brain") for name in sys.modules)
"""


def trained_like(kind, seed=0):
    """Return a generator whose masks reach from the floor to the ceiling."""
    torch.manual_seed(seed)
    generator = kind()
    with torch.no_grad():
        generator.linear2.bias.copy_(torch.linspace(-8, 8, 257))
    return generator.eval()


@pytest.fixture
def speech():
    samples, _ = soundfile.read(SPEECH, dtype="float32")
    return torch.from_numpy(samples)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_of_these_tests_are_floored(kind, speech):
    spectrum = SpeechEnhancement().analysis.log_magnitude(speech[None])
    generator = trained_like(kind)
    with torch.inference_mode():
        mask = generator(spectrum)
        unfloored = 1.2 * torch.sigmoid(
            generator.Learnable_sigmoid.slope * generator.linear2.bias
        )
    assert unfloored.min() < 0.01  # there is something to floor
    assert mask.min() == pytest.approx(0.05) and mask.max() > 1.1


@pytest.mark.slow
def test_stock_speechbrain_gives_the_output_of_training(tmp_path, speech):
    folders = [str(tmp_path / kind.__name__) for kind in KINDS]
    for kind, folder in zip(KINDS, folders, strict=True):
        export_generator(trained_like(kind), folder, name="pesq", details={})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-I", "-c", STOCK, str(SPEECH), *folders],
        cwd=elsewhere,
        check=True,
        capture_output=True,
    )
    for kind, folder in zip(KINDS, folders, strict=True):
        ours = offline(trained_like(kind), speech).numpy()
        np.testing.assert_allclose(np.load(f"{folder}.npy"), ours, atol=1e-5)
        np.testing.assert_allclose(
            np.load(f"{folder}.with_lengths.npy"), ours, atol=1e-5
        )
        written, _ = soundfile.read(f"{folder}.wav")
        # 16-bit file: half a step, and the step between 32767 and 32768
        np.testing.assert_allclose(written, ours, atol=3 / 2**16)


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_generator_equals_the_exported(tmp_path, kind):
    generator = trained_like(kind).train()
    folder = export_generator(generator, tmp_path / "g", name="g", details={})
    assert generator.training  # left as it was
    loaded = load_generator(str(folder))
    assert type(loaded) is kind and not loaded.training
    for key, value in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_published_weights_load_with_the_floor(tmp_path, speech):
    torch.manual_seed(0)
    published = EnhancementGenerator().eval()
    with torch.no_grad():
        published.linear2.bias.copy_(torch.linspace(-8, 8, 257))
    torch.save(published.state_dict(), tmp_path / "enhance_model.ckpt")
    (tmp_path / "hyperparams.yaml").write_text("enhance_model: its own\n")
    loaded = load_generator(tmp_path)
    spectrum = SpeechEnhancement().analysis.log_magnitude(speech[None])
    with torch.inference_mode():
        mask = published(spectrum, lengths=None)
        assert torch.equal(loaded(spectrum), mask.clamp(min=0.05))


def test_exported_weights_load_in_a_stock_recipe(tmp_path):
    folder = export_generator(
        BLSTMGenerator(), tmp_path / "g", name="g", details={}
    )
    weights = torch.load(folder / "enhance_model.ckpt", weights_only=True)
    EnhancementGenerator().load_state_dict(weights)  # strict


def test_hub_id_goes_through_speechbrains_fetching(tmp_path, monkeypatch):
    folder = export_generator(
        BLSTMGenerator(), tmp_path / "g", name="g", details={}
    )
    asked = []

    def download(**request):
        asked.append((request["repo_id"], request["filename"]))
        return str(folder / request["filename"])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    loaded = load_generator("speechbrain/metricgan-plus-voicebank")
    assert type(loaded) is BLSTMGenerator
    assert set(asked) == {
        ("speechbrain/metricgan-plus-voicebank", "enhance_model.ckpt")
    }


def from_hub(monkeypatch, folder, error=None):
    """Let the hub give a folder's files, and an error for what it lacks."""

    def download(**request):
        if not (folder / request["filename"]).exists():
            raise error
        return str(folder / request["filename"])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)


def test_a_hub_model_keeps_the_details_of_its_task(tmp_path, monkeypatch):
    from_hub(monkeypatch, exported(tmp_path / "siib", "frame"))
    task = task_of(load_generator("some/siib"), read_details("some/siib"))
    assert task.equal_power == "frame"


@pytest.mark.parametrize(
    "error, warns",
    [
        (EntryNotFoundError("404"), False),
        (LocalEntryNotFoundError("no connection, and not in the cache"), True),
    ],
)
def test_a_hub_model_may_have_no_details(
    tmp_path, monkeypatch, caplog, error, warns
):
    from_hub(monkeypatch, tmp_path, error)
    assert read_details("speechbrain/metricgan") == {}
    assert ("model.json could not be fetched" in caplog.text) == warns
    with pytest.raises(UserError, match="enhance_model.ckpt"):
        load_generator("speechbrain/metricgan")


def test_unreachable_hub_model_names_both_possibilities(monkeypatch):
    def download(**request):
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(ValueError, match="not a folder here.*no connection"):
        load_generator("results/pesk")


def test_source_that_is_neither_folder_nor_hub_id(tmp_path):
    with pytest.raises(ValueError, match="missing.*namespace/name"):
        load_generator(tmp_path / "missing")


def test_only_known_generators_are_exported(tmp_path):
    with pytest.raises(ValueError, match="BLSTMGenerator.*got Enhancement"):
        export_generator(
            EnhancementGenerator(), tmp_path / "e", name="e", details={}
        )


def test_new_export_replaces_the_old(tmp_path):
    for seed in (1, 2):
        new = trained_like(CausalLSTMGenerator, seed)
        export_generator(new, tmp_path / "e", name="e", details={})
    assert torch.equal(
        load_generator(tmp_path / "e").linear1.weight, new.linear1.weight
    )
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_failed_export_leaves_the_old_one(tmp_path):
    old = trained_like(CausalLSTMGenerator)
    export_generator(old, tmp_path / "e", name="e", details={})
    broken = trained_like(CausalLSTMGenerator)
    with torch.no_grad():
        broken.linear1.bias[0] = float("nan")
    with pytest.raises(ValueError, match="not finite in linear1.bias"):
        export_generator(broken, tmp_path / "e", name="e", details={})
    assert torch.equal(
        load_generator(tmp_path / "e").linear1.weight, old.linear1.weight
    )
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_interrupted_replacement_puts_the_old_one_back(tmp_path, monkeypatch):
    export_generator(
        CausalLSTMGenerator(), tmp_path / "e", name="old", details={}
    )
    rename = Path.rename

    def failing(self, target):
        if self.name.endswith(".new"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        export_generator(
            CausalLSTMGenerator(), tmp_path / "e", name="new", details={}
        )
    model = json.loads((tmp_path / "e" / "model.json").read_text())
    assert model["name"] == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_export_deletes_nothing_of_others(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds 'notes.txt'"):
        export_generator(CausalLSTMGenerator(), tmp_path, name="e", details={})
    with pytest.raises(ValueError, match="notes.txt is a file"):
        export_generator(
            CausalLSTMGenerator(),
            tmp_path / "notes.txt",
            name="e",
            details={},
        )
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("channels, normalise", [(2, True), (3, False)])
def test_discriminators_round_trip(tmp_path, channels, normalise):
    torch.manual_seed(0)
    exported = [
        Discriminator(heads=count, channels=channels, normalise=normalise)
        for count in (2, 1)
    ]
    spectra = torch.rand(2, channels, 30, 257)
    frames = torch.tensor([30, 25])
    for discriminator in exported:  # spectral norm moves in training mode
        discriminator(spectra, frames)
    heads = [["pesq", "csig+cbak"], ["stoi"]]
    folder = export_discriminator(exported, tmp_path / "d", heads=heads)
    loaded = load_discriminator(folder)
    assert [names for _, names in loaded] == [("pesq", "csig+cbak"), ("stoi",)]
    for before, (after, _) in zip(exported, loaded, strict=True):
        assert after.training
        # the next training forward moves both in the same way
        assert torch.equal(before(spectra, frames), after(spectra, frames))


def test_every_head_needs_a_name(tmp_path):
    with pytest.raises(ValueError, match=r"\[2\], the names \[\['pesq'\]\]"):
        export_discriminator(
            [Discriminator(heads=2)], tmp_path / "d", heads=[["pesq"]]
        )
    with pytest.raises(ValueError, match="one name"):
        export_discriminator([], tmp_path / "d", heads=[["pesq"]])


@pytest.mark.parametrize("text", [None, "{", "[]", '{"discriminators": [1]}'])
def test_folder_without_discriminators(tmp_path, text):
    if text is not None:
        (tmp_path / "discriminator.json").write_text(text)
    with pytest.raises(ValueError, match="not a folder of exported discrimin"):
        load_discriminator(tmp_path)


def test_discriminator_weights_that_do_not_fit(tmp_path):
    folder = export_discriminator(
        [Discriminator(heads=1)], tmp_path / "d", heads=[["pesq"]]
    )
    listing = folder / "discriminator.json"
    text = listing.read_text().replace('"pesq"', '"pesq", "csig"')
    listing.write_text(text)
    with pytest.raises(ValueError, match="discriminator_0.ckpt does not fit"):
        load_discriminator(folder)
    torch.save({"x": torch.ones(1)}, folder / "discriminator_0.ckpt")
    with pytest.raises(ValueError, match="discriminator_0.ckpt does not fit"):
        load_discriminator(folder)


# Listening enhancement


@pytest.mark.parametrize("equal_power", ["utterance", "frame"])
def test_an_export_gives_the_waves_of_the_test(tmp_path, equal_power):
    """From the folder alone, of a mixture as the recipe's loader gives it."""
    clean, noise = talk(23001, level_dbfs=-25), hiss(23001)
    item = {"id": "u", "clean_sig": clean, "noise_sig": noise}
    task = ListeningEnhancement(equal_power=equal_power)
    with torch.no_grad():
        [tested] = task.enhance(wide(), PaddedBatch([item])).wave
    folder = exported(tmp_path / "siib", equal_power)
    loaded = load_generator(str(folder))
    assert not loaded.training
    found = task_of(loaded, read_details(folder))
    assert found.equal_power == equal_power
    played = enhance_listening(
        loaded, clean, RATE, noise, RATE, equal_power=found.equal_power
    )
    assert difference_db(played, clean) > -10
    torch.testing.assert_close(played, tested, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("equal_power", ["utterance", "frame"])
def test_speechbrain_loads_an_export_where_okd_is(tmp_path, equal_power):
    """As its model card shows it."""
    folder = exported(tmp_path / "siib", equal_power)
    model = Pretrained.from_hparams(source=str(folder), savedir=None)
    task, network = model.hparams.task, model.mods.enhance_model
    assert task.equal_power == equal_power
    clean, noise = talk(level_dbfs=-25), hiss()
    with torch.no_grad():
        inputs = task.analyse(clean[None], noise[None], torch.ones(1))
        wave = task.enhance(network, inputs).wave[0]
    ours = enhance_listening(
        wide(), clean, RATE, noise, RATE, equal_power=equal_power
    )
    torch.testing.assert_close(wave, ours, atol=ROUNDING, rtol=0)


def test_an_export_says_what_it_is_for(tmp_path):
    folder = exported(tmp_path / "siib", "frame")
    model = json.loads((folder / "model.json").read_text())
    assert model["generator"] == "BandGainGenerator"
    assert model["details"] == {
        "task": "listening enhancement",
        "equal_power": "frame",
        "epoch": 7,
    }
    card = (folder / "README.md").read_text()
    assert "# Listening enhancement: `siib`" in card
    assert "--task le --noise" in card
    assert "| equal_power | frame |" in card
    for key, value in wide().state_dict().items():
        assert torch.equal(load_generator(folder).state_dict()[key], value)

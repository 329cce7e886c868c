"""Small experiments on real speech, for tests of training."""

import json
from pathlib import Path

import numpy as np
import soundfile
from hyperpyyaml import load_hyperpyyaml

from okd_brain.brain import OKDBrain
from okd_brain.config import read_experiment
from okd_brain.corpora import make_dataset
from okd_brain.recipes import script
from okd_brain.training import build_modules

TESTS = Path(__file__).resolve().parent
RECIPE = TESTS.parent / "recipes" / "VoiceBank" / "okd"
BASE = RECIPE / "hparams" / "okd_pesq_csig.yaml"
LE_RECIPE = TESTS.parent / "recipes" / "LE" / "okd"
LE_BASE = LE_RECIPE / "hparams" / "okd_siib_haspi_estoi.yaml"
RATE = 16000


def train_script(recipe):
    """Give a recipe's ``train.py`` as a module, its folder on Python's path."""
    return script(recipe, "train")


def speech(number=0, seconds=1.0):
    """Return the start of a prompt, float64 [samples], 16 kHz."""
    path = sorted((TESTS / "samples").glob("*.flac"))[number]
    wave, _ = soundfile.read(path, frames=RATE)
    return wave[: round(seconds * RATE)]


def write_pairs(folder, count, seconds=1.0, first=0):
    """Write pairs of clean and noisy speech and return their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(first)
    entries = {}
    for number in range(first, first + count):
        length = seconds[number] if isinstance(seconds, list) else seconds
        clean = speech(number, length)
        noisy = clean + 0.3 * clean.std() * rng.standard_normal(len(clean))
        for kind, wave in (("clean", clean), ("noisy", noisy)):
            soundfile.write(folder / f"{kind}_{number}.wav", wave, RATE)
        entries[f"u{number}"] = {
            "noisy_wav": f"{{data_root}}/noisy_{number}.wav",
            "clean_wav": f"{{data_root}}/clean_{number}.wav",
            "length": len(clean),
        }
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(entries))
    return manifest


def write_speech_and_noise(folder):
    """Write four speakers with a sentence each, and two types of noise."""
    for kind in ("speech", "noise"):
        (folder / kind).mkdir()
    for number, speaker in enumerate("abcd"):
        path = folder / "speech" / f"{speaker}_1.wav"
        soundfile.write(path, 0.5 * speech(number), RATE)
    rng = np.random.default_rng(0)
    for name in ("hiss_1", "wind_1"):
        path = folder / "noise" / f"{name}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(4 * RATE), RATE)
    return folder


def dataset(folder, count, seconds=1.0, first=0):
    """Return a dataset of pairs written to a folder."""
    return make_dataset(write_pairs(folder, count, seconds, first), folder)


def load_hparams(output_folder, *overrides):
    """Load the base experiment, scored in this process, briefly trained."""
    options = {
        "output_folder": output_folder,
        "data_folder": "unused",
        "n_jobs": 1,
        "number_of_epochs": 2,
        "number_of_samples": 2,
        "valid_interval": 1,
        "report_metrics": "[si_sdr]",
        "targets": "[[si_sdr],[segsnr]]",
    }
    options.update(override[2:].split("=") for override in overrides)
    argv = [str(BASE), *(f"--{key}={options[key]}" for key in options)]
    return load_hyperpyyaml(read_experiment(argv).yaml)


def make_brain(output_folder, *overrides, run_opts=None):
    """Return a brain on cheap metrics, so that no time goes into scoring."""
    hparams = load_hparams(output_folder, *overrides)
    return OKDBrain(
        modules=build_modules(hparams),
        hparams=hparams,
        run_opts={"device": "cpu", "noprogressbar": True, **(run_opts or {})},
        checkpointer=hparams["checkpointer"],
    )


def make_small_brain(output_folder, *overrides, run_opts=None):
    """Return a brain of small networks, with dropout and spectral norm."""
    small = (
        "--generator=!name:small_networks.DroppingGenerator",
        "--discriminator_network=!name:small_networks.NormedDiscriminator",
    )
    return make_brain(output_folder, *small, *overrides, run_opts=run_opts)


def fit(brain, train, valid=None):
    """Train a brain."""
    brain.fidelity_set = valid
    brain.fit(
        brain.hparams.epoch_counter,
        train,
        valid,
        train_loader_kwargs=brain.hparams.train_dataloader_opts,
        valid_loader_kwargs=brain.hparams.valid_dataloader_opts,
    )


def weights(module):
    """Return a copy of a module's parameters by name."""
    return {
        name: parameter.detach().clone()
        for name, parameter in module.named_parameters()
    }


def moved(before, module):
    """Tell whether a module's parameters differ from a copy."""
    return any(
        not parameter.equal(before[name])
        for name, parameter in module.named_parameters()
    )

"""A results folder with four systems, the folder of a run, and their page."""

import json

import numpy as np
from experiments import RATE, speech

from okd_brain.files import write_json
from okd_brain.results import (
    SampleFolder,
    choose,
    gains,
    make_results,
    write_results,
)
from okd_brain.survival import PROGRESS
from okd_brain.training import TRAIN_LOG, EpochTable

SYSTEMS = {"noisy": 0.0, "pesq": 0.6, "csig": 0.4, "theirs": 0.5}


def write_results_folder(folder, count=12, heard=3, seed=0):
    """Write what evaluate.py leaves, of scores that are made up."""
    rng = np.random.default_rng(seed)
    names = [f"p{232 + n % 3}_{n:03d}" for n in range(count)]
    before = rng.uniform(1, 4, count)
    scores = {}
    for system, gain in SYSTEMS.items():
        pesq = before + gain * rng.uniform(-0.2, 1, count)
        scores[system] = {
            name: {"pesq": float(value), "estoi": float(np.tanh(value / 4))}
            for name, value in zip(names, pesq, strict=True)
        }
    folder.mkdir(parents=True)
    results = make_results(
        corpus="mine",
        split="test",
        scores=scores,
        origins={"pesq": {"epoch": 3}},
    )
    write_results(folder, results, scores)
    conditions = {
        name: {
            "speaker": name[:4],
            "noise": ("bus", "cafe")[n % 2],
            "snr_db": (2.5, 7.5, 12.5)[n % 3],
        }
        for n, name in enumerate(names)
    }
    write_json(folder / "conditions.json", conditions)
    write_samples(folder, scores, heard, rng)
    return folder


def write_samples(folder, scores, heard, rng):
    chosen = choose(gains(scores, "noisy", {"pesq": True}), heard)
    samples = SampleFolder(folder, RATE, chosen)
    samples.can_draw = False
    for number, name in enumerate(chosen):
        clean = 0.5 * speech(number)
        noise = 0.05 * rng.standard_normal(len(clean))
        waves = {"clean": clean, "noisy": clean + noise}
        for share, system in enumerate(("pesq", "csig", "theirs"), 1):
            waves[system] = clean + noise / (share + 1)
        samples.add(name, waves)
    samples.close()


def write_run_folder(folder, seed=1, epochs=6, text="epoch 7/9 okd, 2 h left"):
    """Write what train.py leaves while it is at work, of numbers made up."""
    folder.mkdir(parents=True)
    write_json(folder / "run.json", {"options": {"seed": str(seed)}})
    table = EpochTable(folder / TRAIN_LOG)
    for epoch in range(1, epochs + 1):
        stage = "warmup" if epoch < 3 else "okd"
        row = {"epoch": epoch, "stage": stage, "updates": 10 * epoch}
        row |= {"train loss": 1 / epoch, "seconds generator": 60.0}
        row |= {"train g_pesq gradient norm": 0.1 / (seed + epoch)}
        row |= {"train g_csig gradient norm": 0.2 / (seed + epoch)}
        if epoch % 2 == 0:
            rise = (0.1 * seed - (epoch == 6)) * epoch  # the last is worst
            row |= {"valid noisy pesq": 1.5, "valid noisy csig": 2.5}
            row |= {"valid pesq pesq": 1.5 + rise, "valid pesq csig": 2.5}
            row |= {"valid csig pesq": 1.5, "valid csig csig": 2.5 + rise}
            row |= {"valid distance pesq csig": epoch / 1e4}
        table.add(row)
    write_json(folder / PROGRESS, {"text": text})
    return folder


def data_of(page, file="data.js", call="OKD.show"):
    """Return what a script of a page hands over."""
    text = (page / file).read_text()
    assert text.startswith(f"{call}(") and text.endswith(");\n")
    return json.loads(text[len(call) + 1 : -len(");\n")])


def runs_of(page):
    """Return the runs of a page, by name."""
    runs = data_of(page, "runs.js", "OKD.follow")["runs"]
    return {run["name"]: run for run in runs}

"""Record what users of the package see, so that moving code cannot change it.

Run ``python tests/golden/record.py`` to write the files beside this script
again after a deliberate change, and read the difference before committing it.
``--checkpoint`` also writes the checkpoint that every later version has to
resume; do that only when the format of checkpoints changes on purpose.
"""

import io
import json
import os
import re
import shutil
import sys
import tempfile
from contextlib import nullcontext, redirect_stdout, suppress
from importlib.metadata import entry_points
from pathlib import Path
from runpy import run_path

GOLDEN = Path(__file__).resolve().parent
TESTS = GOLDEN.parent
sys.path.insert(0, str(TESTS))

from experiments import (  # noqa: E402
    BASE,
    LE_BASE,
    LE_RECIPE,
    RECIPE,
    dataset,
    fit,
    load_hparams,
    train_script,
    write_pairs,
    write_speech_and_noise,
)
from small_networks import SmallDiscriminator, SmallGenerator  # noqa: E402

from okd_brain.brain import OKDBrain  # noqa: E402
from okd_brain.training import build_modules  # noqa: E402

SCRIPTS = {"SE": RECIPE, "LE": LE_RECIPE}
CHECKPOINT = GOLDEN / "checkpoint"


def commands():
    """Return the name of every command and a function that runs it."""
    found = {}
    for point in entry_points(group="console_scripts"):
        if point.name.startswith("okd-"):
            found[point.name] = lambda point=point: point.load()()
    for task, recipe in SCRIPTS.items():
        for path in sorted(recipe.glob("*.py")):
            if not path.stem.endswith("_prepare"):
                found[f"{task}_{path.stem}"] = lambda path=path: run_path(
                    str(path), run_name="__main__"
                )
    return found


def help_of(name):
    """Return what ``--help`` of a command prints, white space made single."""
    output = io.StringIO()
    argv, sys.argv = sys.argv, [name, "--help"]
    recipe = SCRIPTS.get(name.partition("_")[0])
    try:
        with train_script(recipe) if recipe else nullcontext():
            with redirect_stdout(output), suppress(SystemExit):
                commands()[name]()
    finally:
        sys.argv = argv
    return " ".join(output.getvalue().split()) + "\n"


def tiny_run(task, folder):
    """Train, test and export an experiment on four seconds of speech.

    Returns
    -------
    Path
        The output folder.
    """
    output = folder / "out"
    common = [
        f"--output_folder={output}",
        "--number_of_epochs=2",
        "--warmup_epochs=1",
        "--discriminator_epochs=1",
        "--number_of_samples=2",
        "--valid_interval=1",
        "--n_jobs=1",
        "--device=cpu",
        "--samples=0",  # pictures depend on what is installed
        "--noprogressbar",
    ]
    if task == "SE":
        for split, first, count in (("train", 0, 4), ("test", 10, 2)):
            write_voicebank(folder / "corpus", split, first, count)
        argv = [
            str(BASE),
            f"--data_folder={folder / 'corpus'}",
            "--valid_speakers=[s3]",
            "--report_metrics=[si_sdr, estoi]",
        ]
    else:
        (folder / "corpus").mkdir()
        corpus = write_speech_and_noise(folder / "corpus")
        argv = [
            str(LE_BASE),
            f"--data_folder={corpus / 'speech'}",
            f"--noise_folder={corpus / 'noise'}",
            "--valid_talkers=[c]",
            "--test_talkers=[d]",
            "--train_noises=[hiss]",
            "--test_noises=[wind]",
            "--max_valid_mixtures=1",
            "--targets=[[siib], [estoi]]",
            "--report_metrics=[stoi]",
        ]
    with train_script(SCRIPTS[task]) as train:
        train.main([*argv, *common])
    return output


def write_voicebank(folder, split, first, count):
    """Write pairs in VoiceBank's folders, a speaker for each."""
    source = folder / f"pairs_{split}"
    write_pairs(source, count, first=first)
    infix = "_28spk" if split == "train" else ""
    for number in range(first, first + count):
        for kind in ("clean", "noisy"):
            target = folder / f"{kind}_{split}set{infix}_wav_16k"
            target.mkdir(exist_ok=True)
            (source / f"{kind}_{number}.wav").rename(
                target / f"s{number}_001.wav"
            )
    shutil.rmtree(source)


def summary(output):
    """Return what a run left: names of files, results, tables."""
    names = sorted(
        re.sub(r"CKPT\+[^/]*", "CKPT", str(path.relative_to(output)))
        for path in output.rglob("*")
        if path.is_file() and "score_cache" not in path.parts
    )
    results = json.loads((output / "results.json").read_text())
    for origin in results["checkpoints"].values():
        del origin["checkpoint"]  # a date
    breakdown = output / "breakdown_test.json"
    return {
        "files": sorted(set(names)),
        "results": results,
        "breakdown": (
            json.loads(breakdown.read_text()) if breakdown.exists() else None
        ),
        "log_keys": [
            sorted(set(re.findall(r"(?:^|[ ,-])([a-zA-Z_+@ ]+):", line)))
            for line in (output / "train_log.txt").read_text().splitlines()
        ],
        "log_table_heads": [
            line
            for line in (output / "log.txt").read_text().splitlines()
            if line.startswith("| system") or "| utterances |" in line
        ],
        "scores_columns": (output / "scores_test.csv")
        .read_text()
        .splitlines()[0],
    }


def datasets(folder):
    """Return the training and validation sets of the stored checkpoint."""
    return dataset(folder / "train", 3), dataset(folder / "valid", 1, first=5)


def small_brain(output, *overrides):
    """Return a brain of networks that fit into a repository."""
    hparams = load_hparams(
        output,
        "--number_of_epochs=4",
        "--valid_interval=2",
        "--warmup_epochs=1",
        "--ckpt_interval_minutes=15",
        *overrides,
    )
    hparams["generator"] = SmallGenerator
    hparams["discriminator_network"] = SmallDiscriminator
    return OKDBrain(
        modules=build_modules(hparams),
        hparams=hparams,
        run_opts={"device": "cpu", "noprogressbar": True},
        checkpointer=hparams["checkpointer"],
    )


def state(brain):
    """Return the end of a run: sums of parameters, steps, replay's size."""
    return {
        "parameters": {
            name: [
                float(p.detach().double().sum()) for p in module.parameters()
            ]
            for name, module in brain.modules.items()
        },
        "steps": dict(brain.steps),
        "replay": [record.file for record in brain.replay.past],
    }


def main():
    """Write the golden files."""
    os.environ["COLUMNS"] = "80"
    for name in commands():
        path = GOLDEN / "help" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(help_of(name))
    for task in SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = summary(tiny_run(task, Path(folder)))
        path = GOLDEN / f"run_{task}.json"
        path.write_text(json.dumps(outcome, indent=1) + "\n")
    if "--checkpoint" in sys.argv[1:]:
        record_checkpoint()


def record_checkpoint():
    """Train four epochs; keep the state after the second, and how it ended."""
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        train, valid = datasets(Path(folder))
        half = small_brain(Path(folder) / "out", "--number_of_epochs=2")
        fit(half, train, valid)
        shutil.copytree(Path(folder) / "out" / "save", CHECKPOINT / "save")
        whole = small_brain(Path(folder) / "whole")
        fit(whole, train, valid)
    (CHECKPOINT / "end.json").write_text(json.dumps(state(whole)) + "\n")


if __name__ == "__main__":
    main()

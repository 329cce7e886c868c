"""Two processes train one model, on CPU, as torchrun starts them."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from experiments import LE_BASE, LE_RECIPE, TESTS, write_speech_and_noise

pytestmark = pytest.mark.slow


def torchrun(script, *arguments):
    """Run a script in two processes and return how that ended.

    It fails if a thread of the group is left, which may abort its process.
    """
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node=2", str(TESTS / "ddp_script.py")),
            *(str(script), *map(str, arguments)),
        ],
        env={
            **os.environ,
            "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_two_processes_agree_and_go_on(tmp_path):
    done = torchrun(TESTS / "ddp_worker.py", tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "the processes agree" in done.stdout


def run_recipe(folder, *options):
    """Train in two processes, which find out by themselves that gloo is it."""
    corpus = write_speech_and_noise(folder)
    done = torchrun(
        LE_RECIPE / "train.py",
        LE_BASE,
        f"--data_folder={corpus / 'speech'}",
        f"--noise_folder={corpus / 'noise'}",
        "--valid_talkers=[c]",
        "--test_talkers=[d]",
        "--train_noises=[hiss]",
        "--test_noises=[wind]",
        "--targets=[[estoi],[siib]]",
        "--report_metrics=[estoi]",
        "--n_jobs=1",
        f"--output_folder={folder / 'output'}",
        "--device=cpu",
        "--noprogressbar",
        *options,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_recipe_runs_to_its_end(tmp_path):
    """Training, reports, export: no process waits for one that has gone on.

    Not even where an epoch has fewer utterances than there are processes.
    """
    run_recipe(tmp_path, "--number_of_epochs=1", "--number_of_samples=1")
    results = json.loads((tmp_path / "output" / "results.json").read_text())
    assert list(results["systems"])[-2:] == ["estoi", "siib"]
    assert (tmp_path / "output" / "export" / "estoi").is_dir()


@pytest.mark.parametrize("where", ["step", "validation"])
def test_all_processes_end_when_one_is_told_to(tmp_path, where):
    done = torchrun(TESTS / "ddp_told.py", tmp_path, where)
    assert done.returncode == 0, done.stderr[-4000:]
    codes = [(tmp_path / f"code{rank}").read_text() for rank in (0, 1)]
    assert codes == ["75", "75"]
    metas = [
        yaml.safe_load(path.read_text())
        for path in (tmp_path / "run" / "save").glob("CKPT+*/CKPT.yaml")
    ]
    newest = max(metas, key=lambda meta: meta["unixtime"])
    if where == "step":
        assert newest["within_epoch"] == 2
    else:
        assert newest["epoch"] == 2


def test_processes_of_a_debug_run_share_a_replay(tmp_path):
    """In its second epoch each reads waves that the other wrote."""
    run_recipe(tmp_path, "--number_of_samples=2", "--debug")
    assert not (tmp_path / "output" / "results.json").exists()

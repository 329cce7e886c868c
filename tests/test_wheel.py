"""The package as others install it: the wheel, and its commands without a clone."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from stand_in_model import write_model

ROOT = Path(__file__).parents[1]
SHIPPED = ("recipes", "tests/samples")
COMMANDS = "analyse enhance evaluate import score study train".split()


def build(kind, source, target):
    """Build a wheel or an sdist of a source tree; return it and what was said."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c"]
        + [
            f"from setuptools.build_meta import *; build_{kind}({str(target)!r})"
        ],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [built] = target.iterdir()
    return built, done.stdout + done.stderr


def sources(folder):
    """Return name -> content of the files of a folder of the clone."""
    found = {}
    for path in (ROOT / folder).rglob("*"):
        parts = path.relative_to(ROOT).parts
        of_runs = parts[0] == "recipes" and "results" in parts
        if path.is_file() and "__pycache__" not in parts and not of_runs:
            found["/".join(parts)] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the clone, in which somebody has trained."""
    folder = tmp_path_factory.mktemp("tree")
    for name in "setup.cfg setup.py pyproject.toml MANIFEST.in".split():
        shutil.copy(ROOT / name, folder)
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("okd_brain", *SHIPPED):
        for path, content in sources(name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    recipe = folder / "recipes" / "VoiceBank" / "okd"
    for left in (recipe / "results" / "1", recipe / "__pycache__"):
        left.mkdir(parents=True)
        (left / "model.pyc").touch()
    return folder


@pytest.fixture(scope="module")
def wheel(tree, tmp_path_factory):
    pytest.importorskip("setuptools")
    return build("wheel", tree, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_builds_without_deprecation_warnings(wheel):
    path, said = wheel
    assert "deprecat" not in said.lower()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith("/METADATA")]
        text = archive.read(metadata).decode()
        [points] = [
            name for name in names if name.endswith("/entry_points.txt")
        ]
        commands = archive.read(points).decode()
    assert "\nLicense: Apache-2.0\n" in text
    assert any(name.endswith("/LICENSE") for name in names)
    assert set(sources("okd_brain")) <= set(names)
    for name in COMMANDS:
        assert f"okd-{name} = okd_brain." in commands


def test_the_wheel_has_the_recipes_and_samples_of_the_clone(wheel):
    """All of them, byte for byte, and nothing that a run has left."""
    with zipfile.ZipFile(wheel[0]) as archive:
        shipped = {
            name.removeprefix("okd_brain/shipped/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("okd_brain/shipped/")
        }
    assert shipped == {**sources("recipes"), **sources("tests/samples")}


@pytest.mark.slow
def test_a_wheel_of_the_source_distribution_is_the_same(tree, wheel, tmp_path):
    for name in ("sdist", "wheel"):
        (tmp_path / name).mkdir()
    sdist, _ = build("sdist", tree, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.glob("okd-*")
    again, _ = build("wheel", unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(again) as other, zipfile.ZipFile(wheel[0]) as archive:
        assert sorted(other.namelist()) == sorted(archive.namelist())


class Installation:
    """A fresh environment with the wheel in it, and a folder to work in.

    What okd depends on is that of this environment: no network is needed.
    """

    def __init__(self, wheel, folder):
        venv.create(folder / "env", with_pip=False)
        self.bin = folder / "env" / "bin"
        [self.site] = folder.glob("env/lib/python*/site-packages")
        # A line of a .pth file: the .pth files that lie there are not read, so
        # that this clone stays unknown.
        borrowed = sysconfig.get_path("purelib")
        (self.site / "borrowed.pth").write_text(f"{borrowed}\n")
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python"]
        options = "install --no-index --no-deps --ignore-installed --quiet"
        subprocess.run([*pip, *options.split(), str(wheel)], check=True)
        self.work = folder / "work"
        self.work.mkdir()

    def run(self, command, *arguments, status=0):
        """Run a command; return what it writes."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTHON")
        }
        done = subprocess.run(
            [self.bin / command, *map(str, arguments)],
            cwd=self.work,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def files(self):
        """Return what is installed: path -> time of its last change."""
        package = self.site / "okd_brain"
        return {path: path.stat().st_mtime_ns for path in package.rglob("*")}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    made = Installation(wheel[0], tmp_path_factory.mktemp("installed"))
    models = made.site / "okd_brain" / "models"
    if not (models / "causal").exists():  # until it is trained
        write_model(models)
        shutil.rmtree(models / "export")
    samples = made.site / "okd_brain" / "shipped" / "tests" / "samples"
    shutil.copy(samples / "june_fr_vm-next.flac", made.work / "noisy.flac")
    for path in (made.site / "okd_brain").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield made
    for path in (made.site / "okd_brain").rglob("*"):  # for pytest to remove
        path.chmod(0o755)


@pytest.mark.slow
def test_what_is_installed_enhances(installed):
    before = installed.files()
    said = installed.run("okd-enhance", "noisy.flac", "-o", "out/")
    assert "Model: causal" in said
    assert (installed.work / "out" / "noisy.flac").stat().st_size > 1000
    code = (
        "import okd_brain, soundfile; print(okd_brain.__file__);"
        "noisy, rate = soundfile.read('noisy.flac');"
        "print(okd_brain.Enhancer()(noisy, rate).shape == noisy.shape)"
    )
    file, same = installed.run("python", "-c", code).splitlines()[-2:]
    assert Path(file).is_relative_to(installed.site) and same == "True"
    assert installed.files() == before


@pytest.mark.slow
def test_what_is_installed_trains(installed):
    """On the mini corpus; outputs lie in the folder where it was started."""
    before = installed.files()
    listed = installed.run("okd-train", "--list")
    assert "okd_pesq_csig " in listed and "LE/real_time " in listed
    options = (
        "--number_of_epochs=1 --warmup_epochs=0 --discriminator_epochs=0 "
        "--number_of_samples=2 --valid_interval=1 --n_jobs=2 --device=cpu "
        "--noprogressbar --targets=[[si_sdr]] --report_metrics=[si_sdr] "
        "--generator=!name:okd_brain.generators.CausalLSTMGenerator"
    ).split()
    installed.run("okd-train", "okd_pesq_csig", *options)
    run = installed.work / "results" / "okd_pesq_csig" / "mini-1"
    systems = json.loads((run / "results.json").read_text())["systems"]
    assert systems.keys() == {"noisy", "si_sdr"}
    installed.run("okd-train", "okd_pesq_csig", *options)  # is done
    installed.run("okd-enhance", run, "noisy.flac", "-o", "own.flac")
    corpus = run / "mini_corpus"
    installed.run(
        *("okd-evaluate", f"{run}=mine", "causal", "--metrics", "si_sdr"),
        *("--clean", corpus / "clean_testset_wav_16k"),
        *("--noisy", corpus / "noisy_testset_wav_16k", "-o", "compared"),
    )
    table = json.loads((installed.work / "compared/results.json").read_text())
    assert table["systems"].keys() == {"noisy", "mine", "causal"}
    assert table["systems"]["mine"] == pytest.approx(
        systems["si_sdr"], abs=1e-3
    )
    assert installed.files() == before

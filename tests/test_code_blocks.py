"""Every block of code of the manual does what it says, as far as a test can.

Python is executed, in a folder with what the text says is there. YAML is loaded, as
an experiment or a study. Bash runs, with a record in the place of every program:
what each would have been told is given to its own parser. A block of another
language is marked as not executed: it is `text`, or `bibtex`, which
`test_site` reads.
"""

import argparse
import configparser
import importlib
import itertools
import re
import runpy
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from enhancing import exported
from experiments import RATE, speech
from test_docs import FENCE, ROOT

from okd_brain import cli
from okd_brain.config import read_experiment
from okd_brain.export import export_generator
from okd_brain.generators import BLSTMGenerator
from okd_brain.messages import UserError
from okd_brain.recipes import find_yaml, recipes
from okd_brain.studies.file import read_study

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = {"bash", "python", "yaml", "text", "bibtex"}
OTHERS = {"arecord", "aplay", "pip"}  # programs
FOLDERS = [ROOT, *recipes().values()]  # where scripts are started
RECORD = r"""
record() { printf '%s\0' "$PWD" "$@" $'\1' >> "$RECORD"; }
command_not_found_handle() { record "$@"; }
source() { :; }
.venv/bin/pip() { record pip "$@"; }
PATH=/nowhere
set -eu
"""


def code_blocks(language):
    """Return the blocks of a language, each named by its page and its line."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            if match[1] == language:
                name = f"{page.name}:{line}"
                found.append(pytest.param(match[2], id=name))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_has_a_language_and_is_one_of_ours(page):
    text = page.read_text()
    blocks = FENCE.findall(text)
    assert {language for language, _ in blocks} <= LANGUAGES
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(blocks)


# Bash -------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """A folder with what is in a clone, and a recipe that --copy has made."""
    for name in ("recipes", "benchmarks", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(recipes()["VoiceBank"], tmp_path / "mine")
    own = tmp_path / "mine" / "hparams" / "own.yaml"
    own.write_text("base: okd_pesq_csig.yaml\n")
    return tmp_path


def commands_of(block, place):
    """Return what a block starts: the folder, the program, its arguments."""
    done = subprocess.run(
        ["/bin/bash", "-c", RECORD + block],
        cwd=place,
        env={"RECORD": str(place / "record")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    record = place / "record"
    ended = record.read_text().split("\0\1\0")[:-1]
    record.unlink()
    return [command.split("\0") for command in ended]


@pytest.mark.parametrize("block", code_blocks("bash"))
def test_programs_understand_what_they_are_told(block, place, monkeypatch):
    commands = [
        command
        for paragraph in block.split("\n\n")  # each begins where the page does
        for command in commands_of(paragraph, place)
    ]
    assert commands
    for folder, *command in commands:
        monkeypatch.chdir(folder)
        if command[-1] == "…" and not command[-2].startswith("-"):
            del command[-1]  # and so on
        understand(command, monkeypatch)


def understand(command, monkeypatch):
    """Let the parser of a program read what it is told."""
    program, *words = command
    if program == "torchrun":
        own = list(itertools.takewhile(lambda word: word[:2] == "--", words))
        del words[: len(own)]
        program = words.pop(0) if "--no-python" in own else "python"
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        for word in words:
            name, _, value = word.partition("=")
            assert re.search(
                rf"^{name} *\??{'=' if value else ':'}", makefile, re.M
            )
    elif program == "python" and words[0] == "-m":
        assert words[1] == "venv"
    elif program == "python":
        understand_script(words, monkeypatch)
    elif program == "okd-train" and not words[0].startswith("-"):
        recipe, file = find_yaml(words[0])
        understand_experiment(recipe, [str(file), *words[1:]])
    elif program not in OTHERS:
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        points = setup["options.entry_points"]["console_scripts"]
        [place] = re.findall(rf"^{program} = (\S+)$", points, re.M)
        module, function = place.split(":")
        main = getattr(importlib.import_module(module), function)
        told(lambda: main(words), monkeypatch)


def understand_script(words, monkeypatch):
    """Let a script of the clone read what it is told."""
    script, *rest = words
    experiments = [w for w in rest if w.startswith(("hparams/", "studies/"))]
    folders = [
        folder
        for folder in [Path.cwd(), *FOLDERS]
        if all((folder / file).is_file() for file in (script, *experiments))
    ]
    assert folders
    for folder in folders:
        monkeypatch.chdir(folder)
        try:
            understand_in(folder, script, rest, monkeypatch)
            return
        except UserError:  # the page may be about another recipe
            if folder == folders[-1]:
                raise


def understand_in(folder, script, rest, monkeypatch):
    """Let a script read what it is told, in the folder of a recipe."""
    path = folder / script
    if script.endswith("train.py"):
        understand_experiment(path.parent, rest)
    elif script.startswith("examples/"):
        tests = (ROOT / "tests" / "test_examples.py").read_text()
        assert f'"{path.stem}"' in tests  # which runs it
    elif rest or not script.startswith("benchmarks/"):
        monkeypatch.setattr(sys, "argv", [script, *rest])
        monkeypatch.syspath_prepend(str(path.parent))
        extra = told(
            lambda: runpy.run_path(str(path), run_name="__main__"), monkeypatch
        )
        if extra:  # for train.py
            first = ["hparams/control.yaml"]  # any one
            first = [] if extra[0].endswith(".yaml") else first
            understand_experiment(folder, [*first, *extra])


def understand_experiment(recipe, words):
    if "--help" not in words:
        read_experiment(words, recipe / "hparams" / "schedules" / "mini.yaml")


class Understood(BaseException):
    """In the place of what a program would do."""


def told(program, monkeypatch):
    """Run a program up to what it would do; return what its parser leaves."""

    def run(function, *arguments, **_):
        last = arguments[-1]
        raise Understood(last if isinstance(last, list) else [])

    def parse_args(self, *arguments):
        found = read(self, *arguments)
        if "/benchmarks/" in sys.argv[0]:
            raise Understood([])
        return found

    read = argparse.ArgumentParser.parse_args
    with monkeypatch.context() as patch:
        patch.setattr(cli, "run", run)
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        with pytest.raises(Understood) as caught:
            program()
    return caught.value.args[0]


# Python -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with the files that blocks of Python name."""
    folder = tmp_path_factory.mktemp("given")
    export_generator(
        BLSTMGenerator(), folder / "export" / "pesq", name="pesq", details={}
    )
    for place in ("", "results/real_time/1"):
        exported(folder / place / "export" / "siib")
    soundfile.write(folder / "noisy.wav", speech(), RATE)
    return folder


@pytest.mark.parametrize("block", code_blocks("python"))
def test_python_runs(block, given, monkeypatch):
    monkeypatch.chdir(given)
    clean, played = speech(), []
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(clean))
    chunks = np.split(noise[:1600].astype(np.float32), 10)
    names = {
        **{"clean": clean, "enhanced": clean + noise, "play": played.append},
        **{"pairs": [(clean, clean + noise)], "speech": clean, "noise": noise},
        **{"microphone": chunks, "to_be_played": chunks},
    }
    exec(compile(block, "block", "exec"), names)
    if "play(" in block:
        assert sum(map(len, played)) == 1600
    if "scores" in names:
        assert names["scores"].shape == (1, 3)
        assert np.isfinite(names["scores"]).all()


# YAML -------------------------------------------------------------------------


@pytest.mark.parametrize("block", code_blocks("yaml"))
def test_yaml_is_an_experiment_or_a_study(block, place, monkeypatch):
    hparams = place / "mine" / "hparams"
    if "\nmethods:" in block:
        (place / "study.yaml").write_text(block)
        study = read_study(place / "study.yaml", hparams)
        assert len(study.entries) > 1 and study.metrics
        return
    module = types.ModuleType("my_module")
    for name in re.findall(r"my_module\.(\w+)", block):
        setattr(module, name, print)
    monkeypatch.setitem(sys.modules, "my_module", module)
    if not re.search("^base:", block, re.M):  # some keys of one
        block = f"base: okd_pesq_csig.yaml\n{block}"
    (hparams / "own.yaml").write_text(block)
    words = [str(hparams / "own.yaml"), f"--output_folder={place / 'out'}"]
    with read_experiment(words).loaded() as (loaded, _):
        for key in re.findall(r"^(\w+):", block, re.M):
            assert key == "base" or key in loaded

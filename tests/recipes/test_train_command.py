"""What ``train.py`` says to users' mistakes, in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from experiments import BASE, LE_BASE, LE_RECIPE, RECIPE, TESTS
from small_runs import arguments, write_corpus
from tiny_corpus import burst, write_wave

RECIPES = {RECIPE: BASE, LE_RECIPE: LE_BASE}
SAMPLES = TESTS / "samples"


def call(recipe, *argv, **environment):
    """Return exit code, output and errors, without SpeechBrain's own lines."""
    done = subprocess.run(
        [sys.executable, str(recipe / "train.py"), *map(str, argv)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80", **environment},
    )
    return done.returncode, done.stdout, own_lines(done.stderr)


def own_lines(said):
    """Return the lines that are not SpeechBrain's or torchvision's."""
    lines = said.splitlines()
    return [line for line in lines if not re.match(r"[\w.]+ - |torchv", line)]


@pytest.mark.parametrize("recipe", RECIPES, ids=["SE", "LE"])
def test_help_lists_the_keys_of_the_yaml(recipe):
    code, said, errors = call(recipe, "--help", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.split("|")[-1].strip() for line in errors}
    assert code == 0 and "argparse" in imported
    assert "torch" not in imported  # which takes seconds
    words = " ".join(said.split())
    assert "--alpha VALUE weight of the mimicry" in words
    assert "(default: 5.0)" in words
    assert "--device NAME cpu, cuda, cuda:1" in words
    for refused in (
        *("grad_accumulation_factor", "jit", "data_parallel_backend"),
        *("remove_vector_weight_decay", "auto_mix_prec"),
    ):
        assert f"--{refused}" not in said
    assert "Method:" in said and "Training Parameters:" in said


def test_help_of_an_experiment_has_its_defaults():
    yaml = RECIPE / "hparams" / "alpha_1.yaml"
    code, said, _ = call(RECIPE, yaml, "--help")
    words = " ".join(said.split())
    assert code == 0
    assert re.search(r"--alpha VALUE weight of the mimicry [^-]*: 1.0\)", words)
    assert "Defaults are those of alpha_1.yaml." in said


@pytest.mark.parametrize("recipe", RECIPES, ids=["SE", "LE"])
def test_version(recipe):
    assert call(recipe, "--version") == (0, "okd 0.1.0\n", [])


def test_help_does_not_wait_for_pytorch():
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['train.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(RECIPE / 'train.py')!r}, run_name='__main__')\n"
        "finally:\n"
        "    assert 'torch' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL
    )


MISTAKES = [
    ([], "No experiment is named"),
    (["absent.yaml"], "There is no file absent.yaml"),
    (
        [BASE, "--data_folder", "/absent"],
        "--data_folder /absent does not exist",
    ),
    ([BASE, "--data_folder", BASE], "is not a folder"),
    ([BASE, "--data_folder", SAMPLES], "--noise_folder"),
    ([BASE, "--numbr_of_epochs", "3"], "did you mean 'number_of_epochs'"),
    ([BASE, "--alpha", "much"], "--alpha is 'much', must be a number"),
    ([BASE, "--skip_bad_files", "yes"], "must be True or False"),
    ([BASE, "--device", "cuda:0"], "--device cuda:0 does not work here"),
    ([BASE, "--device", "gpu"], "--device gpu does not work here"),
    ([BASE, "--use_tensorboard", "True"], "pip install 'okd[tensorboard]'"),
    ([BASE, "--jit"], "TorchScript cannot compile"),
    ([BASE, "--targets", "[[psq]]"], "did you mean 'pesq'"),
    ([BASE, "--grad_accumulation_factor", "2"], "only 1 works"),
    ([BASE, "--history_portion", "2"], "must lie in [0, 1]"),
    (
        [BASE, "--mixing", "{train_snr: 3}", "--noise_folder", SAMPLES],
        "did you mean 'train_snrs_db'",
    ),
    (
        [BASE, "--mimicry", "!name:okd_brain.mimicry.l2"],
        "no such entity as okd_brain.mimicry.l2",
    ),
    ([LE_BASE, "--data_folder", SAMPLES], "noise_folder is None"),
]
# Imports take seconds: each is a process that one which has them branches off.
BRANCHES = """
import json, os, runpy, sys
import okd_brain.brain, okd_brain.training
for errors, script, *argv in json.load(sys.stdin):
    if not os.fork():
        sys.argv, sys.path[0] = [script, *argv], os.path.dirname(script)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
        runpy.run_path(script, run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory):
    """Exit code and errors of each mistake, by its number."""
    folder = tmp_path_factory.mktemp("mistakes")
    calls = []
    for number, (argv, _) in enumerate(MISTAKES):
        recipe = LE_RECIPE if LE_BASE in argv else RECIPE
        output = ["--output_folder", folder / f"out{number}"] if argv else []
        errors = folder / f"{number}.txt"
        calls.append([errors, recipe / "train.py", *argv, *output])
    done = subprocess.run(
        [sys.executable, "-c", BRANCHES],
        input=json.dumps(calls, default=str),
        capture_output=True,
        text=True,
        check=True,
    )
    codes = map(int, done.stdout.split())
    texts = ((folder / f"{n}.txt").read_text() for n in range(len(calls)))
    return list(zip(codes, map(own_lines, texts), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "argv", "rule"), [(n, *m) for n, m in enumerate(MISTAKES)]
)
def test_mistakes_end_in_one_line(mistaken, number, argv, rule):
    if "cuda:0" in argv and os.path.exists("/proc/driver/nvidia"):
        pytest.skip("there is one")
    code, errors = mistaken[number]
    assert code == 2
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: ") and rule in errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--debug", "OKD_DEBUG"])
def test_a_traceback_stays_available(how, tmp_path):
    argv = [BASE, "--data_folder", "/absent", "--output_folder", tmp_path]
    flags = [how] if how.startswith("--") else []
    environment = {} if flags else {how: "1"}
    code, _, errors = call(RECIPE, *argv, *flags, **environment)
    assert code == 1
    assert errors[0].startswith("Traceback")


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path):
    """And does: the same command ends the run."""
    corpus = write_corpus(tmp_path / "corpus")
    argv = arguments(corpus, tmp_path / "run", n_jobs=2, number_of_epochs=8)
    command = [sys.executable, str(RECIPE / "train.py"), *argv]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    log, deadline = tmp_path / "run" / "log.txt", time.monotonic() + 120
    while not (log.exists() and "into epoch 2" in log.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("\nInterrupted. The same command goes on.\n")
    assert "Traceback" not in errors
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "run" / "results.json").is_file()
    text = log.read_text()
    assert text.count("into epoch 1\n") == 1 and "into epoch 8\n" in text


@pytest.fixture
def damaged(tmp_path):
    """Make speech and noise with one file of each kind that is wrong."""
    speech, noise = tmp_path / "speech", tmp_path / "noise"
    for name in ("a_1", "b_1", "c_1", "c_2", "c_3", "c_4"):
        write_wave(speech / f"{name}.wav", burst(1.5))
    for name in ("hum", "rain"):
        write_wave(noise / f"{name}.wav", burst(4.0))
    write_wave(speech / "c_2.WAV", burst(1.5))
    (speech / "c_1.wav").rename(speech / os.fsdecode(b"c_\xe9.wav"))
    write_wave(speech / "c_3.wav", 32767 * burst(1.5), subtype="FLOAT")
    path = speech / "c_4.wav"
    path.write_bytes(path.read_bytes()[:30000])
    whole = (noise / "hum.wav").read_bytes()
    bad = (2**31 - 1).to_bytes(4, "little")
    (noise / "hum.wav").write_bytes(whole[:24] + bad + whole[28:])
    return ["--data_folder", speech, "--noise_folder", noise]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=["SE", "LE"])
def test_all_that_is_wrong_with_a_corpus_is_named(recipe, damaged, tmp_path):
    output = ["--output_folder", tmp_path / "out", "--noprogressbar"]
    code, _, errors = call(recipe, RECIPES[recipe], *damaged, *output)
    text = "\n".join(errors)
    assert code == 2 and "Traceback" not in text
    assert "5 files break a rule" in text
    for line in (
        r"c_\\xe9.wav: has a name, or is in a folder with a name, that is not",
        "c_2.wav: has the same name as c_2.WAV",
        "c_3.wav: has a sample of .*integers seem to be stored",
        r"c_4.wav: is truncated: its header announces 24000 samples \(1.500 s\)",
        "hum.wav: has a sample rate of 2147483647 Hz",
    ):
        assert re.search(line, text), (line, text)
    assert (
        len((tmp_path / "out" / "bad_files.txt").read_bytes().splitlines()) == 5
    )


@pytest.mark.slow
def test_listening_names_the_option_that_is_typed(damaged, tmp_path):
    output = ["--output_folder", tmp_path / "out", "--noprogressbar"]
    code, _, errors = call(
        LE_RECIPE, LE_BASE, *damaged, *output, "--test_talkers", "[x]"
    )
    assert code == 2
    assert errors[-1].startswith("error: test_talkers names x, but the corpus")

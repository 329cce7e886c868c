"""What is in `examples` runs, on tiny data, as its first lines say."""

import importlib.util
import json
import re
import sys

import numpy as np
import pytest
import soundfile
import torch
from experiments import (
    RATE,
    RECIPE,
    TESTS,
    speech,
    train_script,
    write_pairs,
    write_speech_and_noise,
)
from stand_in_model import write_model

from okd_brain import enhance_wave, load_generator
from okd_brain.noises import NOISES

EXAMPLES = TESTS.parent / "examples"
SHORT = {
    "number_of_epochs": 1,
    "number_of_samples": 2,
    "warmup_epochs": 0,
    "discriminator_epochs": 0,
    "warmup_patience": "null",
    "fidelity_utterances": 0,
    "report_metrics": "[si_sdr]",
    "samples": 0,
    "n_jobs": 1,
    "device": "cpu",
}


def example(name):
    """Return the module of an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(**changes):
    """Return options of a run that takes seconds."""
    pairs = {**SHORT, **changes}.items()
    return [*(f"--{key}={value}" for key, value in pairs), "--noprogressbar"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained causal model in the format of those that come with okd."""
    return write_model(tmp_path_factory.mktemp("models"))


@pytest.mark.slow
def test_training_on_own_folders(tmp_path):
    source = write_speech_and_noise(tmp_path)
    short = options(targets="[[si_sdr],[segsnr]]")
    results = example("train_own_folders").train(
        str(source / "speech"),
        str(source / "noise"),
        str(tmp_path / "out"),
        *short,
    )
    assert list(results["systems"]) == ["noisy", "si_sdr", "segsnr"]
    wave = speech().astype(np.float32)
    enhanced = enhance_wave(
        load_generator(tmp_path / "out" / "export" / "segsnr"), wave, RATE
    )
    assert enhanced.shape == wave.shape


def test_the_microphone_hears_what_a_file_has(tmp_path, model):
    """The stream is that of the whole file, a block later."""
    noisy = speech().astype(np.float32)
    soundfile.write(tmp_path / "noisy.wav", noisy, RATE, subtype="FLOAT")
    files = [str(tmp_path / name) for name in ("noisy.wav", "enhanced.wav")]
    example("enhance_microphone").main(
        ["--model", str(model), "--files", *files]
    )
    found, rate = soundfile.read(files[1])
    block = 256
    assert rate == RATE
    assert len(found) % block == 0
    assert not found[:block].any()
    expected = enhance_wave(load_generator(model), noisy, RATE)
    end = len(found) - block
    assert found[block:] == pytest.approx(expected[:end], abs=2**-14)


def test_a_folder_is_scored_before_and_after(tmp_path, model):
    write_pairs(tmp_path, 2)
    for kind in ("clean", "noisy"):
        (tmp_path / kind).mkdir()
        for number in range(2):
            (tmp_path / f"{kind}_{number}.wav").rename(
                tmp_path / kind / f"{number}.wav"
            )
    module = example("score_folder")
    names, scores = module.score(tmp_path / "clean", tmp_path / "noisy", model)
    assert names == ["0.wav", "1.wav"]
    assert scores.shape == (2, 2, len(module.METRICS))
    assert np.isfinite(scores).all()
    # White noise at 0.3 of the speech's deviation is 10.5 dB below it.
    assert scores[:, 0, 2] == pytest.approx([10.5, 10.5], abs=0.5)
    assert (scores[:, 0] != scores[:, 1]).all()


def test_a_generator_learns_inside_another_pipeline(tmp_path, model):
    """The loss of the classifier falls, and the generator takes part."""
    rng = np.random.default_rng(0)
    for number in range(4):
        wave = speech(number % 2) + 0.05 * rng.standard_normal(RATE)
        name = f"{'ab'[number % 2]}_{number}.wav"
        soundfile.write(tmp_path / name, 0.5 * wave, RATE)
    torch.manual_seed(0)
    brain = example("inside_speechbrain").train(
        tmp_path, model, epochs=4, run_opts={"noprogressbar": True}
    )
    assert brain.losses[-1] < 0.7 * brain.losses[0]
    before = dict(load_generator(model).named_parameters())
    for name, parameter in brain.modules["enhance"].named_parameters():
        assert not parameter.equal(before[name]), name


@pytest.mark.slow
def test_parts_of_ones_own_train(tmp_path, monkeypatch):
    """On a corpus of one's own: what trained is loaded, and enhances."""
    write_pairs(tmp_path, 4)
    rows = ["clean,noisy,speaker,split"] + [
        f"clean_{number}.wav,noisy_{number}.wav,{speaker},{split}"
        for number, (speaker, split) in enumerate(
            [("anna", "train"), ("bert", "train"), ("carl", "train")]
            + [("dora", "test")]
        )
    ]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    corpus = tmp_path / "corpus"
    assert (
        example("own_corpus").make_corpus(tmp_path / "pairs.csv", corpus) == 4
    )

    monkeypatch.syspath_prepend(str(EXAMPLES))
    short = options(
        data_folder=corpus,
        output_folder=tmp_path / "out",
        valid_speakers="[anna]",
        number_of_epochs=2,
    )
    with train_script(RECIPE) as train:
        train.main([str(EXAMPLES / "own_parts.yaml"), *short])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(results["systems"]) == ["noisy", "pesq", "envelope"]
    assert 0 < results["systems"]["noisy"]["envelope"] < 1
    assert (tmp_path / "out" / "export" / "discriminator").is_dir()

    import own_parts

    generator = own_parts.ConvolutionalGenerator(channels=128)
    weights = torch.load(tmp_path / "out" / "export" / "envelope.ckpt")
    generator.load_state_dict(weights)
    wave = speech().astype(np.float32)
    assert enhance_wave(generator.eval(), wave, RATE).shape == wave.shape


def test_own_parts_are_what_they_say():
    parts = example("own_parts")
    clean = speech()
    scores = [
        parts.envelope_correlation(
            reference=clean, degraded=degraded, sample_rate=RATE
        )
        for degraded in (clean, 0.1 * clean, clean + 0.1, clean[::-1])
    ]
    assert scores[0] == pytest.approx(1)
    assert scores[1] == pytest.approx(1, abs=0.1)
    assert scores[3] < 0.7
    student, teacher = torch.zeros(1, 4, 257), torch.ones(1, 4, 257)
    frames = torch.tensor([2])
    teacher[:, 2:] = 100.0  # padding
    # Beyond delta: delta * (|difference| - delta / 2), Huber 1964
    assert parts.huber(student, teacher, frames, 0.5).item() == 0.375
    mask = parts.ConvolutionalGenerator()(torch.randn(2, 7, 257))
    assert mask.shape == (2, 7, 257)
    assert 0.05 <= mask.min() and mask.max() <= 1.2


NOTEBOOK = EXAMPLES / "ten_minutes.ipynb"


def cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


def test_the_notebook_is_stripped():
    for cell in cells():
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    """From top to bottom; what the first cell sets is made short."""
    played = []
    display = type(sys)("IPython.display")
    display.Audio = lambda samples, rate: played.append((samples, rate))
    display.display = lambda thing: thing
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    # Those of the corpus take half a minute, and nothing here is about them.
    quick = dict.fromkeys(NOISES, NOISES["pink"])
    monkeypatch.setattr("okd_brain.corpora.mini.NOISES", quick)
    monkeypatch.chdir(tmp_path)
    codes = ["".join(c["source"]) for c in cells() if c["cell_type"] == "code"]
    short = options(targets="[[si_sdr],[segsnr]]", max_train_seconds=1.0)
    codes[0] = re.sub(r"OPTIONS = .*", f"OPTIONS = {short}", codes[0])
    scope = {}
    for code in codes:
        exec(compile(code, "ten_minutes.ipynb", "exec"), scope)
    assert "| noisy |" in capsys.readouterr().out
    assert len(played) == 4
    assert all(rate == RATE and len(samples) > RATE for samples, rate in played)


def test_all_examples_are_listed():
    text = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".yaml", ".ipynb"):
            assert f"({path.name})" in text

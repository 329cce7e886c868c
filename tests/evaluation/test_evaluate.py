"""evaluate.py: what is a row, what meets what, and what comes out."""

import csv
import json
import runpy
import shutil

import numpy as np
import pytest
import soundfile
import torch
import yaml
from experiments import BASE, LE_BASE, make_brain, speech
from pages import data_of

from okd_brain.corpora import make_dataset
from okd_brain.enhance import main as okd_enhance
from okd_brain.evaluation import LISTENING, main
from okd_brain.evaluation.checkpoints import choose_checkpoints
from okd_brain.evaluation.score import main as okd_score
from okd_brain.evaluation.tasks import ENHANCEMENT
from okd_brain.export import export_generator
from okd_brain.files import write_json
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator
from okd_brain.metrics import METRICS
from okd_brain.page import main as okd_report
from okd_brain.resampling import resample
from okd_brain.results import read_scores
from okd_brain.scoring import Scorer
from okd_brain.training import AtomicCheckpointer, StepCounter

RATE = 16000
NAMES = ["p1_a", "p1_b", "p2_a", "p2_b"]
SNRS_DB = [2.5, 17.5, 2.5, 17.5]
CHEAP = ["si_sdr", "segsnr"]


def store(path, signal, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(signal, -1, 1), rate, subtype="PCM_16")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus with log and manifest, and an export folder; never changed."""
    folder = tmp_path_factory.mktemp("made")
    corpus = folder / "mine"
    entries = {}
    rng = np.random.default_rng(0)
    for number, (name, snr_db) in enumerate(zip(NAMES, SNRS_DB, strict=True)):
        clean = speech(number, 0.5)
        noise = clean.std() * rng.standard_normal(len(clean))
        noisy = clean + noise * 10 ** (-snr_db / 20)
        for kind, wave in (("clean", clean), ("noisy", noisy)):
            store(corpus / kind / f"{name}.wav", wave)
        entries[name] = {
            "noisy_wav": f"{{data_root}}/noisy/{name}.wav",
            "clean_wav": f"{{data_root}}/clean/{name}.wav",
            "length": len(clean),
            "speaker": name[:2],
        }
    write_json(folder / "manifest.json", entries)
    lines = [f"{n} bus {s}\n" for n, s in zip(NAMES, SNRS_DB, strict=True)]
    (corpus / "log_testset.txt").write_text("".join(lines))
    (corpus / "log_readme.txt").write_text("about this corpus\n")
    export_generator(
        generator(1),
        folder / "export" / "pesq",
        name="pesq",
        details={"epoch": 7},
    )
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy to spoil."""
    shutil.copytree(made / "mine", tmp_path / "mine")
    return tmp_path


def generator(seed, kind=CausalLSTMGenerator):
    torch.manual_seed(seed)
    return kind().eval()


def checkpoint(save, generators, values, epoch, stage="okd"):
    """Write a checkpoint as training does; values are those of validation."""
    steps = StepCounter()
    recoverables = {f"g_{name}": g for name, g in generators.items()}
    saver = AtomicCheckpointer(save, {**recoverables, "steps": steps})
    meta = {f"{stage}/{name}": value for name, value in values.items()}
    meta |= {"epoch": epoch, "phase": stage, "steps": {"d": epoch}}
    meta["chosen_on"] = "test"
    return saver.save_checkpoint(meta=meta, name=f"{stage}{epoch}").path


def run(corpus, *models, options=(), metrics=CHEAP, output=None, heard=0):
    arguments = [*models, "--clean", corpus / "clean", "--noisy"]
    arguments += [corpus / "noisy", "--n_jobs", "1", "--device", "cpu"]
    arguments += ["--metrics", *metrics, *options]
    arguments += ["-o", output, "--samples", heard] if output else []
    return main([str(argument) for argument in arguments])


def results(folder, name="results.json"):
    return json.loads((folder / name).read_text())


def refused(capsys, *arguments, **keywords):
    """Return what a wrong command says."""
    assert run(*arguments, **keywords) == 2
    return capsys.readouterr().err


def test_a_run_keeps_its_results(made, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "hyperparams.yaml").touch()
    model = made / "mine" / "export" / "pesq"
    said = refused(capsys, made / "mine", model, output=tmp_path / "run")
    assert "own results would be replaced" in said
    assert len(list((tmp_path / "run").iterdir())) == 1


@pytest.mark.parametrize(
    "base, compared", [(BASE, ENHANCEMENT), (LE_BASE, LISTENING)]
)
def test_the_metrics_are_those_of_the_recipe(base, compared):
    line = next(
        line
        for line in base.read_text().splitlines()
        if line.startswith("report_metrics:")
    )
    assert yaml.safe_load(line)["report_metrics"] == compared.metrics


def test_samples_are_what_was_scored(made, tmp_path, capsys):
    """And okd-report makes a page of them, with the conditions of the log."""
    model = made / "export" / "pesq"
    assert run(made / "mine", model, output=tmp_path / "out", heard=3) == 0
    folder = tmp_path / "out" / "samples"
    index = json.loads((folder / "samples.json").read_text())["utterances"]
    assert len(index) == 3
    scores = read_scores(tmp_path / "out" / "scores_test.csv")
    for utterance, sample in index.items():
        waves = {
            system: soundfile.read(folder / file)[0]
            for system, file in sample["files"].items()
        }
        assert list(waves) == ["clean", "noisy", "pesq"]
        for system in ("noisy", "pesq"):
            pair = waves["clean"], waves[system]
            [score] = Scorer(["si_sdr"]).score([pair])[0]
            known = scores[system][utterance]["si_sdr"]
            assert score == pytest.approx(known, abs=1e-3)
    page = tmp_path / "page"
    assert okd_report([str(tmp_path / "out"), "-o", str(page)]) == 0
    assert "3 utterances to hear" in capsys.readouterr().out
    known = {u["id"]: u for u in data_of(page)["utterances"]}
    assert known["p1_b"]["noise"] == "bus" and known["p1_b"]["snr_db"] == 17.5


def test_samples_have_to_be_a_number(made, tmp_path, capsys):
    error = refused(
        capsys,
        made / "mine",
        made / "export/pesq",
        output=tmp_path / "out",
        heard=-1,
    )
    assert "--samples is -1, must be a whole number" in error


def test_models_and_folders_stand_in_one_table(made, tmp_path, capsys):
    """An export enhances as okd-enhance; its files are then a system too."""
    model = made / "export" / "pesq"
    enhanced = tmp_path / "enhanced"
    assert (
        okd_enhance([str(model), str(made / "mine/noisy"), "-o", str(enhanced)])
        == 0
    )
    clean = f"{made / 'mine' / 'clean'}=clean itself"
    output = tmp_path / "new" / "out"
    assert run(made / "mine", model, enhanced, clean, output=output) == 0
    found = results(output)
    assert (found["corpus"], found["split"]) == ("mine", "test")
    assert (found["utterances"], found["not_scored"]) == (4, {})
    assert list(found["systems"]) == [
        "noisy",
        "pesq",
        "enhanced",
        "clean itself",
    ]
    systems = found["systems"]
    assert list(systems["pesq"]) == CHEAP
    for metric in CHEAP:  # the files are 16-bit
        assert systems["pesq"][metric] == pytest.approx(
            systems["enhanced"][metric], abs=0.02
        )
        assert abs(systems["pesq"][metric] - systems["noisy"][metric]) > 0.1
    assert systems["clean itself"]["segsnr"] == METRICS["segsnr"].perfect
    assert found["checkpoints"]["pesq"] == {"source": str(model), "epoch": 7}
    assert found["checkpoints"]["enhanced"] == {"source": str(enhanced)}
    table = capsys.readouterr().out.splitlines()
    assert table[:3] == [
        "mine, test, 4 utterances; in parentheses, 95 % of the mean",
        "",
        "| system | epoch | si_sdr | segsnr |",
    ]
    okd_score([str(made / "mine/clean"), str(enhanced), "--metrics", *CHEAP])
    line = capsys.readouterr().out.splitlines()[1].split()
    mean, _, low, _, high = line[1:6]  # of si_sdr
    assert f"| enhanced |  | {mean} ({low} to {high}) |" in table[6]
    assert table[5].startswith(
        f"| pesq | 7 | {systems['pesq']['si_sdr']:.3f} ("
    )


def test_scores_are_those_of_the_test_after_training(made, tmp_path):
    torch.manual_seed(0)
    brain = make_brain(tmp_path / "run")
    steps = {"d": 6}
    for epoch, values in ((1, (2.0, 5.0)), (2, (3.0, 4.0))):
        with torch.no_grad():
            for module in brain.modules.values():
                next(module.parameters()).mul_(1.5)
        brain.checkpointer.save_checkpoint(
            meta={"epoch": epoch, "phase": "okd", "steps": steps}
            | brain.selection.meta(
                "okd", dict(zip(("si_sdr", "segsnr"), values, strict=True))
            ),
        )
    dataset = make_dataset(made / "manifest.json", made / "mine")
    expected, origins = brain.test(dataset, "okd", {"batch_size": 1})
    assert {name: o["epoch"] for name, o in origins.items()} == {
        "si_sdr": 2,
        "segsnr": 1,
    }
    assert run(made / "mine", tmp_path / "run", output=tmp_path) == 0
    found = results(tmp_path)
    for system, origin in origins.items():
        source = {"source": str(tmp_path / "run")}
        assert found["checkpoints"][system] == {**source, **origin}
    with (tmp_path / "scores_test.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            scores = expected[row["system"]][row["utterance"]]
            for metric in CHEAP:
                assert float(row[metric]) == pytest.approx(
                    scores[metric], abs=1e-4
                )


def test_what_is_compared_is_what_the_run_tested(tmp_path):
    """Not the last update, where the run validates an average of updates."""
    path = checkpoint(
        tmp_path / "save", {"pesq": generator(1)}, {"pesq": 2.0}, 3
    )
    (path / "SHA256SUMS").unlink()
    names = {}
    for what in ("learner", "average"):
        for folder in (path, tmp_path):
            [(weights, _)] = choose_checkpoints(folder).values()
            names.setdefault(what, []).append(weights.name)
        (path / "average_g_pesq.ckpt").touch()
    assert names == {
        "learner": ["g_pesq.ckpt"] * 2,
        "average": ["average_g_pesq.ckpt"] * 2,
    }


def test_a_checkpoint_gives_a_row_per_generator(made, tmp_path, capsys):
    generators = {
        "pesq": generator(1),
        "csig+cbak": generator(2, BLSTMGenerator),
    }
    path = checkpoint(tmp_path / "save", generators, {"pesq": 2.0}, 3)
    run(made / "mine", path, f"{path}=ours", output=tmp_path)
    found = results(tmp_path)
    rows = ["csig+cbak", "pesq"]
    named = [f"ours/{row}" for row in rows]
    assert list(found["systems"]) == ["noisy", *rows, *named]
    assert found["systems"]["pesq"] == found["systems"]["ours/pesq"]
    assert found["systems"]["pesq"] != found["systems"]["csig+cbak"]
    assert found["checkpoints"]["ours/pesq"] == {
        "source": str(path),
        "epoch": 3,
        "phase": "okd",
        "steps": {"d": 3},
        "checkpoint": path.name,
        "chosen_on": "test",
    }
    marked = ", ".join([*rows, *named])
    assert f"CHOSEN ON THE TEST SET: {marked}\n" in capsys.readouterr().out


def test_a_copied_checkpoint_needs_no_description(made, tmp_path):
    path = checkpoint(tmp_path / "save", {"pesq": generator(1)}, {}, 1)
    (tmp_path / "mine").mkdir()
    shutil.copy(path / "g_pesq.ckpt", tmp_path / "mine")
    run(made / "mine", f"{tmp_path / 'mine'}=ours", output=tmp_path)
    source = {"source": str(tmp_path / "mine"), "checkpoint": "mine"}
    assert results(tmp_path)["checkpoints"] == {"ours": source}


def test_the_best_checkpoint_is_that_of_the_metrics_direction(made, tmp_path):
    values = {"errors": 0.3, "errors_2": 0.5, "pesq": 2.0}
    generators = {name: generator(i) for i, name in enumerate(values)}
    save = tmp_path / "save"
    checkpoint(save, generators, {"pesq": 9.0, "errors": 0.0}, 1, "warmup")
    checkpoint(save, generators, values, 2)
    checkpoint(
        save, generators, {"errors": 0.4, "errors_2": 0.4, "pesq": 2.5}, 3
    )
    (tmp_path / "hyperparams.yaml").write_text(
        "targets:\n"
        "- - &errors !new:okd_brain.metrics.Metric\n"
        "    name: errors\n"
        "    score: !name:not_installed.word_error_rate\n"
        "    higher_is_better: False\n"
        "- - *errors\n"
        "- - pesq\n"
    )
    expected = {"errors": 2, "errors_2": 3, "pesq": 3}
    for model in (tmp_path, save):
        output = tmp_path / "out"
        run(made / "mine", model, output=output)
        origins = results(output)["checkpoints"]
        assert {name: o["epoch"] for name, o in origins.items()} == expected


def test_a_hub_id_is_loaded_under_its_name(made, tmp_path, monkeypatch):
    def download(**request):
        return str(made / "export" / "pesq" / request["filename"])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    model = made / "export" / "pesq"
    run(made / "mine", "someone/metricgan", model, output=tmp_path)
    systems = results(tmp_path)["systems"]
    assert systems["someone/metricgan"] == systems["pesq"]


def test_scores_by_condition(made, tmp_path, capsys):
    run(made / "mine", made / "export" / "pesq", output=tmp_path)
    breakdown = results(tmp_path, "breakdown.json")
    # The noise is the same everywhere.
    assert list(breakdown) == ["snr_db", "speaker"]
    assert list(breakdown["snr_db"]) == ["2.5", "17.5"]
    noisy = {
        snr_db: group["systems"]["noisy"]["si_sdr"]
        for snr_db, group in breakdown["snr_db"].items()
    }
    assert noisy["17.5"] == pytest.approx(noisy["2.5"] + 15, abs=2)
    means = results(tmp_path)["systems"]
    for groups in breakdown.values():
        assert [group["utterances"] for group in groups.values()] == [2, 2]
        for system, values in means.items():
            parts = [g["systems"][system]["segsnr"] for g in groups.values()]
            assert np.mean(parts) == pytest.approx(values["segsnr"])
    out = capsys.readouterr().out
    assert "| snr_db | utterances | system | si_sdr | segsnr |" in out
    assert f"| 17.5 | 2 | noisy | {noisy['17.5']:.3f} |" in out


def test_a_manifest_knows_the_speakers(made, tmp_path):
    options = ["--log", made / "manifest.json"]
    run(made / "mine", f"{made}/mine/noisy=x", options=options, output=tmp_path)
    breakdown = results(tmp_path, "breakdown.json")
    assert list(breakdown) == ["speaker"]
    assert list(breakdown["speaker"]) == ["p1", "p2"]


def test_the_corpus_of_a_known_layout_has_its_name(made, tmp_path):
    clean, noisy = (tmp_path / "VB" / "test" / k for k in ("clean", "noisy"))
    shutil.copytree(made / "mine" / "clean", clean)
    shutil.copytree(made / "mine" / "noisy", noisy)
    shutil.copytree(clean, tmp_path / "a=b")  # not a name for a
    run(noisy.parent, tmp_path / "a=b", output=tmp_path)
    assert results(tmp_path)["corpus"] == "VB"
    assert list(results(tmp_path)["systems"]) == ["noisy", "a=b"]


def test_without_a_log_there_is_one_table(folder, capsys):
    (folder / "mine" / "log_testset.txt").write_text("p9_a bus 2.5\n")
    assert run(folder / "mine", folder / "mine" / "clean") == 0
    out = capsys.readouterr().out
    assert out.count("| system |") == 1
    assert "utterances |" not in out
    assert sorted(path.name for path in folder.iterdir()) == ["mine"]


def test_48_khz_is_converted(made, tmp_path):
    for kind in ("clean", "noisy"):
        for name in NAMES[:2]:
            wave, _ = soundfile.read(made / "mine" / kind / f"{name}.wav")
            store(tmp_path / "slow" / kind / f"{name}.wav", wave)
            fast = resample(wave, RATE, 3 * RATE)
            store(tmp_path / "fast" / kind / f"{name}.flac", fast, 3 * RATE)
    for rate in ("slow", "fast"):
        run(tmp_path / rate, made / "export" / "pesq", output=tmp_path / rate)
    slow, fast = (results(tmp_path / r)["systems"] for r in ("slow", "fast"))
    assert fast["pesq"]["si_sdr"] == pytest.approx(
        slow["pesq"]["si_sdr"], abs=1.0
    )


def test_what_cannot_be_scored_is_named_once(folder, caplog, capsys):
    """The means are over what is left, and the exit status says so."""
    store(folder / "mine" / "clean" / "p1_a.wav", np.zeros(RATE // 2))
    bad = folder / "bad"
    shutil.copytree(folder / "mine" / "noisy", bad)
    (bad / "p2_b.wav").unlink()
    store(bad / "p2_b.flac", speech(3, 0.5))
    with (bad / "p2_b.flac").open("r+b") as file:
        file.truncate(1000)  # what its header says is still right
    nan = np.full(RATE // 2, np.nan, "f4")
    soundfile.write(bad / "p2_a.wav", nan, RATE, subtype="FLOAT")
    assert run(folder / "mine", bad, metrics=["si_sdr"], output=folder) == 1
    assert results(folder)["not_scored"]["noisy"] == {"si_sdr": 1}
    assert results(folder)["not_scored"]["bad"]["si_sdr"] >= 2
    messages = [
        r.getMessage() for r in caplog.records if r.levelname == "ERROR"
    ]
    [silent] = [m for m in messages if m.startswith("p1_a: ")]
    assert "the reference is silent" in silent
    assert silent.endswith("(noisy, bad)")
    assert any(m.startswith("p2_a: ") and "(bad)" in m for m in messages)
    assert "| bad |  | " in capsys.readouterr().out


def test_what_a_model_cannot_enhance_is_a_failure(folder, made, caplog):
    nan = np.full(RATE // 2, np.nan, "f4")
    path = folder / "mine" / "noisy" / "p2_a.wav"
    soundfile.write(path, nan, RATE, subtype="FLOAT")
    model = made / "export" / "pesq"
    assert run(folder / "mine", model, output=folder) == 1
    assert results(folder)["not_scored"]["pesq"] == {"si_sdr": 1, "segsnr": 1}
    assert f"p2_a: {path}: A wave must be finite" in caplog.text


@pytest.mark.parametrize("name", ["g_pesq.ckpt", "CKPT.yaml"])
def test_damaged_checkpoints_are_not_evaluated(made, tmp_path, capsys, name):
    """The next best would be another model under the same name."""
    save = tmp_path / "run" / "save"
    model = generator(0)
    for epoch, value in ((1, 3.0), (2, 2.0)):
        checkpoint(save, {"pesq": model}, {"pesq": value}, epoch)
    path = save / "CKPT+okd1" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"x")
    for given in (tmp_path / "run", save / "CKPT+okd1"):
        error = refused(capsys, made / "mine", given)
        assert "CKPT+okd1" in error and "damaged" in error


def test_models_that_are_none(made, tmp_path, capsys):
    mine = made / "mine"
    (tmp_path / "a.pth").write_text("weights")
    (tmp_path / "empty").mkdir()
    strange = checkpoint(
        tmp_path / "save", {"pesq": torch.nn.Linear(1, 1)}, {"pesq": 1.0}, 1
    )
    warm = tmp_path / "warm"
    checkpoint(
        warm / "save", {"pesq": generator(1)}, {"pesq": 1.0}, 1, "warmup"
    )
    damaged = tmp_path / "damaged"
    (damaged / "CKPT+1").mkdir(parents=True)
    (damaged / "CKPT+1" / "CKPT.yaml").write_text("a: [")
    unread = tmp_path / "unread"
    checkpoint(unread / "save", {"pesq": generator(1)}, {"pesq": 1.0}, 1)
    (unread / "hyperparams.yaml").write_text("a: [")
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "enhance_model.ckpt").write_text("no weights")
    for model, message in [
        (tmp_path / "a.pth", "okd-import"),
        (tmp_path / "empty", "no audio files (.*empty was taken for a folder"),
        ("not anything", "'not anything' is not a folder, nor could it be"),
        (f"{tmp_path}=", "neither MODEL nor MODEL=NAME"),
        (strange, "g_pesq.ckpt holds no generator that okd_brain knows"),
        (warm, "no checkpoint that was validated after the warm-up"),
        (damaged, "has a damaged checkpoint"),
        (unread, "hyperparams.yaml is not YAML"),
        (wrong, "is not a file of weights"),
        (f"{mine / 'clean'}=noisy", "the row of the noisy speech itself"),
    ]:
        first, *more = message.split(".*")
        said = refused(capsys, mine, model)
        assert first in said and all(part in said for part in more)


def test_two_rows_of_one_name(made, capsys):
    model = made / "export" / "pesq"
    said = refused(capsys, made / "mine", model, model)
    assert f"{model} and {model} would both be called 'pesq'" in said
    assert f"{model}=NAME" in said


def test_files_that_do_not_fit(folder, capsys):
    """All of it is said before anything is scored."""
    mine, few = folder / "mine", folder / "few"
    store(few / "p1_a.wav", speech(0, 0.5))
    more = folder / "more"
    shutil.copytree(mine / "clean", more)
    store(more / "p3_a.wav", speech(0, 0.5))
    slow = folder / "slow"
    shutil.copytree(mine / "clean", slow)
    store(slow / "p1_b.wav", speech(0, 0.5), 8000)
    short = folder / "short"
    shutil.copytree(mine / "clean", short)
    store(short / "p2_a.wav", speech(0, 0.4))
    stereo = folder / "stereo"
    shutil.copytree(mine / "clean", stereo)
    store(stereo / "p1_a.wav", np.zeros((8000, 2)))
    text = folder / "text"
    shutil.copytree(mine / "clean", text)
    for name in NAMES:
        (text / f"{name}.wav").write_text("not audio")
    for model, message in [
        (few, "few: no file for p1_b, p2_a, p2_b"),
        (more, "clean: no clean file for p3_a"),
        (slow, f"{slow}/p1_b.wav has 8000 Hz, {mine}/clean/p1_b.wav 16000 Hz"),
        (
            short,
            f"{short}/p2_a.wav has 6400 samples, {mine}/clean/p2_a.wav 8000",
        ),
        (stereo, f"{stereo}/p1_a.wav has 2 channels, must have 1"),
        (text, f"{text}/p1_a.wav: cannot be read as audio"),
    ]:
        assert message in refused(capsys, mine, model)
    (mine / "noisy" / "p1_a.wav").unlink()
    assert "noisy: no file for p1_a" in refused(capsys, mine, mine / "clean=x")
    shutil.rmtree(mine / "noisy")
    assert "noisy: there is no such folder" in refused(capsys, mine, slow)


def test_long_lists_of_bad_files_are_cut(folder, capsys):
    for name in ("q1", "q2", "q3", "q4", "q5", "q6"):
        store(folder / "mine" / "clean" / f"{name}.wav", speech(0, 0.5))
        store(folder / "mine" / "noisy" / f"{name}.wav", speech(0, 0.5), 8000)
    said = refused(capsys, folder / "mine", folder / "mine" / "clean")
    assert said.count("has 8000 Hz") == 5
    assert "... and 1 more like these" in said


def test_other_wrong_commands(folder, capsys):
    mine, model = folder / "mine", folder / "mine" / "clean"
    (folder / "file").write_text("")
    for keywords, message in [
        ({"metrics": ["peqs"]}, "did you mean 'pesq'"),
        ({"options": ["--n_jobs", "0"]}, "n_jobs must be a positive"),
        ({"output": folder / "file"}, f"{folder}/file is a file"),
        ({"options": ["--device", "cuda:9"]}, "this machine has cpu"),
        ({"options": ["--log", folder / "gone.txt"]}, "cannot be read"),
    ]:
        assert message in refused(capsys, mine, model, **keywords)


def test_the_command_can_run_anywhere(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["evaluate.py", "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("okd_brain.evaluation", run_name="__main__")
    assert stop.value.code == 0
    assert "MODEL=NAME names the row" in capsys.readouterr().out

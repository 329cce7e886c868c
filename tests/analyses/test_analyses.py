"""Analyses of trained generators, on a run of seconds and cheap metrics."""

import csv
import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from experiments import RECIPE, dataset, fit, load_hparams, make_brain, weights
from hyperpyyaml import resolve_references
from speechbrain.utils.checkpoints import torch_recovery

from okd_brain.analyses.checkpoints import spread_batches
from okd_brain.analyses.conflict import gradients, measure_conflict
from okd_brain.analyses.correlation import correlate, correlation_matrices
from okd_brain.analyses.distance import measure_distance, open_run
from okd_brain.analyses.flatness import measure_flatness
from okd_brain.analyses.tables import read_scores
from okd_brain.analyses.training_curves import score_checkpoints
from okd_brain.config import read_experiment
from okd_brain.results.report import make_results, write_results
from okd_brain.results.statistics import write_csv

STAGES = ("--warmup_epochs=1", "--discriminator_epochs=1")
SECONDS = 0.5
KEEP = ("--checkpoints_to_keep=1000", "--alpha=5.0")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return {
        split: dataset(folder / split, count, SECONDS, first)
        for split, count, first in (
            ("train", 1, 0),
            ("valid", 3, 1),
            ("test", 1, 4),
        )
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, datasets):
    """The output folder of a training of four epochs, all kept."""
    folder = tmp_path_factory.mktemp("run")
    fit(rebuild(folder), datasets["train"], datasets["valid"])
    return folder


def rebuild(folder, *overrides):
    return make_brain(folder, *STAGES, *KEEP, *overrides)


def contents(folder):
    """Return all files of a folder and what is in them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files}


# Kept checkpoints and chosen utterances ---------------------------------------


def test_curves_say_what_training_said(folder, datasets):
    brain = rebuild(folder)
    rows = score_checkpoints(brain, datasets)
    assert [row["epoch"] for row in rows[::6]] == [1, 3, 4]
    assert [row["stage"] for row in rows[::6]] == ["warmup", "okd", "okd"]
    said = {
        (kept.meta["epoch"], key.split("/")[1]): value
        for kept in brain.checkpointer.list_checkpoints()
        for key, value in kept.meta.items()
        if "/" in key
    }
    for row in rows:
        if row["split"] == "valid" and row["system"] != "noisy":
            value = said[row["epoch"], row["system"]]
            assert row[row["system"]] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    "measure",
    [
        lambda brain, datasets: score_checkpoints(brain, datasets),
        lambda brain, datasets: measure_conflict(brain, datasets["valid"], 1),
    ],
)
def test_a_run_without_checkpoints_is_an_error(tmp_path, datasets, measure):
    brain = rebuild(tmp_path)
    with pytest.raises(ValueError, match="checkpoints_to_keep 1000"):
        measure(brain, datasets)
    with pytest.raises(ValueError, match="no validated checkpoint"):
        measure_flatness(brain, datasets, [0.1], 1)


def test_at_least_one_utterance(datasets):
    assert len(spread_batches(datasets["valid"], 99)) == 3
    with pytest.raises(ValueError, match="is 0, but it must be at least 1"):
        spread_batches(datasets["valid"], 0)


# Conflict ---------------------------------------------------------------------


def test_gradients_are_those_of_the_losses(folder, datasets):
    """Against ``backward`` through losses written out here."""
    brain = rebuild(folder)
    brain.modules.eval()
    (batch,) = spread_batches(datasets["valid"], 1)
    inputs = brain.task.inputs(batch)
    found = gradients(brain, inputs)
    generator, peer, d = (
        brain.modules[name] for name in ("g_si_sdr", "g_segsnr", "d")
    )
    output = generator(inputs.noisy) * inputs.noisy
    judged = torch.stack([inputs.clean, output], dim=1)
    scores = d(judged, inputs.frames)
    mimicry = (output - (peer(inputs.noisy) * inputs.noisy).detach()) ** 2
    losses = {
        "si_sdr": (scores[0, 0] - 1) ** 2,
        "segsnr": (scores[0, 1] - 1) ** 2,
        "mimicry": mimicry.mean(),
    }
    assert list(found) == ["si_sdr", "segsnr"]
    assert list(found["si_sdr"]) == list(losses)
    for name, loss in losses.items():
        generator.zero_grad()
        loss.backward(retain_graph=True)
        expected = torch.cat([p.grad.flatten() for p in generator.parameters()])
        assert expected.norm() > 0
        torch.testing.assert_close(
            found["si_sdr"][name], expected.double(), rtol=1e-4, atol=1e-8
        )


def test_conflict_over_training(folder, datasets):
    brain = rebuild(folder)
    before = contents(folder)
    rows = measure_conflict(brain, datasets["valid"], 2)
    assert contents(folder) == before
    assert [row["epoch"] for row in rows[::6]] == [2, 3, 4]
    assert [(row["first"], row["second"]) for row in rows[:3]] == [
        ("si_sdr", "segsnr"),
        ("si_sdr", "mimicry"),
        ("segsnr", "mimicry"),
    ]
    for row in rows:
        assert row["utterances"] == 2
        assert -1 <= row["cosine"] <= 1
        assert -1 <= row["cosine_of_means"] <= 1
        assert row["conflicting"] in (0, 0.5, 1)
    assert rows == measure_conflict(brain, datasets["valid"], 2)

    # The spectral norm's vectors are those of the last checkpoint.
    last = rebuild(folder).modules["d"]
    newest = brain.checkpointer.find_checkpoint()
    torch_recovery(last, newest.paramfiles["d"], True)
    assert all(
        value.equal(last.state_dict()[name])
        for name, value in brain.modules["d"].state_dict().items()
    )
    assert all(p.grad is None for p in brain.modules.parameters())


def test_of_equal_generators_mimicry_has_no_direction(
    folder, datasets, monkeypatch
):
    """Its gradient is zero: such an utterance is left out, and counted."""
    brain = rebuild(folder)
    generator = brain.generator(brain.targets[0])
    monkeypatch.setattr(brain, "generator", lambda target: generator)
    rows = measure_conflict(brain, datasets["valid"], 2)
    for row in rows:
        with_mimicry = row["second"] == "mimicry"
        assert row["utterances"] == (0 if with_mimicry else 2)
        for key in ("cosine", "conflicting", "cosine_of_means"):
            assert np.isnan(row[key]) == with_mimicry


def test_one_loss_has_no_conflict(tmp_path, datasets):
    brain = make_brain(tmp_path, "--targets=[[si_sdr]]")
    with pytest.raises(ValueError, match="one generator on one metric"):
        measure_conflict(brain, datasets["valid"], 1)


# Flatness ---------------------------------------------------------------------


def test_flatness_starts_from_the_best(folder, datasets):
    brain = rebuild(folder)
    before = contents(folder)
    rows = measure_flatness(brain, datasets, [0.01, 1.0], draws=2)
    assert contents(folder) == before
    assert len(rows) == (1 + 2 * 2) * 2 * 2  # cases, splits, generators
    best, _ = rebuild(folder).test(
        datasets["valid"], "okd", brain.hparams.test_dataloader_opts
    )
    for row in rows[:2]:
        assert (row["split"], row["size"], row["draw"]) == ("valid", 0.0, 0)
        values = [scores["si_sdr"] for scores in best[row["system"]].values()]
        assert row["si_sdr"] == pytest.approx(np.mean(values), abs=1e-9)

    def change(size, draw):
        """Of SI-SDR in dB, the generator ``si_sdr`` on validation."""
        undisturbed, disturbed = (
            next(
                row["si_sdr"]
                for row in rows
                if (row["size"], row["draw"]) == case
            )
            for case in ((0.0, 0), (size, draw))
        )
        return disturbed - undisturbed

    for draw in (1, 2):
        assert 0 < abs(change(0.01, draw)) < abs(change(1.0, draw))
    assert change(1.0, 1) != change(1.0, 2)
    assert rows == measure_flatness(brain, datasets, [0.01, 1.0], draws=2)


def test_disturbed_weights_are_restored(folder, datasets):
    brain = rebuild(folder)
    measure_flatness(brain, datasets, [1.0], draws=1)
    expected = rebuild(folder)
    generators = expected.generators
    expected.selection.load_best(expected.checkpointer, "okd", generators)
    for target in brain.targets:
        kept = weights(generators[target])
        for name, value in weights(brain.generator(target)).items():
            assert value.equal(kept[name])


@pytest.mark.parametrize(
    ("sizes", "draws", "message"),
    [
        ([0.1, 0.0], 1, "A size is 0.0"),
        ([float("nan")], 1, "A size is nan"),
        ([0.1], 0, "draws is 0"),
    ],
)
def test_wrong_disturbances(folder, datasets, sizes, draws, message):
    with pytest.raises(ValueError, match=message):
        measure_flatness(rebuild(folder), datasets, sizes, draws)


# Distance ---------------------------------------------------------------------


def describe(folder, output_folder, *overrides):
    """Write the hyperparams.yaml of a run, as SpeechBrain does."""
    hparams = load_hparams(output_folder, *overrides)
    argv = [
        str(RECIPE / "hparams" / "okd_pesq_csig.yaml"),
        f"--output_folder={output_folder}",
        "--data_folder=unused",
        f"--targets={hparams['targets']}",
        "--alpha=5.0",
    ]
    text = resolve_references(read_experiment(argv).yaml)
    (folder / "hyperparams.yaml").write_text(text.read())


def test_distance_of_a_run_that_has_moved(folder, datasets, tmp_path):
    elsewhere = tmp_path / "where it was trained"
    describe(folder, elsewhere)
    if (elsewhere / "save").exists():
        (elsewhere / "save").rmdir()
    before = contents(folder)
    run = open_run(folder)
    rows = measure_distance([run, run], datasets["valid"], 2)
    assert contents(folder) == before
    assert not (elsewhere / "save").exists()
    assert rows[:4] == rows[4:]
    assert [row["epoch"] for row in rows[:4]] == [1, 2, 3, 4]
    assert {row["alpha"] for row in rows} == {5.0}
    # In the second epoch only the discriminator learnt.
    assert rows[0]["mse"] == rows[1]["mse"] != rows[2]["mse"]

    brain = rebuild(folder)
    brain.modules.eval()
    brain.checkpointer.recover_if_possible()  # the newest
    expected = []
    for batch in spread_batches(datasets["valid"], 2):
        noisy = brain.task.inputs(batch).noisy
        with torch.no_grad():
            one, other = (
                brain.modules[name](noisy) * noisy
                for name in ("g_si_sdr", "g_segsnr")
            )
        expected.append(((one - other) ** 2).mean())
    assert rows[3]["mse"] == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_a_run_that_cannot_be_compared(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no hyperparams\.yaml or no folder"):
        open_run(tmp_path)
    (tmp_path / "save").mkdir()
    describe(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="no checkpoint from the end of an"):
        open_run(tmp_path)
    describe(tmp_path, tmp_path, "--targets=[[si_sdr]]")
    with pytest.raises(ValueError, match=r"one generator \(si_sdr\)"):
        open_run(tmp_path)


# Correlation ------------------------------------------------------------------


def scores_of(values, metrics=("a", "b", "c")):
    """Return utterance -> metric -> value."""
    return {
        f"u{number}": dict(zip(metrics, row, strict=True))
        for number, row in enumerate(values.tolist())
    }


def found(rows, of, method, first, second):
    (row,) = (
        row
        for row in rows
        if (row["of"], row["method"]) == (of, method)
        and (row["first"], row["second"]) == (first, second)
    )
    return row


def test_correlations_of_scores_and_of_gains():
    rng = np.random.default_rng(0)
    noisy, one, other = rng.standard_normal((3, 20, 3)) @ rng.random((3, 3))
    tables = {
        "x.csv": {"noisy": scores_of(noisy), "one": scores_of(one)},
        "y.csv": {"noisy": scores_of(noisy), "two": scores_of(other)},
    }
    rows = correlate(tables)
    assert len(rows) == 2 * 2 * 3
    values = {
        "score": np.concatenate([one, other]),
        "gain": np.concatenate([one - noisy, other - noisy]),
    }
    for of, array in values.items():
        ranks = array.argsort(axis=0).argsort(axis=0)
        for method, compared in (("pearson", array), ("spearman", ranks)):
            expected = np.corrcoef(compared.T)
            for i, j in ((0, 1), (0, 2), (1, 2)):
                row = found(rows, of, method, "abc"[i], "abc"[j])
                assert row["correlation"] == pytest.approx(expected[i, j])
                assert (row["files"], row["left_out"]) == (40, 0)
    only = correlate(tables, ["one"])
    assert found(only, "gain", "pearson", "a", "b")["files"] == 20
    unprocessed = correlate(tables, ["noisy"])
    assert {row["of"] for row in unprocessed} == {"score"}

    matrices, names = correlation_matrices(rows)
    assert names == ["a", "b", "c"]
    np.testing.assert_allclose(
        matrices["gain, pearson"], np.corrcoef(values["gain"].T)
    )


def test_what_has_no_value_is_left_out_pair_by_pair():
    values = np.random.default_rng(0).standard_normal((9, 3))
    values[0, 0] = np.nan
    values[1, 1] = np.inf
    values[:7, 2] = np.nan
    rows = correlate({"x.csv": {"one": scores_of(values)}})
    assert {row["of"] for row in rows} == {"score"}  # no noisy speech
    row = found(rows, "score", "pearson", "a", "b")
    assert (row["files"], row["left_out"]) == (7, 2)
    expected = np.corrcoef(values[2:, :2].T)[0, 1]
    assert row["correlation"] == pytest.approx(expected)
    row = found(rows, "score", "spearman", "a", "c")
    assert (row["files"], row["left_out"]) == (2, 7)
    assert np.isnan(row["correlation"])  # of two, it would be 1 or -1


def test_a_constant_metric_has_no_correlation():
    values = np.random.default_rng(0).standard_normal((9, 3))
    values[:, 1] = 4.5
    rows = correlate({"x.csv": {"one": scores_of(values)}})
    for method in ("pearson", "spearman"):
        row = found(rows, "score", method, "a", "b")
        assert np.isnan(row["correlation"]) and row["files"] == 9


def test_tables_that_cannot_be_correlated():
    values = np.random.default_rng(0).standard_normal((3, 3))
    tables = {"x.csv": {"noisy": scores_of(values), "one": scores_of(values)}}
    with pytest.raises(ValueError, match="has a system 'onee'; there are"):
        correlate(tables, ["onee"])
    other = {"y.csv": {"one": scores_of(values, ("a", "b", "d"))}}
    with pytest.raises(ValueError, match=r"x\.csv has .* but y\.csv has"):
        correlate({**tables, **other})
    with pytest.raises(ValueError, match="at least 3"):
        correlate({"x.csv": {"one": scores_of(values[:2])}})
    with pytest.raises(ValueError, match="no system"):
        correlate({"x.csv": {"noisy": scores_of(values)}})


def test_scores_are_read_as_they_are_written(tmp_path):
    values = np.array([[1.5, np.nan], [2.5, 3.0]])
    scores = {"pesq": scores_of(values, ("pesq", "csig"))}
    results = make_results(corpus="c", split="test", scores=scores, origins={})
    write_results(tmp_path, results, scores)
    names = ["pesq", "csig"]
    write_csv(tmp_path / "theirs.csv", ["u0", "u1"], names, values)
    for name, system in (("scores_test.csv", "pesq"), ("theirs.csv", "theirs")):
        table = read_scores(tmp_path / name)
        assert list(table) == [system]
        for utterance, row in table[system].items():
            expected = scores["pesq"][utterance]
            np.testing.assert_equal(row, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the columns \(none\)"),
        ("utterance,pesq\nu0,1\n", "at least two metrics"),
        ("name,pesq,csig\nu0,1,2\n", "the columns name, pesq, csig"),
        ("utterance,pesq,csig\n", "no utterance"),
        ("utterance,pesq,csig\nu0,1,2\nu0,1,2\n", "line 3: u0 is there twice"),
        ("utterance,pesq,csig\nu0,1\n", "line 2: not 3 cells"),
        ("utterance,pesq,csig\nu0,1,2,3\n", "line 2: not 3 cells"),
        ("utterance,pesq,csig\nu0,1,n/a\n", "line 2: 'n/a' is not a number"),
    ],
)
def test_what_is_no_file_of_scores(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_scores(path)
    assert str(path) in str(error.value)


# The script -------------------------------------------------------------------


@pytest.fixture
def analyse(folder, datasets, monkeypatch):
    """The script, with a ``train.py`` that has built the run already."""
    train = ModuleType("train")
    train.asked = []

    def build(argv):
        train.asked.append(argv)
        return rebuild(folder), datasets, "corpus"

    train.build = build
    train.prepare = lambda hparams: SimpleNamespace(datasets=lambda: datasets)
    monkeypatch.setitem(sys.modules, "train", train)
    spec = importlib.util.spec_from_file_location(
        "analyse", RECIPE / "analyse.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "command",
    [
        ["conflict", "some.yaml", "--utterances", "2", "--alpha", "5"],
        [
            "flatness",
            "some.yaml",
            "--alpha",
            "5",
            "--sizes",
            "0.1",
            "--draws=1",
        ],
    ],
)
def test_options_go_where_they_belong(analyse, folder, command):
    analyse.main(command)
    assert sys.modules["train"].asked == [["some.yaml", "--alpha", "5"]]
    with open(folder / f"{command[0]}.csv", newline="") as file:
        assert list(csv.DictReader(file))
    assert (folder / f"{command[0]}.png").is_file()


def test_distance_and_correlation_write_elsewhere(analyse, folder, tmp_path):
    describe(folder, folder)
    out = tmp_path / "new" / "out"
    analyse.main(["distance", str(folder), str(folder), "-o", str(out)])
    scores = tmp_path / "scores.csv"
    scores.write_text("utterance,a,b\nu0,1,2\nu1,2,3\nu2,3,1\n")
    analyse.main(["correlation", str(scores), "--output", str(out)])
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{kind}"
        for name in ("distance", "correlation")
        for kind in ("csv", "png")
    }


def test_an_unknown_option_of_correlation(analyse, capsys):
    with pytest.raises(SystemExit):
        analyse.main(
            ["correlation", "scores.csv", "-o", "out", "--method", "x"]
        )
    assert "unrecognized arguments: --method" in capsys.readouterr().err

"""The recipe as users call it: every YAML, from corpus to enhanced file."""

import csv
import importlib.util
import json
import re
from unittest import mock

import numpy as np
import pytest
import ruamel.yaml
import soundfile
import torch
from experiments import BASE, RATE, RECIPE, TESTS, speech, train_script
from hyperpyyaml import load_hyperpyyaml
from pages import data_of
from speechbrain.inference.enhancement import SpectralMaskEnhancement
from speechbrain.lobes.models.MetricGAN import EnhancementGenerator
from stand_ins import stand_in_for_speechmos

from okd_brain.config import read_experiment
from okd_brain.corpora import MixingPlan
from okd_brain.enhance import main as okd_enhance
from okd_brain.export import load_discriminator
from okd_brain.measures import is_installed
from okd_brain.metrics import heads_of, parse_targets
from okd_brain.scoring import Scorer
from okd_brain.training import discriminator_heads

HPARAMS = [
    *sorted((RECIPE / "hparams").glob("*.yaml")),
    *sorted((RECIPE / "hparams" / "fast").glob("*.yaml")),
]
SCHEDULES = sorted((RECIPE / "hparams" / "schedules").glob("*.yaml"))
WARM = (
    "--schedule=schedules/mini.yaml",
    "--surrogate=discriminator",
    "--scored_samples=null",
    "--warmup_patience=null",
    "--average_decay=null",
    "--batch_size=1",
    "--warmup_batch_size=4",
    "--warmup_epochs=2",
    "--discriminator_epochs=1",
)
# Its size is not what these tests are about, and costs two thirds of their time.
SLIM = (
    "--discriminator_network=!name:okd_brain.discriminators.Discriminator "
    "{widths: [4, 4, 4, 4]}"
)


@pytest.fixture(scope="module")
def train():
    """The module ``train.py``, whose folder Python has on its path."""
    with train_script(RECIPE) as module:
        yield module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two 1 s clips to train on, one to validate, one to test."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    files = {"trainset": ["a_1", "a_2", "b_1"], "testset": ["c_1"]}
    for part, names in files.items():
        for number, name in enumerate(names):
            clean = speech(number + (10 if part == "testset" else 0))
            noisy = clean + 0.5 * clean.std() * rng.standard_normal(len(clean))
            for kind, wave in (("clean", clean), ("noisy", noisy)):
                infix = "_28spk" if part == "trainset" else ""
                path = folder / f"{kind}_{part}{infix}_wav_16k" / f"{name}.wav"
                path.parent.mkdir(exist_ok=True)
                soundfile.write(path, 0.5 * wave, RATE)
    return folder


def run(
    train,
    corpus,
    output,
    yaml,
    *extra,
    epochs=2,
    samples=2,
    n_jobs=1,
    heard=0,
):
    train.main(
        [
            str(yaml),
            SLIM,
            f"--data_folder={corpus}",
            f"--output_folder={output}",
            "--valid_speakers=[b]",
            f"--number_of_epochs={epochs}",
            f"--number_of_samples={samples}",
            f"--n_jobs={n_jobs}",
            f"--samples={heard}",
            "--device=cpu",
            "--noprogressbar",
            *extra,
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "yaml", HPARAMS, ids=lambda path: f"{path.parent.stem}-{path.stem}"
)
def test_every_yaml_trains_tests_and_exports(
    train, corpus, tmp_path, yaml, monkeypatch
):
    # Half a second of `pip freeze` and `git`, which one run of the base shows.
    monkeypatch.setattr(
        "speechbrain.utils.logger.get_environment_description", lambda: ""
    )
    if not is_installed("dnsmos"):
        stand_in_for_speechmos(monkeypatch)
    short = ("--report_metrics=[pesq]", "--warmup_epochs=0")
    run(train, corpus, tmp_path, yaml, *short, samples=1)
    with open(tmp_path / "hyperparams.yaml") as stream:
        hparams = load_hyperpyyaml(stream)
    targets = parse_targets(hparams["targets"])
    names = [target.name for target in targets]
    is_twin = hparams["surrogate"] == "twin"
    judged = hparams["adversarial_weight"] > 0 and not is_twin

    results = json.loads((tmp_path / "results.json").read_text())
    assert results["split"] == "test"
    assert results["corpus"] == corpus.name
    assert list(results["systems"]) == ["noisy", *names]
    for name in names:
        origin = results["checkpoints"][name]
        assert (origin["epoch"], origin["phase"]) == (2, "okd")
        # Where a discriminator learns, generators rest in the first epoch.
        assert origin["steps"][f"g_{name}"] == (1 if judged else 2)
    assert all(
        isinstance(value, float)
        for means in results["systems"].values()
        for value in means.values()
    )
    with open(tmp_path / "scores_test.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["noisy", *names]
    assert "test pesq" in (tmp_path / "train_log.txt").read_text()

    for name in names:
        assert {
            path.name for path in (tmp_path / "export" / name).iterdir()
        } >= {"hyperparams.yaml", "enhance_model.ckpt"}
    if not judged:
        assert not (tmp_path / "export" / "discriminator").exists()
        return
    networks = discriminator_heads(heads_of(targets), hparams["discriminator"])
    discriminators = load_discriminator(tmp_path / "export" / "discriminator")
    assert [names for _, names in discriminators] == [
        tuple(head.name for head in heads) for heads in networks.values()
    ]


def test_a_run_may_start_from_another(train, corpus, trained, tmp_path):
    """In the first epoch the generators rest: they are exported as they came."""
    export = trained / "export"
    run(
        train,
        corpus,
        tmp_path,
        RECIPE / "hparams" / "okd_v2.yaml",
        f"--pretrained={{csig: {export}/pesq, discriminator: "
        f"{export}/discriminator}}",
        "--report_metrics=[pesq]",
        epochs=1,
        samples=1,
    )
    weights = (export / "pesq" / "enhance_model.ckpt").read_bytes()
    started = tmp_path / "export" / "csig" / "enhance_model.ckpt"
    other = tmp_path / "export" / "pesq" / "enhance_model.ckpt"
    assert started.read_bytes() == weights
    assert other.read_bytes() != weights


@pytest.mark.slow
def test_a_warm_start_for_others(train, corpus, tmp_path):
    """A generator alone, then discriminators alone, on what it makes."""
    hparams = RECIPE / "hparams"
    options = ["--report_metrics=[pesq]", "--warmup_epochs=1"]
    alone = tmp_path / "generator"
    run(
        *(train, corpus, alone, hparams / "multi_node.yaml", *options),
        epochs=0,
    )
    results = json.loads((alone / "results.json").read_text())
    assert list(results["systems"]) == ["noisy", "pesq_csig"]
    assert results["checkpoints"]["pesq_csig"]["phase"] == "warmup"
    assert [path.name for path in (alone / "export").iterdir()] == ["pesq_csig"]

    export = alone / "export" / "pesq_csig"
    options[1:] = ["--discriminator_epochs=1", f"--pretrained={export}"]
    both = tmp_path / "both"
    run(
        *(train, corpus, both, hparams / "multi_discriminator.yaml", *options),
        epochs=0,
        samples=1,
    )
    again = json.loads((both / "results.json").read_text())
    assert again["systems"] == results["systems"]
    assert again["checkpoints"]["pesq_csig"]["phase"] == "discriminator"
    name = "enhance_model.ckpt"
    assert (both / "export" / "pesq_csig" / name).read_bytes() == (
        export / name
    ).read_bytes()
    heads = load_discriminator(both / "export" / "discriminator")
    assert [names for _, names in heads] == [("pesq",), ("csig",)]


def test_results_come_last(train, monkeypatch):
    """Whoever finds results.json may rely on the exports."""
    order = []

    def report_on(brain, dataset, *, corpus, split):
        assert (dataset, corpus) == (f"{split} set", "tiny")
        order.append(split)

    datasets = {"valid": "valid set", "test": "test set"}
    for name, word in (
        ("announce", "announce"),
        ("fit", "fit"),
        ("export_trained", "export"),
    ):
        monkeypatch.setattr(
            train.training, name, lambda *_, word=word, **__: order.append(word)
        )
    monkeypatch.setattr(train.training, "report_on", report_on)
    for owner, name in ((train.training, "write_samples"), (train, "page")):
        monkeypatch.setattr(owner, name, mock.MagicMock())
    brain = mock.MagicMock()
    monkeypatch.setattr(train, "build", lambda argv: (brain, datasets, "tiny"))
    train.run([])
    assert order == ["announce", "fit", "valid", "export", "test"]


def test_a_metric_of_ones_own(train, corpus, tmp_path):
    """The README's example: one YAML, two processes that score."""
    yaml = tmp_path / "own.yaml"
    yaml.write_text(
        f"base: {BASE}\n"
        "targets: [[si_sdr], [!ref <my_metric>]]\n"
        "my_metric: !new:okd_brain.metrics.Metric\n"
        "    name: mine\n"
        "    score: !name:own_metric.correlation\n"
        "mimicry: !name:okd_brain.mimicry.kl\n"
        "    temperature: 2.0\n"
    )
    run(
        train,
        corpus,
        tmp_path / "out",
        yaml,
        "--report_metrics=[segsnr]",
        n_jobs=2,
    )
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(results["systems"]["mine"]) == ["si_sdr", "mine", "segsnr"]
    assert 0 < results["systems"]["noisy"]["mine"] < 1


def test_a_published_model_is_tuned_further(train, corpus, tmp_path):
    """From SpeechBrain's MetricGAN+, or any folder of that format."""
    torch.manual_seed(0)
    published = EnhancementGenerator().state_dict()
    (tmp_path / "published").mkdir()
    torch.save(published, tmp_path / "published" / "enhance_model.ckpt")
    run(
        train,
        corpus,
        tmp_path / "tuned",
        RECIPE / "hparams" / "okd_pesq_estoi.yaml",
        "--schedule=schedules/fast.yaml",
        "--warmup_epochs=0",
        "--average_decay=null",
        "--fidelity_utterances=0",
        f"--pretrained={tmp_path / 'published'}",
        "--report_metrics=[pesq]",
        epochs=1,
    )
    for name in ("pesq", "estoi"):
        file = tmp_path / "tuned" / "export" / name / "enhance_model.ckpt"
        tuned = torch.load(file, weights_only=True)
        steps = [tuned[key] - published[key] for key in published]
        largest = max(float(step.abs().max()) for step in steps)
        assert 0 < largest < 2.1e-4  # one update of Adam, the rate 1e-4


def test_what_was_chosen_on_the_test_set_says_so(train, corpus, tmp_path):
    """As in the published protocol; wherever figures stand."""
    run(
        train,
        corpus,
        tmp_path,
        RECIPE / "hparams" / "metricgan_plus_pesq.yaml",
        "--selection=test",
        "--report_metrics=[pesq]",
        epochs=1,
        samples=1,
    )
    for name in ("results.json", "results_valid.json"):
        results = json.loads((tmp_path / name).read_text())
        assert results["checkpoints"]["pesq"]["chosen_on"] == "test"
    for split in ("test", "valid"):
        with open(tmp_path / f"scores_{split}.csv", newline="") as file:
            marks = {
                (r["system"], r["chosen_on"]) for r in csv.DictReader(file)
            }
        assert marks == {("noisy", ""), ("pesq", "test")}
    for path in tmp_path.glob("breakdown_*.json"):
        assert json.loads(path.read_text())["chosen_on_test"] == ["pesq"]
    assert "CHOSEN ON THE TEST SET: pesq" in (tmp_path / "log.txt").read_text()
    export = tmp_path / "export" / "pesq"
    details = json.loads((export / "model.json").read_text())["details"]
    assert details["chosen_on"] == "test"
    assert "| chosen_on | test |" in (export / "README.md").read_text()
    # The last epoch is chosen by the figures that the test gives it.
    epoch, *_, test = (tmp_path / "train_log.txt").read_text().splitlines()
    (value,) = re.findall(r" test pesq pesq: (\S+?),?(?: |$)", epoch)
    assert f"test pesq: {value}" in test and "chosen on: test" in test


@pytest.fixture(scope="module")
def trained(train, corpus, tmp_path_factory):
    """A run with warm-up, on the shortest form of the mini schedule."""
    output = tmp_path_factory.mktemp("trained")
    run(train, corpus, output, BASE, *WARM, heard=1)
    return output


def test_warm_up_has_rows_of_its_own(trained):
    for name in ("results.json", "results_valid.json"):
        results = json.loads((trained / name).read_text())
        assert list(results["systems"]) == [
            "noisy",
            "pesq@warmup",
            "csig@warmup",
            "pesq",
            "csig",
        ]
        origins = results["checkpoints"]
        assert origins["pesq@warmup"]["phase"] == "warmup"
        assert origins["pesq@warmup"]["epoch"] == 2
        assert origins["pesq"]["phase"] == "okd"
        assert origins["pesq"]["epoch"] in (4, 5)


def test_samples_and_page_are_of_what_was_tested(trained, corpus):
    [folder] = (trained / "samples").glob("001_*")
    waves = {
        path.stem: soundfile.read(path)[0] for path in folder.glob("*.wav")
    }
    assert waves.keys() == {"clean", "noisy", "pesq", "csig"}
    noisy, _ = soundfile.read(corpus / "noisy_testset_wav_16k" / "c_1.wav")
    assert waves["noisy"] == pytest.approx(noisy, abs=1e-6)
    results = json.loads((trained / "results.json").read_text())
    for name in ("noisy", "pesq", "csig"):
        # One utterance: its score is the mean.
        [score] = Scorer(["si_sdr"]).score([(waves["clean"], waves[name])])[0]
        found = results["systems"][name]["si_sdr"]
        assert score == pytest.approx(found, abs=1e-3)
    data = data_of(trained / "report")
    assert [u.get("audio") for u in data["utterances"]] == ["audio/0001.js"]
    assert data["scores"]["pesq"]["pesq"] == [
        pytest.approx(results["systems"]["pesq"]["pesq"], abs=1e-4)
    ]


def test_the_export_enhances_as_the_test_did(trained, corpus, tmp_path):
    """Stock SpeechBrain and okd-enhance give the waves that were scored."""
    noisy = corpus / "noisy_testset_wav_16k" / "c_1.wav"
    stock = SpectralMaskEnhancement.from_hparams(
        str(trained / "export" / "pesq"), savedir=None
    )
    wave, _ = soundfile.read(noisy, dtype="float32")
    expected = stock.enhance_batch(torch.from_numpy(wave)[None], torch.ones(1))[
        0
    ].numpy()
    code = okd_enhance(
        [str(trained / "export" / "pesq"), str(noisy), "-o", str(tmp_path)]
    )
    assert code == 0
    ours, rate = soundfile.read(tmp_path / "c_1.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(ours, expected, atol=1e-4)  # 16-bit PCM


@pytest.mark.slow
def test_curves_of_the_kept_checkpoints(train, corpus, trained, monkeypatch):
    """Validation of the best epochs is what training said of them."""
    spec = importlib.util.spec_from_file_location(
        "analyse", RECIPE / "analyse.py"
    )
    analyse = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(analyse)
    monkeypatch.setattr(
        train, "main", lambda argv: analyse.main(["curves", *argv])
    )
    run(train, corpus, trained, BASE, *WARM)
    with open(trained / "curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    results = json.loads((trained / "results_valid.json").read_text())
    for name in ("pesq", "csig"):
        epoch = results["checkpoints"][name]["epoch"]
        (value,) = (
            float(row[name])
            for row in rows
            if (row["split"], row["system"]) == ("valid", name)
            and int(row["epoch"]) == epoch
        )
        expected = results["systems"][name][name]
        assert value == pytest.approx(expected, abs=1e-6)
    assert {row["split"] for row in rows} == {"valid", "test"}
    assert (trained / "curves.png").is_file()


def test_test_only_gives_the_same_figures(train, corpus, trained):
    before = (trained / "results.json").read_text()
    run(train, corpus, trained, BASE, *WARM, "--test_only")
    assert (trained / "results.json").read_text() == before


def test_test_only_without_a_checkpoint_is_an_error(train, corpus, tmp_path):
    with pytest.raises(ValueError, match="no validated checkpoint"):
        run(train, corpus, tmp_path, BASE, "--test_only")
    assert not (tmp_path / "results.json").exists()


def test_test_only_of_a_discriminator_that_has_not_learnt_is_an_error(
    train, corpus, trained, tmp_path
):
    export = trained / "export"
    options = (
        f"--pretrained={{pesq: {export / 'pesq'}, csig: {export / 'csig'}}}",
        *("--discriminator_epochs=1", "--test_only"),
    )
    with pytest.raises(ValueError, match="no checkpoint: train before test"):
        run(train, corpus, tmp_path, BASE, *options, epochs=0)
    assert not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_no_data_folder_means_the_mini_corpus(train, tmp_path, monkeypatch):
    """What is built and what is said; the training itself is `make demo`."""
    asked = {}

    def prepare_voicebank(data_folder, save_folder, **options):
        asked.update(options, data_folder=data_folder)

    import voicebank_prepare

    monkeypatch.setattr(
        voicebank_prepare, "prepare_voicebank", prepare_voicebank
    )
    said = []
    monkeypatch.setattr(train.logger, "info", said.append)
    train.prepare(
        {
            "data_folder": None,
            "noise_folder": None,
            "valid_speakers": None,
            "output_folder": str(tmp_path),
            "skip_bad_files": False,
            "mixing": MixingPlan(),
        }
    )
    assert asked["data_folder"] == str(tmp_path / "mini_corpus")
    assert asked["valid_speakers"] == ["june"]
    assert len(said) == 1 and "mini corpus" in said[0]
    mini = read_experiment([str(BASE)], SCHEDULES[0].with_name("mini.yaml"))
    assert ruamel.yaml.YAML().load(mini.yaml)["warmup_epochs"] > 0


def listed():
    """Return SpeechBrain's list of recipe tests, a dict per experiment."""
    with open(TESTS / "recipes" / "VoiceBank.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_listed_debug_run_leaves_what_is_listed(train, tmp_path):
    """As SpeechBrain runs recipes: --debug, kept, without a corpus at hand."""
    (row,) = (
        row for row in listed() if TESTS.parent / row["Hparam_file"] == BASE
    )
    train.main(
        [
            str(BASE),
            f"--output_folder={tmp_path}",
            "--device=cpu",
            "--debug",
            "--debug_persistently",
            *row["test_debug_flags"].split(),
        ]
    )
    expected = re.fullmatch(r"file_exists=\[(.*)\]", row["test_debug_checks"])
    for name in expected[1].split(","):
        assert (tmp_path / name).is_file(), name
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["utterances"] == 2  # two batches, as debug_batches says
    assert results["checkpoints"]["pesq"]["phase"] == "okd"

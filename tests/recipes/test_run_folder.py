"""A run goes on in its own folder and in no other one."""

import json
import logging
import re
import shutil

import pytest
import torch
import yaml
from experiments import BASE, RECIPE, TESTS, train_script
from small_runs import arguments, write_corpus

from okd_brain.messages import UserError
from okd_brain.training.identity import CORPUS_FILES, MAY_CHANGE, WIRING

BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()


@pytest.fixture(scope="module")
def train():
    with train_script(RECIPE) as module:
        yield module


@pytest.fixture(scope="module")
def began(train, tmp_path_factory):
    """An ended run of one epoch, beside its corpus."""
    place = tmp_path_factory.mktemp("place")
    corpus = write_corpus(place / "corpus 2026-11-27")
    train.main(arguments(corpus, place / "alpha=1: run #2"))
    return place


@pytest.fixture
def place(began, tmp_path):
    """A copy of it; the corpus stays where it is."""
    shutil.copytree(began / "alpha=1: run #2", tmp_path / "run")
    return tmp_path


def state(folder):
    """Return what a refusal must not change."""
    names = (*CORPUS_FILES, "run.json", "hyperparams.yaml")
    files = {n: (folder / n).read_bytes() for n in names}
    return files, sorted(path.name for path in (folder / "save").iterdir())


def test_names_arrive_as_typed(began):
    output = began / "alpha=1: run #2"
    assert (output / "results.json").is_file()
    assert list(json.loads((output / "valid.json").read_text())) == ["001_1"]
    results = json.loads((output / "results.json").read_text())
    assert results["corpus"] == "corpus 2026-11-27"


def test_what_defines_a_run_is_recorded(began):
    record = json.loads((began / "alpha=1: run #2" / "run.json").read_text())
    assert record["options"]["targets"] == "[[si_sdr], [segsnr]]"
    assert record["options"]["alpha"] == "5.0"
    assert not record["options"].keys() & {*MAY_CHANGE, *WIRING}
    assert record["networks"]["networks"] == "[d, g_segsnr, g_si_sdr]"
    assert record["metrics"]["si_sdr"].startswith("version 1, ")
    assert record["corpus"]["train"].startswith("2 utterances")


@pytest.mark.parametrize(
    ("key", "value", "was"),
    [
        ("targets", "[[stoi],[segsnr]]", r"[[si_sdr], [segsnr]]"),
        ("alpha", "1", "5.0"),
        ("warmup_epochs", "3", "0"),
        (
            "generator",
            "!name:okd_brain.generators.CausalLSTMGenerator",
            "BLSTM",
        ),
        ("valid_speakers", "[002]", "['001']"),
        ("data_folder", "null", "corpus 2026-11-27"),
    ],
)
def test_another_run_is_refused(train, began, place, key, value, was):
    """Both values, three ways out, and nothing in the folder changes."""
    before = state(place / "run")
    options = {"data_folder": began / "corpus 2026-11-27", key: value}
    if key == "data_folder":
        options["valid_speakers"] = "null"
    argv = arguments(output=place / "run", corpus=None, **options)
    with pytest.raises(UserError) as caught:
        train.build(argv)
    said = str(caught.value)
    assert f"{key} is " in said and was in said
    assert value.strip("[]!").split("]")[0].split(":")[-1] in said
    assert "another --output_folder" in said
    assert f"--{key} " in said
    assert (
        f"--overwrite True, which moves the old run to {place}/run.old-1"
        in (said)
    )
    assert state(place / "run") == before


def test_another_corpus_in_the_same_place_is_refused(train, place):
    """Known only when prepared; the manifests are what they were."""
    corpus = write_corpus(place / "corpus", seconds=0.9)
    shutil.copyfile(place / "run" / "run.json", place / "run.json")
    record = json.loads((place / "run.json").read_text())
    record["options"]["data_folder"] = str(corpus)
    (place / "run" / "run.json").write_text(json.dumps(record))
    before = state(place / "run")
    with pytest.raises(UserError, match=r"train is 2 utterances.*2 utterances"):
        train.build(arguments(corpus, place / "run"))
    after = state(place / "run")
    assert {n: after[0][n] for n in CORPUS_FILES} == {
        n: before[0][n] for n in CORPUS_FILES
    }
    assert after[1] == before[1]
    train.build(arguments(corpus, place / "run", overwrite="True"))
    assert (place / "run.old-1" / "results.json").is_file()
    new = json.loads((place / "run" / "run.json").read_text())
    assert new["corpus"]["train"] != record["corpus"]["train"]
    assert (place / "run" / "hyperparams.yaml").is_file()


def test_overwrite_moves_the_old_run_aside(train, began, place):
    corpus = began / "corpus 2026-11-27"
    before = state(place / "run")
    (place / "run.old-1").mkdir()  # taken
    argv = arguments(corpus, place / "run", alpha=1, overwrite="True")
    brain, *_ = train.build(argv)
    assert state(place / "run.old-2") == before
    assert brain.checkpointer.find_checkpoint() is None
    train.build(argv)  # the same command goes on, and moves nothing
    assert not (place / "run.old-3").exists()


@pytest.mark.slow
def test_what_may_change_may_change(train, began, place):
    """And a corpus may move."""
    corpus = place / "moved"
    shutil.copytree(began / "corpus 2026-11-27", corpus)
    record = place / "run" / "run.json"
    known = json.loads(record.read_text())
    known["options"]["data_folder"] = "/where/it/was"
    record.write_text(json.dumps(known))
    options = {
        "number_of_epochs": 2,
        "valid_interval": 1,
        "checkpoints_to_keep": 3,
        "ckpt_interval_minutes": 3,
        "report_metrics": "[stoi]",
        "n_jobs": 2,
        "precision": "bf16" if BF16 else "fp32",
        "score_cache": place / "cache",
    }
    train.main(arguments(corpus, place / "run", **options))
    results = json.loads((place / "run" / "results.json").read_text())
    assert "stoi" in results["systems"]["si_sdr"]
    lines = (place / "run" / "train_log.txt").read_text().splitlines()
    assert [re.match(r"epoch: (\d)", line)[1] for line in lines if "epoch:" in
            line[:6]] == ["1", "2"]  # fmt: skip


def test_a_run_of_an_earlier_version(train, began, place):
    """Without a record: networks and corpus tell whose it is."""
    (place / "run" / "run.json").unlink()
    corpus = began / "corpus 2026-11-27"
    with pytest.raises(
        UserError, match=r"g_segsnr, g_si_sdr\].*g_segsnr, g_sto"
    ):
        train.build(
            arguments(corpus, place / "run", targets="[[stoi],[segsnr]]")
        )
    other = write_corpus(place / "other", seconds=0.9)
    with pytest.raises(UserError, match="utterances.*holds|holds.*utterances"):
        train.build(arguments(other, place / "run"))
    assert not (place / "run" / "run.json").exists()
    train.build(arguments(corpus, place / "run"))
    assert (place / "run" / "run.json").is_file()


def test_a_folder_without_a_checkpoint_is_free(train, began, place):
    """Whoever mistyped an option may correct it."""
    shutil.rmtree(place / "run" / "save")
    corpus = began / "corpus 2026-11-27"
    train.build(arguments(corpus, place / "run", alpha=1))
    record = json.loads((place / "run" / "run.json").read_text())
    assert record["options"]["alpha"] == "1"


@pytest.mark.slow
def test_the_mini_corpus_has_a_folder_of_its_own(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    brain, *_ = train.build([str(BASE), "--device", "cpu"])
    folder = tmp_path / "results" / "okd_pesq_csig" / "mini-1"
    assert (folder / "run.json").is_file()
    assert not (folder.parent / "1").exists()


def test_the_page_lists_what_may_change():
    page = (TESTS.parent / "docs" / "train.md").read_text()
    for key in MAY_CHANGE:
        assert f"`{key}`" in page, key


def test_the_page_shows_the_fast_schedule():
    page = (TESTS.parent / "docs" / "own-data.md").read_text()
    (shown,) = re.findall(r"```yaml\n(surrogate.*?)```", page, re.DOTALL)
    fast = (RECIPE / "hparams" / "schedules" / "fast.yaml").read_text()
    assert yaml.safe_load(shown) == yaml.safe_load(fast)
    assert "--schedule schedules/fast.yaml" in page


def said_of(caplog):
    (text,) = (
        r.getMessage() for r in caplog.records if "This run" in r.getMessage()
    )
    return text


def announce(train, argv, caplog):
    brain, datasets, corpus = train.build(argv)
    # SpeechBrain's set-up of logging turns pytest's handler out.
    logger = logging.getLogger("okd_brain.training.overview")
    logger.disabled = False
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    try:
        train.training.announce(brain, datasets, corpus=corpus)
    finally:
        logger.removeHandler(caplog.handler)
    return brain, said_of(caplog)


def test_the_start_of_a_run_says_what_it_will_take(train, tmp_path, caplog):
    """750 epochs on three files are not silent, and the estimate costs nothing."""
    import torch

    corpus = write_corpus(tmp_path / "corpus")
    argv = arguments(corpus, tmp_path / "run", number_of_epochs=750)
    brain, datasets, name = train.build(argv)
    before = {k: v.clone() for k, v in brain.modules.state_dict().items()}
    torch.manual_seed(3)
    random = torch.rand(1)
    torch.manual_seed(3)
    brain, said = announce(train, argv, caplog)
    assert "train: 2 utterances, 0.00 h, 2 speakers" in said
    assert "2, for si_sdr, segsnr: BLSTMGenerator, 1.90 million" in said
    # Per epoch 3 + 1 + 3 steps of D and, from the second on, one of generators;
    # every fifth of the past comes back: the sum of floor(0.2 n), n < 750.
    past = sum(int(0.2 * n) for n in range(750))
    assert f"okd: 750 epochs, {750 * 7 + 749 + past:,} steps" in said
    assert re.search(r"generators \S+ s per step", said)
    assert re.search(r"time +about \d", said)
    assert re.search(r"[kMG]B of checkpoints and \S+ [kMG]B of replay", said)
    assert "--schedule schedules/fast.yaml" in said
    assert (tmp_path / "run" / "log.txt").read_text().count("This run") == 1
    after = brain.modules.state_dict()
    assert all(after[key].equal(value) for key, value in before.items())
    assert all(p.grad is None for p in brain.modules.parameters())
    assert all(p.requires_grad for p in brain.modules.parameters())
    assert torch.rand(1) != random  # build draws; what follows does not:
    state = torch.random.get_rng_state()
    train.training.announce(brain, datasets, corpus=name)
    assert torch.random.get_rng_state().equal(state)


def test_a_chosen_schedule_is_not_questioned(train, tmp_path, caplog):
    corpus = write_corpus(tmp_path / "corpus")
    argv = arguments(corpus, tmp_path / "run", schedule="schedules/fast.yaml")
    _, said = announce(train, argv, caplog)
    assert "--schedule" not in said
    assert "warmup: at most 100 epochs, 100 steps" in said

"""Validation, checkpoints, tests and logs of a run; options that are refused."""

import json
import sys
import types
from importlib.util import find_spec

import pytest
import torch
from experiments import RATE, dataset, fit
from experiments import make_small_brain as make_brain
from speechbrain.utils.train_logger import TensorboardLogger

from okd_brain.messages import UserError
from okd_brain.metrics import Metric
from okd_brain.training.checkpoints import ends_epoch
from okd_brain.training.internals import refuse_unsupported_options


@pytest.fixture(scope="module")
def train_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("train"), 3)


@pytest.fixture(scope="module")
def valid_set(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("valid"), 1, first=5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, train_set, valid_set):
    brain = make_brain(
        tmp_path_factory.mktemp("run"),
        "--number_of_epochs=3",
        "--warmup_epochs=1",
    )
    fit(brain, train_set, valid_set)
    return brain


def test_the_test_set_chooses_only_where_that_is_asked_for(
    tmp_path, train_set, valid_set
):
    brain = make_brain(tmp_path, "--number_of_epochs=1", "--selection=test")
    fit(brain, train_set, valid_set)
    (checkpoint,) = brain.checkpointer.list_checkpoints()
    assert checkpoint.meta["chosen_on"] == "test"
    log = (tmp_path / "train_log.txt").read_text()
    assert " test si_sdr si_sdr: " in log and " valid " not in log
    with pytest.raises(ValueError, match="was validated with 'test'"):
        make_brain(tmp_path)


def test_what_is_exported_is_from_the_end_of_an_epoch(
    tmp_path, train_set, valid_set
):
    """As after a run that was told to end within the next one."""
    brain = make_brain(tmp_path, "--number_of_epochs=1")
    fit(brain, train_set, valid_set)
    brain._save_intra_epoch_ckpt()
    find = brain.checkpointer.find_checkpoint
    assert "steps" not in find().meta
    assert find(ckpt_predicate=ends_epoch).meta["steps"]["d"] > 0


def test_checkpoint_meta_can_be_read_back(trained):
    """SpeechBrain reads plain numbers only; one other bricks the folder."""
    checkpoints = trained.checkpointer.list_checkpoints()
    best = [c for c in checkpoints if "okd/si_sdr" in c.meta]
    assert best
    assert type(best[0].meta["okd/si_sdr"]) is float
    assert best[0].meta["steps"] == json.loads(
        json.dumps(best[0].meta["steps"])
    )


def test_untrained_weights_are_never_tested(tmp_path, valid_set):
    brain = make_brain(tmp_path, run_opts={"test_only": True})
    with pytest.raises(ValueError, match="no validated checkpoint.*si_sdr"):
        brain.test(valid_set, "okd", {"batch_size": 1})


def test_the_best_checkpoint_of_each_generator_is_tested(trained, valid_set):
    scores, origins = trained.test(valid_set, "okd", {"batch_size": 1})
    assert set(scores) == {"noisy", "si_sdr", "segsnr"}
    for name in ("si_sdr", "segsnr"):
        values = {
            c.meta["epoch"]: c.meta[f"okd/{name}"]
            for c in trained.checkpointer.list_checkpoints()
            if f"okd/{name}" in c.meta
        }
        assert origins[name]["epoch"] == max(values, key=values.get)
        measured = scores[name]["u5"][name]
        assert measured == pytest.approx(max(values.values()), abs=1e-4)
    trained.test(valid_set, "warmup", {"batch_size": 1})
    assert trained.origins["si_sdr"]["phase"] == "warmup"


def test_curves_are_drawn_at_their_epoch(tmp_path, train_set, valid_set):
    """TensorBoard gets the epoch, also after a run has gone on."""
    drawn = []

    class Writer:
        def add_scalar(self, tag, value, step):
            drawn.append((tag, step))

        def add_audio(self, tag, sound, step, sample_rate):
            assert sound.shape == (1, RATE) and sample_rate == RATE
            drawn.append((f"sound {tag}", step))

        def add_figure(self, tag, figure, step):
            drawn.append((f"picture {tag}", step))

    class Logger(TensorboardLogger):
        def __init__(self):
            self.writer, self.global_step = Writer(), {"meta": 0}

    for epochs in (1, 2):
        brain = make_brain(tmp_path, f"--number_of_epochs={epochs}")
        brain.boards.tensorboard = Logger()
        fit(brain, train_set, valid_set)
    expected = ["valid/si_sdr si_sdr"]
    for system in ("clean", "noisy", "si_sdr", "segsnr"):
        expected.append(f"sound u5/{system}")
    if find_spec("matplotlib"):
        expected.append("picture u5/si_sdr")
    for tag in expected:
        assert [step for name, step in drawn if name == tag] == [1, 2]


def test_wandb_is_asked_for_the_run_that_goes_on(
    tmp_path, train_set, valid_set, monkeypatch
):
    logged, begun = [], []

    class Run:
        def log(self, numbers, step):
            logged.append((step, numbers["valid"]["si_sdr si_sdr"]))

    def init(**options):
        begun.append(options)
        return Run()

    stand_in = types.SimpleNamespace(init=init)
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    for epochs in (1, 2):
        options = (f"--number_of_epochs={epochs}", "--use_wandb=True")
        fit(make_brain(tmp_path, *options), train_set, valid_set)
    assert [step for step, _ in logged] == [1, 2]
    assert begun[0]["id"] == begun[1]["id"] and begun[0]["resume"] == "allow"


@pytest.mark.parametrize(
    "option, reason",
    [
        ({"grad_accumulation_factor": 2}, "only 1 works"),
        ({"max_grad_norm": -1.0}, "must be positive"),
        ({"remove_vector_weight_decay": True}, "first parameter group"),
        ({"jit": True}, "TorchScript"),
    ],
)
def test_harmful_run_options_are_refused(tmp_path, option, reason):
    with pytest.raises(ValueError, match=reason):
        make_brain(tmp_path, run_opts=option)


def test_half_precision_needs_a_processor_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False
    )
    with pytest.raises(UserError, match="bf16, but on this processor"):
        make_brain(tmp_path, run_opts={"precision": "bf16"})


def test_data_parallel_is_refused(tmp_path):
    brain = make_brain(tmp_path)
    brain.data_parallel_backend = True
    with pytest.raises(ValueError, match="torchrun"):
        refuse_unsupported_options(brain)


def test_a_report_scores_a_metric_as_it_was_learnt(tmp_path):
    """Where a target's record has the name of another in the report."""
    brain = make_brain(tmp_path)
    mine = Metric(brain.learnt[0].name, min, floor=-1.0)
    scorer = brain.make_scorer([mine, *brain.learnt])
    assert scorer.metrics == [mine, *brain.learnt[1:]]

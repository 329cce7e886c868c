"""Values of the command line: as typed, or YAML, by what the key holds."""

import pytest
from experiments import BASE, LE_BASE
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from okd_brain.command_line import RUN_OPTIONS
from okd_brain.config import describe_keys, read_experiment
from okd_brain.messages import UserError

NAMES = [
    *("alpha=1", "run #2", "2 #3", "2026-11-27", "a: b", "001", "1e3", "5"),
    *("true", "yes", "- a", "[x]", "'q'", '"', "a\\b", "*.x", "&a", "%x", "@b"),
    *("!bang", "{a}", "a<seed>", "a>b", "caf\udce9", "x, y", " a ", "é"),
]


def values(*argv, keys):
    return read_experiment([str(BASE), *argv]).resolved(*keys)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("joined", [False, True])
def test_paths_arrive_as_typed(name, joined):
    keys = ("data_folder", "output_folder", "save_folder", "pretrained")
    argv = []
    for key in ("data_folder", "output_folder"):
        argv += [f"--{key}={name}"] if joined else [f"--{key}", name]
    found = values(*argv, f"--pretrained=m/{name}", keys=keys)
    assert found == [name, name, f"{name}/save", f"m/{name}"]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("targets", "[[pesq],[csig+cbak]]", [["pesq"], ["csig+cbak"]]),
        ("alpha", "1e-2", 0.01),
        ("skip_bad_files", "True", True),
        ("max_history", "null", None),
        ("max_train_seconds", "2.5", 2.5),
        ("valid_speakers", "[001, 2026-11-27, 1e3]", ["001", "2026-11-27", "1e3"]),
        ("valid_speakers", "[p226, p287]", ["p226", "p287"]),
        ("discriminator", "separate", "separate"),
        ("pretrained", "{pesq: /a=1/b, discriminator: 'c #2'}",
         {"pesq": "/a=1/b", "discriminator": "c #2"}),
        ("score_cache", "!ref <output_folder>/mine", "here/mine"),
    ],
)  # fmt: skip
def test_other_values_are_yaml(key, text, value):
    argv = ["--data_folder", "x", "--output_folder", "here", f"--{key}", text]
    assert values(*argv, keys=[key]) == [value]


def test_names_in_mappings_and_files_are_as_written(tmp_path):
    (mixing,) = values("--mixing", "{test_speakers: [001]}", keys=["mixing"])
    assert mixing["test_speakers"] == ["001"]
    own = tmp_path / "own.yaml"
    own.write_text(
        f"base: {BASE}\nvalid_speakers: [001, 0x1F, null]\n"
        "mixing: {test_speakers: [010]}\n"
    )
    found = read_experiment([str(own)]).resolved("valid_speakers", "mixing")
    assert found[0] == ["001", "0x1F", "null"]
    assert found[1]["test_speakers"] == ["010"]


def test_run_options_are_speechbrains():
    argv = ["--device=cuda:1", "--debug", "--precision", "bf16"]
    argv += ["--compile_module_keys", "d", "g_pesq", "--debug_batches", "3"]
    argv += ["--skip_nonfinite_grads", "False"]
    experiment = read_experiment(["--noprogressbar", str(BASE), *argv])
    options = experiment.run_opts
    assert (options.device, options.debug, options.precision) == (
        *("cuda:1", True, "bf16"),
    )
    assert options.compile_module_keys == ["d", "g_pesq"]
    assert options.debug_batches == 3
    assert options.noprogressbar and options.param_file == str(BASE)
    # SpeechBrain has a switch of this name, which cannot be turned off.
    assert experiment.resolved("skip_nonfinite_grads") == [False]
    assert options.overridden_args == {
        *("device", "debug", "precision", "compile_module_keys"),
        *("debug_batches", "noprogressbar"),
    }


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["--alpha", "x"], "--alpha is 'x', must be a number"),
        (["--skip_bad_files", "yes"], "must be True or False"),
        (["--skip_bad_files", "1"], "must be True or False"),
        (["--targets", "[[pesq"], "--targets is .*, which is not YAML"),
        (["--targets", "[[pesq],", "[csig]]"], "belongs to no option"),
        (["--devic", "cpu"], "did you mean 'device'"),
        (["--debug_batches", "x"], "must be a whole number"),
        (["--max_grad_norm", "x"], "must be a number"),
        (["--precision", "bf17"], "did you mean 'bf16'"),
        (["--debug=maybe"], "is a switch"),
        (["--device"], "--device has no value"),
        (["--output_folder", ""], "--output_folder has no value"),
    ],
)
def test_mistakes_are_named(argv, reason):
    with pytest.raises(UserError, match=reason):
        read_experiment([str(BASE), *argv])


def test_no_experiment():
    with pytest.raises(UserError, match="No experiment is named"):
        read_experiment(["--seed", "1"])


def test_help_knows_every_option_that_is_supported():
    """What it leaves out is refused, deprecated, without effect, or a key."""
    keys = {key.name for key in describe_keys(BASE)}
    left_out = HELP_TEXTS.keys() - RUN_OPTIONS.keys() - keys
    assert left_out == {
        *("data_parallel_backend", "jit", "grad_accumulation_factor"),
        *("remove_vector_weight_decay", "auto_mix_prec", "bfloat16_mix_prec"),
        *("log_config", "optimizer_step_limit"),
    }
    defaults = RunOptions().as_dict()
    for name, (value, text) in RUN_OPTIONS.items():
        assert (value is None) == (defaults[name] is False), name
        if defaults[name]:
            assert f"(default: {defaults[name]}" in text, name


@pytest.mark.parametrize("base", [BASE, LE_BASE], ids=["SE", "LE"])
def test_the_yaml_explains_its_keys(base):
    keys = {key.name: key for key in describe_keys(base)}
    assert keys["alpha"].default == "5.0"
    assert keys["alpha"].comment.startswith("weight of the mimicry")
    assert keys["targets"].section.startswith("Method: what each generator")
    assert keys["data_folder"].section == "Data files"
    assert keys["data_folder"].default == "null"
    assert keys["skip_bad_files"].default == "False"
    assert keys["mimicry"].default == "okd_brain.mimicry.mse"
    assert keys["n_jobs"].section == "Dataloader options"
    assert not {"__set_seed", "checkpointer", "epoch_counter"} & keys.keys()


def test_an_overlay_is_explained_by_its_base():
    keys = {k.name: k for k in describe_keys(BASE.with_name("alpha_1.yaml"))}
    assert keys["alpha"].default == "1.0"
    assert keys["alpha"].comment.startswith("weight of the mimicry")


def test_checkpoints_by_steps_need_no_other_option(tmp_path):
    """SpeechBrain takes steps or minutes; the experiment has minutes."""
    argv = [str(BASE), "--data_folder=x", "--ckpt_interval_steps", "5"]
    experiment = read_experiment(argv)
    assert experiment.run_opts.ckpt_interval_steps == 5
    assert "ckpt_interval_minutes: 0" in experiment.yaml


@pytest.mark.parametrize(
    "options, backend",
    [
        (["--device=cpu"], "gloo"),
        (["--device=cuda:0"], "nccl"),
        (["--device=cpu", "--distributed_backend=mpi"], "mpi"),
    ],
)
def test_processes_on_cpus_choose_gloo(monkeypatch, options, backend):
    monkeypatch.setenv("LOCAL_RANK", "1")  # as torchrun sets it
    run_opts = read_experiment([str(BASE), *options]).run_opts
    assert run_opts.distributed_backend == backend
    # else SpeechBrain's Brain takes its own default
    chosen = "distributed_backend" in run_opts.overridden_args
    assert chosen == (backend != "nccl")

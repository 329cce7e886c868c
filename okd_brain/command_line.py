"""The command line of ``train.py``: SpeechBrain's run options, and overrides.

SpeechBrain's own parser makes YAML of all overrides, which changes names on the
way: ``run #2`` loses its end, ``001`` becomes 1. Here a value is YAML where the
key holds a number, a switch, a list or an object, and otherwise what was typed.
"""

import io
from numbers import Real
from pathlib import Path

import ruamel.yaml

from okd_brain.messages import UserError, offer

TAGS = ("!ref ", "!new:", "!name:", "!apply:", "!copy ", "!module:")
PATHS = ("_folder", "schedule", "pretrained")  # ends of keys that hold one
BY_TARGET = ("pretrained", "surrogate")  # hold one name, or one by target
NAMES = ("_speakers", "_talkers", "_noises")  # ends of keys that hold several
PRECISIONS = ("fp32", "bf16", "fp16")

RUN_OPTIONS = {
    "device": ("NAME", "cpu, cuda, cuda:1 (default: a GPU if there is one)"),
    "test_only": (None, "do not train; test the best checkpoints"),
    "debug": (
        None,
        "two batches of every phase of every stage, nothing left behind; "
        "errors with their traceback",
    ),
    "debug_batches": ("N", "of each phase, in --debug (default: 2)"),
    "debug_epochs": ("N", "of the last stage, in --debug (default: 2)"),
    "debug_persistently": (None, "keep what --debug writes"),
    "noprogressbar": (None, "no progress bars"),
    "tqdm_colored_bar": (None, "progress bars in colour"),
    "ckpt_interval_steps": (
        "N",
        "steps between checkpoints within an epoch (default: 0, by time)",
    ),
    "nonfinite_patience": (
        "N",
        "go on after at most N batches of an epoch with a loss that is not "
        "finite (default: 3)",
    ),
    "eval_precision": (
        "NAME",
        "fp32, bf16 or fp16, in validation and test (default: fp32)",
    ),
    "compile": (None, "compile the networks with torch.compile"),
    "compile_module_keys": ("NAME", "only these networks, such as d g_pesq"),
    "compile_mode": (
        "NAME",
        "default, reduce-overhead or max-autotune (default: default)",
    ),
    "compile_using_fullgraph": (None, "refuse to compile a network in parts"),
    "compile_using_dynamic_shape_tracing": (
        None,
        "compile once for all lengths",
    ),
    "distributed_backend": (
        "NAME",
        "nccl, gloo or mpi, for torchrun (default: nccl; on CPUs gloo)",
    ),
    "find_unused_parameters": (
        None,
        "look for parameters without gradient, for torchrun",
    ),
    "profile_training": (None, "write a profile of the first steps"),
    "profile_warmup": ("N", "steps before it (default: 5)"),
    "profile_steps": ("N", "its length in steps (default: 5)"),
}
"""SpeechBrain's run options that okd supports and that are not keys of the YAML:
what stands for the value (None: a switch), and help."""

SEVERAL = ("compile_module_keys", "jit_module_keys")  # take many values


def split_command_line(argv):
    """Return the YAML file and [(key, values)] of a command line."""
    from speechbrain.utils.run_opts import RunOptions

    defaults = RunOptions().as_dict()
    file, options = None, []
    for token in argv:
        if token.startswith("--"):
            key, equals, value = token[2:].partition("=")
            options.append((key, [value] if equals else []))
            continue
        key, values = options[-1] if options else (None, [token])
        is_switch = defaults.get(key) is False
        fits = not is_switch or token in ("True", "False")
        if fits and not values or key in SEVERAL:
            values.append(token)
        elif file is None:
            file = token
        else:
            raise UserError(
                f"{token!r} belongs to no option: write --key VALUE, and a "
                "value with blanks in quotes."
            )
    if file is None:
        raise UserError(
            "No experiment is named: its YAML comes first, such as "
            "hparams/NAME.yaml (--help says more)."
        )
    return Path(file), options


def divide_options(file, options, tree):
    """Return SpeechBrain's run options and the tree of the other ones."""
    from speechbrain.utils.distributed import get_local_rank, infer_device
    from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

    defaults = RunOptions().as_dict()
    known = (HELP_TEXTS.keys() & defaults.keys()) | set(SEVERAL)
    seen, run_opts, overrides = set(), {}, {}
    for key, values in options:
        if key in seen:
            raise UserError(f"--{key} is given twice, but it has one value.")
        seen.add(key)
        is_known = key in known or key in tree
        if not is_known and not "".join(values).startswith(TAGS):
            raise UserError(
                f"the command line: no key {key!r} to set"
                f"{offer(key, [*tree, *RUN_OPTIONS])}"
            )
        is_switch = key in known and defaults[key] is False
        if values == [""] or not values and not is_switch:
            raise UserError(
                f"--{key} has no value: write --{key} VALUE "
                f"(for instance --{key} True)."
            )
        if key in known and not (values and is_switch and key in tree):
            run_opts[key] = _run_option(key, values, defaults[key])
        else:
            overrides[key] = _typed(key, values[0], tree.get(key))
    if "ckpt_interval_steps" in run_opts and "ckpt_interval_minutes" in tree:
        # SpeechBrain takes one of the two, and the experiment has minutes.
        overrides.setdefault("ckpt_interval_minutes", 0)
    if get_local_rank() is not None and "distributed_backend" not in run_opts:
        if run_opts.get("device", infer_device()) == "cpu":
            run_opts["distributed_backend"] = "gloo"  # nccl needs GPUs
    return (
        RunOptions(
            **run_opts, param_file=str(file), overridden_args=set(run_opts)
        ),
        overrides,
    )


def _run_option(key, values, default):
    """Return the value of one of SpeechBrain's run options."""
    if key in SEVERAL:
        return values
    text = values[0] if values else "True"
    if default is False:
        if text not in ("True", "False"):
            raise UserError(
                f"--{key} is a switch: write --{key} alone, or --{key} True or "
                f"False; got {text!r}."
            )
        return text == "True"
    if "precision" in key and text not in PRECISIONS:
        raise UserError(f"--{key} is {text!r}{offer(text, PRECISIONS)}")
    kind = type(default)
    try:
        return text if default is None else kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UserError(f"--{key} is {text!r}, must be {what}.") from None


def _typed(key, text, current):
    """Return the value that a text on the command line stands for."""
    if text == "null":
        return None
    if text.startswith(TAGS):
        return _from_yaml(key, text)
    holds_path = key.endswith(PATHS) or isinstance(current, str)
    if tag_of(current) == "!ref":
        holds_path = holds_path or "/" in current.value
    if holds_path and not (key in BY_TARGET and text.startswith("{")):
        return text
    value = with_names({key: _from_yaml(key, text)})[key]
    kind = bool if isinstance(current, bool) else Real
    if isinstance(current, kind) and not (
        isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    ):
        what = "True or False" if kind is bool else "a number"
        raise UserError(f"--{key} is {text!r}, must be {what}.")
    return value


def _from_yaml(key, text):
    try:
        return ruamel.yaml.YAML().load(f"{key}: {text}")[key]
    except ruamel.yaml.error.YAMLError as error:
        reason = getattr(error, "problem", None) or error
        raise UserError(
            f"--{key} is {text!r}, which is not YAML: {reason}."
        ) from error


def with_names(tree):
    """Return a tree whose names are as written: 001 is not the number 1."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if str(key).endswith(NAMES) and isinstance(value, list):
                for index, name in enumerate(value):
                    if not isinstance(name, str) and tag_of(name) == "":
                        text = _dump({"name": name})
                        value[index] = text.partition(":")[2].strip() or "null"
            else:
                with_names(value)
    return tree


def tag_of(node):
    """Return the tag of a node that ruamel has read, "" without one."""
    return getattr(getattr(node, "tag", None), "value", None) or ""


def _dump(tree):
    stream = io.StringIO()
    ruamel.yaml.YAML().dump(tree, stream)
    return stream.getvalue()

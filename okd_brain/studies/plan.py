"""The runs of a study: their order, their command lines, which are done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from okd_brain.config import differing, read_experiment
from okd_brain.files import read_json, write_json
from okd_brain.messages import UserError
from okd_brain.studies.file import PLACEHOLDER, RESERVED, Entry

RECORD = "study_options.json"
LOG = "study_log.txt"
IRRELEVANT = (
    *("output_folder", "overwrite", "score_cache", "n_jobs", "num_workers"),
    *("ckpt_interval_minutes", "ckpt_interval_steps"),
    *("noprogressbar", "use_tensorboard", "tensorboard_train_logger"),
    *("use_wandb", "samples"),
)
"""Options that results do not depend on: they change place, speed or display."""


@dataclass(frozen=True, eq=False)
class Run:
    """One ordinary ``train.py`` of a study."""

    entry: Entry
    seed: int
    folder: Path  # that receives its output
    arguments: list  # for ``train.py``, without the device
    needs: list = field(default_factory=list)  # runs that come before

    @property
    def name(self):
        """Its name in messages."""
        return f"{self.entry.name}, seed {self.seed}"

    @property
    def results_file(self):
        """The file that ``train.py`` writes last."""
        return self.folder / "results.json"

    @property
    def is_done(self):
        """Whether it has reached its end."""
        return self.results_file.is_file()

    @property
    def log(self):
        """The file that receives its output."""
        return self.folder / LOG


def parse_overrides(tokens):
    """Read ``--key value`` pairs that every ``train.py`` of a study gets.

    Arguments
    ---------
    tokens : list of str
        ``--key value``, ``--key=value``, or ``--flag``.

    Returns
    -------
    dict
        key -> str; None for a flag.

    Raises
    ------
    UserError
        If a value has no key, or a key is one that the runner sets.

    Example
    -------
    >>> parse_overrides(["--alpha", "5", "--targets=[[pesq]]", "--debug"])
    {'alpha': '5', 'targets': '[[pesq]]', 'debug': None}
    """
    overrides, key = {}, None
    for token in tokens:
        if token.startswith("--"):
            key, equals, value = token[2:].partition("=")
            overrides[key] = value if equals else None
            if key in RESERVED:
                raise UserError(
                    f"--{key} is set for each run by study.py (see --seeds, "
                    "--output_folder, --devices)."
                )
            if equals:
                key = None
        elif key is None:
            raise UserError(
                f"{token!r} belongs to no option: write --key VALUE."
            )
        else:
            overrides[key], key = token, None
    return overrides


def plan_runs(study, seeds, overrides, output_folder):
    """Return the runs of a study, each after those it needs.

    Arguments
    ---------
    study : Study
        The study.
    seeds : list of int
        Each entry runs once for each; one seed is completed before the next.
    overrides : dict
        From ``parse_overrides``; they win over the study's options.
    output_folder : str or Path
        Receives ``<entry>/<seed>``.

    Returns
    -------
    list of Run
    """
    runs = []
    for seed in seeds:
        by_name = {}
        for entry in study.entries:
            folder = Path(output_folder).resolve() / entry.name / str(seed)
            folders = {name: str(run.folder) for name, run in by_name.items()}
            options = {
                "seed": str(seed),
                "output_folder": str(folder),
                **_texts(_fill_in(entry.options, folders)),
                **overrides,
            }
            arguments = [
                f"--{key}" if value is None else f"--{key}={value}"
                for key, value in options.items()
            ]
            arguments.insert(0, str(entry.experiment))
            needs = [by_name[name] for name in entry.needs]
            by_name[entry.name] = Run(entry, seed, folder, arguments, needs)
        runs += by_name.values()
    return runs


def record_options(run, default_schedule):
    """Record the options of a new run, or compare them with its record.

    Arguments
    ---------
    run : Run
        About to start, or done.
    default_schedule : Path
        For ``read_experiment``.

    Raises
    ------
    UserError
        If its folder holds a run with other options, each named with both
        values, or one that no study has started.
    ValueError
        If the experiment refuses an option.
    """
    options = _options(read_experiment(run.arguments, default_schedule))
    record = run.folder / RECORD
    if not (run.is_done or (run.folder / "hyperparams.yaml").exists()):
        write_json(record, options)
    elif not record.is_file():
        raise UserError(
            f"{run.folder} holds a run that no study has started, so that its "
            "options are not known: remove it, or name another "
            "--output_folder."
        )
    else:
        _compare(run, read_json(record), options)


def _compare(run, there, options):
    found = [
        f"{key}: {was} there, {now} asked for"
        for key, (was, now) in differing(there, options).items()
    ]
    if found:
        raise UserError(
            f"{run.folder} holds a run with other options: "
            f"{'; '.join(found)}. Remove it, or name another "
            "--output_folder."
        )


def _options(experiment):
    """Return every option that results depend on, as text."""
    options = experiment.options()
    for key in IRRELEVANT:
        options.pop(key, None)
    return options


def _fill_in(value, folders):
    """Replace names of preparations by their folders."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: folders[match[1]], value)
    if isinstance(value, Mapping):
        return {key: _fill_in(item, folders) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_in(item, folders) for item in value]
    return value


def _texts(options):
    """Return options as a command line has them; JSON is YAML."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in options.items()
    }

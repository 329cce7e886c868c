"""Run a study and write its table: ``study.py`` of the recipes."""

import argparse
import logging
import signal
from pathlib import Path

from okd_brain import cli
from okd_brain.files import check_writable
from okd_brain.messages import counted
from okd_brain.studies.file import read_study
from okd_brain.survival import owning

TABLES = ("table.json", "table.csv", "table.md")


def main(recipe, argv=None):
    """Run what a study still lacks, then write its table.

    Arguments
    ---------
    recipe : Path
        Folder of ``train.py`` and ``hparams``.
    argv : list of str, optional
        Command line without the program's name.

    Returns
    -------
    int
        Exit code: 0 if every run is done, 1 if one is missing, 2 for a
        mistake in the study or the command line, 130 after Ctrl-C.
    """
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    for seed in arguments.seeds:
        if arguments.seeds.count(seed) > 1:
            parser.error(f"--seeds: {seed} is given twice")
    return cli.run(
        _own_and_study,
        recipe,
        arguments,
        rest,
        after_interrupt="The same command goes on from here.",
    )


def _own_and_study(recipe, arguments, rest):
    folder = arguments.output_folder or Path("results") / (
        Path(arguments.study).stem
    )
    if arguments.table_only:  # also while a study is at work
        return _study(recipe, arguments, rest, Path(folder))
    with owning(folder):
        return _study(recipe, arguments, rest, Path(folder))


def _study(recipe, arguments, rest, folder):
    # Here, as they take seconds, which --help does not need.
    from speechbrain.utils.logger import get_logger
    from tqdm.contrib.logging import logging_redirect_tqdm

    from okd_brain.studies import runs as launching
    from okd_brain.studies.plan import (
        parse_overrides,
        plan_runs,
        record_options,
    )
    from okd_brain.studies.table import write_table

    logging.basicConfig(
        format="%(asctime)s %(levelname)s: %(message)s", level=logging.INFO
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    study_file = Path(arguments.study)
    study = read_study(study_file, recipe / "hparams")
    runs = plan_runs(study, arguments.seeds, parse_overrides(rest), folder)
    for name in TABLES:
        check_writable(folder / name)

    def update_table():
        return write_table(study, runs, folder)

    if not arguments.table_only:
        for run in runs:
            record_options(run, recipe / "hparams/schedules/mini.yaml")
        launcher = _launcher(arguments, folder)
        with logging_redirect_tqdm():
            launching.run_all(runs, launcher, recipe / "train.py", update_table)
    cli.show(update_table().removesuffix("\n"))
    missing = [run.name for run in runs if not run.is_done]
    if missing:
        get_logger(__name__).error(
            "%d of %s missing: %s",
            len(missing),
            counted(len(runs), "run is", "runs are"),
            "; ".join(missing),
        )
    return 1 if missing else 0


def _launcher(arguments, folder):
    from okd_brain.studies.runs import LocalLauncher, slurm_launcher

    if arguments.slurm is not None:
        return slurm_launcher(arguments.slurm, folder / "slurm")
    return LocalLauncher(arguments.devices or [None] * arguments.jobs)


def _parser():
    parser = cli.make_parser(
        description="Run a list of experiments for several seeds and make one "
        "table of them.\nWhatever is not listed here goes to every run of train.py.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "study",
        help="its YAML, such as studies/table2.yaml; to okd-study also its name",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1], metavar="N"
    )
    parser.add_argument(
        *("-o", "--output_folder"), help="default: results/<name of the study>"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=_number_of_runs,
        default=1,
        metavar="N",
        help="runs at a time (default: 1)",
    )
    where.add_argument(
        "--devices",
        nargs="+",
        metavar="DEVICE",
        help="a run at a time on each, e.g. cuda:0 cuda:1",
    )
    where.add_argument(
        "--slurm",
        nargs="*",
        metavar="NAME=VALUE",
        help="submit to Slurm, with these parameters of submitit, e.g. "
        "slurm_partition=gpu gpus_per_node=1 timeout_min=4320",
    )
    parser.add_argument(
        "--table_only",
        action="store_true",
        help="run nothing; write the table of what is done",
    )
    return parser


def _number_of_runs(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of runs, which is 1 or more"
        )
    return int(text)

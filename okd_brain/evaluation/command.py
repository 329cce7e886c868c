"""Compare systems on the same utterances: ``evaluate.py`` of the recipes.

    evaluate.py results/1 other/enhanced=theirs --clean clean/ --noisy noisy/

``evaluate.py --help`` (equally ``python -m okd_brain.evaluation --help``) says
what it reads, computes and writes.
"""

import argparse
import logging
import sys
from pathlib import Path

import torch
from speechbrain.utils.logger import get_logger
from tqdm.contrib.logging import logging_redirect_tqdm

from okd_brain.corpora import LAYOUTS
from okd_brain.evaluation.files import check_headers, score_files
from okd_brain.evaluation.systems import (
    enhancing_system,
    find_systems,
    folder_system,
)
from okd_brain.evaluation.tasks import ENHANCEMENT
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, resolve_metrics
from okd_brain.results import (
    break_down,
    find_conditions,
    make_results,
    read_conditions,
    results_tables,
    write_breakdown,
    write_results,
)
from okd_brain.scoring import Scorer

logger = get_logger(__name__)

SPLIT = "test"

DESCRIPTION = """\
{title}

MODEL is
  {exports}
  a checkpoint, a folder save/CKPT+... of an experiment: all its generators;
  the output folder of an experiment: the best checkpoint of each generator;
  a folder of files {enhanced}
MODEL=NAME names the row; of several generators, NAME/target. Otherwise it is
called as the folder, or as the target of the generator.

The folders DIR, and those of enhanced files, hold the same utterances, matched
by name (sub-folders count, suffixes do not), each of one sample rate and length
up to 16 ms. Other rates than 16 kHz are converted.

{log}

With -o, FOLDER receives results.json (means), scores_test.csv (utterances) and
breakdown.json (means by condition).
"""

EPILOG = """\
exit status: 0 all scored; 1 some not (each with a message); 2 nothing was done,
as the command is wrong: no such model or metric, a file without partner, rates
or lengths that differ, two rows of one name.
"""


def main(argv=None, compared=ENHANCEMENT):
    """Run ``evaluate.py``.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.
    compared : ComparedTask
        The task that the systems are compared in.

    Returns
    -------
    int
        Exit status: 0 if everything is scored, 1 if something is not. A wrong
        command exits with 2 before anything is enhanced or scored.
    """
    parser = _parser(compared)
    arguments = parser.parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        metrics = resolve_metrics(arguments.metrics)
        metrics += compared.task.reported
        Scorer(metrics, arguments.n_jobs)
        given = compared.pair(arguments.clean, arguments.given)
        check_headers(given.values())
        if arguments.log is None:
            conditions = find_conditions(arguments.given, list(given))
        else:
            conditions = read_conditions(arguments.log, list(given))
        systems = _systems(arguments, compared, given)
        if arguments.output is not None:
            arguments.output.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        parser.error(str(error))

    with logging_redirect_tqdm():
        scores, failures = _compare(systems, given, metrics, arguments.n_jobs)
    _log_failures(failures)
    results = make_results(
        corpus=_corpus_name(arguments.given, compared.given),
        split=SPLIT,
        scores=scores,
        origins={s.name: dict(s.origin) for s in systems if s.origin},
    )
    breakdown = break_down(scores, conditions) if conditions else {}
    if arguments.output is not None:
        write_results(arguments.output, results, scores)
        path = arguments.output / "breakdown.json"
        write_breakdown(path, breakdown, results)
    sys.stdout.write(f"{results_tables(results, breakdown)}\n")
    return 1 if any(failures.values()) else 0


def _compare(systems, given, metrics, n_jobs):
    """Return system -> scores, and system -> failures, of ``score_files``."""
    scores, failures = {}, {}
    with Scorer(metrics, n_jobs) as scorer:
        for system in systems:
            scores[system.name], failures[system.name] = score_files(
                scorer, given.values(), system.signals, system.name
            )
    return scores, failures


def _corpus_name(folder, kind):
    """Return the corpus that a folder is part of: by layout, or its parent."""
    path = Path(folder).resolve()
    for layout in LAYOUTS:
        for split in ("train", "test"):
            parts = Path(layout.folder(split, kind)).parts
            if path.parts[-len(parts) :] == parts:
                return path.parents[len(parts) - 1].name
    return path.parent.name


def _systems(arguments, compared, given):
    """Return all systems of a command line, those of every table first."""
    unprocessed = compared.task.unprocessed
    own = [folder_system(unprocessed, given, {})]
    taken = {unprocessed: compared.words["untouched"]}
    for name, enhance in compared.baselines.items():
        own.append(enhancing_system(name, enhance, {}))
        taken[name] = "a baseline"
    systems = find_systems(
        arguments.models,
        compared,
        arguments.clean,
        arguments.given,
        arguments.device,
    )
    for system in systems:
        if system.name in taken:
            raise UserError(
                f"'{system.name}' is the row of {taken[system.name]}: name "
                f"{system.origin['source']} otherwise, MODEL=NAME"
            )
    return own + systems


def _log_failures(failures):
    """Say each reason once: that of a clean file is the same for all."""
    reasons = {}
    for system, found in failures.items():
        for failure in found:
            reason = f"{failure.utterance}: {failure.reason}"
            reasons.setdefault(reason, {})[system] = None
    for reason, systems in reasons.items():
        logger.error("%s (%s)", reason, ", ".join(systems))


def _parser(compared):
    parser = argparse.ArgumentParser(
        prog="evaluate.py",
        description=DESCRIPTION.format(**compared.words),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", metavar="MODEL[=NAME]", nargs="+")
    parser.add_argument(
        "--clean", metavar="DIR", required=True, help="clean speech"
    )
    parser.add_argument(
        f"--{compared.given}",
        dest="given",
        metavar="DIR",
        required=True,
        help=compared.words["given"],
    )
    parser.add_argument(
        "--metrics",
        metavar="METRIC",
        nargs="+",
        default=compared.metrics,
        help=f"of {', '.join(METRICS)} (default: {' '.join(compared.metrics)})",
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", type=Path, help="for the scores"
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="SNR, noise and speaker of the utterances (default: log_*.txt "
        f"beside the {compared.given} folder, if it knows them)",
    )
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    parser.add_argument(
        "--device",
        choices=["cpu", *gpus],
        default=gpus[0] if gpus else "cpu",
        help="where models enhance (default: %(default)s)",
    )
    parser.add_argument(
        "--n_jobs",
        metavar="N",
        type=int,
        default=-1,
        help="processes that score (default: one per core)",
    )
    return parser

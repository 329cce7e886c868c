"""Compare systems on the same utterances: ``evaluate.py`` of the recipes.

    evaluate.py results/1 other/enhanced=theirs --clean clean/ --noisy noisy/

``evaluate.py --help`` (equally ``python -m okd_brain.evaluation --help``) says
what it reads, computes and writes.
"""

import logging
from pathlib import Path

from okd_brain import cli, results
from okd_brain.evaluation.tasks import ENHANCEMENT
from okd_brain.files import check_writable
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, resolve_metrics

SPLIT = "test"
OUTPUTS = ("results.json", f"scores_{SPLIT}.csv", "breakdown.json")

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
by name (sub-folders and links count, suffixes do not), each of one sample rate
and length up to 16 ms. Other rates than 16 kHz are converted.

{log}

With -o, FOLDER receives results.json (means), scores_test.csv (utterances) and
breakdown.json (means by condition).
"""

EPILOG = """\
exit status: 0 all scored; 1 some not (each with a message); 2 nothing was done,
as the command is wrong: no such model or metric, a file without partner, rates
or lengths that differ, two rows of one name, an output that cannot be written;
130 interrupted by Ctrl-C.

OKD_DEBUG=1 in the environment shows where an error comes from.
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
        command gives 2 before anything is enhanced or scored, Ctrl-C 130.
    """
    arguments = _parser(compared).parse_args(argv)
    return cli.run(
        _evaluate, arguments, compared, after_interrupt="Nothing was written."
    )


def _evaluate(arguments, compared):
    # Here, as they take seconds, which --help does not need.
    from tqdm.contrib.logging import logging_redirect_tqdm

    from okd_brain.evaluation.files import check_headers, report
    from okd_brain.scoring import Scorer

    logging.basicConfig(format="%(levelname)s: %(message)s")
    metrics = resolve_metrics(arguments.metrics)
    metrics += compared.task.reported
    device = _device(arguments.device)
    scorer = Scorer(metrics, arguments.n_jobs)
    given = compared.pair(arguments.clean, arguments.given)
    check_headers(given.values())
    if arguments.log is None:
        conditions = results.find_conditions(arguments.given, list(given))
    else:
        conditions = results.read_conditions(arguments.log, list(given))
    systems = _systems(arguments, compared, given, device)
    folder = arguments.output
    for name in OUTPUTS if folder is not None else ():
        check_writable(folder / name)

    with logging_redirect_tqdm(), scorer:
        found = _compare(scorer, systems, given.values())
    report(found)
    scores = {name: of.scores for name, of in found.items()}
    tested = results.make_results(
        corpus=_corpus_name(arguments.given, compared.given),
        split=SPLIT,
        scores=scores,
        origins={s.name: dict(s.origin) for s in systems if s.origin},
    )
    breakdown = results.break_down(scores, conditions) if conditions else {}
    # Before they are written: a disk may be full.
    cli.show(results.results_tables(tested, breakdown, scores))
    if folder is not None:
        results.write_results(folder, tested, scores)
        results.write_breakdown(folder / OUTPUTS[-1], breakdown, tested)
    return int(any(of.failures for of in found.values()))


def _compare(scorer, systems, files):
    """Return system -> FileScores."""
    from okd_brain.evaluation.files import score_files

    return {
        system.name: score_files(scorer, files, system.signals, system.name)
        for system in systems
    }


def _device(name):
    """Return a device that this machine has, by default its first GPU."""
    import torch

    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if name is None:
        return gpus[0] if gpus else "cpu"
    if name not in ("cpu", *gpus):
        raise UserError(
            f"--device {name}: this machine has {', '.join(['cpu', *gpus])}; "
            "for a GPU, PyTorch needs its driver"
        )
    return name


def _corpus_name(folder, kind):
    """Return the corpus that a folder is part of: by layout, or its parent."""
    from okd_brain.corpora import LAYOUTS

    path = Path(folder).resolve()
    for layout in LAYOUTS:
        for split in ("train", "test"):
            parts = Path(layout.folder(split, kind)).parts
            if path.parts[-len(parts) :] == parts:
                return path.parents[len(parts) - 1].name
    return path.parent.name


def _systems(arguments, compared, given, device):
    """Return all systems of a command line, those of every table first."""
    from okd_brain.evaluation.systems import (
        enhancing_system,
        find_systems,
        folder_system,
    )

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
        device,
    )
    for system in systems:
        if system.name in taken:
            raise UserError(
                f"'{system.name}' is the row of {taken[system.name]}: name "
                f"{system.origin['source']} otherwise, MODEL=NAME"
            )
    return own + systems


def _parser(compared):
    parser = cli.make_parser(
        prog="evaluate.py",
        description=DESCRIPTION.format(**compared.words),
        epilog=EPILOG,
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
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="where models enhance: cpu, or cuda:0 and so on (default: the first "
        "GPU, if there is one)",
    )
    parser.add_argument(
        "--n_jobs",
        metavar="N",
        type=int,
        default=-1,
        help="processes that score (default: one per core)",
    )
    return parser

"""Compare systems on the same utterances: ``okd-evaluate``, ``evaluate.py``.

    evaluate.py results/1 other/enhanced=theirs --clean clean/ --noisy noisy/

``evaluate.py`` of a recipe compares in the recipe's task, ``okd-evaluate`` in the
one that ``--task`` names. ``--help`` says what they read, compute and write.
"""

import argparse
import logging
from contextlib import suppress
from math import isnan
from pathlib import Path

from okd_brain import cli, results
from okd_brain.evaluation.tasks import ENHANCEMENT, LISTENING
from okd_brain.files import check_writable, write_json
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, resolve_metrics
from okd_brain.survival import owning

TASKS = {"se": ENHANCEMENT, "le": LISTENING}
SPLIT = "test"
OUTPUTS = ("results.json", f"scores_{SPLIT}.csv", "breakdown.json")
CONDITIONS = "conditions.json"  # of every utterance, for okd-report

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

With -o, FOLDER receives results.json (means), scores_test.csv (utterances),
breakdown.json (means by condition), and samples (--samples utterances as files).
okd-report makes a page of it, to hear and to compare.
"""

EPILOG = """\
exit status: 0 all scored; 1 some not (each with a message); 2 nothing was done,
as the command is wrong: no such model or metric, a file without partner, rates
or lengths that differ, two rows of one name, an output that cannot be written;
130 interrupted by Ctrl-C.

OKD_DEBUG=1 in the environment shows where an error comes from.
"""


def main(argv=None, compared=None):
    """Run ``okd-evaluate``, or the ``evaluate.py`` of a recipe.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.
    compared : ComparedTask, optional
        The task that the systems are compared in; by default, ``--task`` says.

    Returns
    -------
    int
        Exit status: 0 if everything is scored, 1 if something is not. A wrong
        command gives 2 before anything is enhanced or scored, Ctrl-C 130.
    """
    prog, parents = "evaluate.py", []
    if compared is None:
        prog, parents = "okd-evaluate", [_task_parser()]
        compared = TASKS[parents[0].parse_known_args(argv)[0].task]
    arguments = _parser(compared, prog, parents).parse_args(argv)
    return cli.run(
        _own_and_evaluate,
        arguments,
        compared,
        after_interrupt="Nothing was written.",
    )


def _own_and_evaluate(arguments, compared):
    output = arguments.output
    if output is not None and (output / "hyperparams.yaml").exists():
        raise UserError(
            f"{output} is the output folder of a training, or an "
            "export, whose own results would be replaced: name another --output."
        )
    with owning(output):
        return _evaluate(arguments, compared)


def _evaluate(arguments, compared):
    # Here, as they take seconds, which --help does not need.
    from tqdm.contrib.logging import logging_redirect_tqdm

    from okd_brain.evaluation.files import check_headers, report
    from okd_brain.scoring import Scorer

    logging.basicConfig(format="%(levelname)s: %(message)s")
    results.check_samples("--samples", arguments.samples, arguments.output)
    metrics = asked = resolve_metrics(arguments.metrics)
    metrics = [*asked, *compared.task.reported]
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
        if conditions:
            write_json(folder / CONDITIONS, conditions)
        _write_samples(arguments, compared, systems, given, scores, asked)
    return int(any(of.failures for of in found.values()))


def _write_samples(arguments, compared, systems, given, scores, metrics):
    """Write the utterances that gained most and least, and some others."""
    from okd_brain.signals import SAMPLE_RATE

    unprocessed = compared.task.unprocessed
    better = {metric.name: metric.higher_is_better for metric in metrics}
    gained = results.gains(scores, unprocessed, better)
    scored = {  # others have files that cannot be read
        utterance: gain
        for utterance, gain in gained.items()
        if not all(map(isnan, scores[unprocessed][utterance].values()))
    }
    chosen = results.choose(scored, arguments.samples)
    folder = results.SampleFolder(arguments.output, SAMPLE_RATE, chosen)
    for utterance in chosen:
        heard = {}
        for system in systems:
            with suppress(Exception):  # was reported when it was scored
                clean, degraded, *_ = system.signals(given[utterance]).compared
                heard.setdefault("clean", clean)
                heard[system.name] = degraded
        if heard:
            folder.add(utterance, heard)
    folder.close()


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


def _task_parser():
    """Return a parser of the one option that the others depend on."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(
        "--task",
        choices=TASKS,
        default="se",
        help="se: speech enhancement; le: listening enhancement, whose options "
        "--task le --help shows (default: %(default)s)",
    )
    return parser


def _parser(compared, prog, parents):
    parser = cli.make_parser(
        prog=prog,
        parents=parents,
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
        "--samples",
        metavar="N",
        type=int,
        default=12,
        help="utterances to hear and see, with -o (default: 12; 0: none)",
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

#!/usr/bin/env python3
"""Measure what the paper says of its generators; ANALYSES.md explains all.

> python analyse.py correlation SCORES.csv ... -o FOLDER
> python analyse.py curves hparams/okd_pesq_csig.yaml ...
> python analyse.py conflict hparams/okd_pesq_csig.yaml ... [--utterances 8]
> python analyse.py flatness hparams/okd_pesq_csig.yaml ... [--sizes 0.1 0.2]
> python analyse.py fidelity hparams/okd_pesq_csig.yaml ... [--epoch 12]
> python analyse.py distance RUN ... -o FOLDER [--utterances 8]

In the second to fifth, ... stands for the arguments that train.py was given,
--checkpoints_to_keep 1000 among them; the run's output folder receives the
results. Each writes a CSV file and, except fidelity, a picture, which needs
pip install 'okd[plots]'. Nothing is trained, chosen or saved by them.

Authors
 * the okd developers 2026
"""

import logging
import sys
from pathlib import Path

from okd_brain import analyses, cli, results
from okd_brain.files import check_writable

logger = logging.getLogger(__name__)


def correlation(arguments, argv):
    """Correlate metrics over files of scores."""
    output = _output(arguments.output, "correlation")
    tables = {str(path): results.read_scores(path) for path in arguments.scores}
    rows = analyses.correlate(tables, arguments.systems)
    matrices = analyses.correlation_matrices(rows)
    _write(output, rows, analyses.draw_matrices, *matrices)


def curves(arguments, argv):
    """Score the kept checkpoints on validation and test."""
    brain, datasets, output = _build(argv, "curves")
    rows = analyses.score_checkpoints(brain, datasets)
    points = analyses.melt(rows, brain.board.scorer.names, x="epoch")
    _write(output, rows, analyses.draw_lines, points, x_label="epoch")


def conflict(arguments, argv):
    """Compare the gradients of the metrics over training."""
    from speechbrain.utils.distributed import if_main_process

    brain, datasets, output = _build(argv, "conflict")
    if if_main_process():
        rows = analyses.measure_conflict(
            brain, datasets["valid"], arguments.utterances
        )
        labels = {"x_label": "epoch", "y_label": "cosine"}
        points = analyses.conflict_points(rows)
        _write(output, rows, analyses.draw_lines, points, **labels)


def flatness(arguments, argv):
    """Score disturbed weights on validation and test."""
    brain, datasets, output = _build(argv, "flatness")
    rows = analyses.measure_flatness(
        brain, datasets, arguments.sizes, arguments.draws
    )
    points = analyses.melt(rows, brain.board.scorer.names, x="size")
    labels = {"x_label": "relative disturbance"}
    _write(output, rows, analyses.draw_lines, points, **labels)


def fidelity(arguments, argv):
    """Compare surrogates with the true metrics on edits of utterances."""
    from speechbrain.utils.distributed import if_main_process
    from train import build

    brain, datasets, _ = build(argv)
    path = Path(brain.artifacts_folder) / "fidelity.csv"
    check_writable(path)
    if if_main_process():
        rows = analyses.measure_fidelity(
            brain, datasets["valid"], arguments.utterances, arguments.epoch
        )
        logger.info("Fidelity:\n%s", analyses.fidelity_table(rows))
        results.write_rows(path, rows)
        cli.show(f"Written: {path}")


def distance(arguments, argv):
    """Compare the generators of each run over its training."""
    from train import prepare

    output = _output(arguments.output, "distance")
    runs = [analyses.open_run(folder) for folder in arguments.runs]
    valid = prepare(runs[0].hparams).datasets()["valid"]
    rows = analyses.measure_distance(runs, valid, arguments.utterances)
    labels = {"x_label": "epoch", "y_label": "mean squared difference"}
    points = analyses.distance_points(rows)
    _write(output, rows, analyses.draw_lines, points, **labels, y_scale="log")


def main(argv):
    """Run one analysis and return an exit status."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.run in (correlation, distance):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return cli.run(_run, arguments, rest)


def _run(arguments, rest):
    from okd_brain.distributed import end_distributed_run

    arguments.run(arguments, rest)
    end_distributed_run()


def _build(argv, name):
    """Return the brain and the datasets of a run, and what ``_output`` does."""
    from train import build

    brain, datasets, _ = build(argv)
    return brain, datasets, _output(brain.artifacts_folder, name)


def _output(folder, name):
    """Return the CSV file to write; refuse what cannot be written or drawn."""
    analyses.check_plots()
    path = Path(folder) / f"{name}.csv"
    check_writable(path)
    return path


def _write(path, rows, draw, *content, **labels):
    """Write the rows, draw their picture beside them, and say where both are."""
    from speechbrain.utils.distributed import if_main_process

    if if_main_process():
        picture = path.with_suffix(".png")
        results.write_rows(path, rows)
        draw(*content, picture, **labels)
        cli.show(f"Written: {path}, {picture}")


def _parser():
    parser = cli.make_parser(
        description=__doc__,
        allow_abbrev=False,  # the other options are train.py's
    )
    commands = parser.add_subparsers(required=True, metavar="ANALYSIS")

    def add(run):
        command = commands.add_parser(
            run.__name__, help=run.__doc__, allow_abbrev=False
        )
        command.set_defaults(run=run)
        return command

    def add_output(command):
        command.add_argument(
            "-o", "--output", metavar="FOLDER", type=Path, required=True
        )

    def add_utterances(command):
        command.add_argument(
            "--utterances",
            metavar="N",
            type=int,
            default=8,
            help="of validation, spread evenly over it (default: 8)",
        )

    command = add(correlation)
    command.add_argument("scores", metavar="SCORES.csv", nargs="+", type=Path)
    command.add_argument(
        "--systems",
        metavar="SYSTEM",
        nargs="+",
        help="whose files (default: all but the noisy speech)",
    )
    add_output(command)
    add(curves)
    add_utterances(add(conflict))
    command = add(flatness)
    command.add_argument(
        "--sizes",
        metavar="SIZE",
        nargs="+",
        type=float,
        default=[0.05, 0.1, 0.2, 0.4],
        help="relative to the weights (default: 0.05 0.1 0.2 0.4)",
    )
    command.add_argument(
        "--draws",
        metavar="N",
        type=int,
        default=3,
        help="random directions (default: 3)",
    )
    command = add(fidelity)
    add_utterances(command)
    command.add_argument(
        "--epoch",
        metavar="N",
        type=int,
        help="whose checkpoint (default: the best of each target)",
    )
    command = add(distance)
    command.add_argument("runs", metavar="RUN", nargs="+", type=Path)
    add_utterances(command)
    add_output(command)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

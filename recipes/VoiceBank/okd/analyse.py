#!/usr/bin/env python3
"""Measure what the paper says of its generators; ANALYSES.md explains all.

> python analyse.py correlation SCORES.csv ... -o FOLDER
> python analyse.py curves hparams/okd_pesq_csig.yaml ...
> python analyse.py conflict hparams/okd_pesq_csig.yaml ... [--utterances 8]
> python analyse.py flatness hparams/okd_pesq_csig.yaml ... [--sizes 0.1 0.2]
> python analyse.py distance RUN ... -o FOLDER [--utterances 8]

In the second to fourth, ... stands for the arguments that train.py was given,
--checkpoints_to_keep 1000 among them; the run's output folder receives the
results. Each writes a CSV file and a picture, which needs
pip install 'okd[plots]'. Nothing is trained, chosen or saved by them.

Authors
 * the okd developers 2026
"""

import argparse
import sys
from pathlib import Path

from speechbrain.utils.distributed import if_main_process
from train import build, prepare

from okd_brain.analyses import (
    conflict_points,
    correlate,
    correlation_matrices,
    distance_points,
    draw_lines,
    draw_matrices,
    measure_conflict,
    measure_distance,
    measure_flatness,
    melt,
    open_run,
    score_checkpoints,
)
from okd_brain.distributed import end_distributed_run
from okd_brain.results import read_scores, write_rows


def correlation(arguments, argv):
    """Correlate metrics over files of scores."""
    tables = {str(path): read_scores(path) for path in arguments.scores}
    rows = correlate(tables, arguments.systems)
    picture = _write(arguments.output, "correlation", rows)
    draw_matrices(*correlation_matrices(rows), picture)


def curves(arguments, argv):
    """Score the kept checkpoints on validation and test."""
    brain, datasets, _ = build(argv)
    rows = score_checkpoints(brain, datasets)
    if if_main_process():
        picture = _write(brain.artifacts_folder, "curves", rows)
        points = melt(rows, brain.board.scorer.names, x="epoch")
        draw_lines(points, picture, x_label="epoch")


def conflict(arguments, argv):
    """Compare the gradients of the metrics over training."""
    brain, datasets, _ = build(argv)
    if if_main_process():
        rows = measure_conflict(brain, datasets["valid"], arguments.utterances)
        picture = _write(brain.artifacts_folder, "conflict", rows)
        draw_lines(
            conflict_points(rows), picture, x_label="epoch", y_label="cosine"
        )


def flatness(arguments, argv):
    """Score disturbed weights on validation and test."""
    brain, datasets, _ = build(argv)
    rows = measure_flatness(brain, datasets, arguments.sizes, arguments.draws)
    if if_main_process():
        picture = _write(brain.artifacts_folder, "flatness", rows)
        points = melt(rows, brain.board.scorer.names, x="size")
        draw_lines(points, picture, x_label="relative disturbance")


def distance(arguments, argv):
    """Compare the generators of each run over its training."""
    runs = [open_run(folder) for folder in arguments.runs]
    valid = prepare(runs[0].hparams).datasets()["valid"]
    rows = measure_distance(runs, valid, arguments.utterances)
    picture = _write(arguments.output, "distance", rows)
    draw_lines(
        distance_points(rows),
        picture,
        x_label="epoch",
        y_label="mean squared difference",
        y_scale="log",
    )


def main(argv):
    """Run one analysis."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.run in (correlation, distance):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.run(arguments, rest)
    end_distributed_run()


def _write(folder, name, rows):
    """Write the rows and return the path of their picture."""
    path = folder / f"{name}.csv"
    write_rows(path, rows)
    return path.with_suffix(".png")


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    command = add(distance)
    command.add_argument("runs", metavar="RUN", nargs="+", type=Path)
    add_utterances(command)
    add_output(command)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])

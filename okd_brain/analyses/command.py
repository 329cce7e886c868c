"""The command line of analyses: ``analyse.py`` of the recipes."""

import contextlib
import logging
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path

from okd_brain import analyses, cli, results
from okd_brain.files import check_writable, write_text
from okd_brain.messages import UserError
from okd_brain.survival import disown_all, owning

logger = logging.getLogger(__name__)


def main(argv, description, recipe, names=None):
    """Run one analysis.

    Arguments
    ---------
    argv : list of str
        Command line without the program's name.
    description : str
        What ``--help`` says.
    recipe : callable
        Imports the recipe's ``train.py``, for which ``--help`` does not wait.
    names : list of str, optional
        Which analyses the recipe offers; by default all.

    Returns
    -------
    int
        Exit status.
    """
    parser = _parser(description, names or [run.__name__ for run in OPTIONS])
    arguments, rest = parser.parse_known_args(argv, Namespace(recipe=recipe))
    if rest and arguments.run in ALONE:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return cli.run(_run, arguments, rest)


def correlation(arguments, argv):
    """Correlate metrics over files of scores."""
    output = _output(arguments.output, "correlation")
    tables = {str(path): results.read_scores(path) for path in arguments.scores}
    rows = analyses.correlate(tables, arguments.systems)
    matrices = analyses.correlation_matrices(rows)
    _write(output, rows, analyses.draw_matrices, *matrices)


def curves(arguments, argv):
    """Score the kept checkpoints on validation and test."""
    brain, datasets, output = _build(arguments, argv, "curves")
    rows = analyses.score_checkpoints(brain, datasets)
    points = analyses.melt(rows, brain.board.scorer.names, x="epoch")
    _write(output, rows, analyses.draw_lines, points, x_label="epoch")


def conflict(arguments, argv):
    """Compare the gradients of the metrics over training."""
    from speechbrain.utils.distributed import if_main_process

    brain, datasets, output = _build(arguments, argv, "conflict")
    if if_main_process():
        rows = analyses.measure_conflict(
            brain, datasets["valid"], arguments.utterances
        )
        labels = {"x_label": "epoch", "y_label": "cosine"}
        points = analyses.conflict_points(rows)
        _write(output, rows, analyses.draw_lines, points, **labels)


def flatness(arguments, argv):
    """Score disturbed weights on validation and test."""
    brain, datasets, output = _build(arguments, argv, "flatness")
    rows = analyses.measure_flatness(
        brain, datasets, arguments.sizes, arguments.draws
    )
    points = analyses.melt(rows, brain.board.scorer.names, x="size")
    labels = {"x_label": "relative disturbance"}
    _write(output, rows, analyses.draw_lines, points, **labels)


def fidelity(arguments, argv):
    """Compare surrogates with the true metrics on edits of utterances."""
    from speechbrain.utils.distributed import if_main_process

    brain, datasets, _ = arguments.recipe().build(argv)
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
    output = _output(arguments.output, "distance")
    runs = [analyses.open_run(folder) for folder in arguments.runs]
    with _corpus(arguments, runs[0]) as corpus:
        valid = corpus.datasets()["valid"]
        rows = analyses.measure_distance(runs, valid, arguments.utterances)
    labels = {"x_label": "epoch", "y_label": "mean squared difference"}
    points = analyses.distance_points(rows)
    _write(output, rows, analyses.draw_lines, points, **labels, y_scale="log")


def edited(arguments, argv):
    """Score generators with the best power of their masks: a control."""
    check_writable(arguments.output / "results.json")
    run = analyses.open_run(arguments.run_folder)
    with _corpus(arguments, run) as corpus:
        scores, origins = analyses.score_edited(
            run, corpus.datasets(), arguments.n_jobs
        )
        arguments.output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(
            corpus.manifests["test"], arguments.output / "test.json"
        )
    found = results.make_results(
        corpus=corpus.corpus, split="test", scores=scores, origins=origins
    )
    results.write_results(arguments.output, found, scores)
    cli.show(results.results_tables(found))


@contextlib.contextmanager
def _corpus(arguments, run):
    """Yield the corpus of a run, prepared elsewhere: its folder stays as it is."""
    from okd_brain.training import CORPUS_FILES, describe_corpus

    folder = Path(run.hparams["output_folder"])
    with tempfile.TemporaryDirectory() as place:
        for name in CORPUS_FILES:
            if not (folder / name).is_file():
                raise UserError(
                    f"{folder} has no {name}, which every training leaves there."
                )
            shutil.copy2(folder / name, place)
        corpus = arguments.recipe().prepare(
            {**run.hparams, "output_folder": place}
        )
        if describe_corpus(Path(place)) != describe_corpus(folder):
            raise UserError(
                f"{folder}: its corpus has changed since it was trained, so that "
                "scores would be of other utterances. Bring the files back."
            )
        yield corpus


def front(arguments, argv):
    """Compare methods of a study as compromises between two metrics."""
    output = _output(arguments.output, "front")
    families = {name: methods for name, *methods in arguments.family}
    scores = analyses.read_study_scores(
        arguments.study,
        [*arguments.control, *sum(families.values(), [])],
    )
    points, areas = analyses.measure_front(
        scores, families, arguments.control, arguments.metrics
    )
    text = analyses.front_tables(points, areas, scores.metrics)
    write_text(output.with_suffix(".md"), text)
    cli.show(text)
    _write(output, points, analyses.draw_front, points, arguments.metrics)


def _run(arguments, rest):
    from okd_brain.distributed import end_distributed_run

    # Else the folder is that of the run, which `build` makes ours.
    with owning(getattr(arguments, "output", None)):
        arguments.run(arguments, rest)
    disown_all()
    end_distributed_run()


def _build(arguments, argv, name):
    """Return the brain and the datasets of a run, and what ``_output`` does."""
    brain, datasets, _ = arguments.recipe().build(argv)
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


_OUTPUT = {
    ("-o", "--output"): {"metavar": "FOLDER", "type": Path, "required": True}
}
_UTTERANCES = {
    ("--utterances",): {
        "metavar": "N",
        "type": int,
        "default": 8,
        "help": "of validation, spread evenly over it (default: 8)",
    }
}
OPTIONS = {
    correlation: {
        ("scores",): {"metavar": "SCORES.csv", "nargs": "+", "type": Path},
        ("--systems",): {
            "metavar": "SYSTEM",
            "nargs": "+",
            "help": "whose files (default: all but the noisy speech)",
        },
        **_OUTPUT,
    },
    curves: {},
    conflict: _UTTERANCES,
    flatness: {
        ("--sizes",): {
            "metavar": "SIZE",
            "nargs": "+",
            "type": float,
            "default": [0.05, 0.1, 0.2, 0.4],
            "help": "relative to the weights (default: 0.05 0.1 0.2 0.4)",
        },
        ("--draws",): {
            "metavar": "N",
            "type": int,
            "default": 3,
            "help": "random directions (default: 3)",
        },
    },
    fidelity: {
        **_UTTERANCES,
        ("--epoch",): {
            "metavar": "N",
            "type": int,
            "help": "whose checkpoint (default: the best of each target)",
        },
    },
    distance: {
        ("runs",): {"metavar": "RUN", "nargs": "+", "type": Path},
        **_UTTERANCES,
        **_OUTPUT,
    },
    edited: {
        ("run_folder",): {"metavar": "RUN", "type": Path},
        ("--n_jobs",): {"metavar": "N", "type": int, "default": 1},
        **_OUTPUT,
    },
    front: {
        ("study",): {"metavar": "STUDY", "type": Path},
        ("--metrics",): {
            "metavar": "METRIC",
            "nargs": 2,
            "default": ["pesq", "estoi"],
            "help": "the axes, larger is better (default: pesq estoi)",
        },
        ("--control",): {
            "metavar": "METHOD",
            "nargs": "+",
            "required": True,
            "help": "what each method is compared with: the best of these",
        },
        ("--family",): {
            "metavar": ("NAME", "METHOD"),
            "nargs": "+",
            "action": "append",
            "default": [],
            "help": "methods that differ in one dial; the first one is compared "
            "with each of the others",
        },
        **_OUTPUT,
    },
}
"""Analysis -> its options, as ``add_argument`` takes them."""
ALONE = (correlation, distance, edited, front)  # take no options of train.py
OF_EXPERIMENTS = tuple(run.__name__ for run in OPTIONS if run not in ALONE)


def _parser(description, names):
    parser = cli.make_parser(
        description=description,
        allow_abbrev=False,  # the other options are train.py's
    )
    commands = parser.add_subparsers(required=True, metavar="ANALYSIS")
    for run, options in OPTIONS.items():
        if run.__name__ in names:
            command = commands.add_parser(
                run.__name__, help=run.__doc__, allow_abbrev=False
            )
            command.set_defaults(run=run)
            for flags, keywords in options.items():
                command.add_argument(*flags, **keywords)
    return parser

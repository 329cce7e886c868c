"""Score enhanced speech against clean speech: ``okd-score``.

    okd-score clean/ enhanced/ --metrics pesq csig cbak covl -o scores.csv

``okd-score --help`` (equally ``python -m okd_brain.evaluation.score --help``)
says what it reads, computes and returns.
"""

import logging
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from okd_brain import cli, results
from okd_brain.files import check_writable, write_json
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, resolve_metrics

DEFAULT_METRICS = ["pesq", "csig", "cbak", "covl", "stoi", "si_sdr"]
WRITERS = (".csv", ".json")

DESCRIPTION = """\
Score enhanced speech against clean speech.

CLEAN and ENHANCED are two files, or two folders whose files are matched by name
(sub-folders and links count, suffixes do not). Other sample rates are converted
to 16 kHz. Files of one utterance may differ in length by 16 ms, which are cut.
Metrics without a reference (dnsmos_...) need ENHANCED alone.

With --noise, also matched by name, metrics of what the listener hears are given
the enhanced speech with the noise added; metrics of what the device plays are
not.

A silent output gets the worst score of each metric. What has no defined score
is left out of the means and reported. A truncated file is scored as far as it
goes, if its partner is no longer; a warning gives both lengths.
"""

EPILOG = """\
exit status: 0 all scored; 1 some not (each with a message); 2 nothing was done,
as the command is wrong: no such file or metric, a file without partner, an
output that cannot be written; 130 interrupted by Ctrl-C.

OKD_DEBUG=1 in the environment shows where an error comes from.
"""


def main(argv=None):
    """Run ``okd-score``.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.

    Returns
    -------
    int
        Exit status: 0 if everything is scored, 1 if something is not. A wrong
        command gives 2 before any file is read, Ctrl-C 130.
    """
    # Intermixed: options may stand between CLEAN, which may be left out, and
    # ENHANCED.
    arguments = _parser().parse_intermixed_args(argv)
    return cli.run(_score, arguments, after_interrupt="Nothing was written.")


def _score(arguments):
    metrics = resolve_metrics(arguments.metrics)
    if arguments.clean is None:
        _refuse_without_reference(metrics)
    output = arguments.output
    if output is not None and output.suffix.lower() not in WRITERS:
        raise UserError(f"{output}: the name must end in .csv or .json")

    # Here, as they take seconds, which --help does not need.
    from tqdm.contrib.logging import logging_redirect_tqdm

    from okd_brain.evaluation.files import match, report, score_files
    from okd_brain.scoring import Scorer

    logging.basicConfig(format="%(levelname)s: %(message)s")
    files = match(arguments.clean, arguments.enhanced, arguments.noise)
    scorer = Scorer(
        metrics, arguments.n_jobs, timeout_seconds=arguments.timeout_seconds
    )
    if output is not None:
        check_writable(output)
    with logging_redirect_tqdm(), scorer:
        found = score_files(scorer, files)
    report({None: found})
    summaries = {
        metric.name: results.summarise_scores(
            np.array([values[metric.name] for values in found.scores.values()])
        )
        for metric in metrics
    }
    cli.show(results.summary_table(summaries))  # before a disk may be full
    if output is not None:
        _write(output, found, summaries)
    return 1 if found.failures else 0


def _refuse_without_reference(metrics):
    """Refuse metrics that compare with clean speech."""
    comparing = [metric.name for metric in metrics if metric.needs_reference]
    if comparing:
        others = [m.name for m in METRICS.values() if not m.needs_reference]
        raise UserError(
            f"{', '.join(comparing)} need clean speech to compare with: "
            "okd-score CLEAN ENHANCED. Without it, name metrics that judge "
            f"ENHANCED alone: --metrics {' '.join(others)}"
        )


def _write(path, found, summaries):
    """Write everything; what has no (finite) number is left empty, or null."""
    if path.suffix.lower() == ".csv":
        rows = [
            {
                "utterance": utterance,
                **{m: "" if np.isnan(v) else v for m, v in values.items()},
            }
            for utterance, values in found.scores.items()
        ]
        results.write_rows(path, rows)
        return
    summaries = {name: found._asdict() for name, found in summaries.items()}
    content = {
        key: {
            name: {k: results.json_number(value) for k, value in row.items()}
            for name, row in rows.items()
        }
        for key, rows in (("summary", summaries), ("utterances", found.scores))
    }
    content["failures"] = [asdict(failure) for failure in found.failures]
    write_json(path, content)


def _parser():
    parser = cli.make_parser(
        prog="okd-score", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument(
        "clean", metavar="CLEAN", nargs="?", help="clean speech"
    )
    parser.add_argument(
        "enhanced", metavar="ENHANCED", help="what is to be scored"
    )
    parser.add_argument("--noise", metavar="DIR", help="noise at the listener")
    parser.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        default=DEFAULT_METRICS,
        help=f"of {', '.join(METRICS)} (default: {' '.join(DEFAULT_METRICS)})",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="scores of every utterance; .csv, or .json with the summary",
    )
    parser.add_argument(
        "--n_jobs",
        metavar="N",
        type=int,
        default=-1,
        help="processes (default: one per core)",
    )
    parser.add_argument(
        "--timeout_seconds",
        metavar="S",
        type=float,
        help="time for one utterance under all metrics, with more than one "
        "process (default: 60, and 2 for each metric and second of it)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

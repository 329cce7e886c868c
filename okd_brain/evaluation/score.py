"""Score enhanced speech against clean speech: ``okd-score``.

    okd-score clean/ enhanced/ --metrics pesq csig cbak covl -o scores.csv

``okd-score --help`` (equally ``python -m okd_brain.evaluation.score --help``)
says what it reads, computes and returns.
"""

import argparse
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from speechbrain.utils.logger import get_logger
from tqdm.contrib.logging import logging_redirect_tqdm

from okd_brain.evaluation.files import match, score_files
from okd_brain.files import write_json
from okd_brain.messages import UserError
from okd_brain.metrics import METRICS, resolve_metrics
from okd_brain.results import (
    json_number,
    summarise_scores,
    summary_table,
    write_rows,
)
from okd_brain.scoring import Scorer

logger = get_logger("okd_brain.evaluation.score")  # with python -m as well

DEFAULT_METRICS = ["pesq", "csig", "cbak", "covl", "stoi", "si_sdr"]
WRITERS = (".csv", ".json")

DESCRIPTION = """\
Score enhanced speech against clean speech.

CLEAN and ENHANCED are two files, or two folders whose files are matched by name
(sub-folders count, suffixes do not). Other sample rates are converted to 16 kHz.
Files of one utterance may differ in length by 16 ms, which are cut.

With --noise, also matched by name, metrics of what the listener hears are given
the enhanced speech with the noise added; metrics of what the device plays are
not.

A silent output gets the worst score of each metric. What has no defined score
is left out of the means and reported.
"""

EPILOG = """\
exit status: 0 all scored; 1 some not (each with a message); 2 nothing was done,
as the command is wrong: no such file or metric, a file without partner.
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
        command exits with 2 before any file is read.
    """
    parser = argparse.ArgumentParser(
        prog="okd-score",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clean", metavar="CLEAN")
    parser.add_argument("enhanced", metavar="ENHANCED")
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
    arguments = parser.parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    output = arguments.output
    try:
        metrics = resolve_metrics(arguments.metrics)
        if output and output.suffix not in WRITERS:
            raise UserError(f"{output}: the name must end in .csv or .json")
        files = match(arguments.clean, arguments.enhanced, arguments.noise)
        scorer = Scorer(metrics, arguments.n_jobs)
    except (ValueError, ModuleNotFoundError) as error:
        parser.error(str(error))

    with logging_redirect_tqdm(), scorer:
        scores, failures = score_files(scorer, files)
    summaries = {
        metric.name: summarise_scores(
            np.array([values[metric.name] for values in scores.values()])
        )
        for metric in metrics
    }
    if output:
        _write(output, scores, summaries, failures)
    reasons = [f"{failure.utterance}: {failure.reason}" for failure in failures]
    for reason in dict.fromkeys(reasons):
        logger.error(reason)
    sys.stdout.write(summary_table(summaries) + "\n")
    return 1 if failures else 0


def _write(path, scores, summaries, failures):
    """Write everything; what has no (finite) number is left empty, or null."""
    if path.suffix == ".csv":
        rows = [
            {
                "utterance": utterance,
                **{m: "" if np.isnan(v) else v for m, v in values.items()},
            }
            for utterance, values in scores.items()
        ]
        write_rows(path, rows)
        return
    summaries = {name: found._asdict() for name, found in summaries.items()}
    content = {
        key: {
            name: {k: json_number(value) for k, value in row.items()}
            for name, row in rows.items()
        }
        for key, rows in (("summary", summaries), ("utterances", scores))
    }
    content["failures"] = [asdict(failure) for failure in failures]
    write_json(path, content)


if __name__ == "__main__":
    sys.exit(main())

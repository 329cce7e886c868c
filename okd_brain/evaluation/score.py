"""Score enhanced speech against clean speech: ``okd-score``.

    okd-score clean/ enhanced/ --metrics pesq csig cbak covl -o scores.csv

``okd-score --help`` (equally ``python -m okd_brain.evaluation.score --help``) says what it
reads, computes and returns.
"""

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from speechbrain.utils.logger import get_logger
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from okd_brain.evaluation.files import match, read
from okd_brain.metrics import METRICS, resolve_metrics
from okd_brain.results.statistics import summarise, table, write_csv, write_json
from okd_brain.scoring import Failure, Scorer

logger = get_logger(
    "okd_brain.evaluation.score"
)  # also when run with python -m

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


def score_files(files, metrics, n_jobs=1):
    """Scores utterances from files, with a progress bar.

    Arguments
    ---------
    files : list of Files
        Of one call of ``match``.
    metrics : list of (str or Metric)
        The columns of the result; each metric once.
    n_jobs : int
        Number of processes, see ``Scorer``.

    Returns
    -------
    scores : np.ndarray [utterance, metric]
        Raw scores; NaN where there is none.
    failures : list of Failure
        Why there is none.

    Example
    -------
    >>> import soundfile
    >>> folder = getfixture("tmp_path")
    >>> clean = np.sin(np.arange(16000) ** 1.2) / 2
    >>> for name, level in (("clean", 0.0), ("enhanced", 0.01)):
    ...     signal = clean + level * np.cos(np.arange(16000))
    ...     soundfile.write(folder / f"{name}.wav", signal, 16000)
    >>> files = match(folder / "clean.wav", folder / "enhanced.wav")
    >>> scores, failures = score_files(files, ["si_sdr"])
    >>> scores.round(), failures
    (array([[34.]]), [])
    """
    metrics = resolve_metrics(metrics)
    scores = np.full((len(files), len(metrics)), np.nan)
    failures = []
    # Without noise, what is played is what is heard: one pass does it all.
    listeners = {m.hears for m in metrics} if files[0].noise else {"ear"}
    for listener in sorted(listeners):
        columns = [
            index
            for index, metric in enumerate(metrics)
            if metric.hears == listener or len(listeners) == 1
        ]
        with Scorer([metrics[i] for i in columns], n_jobs) as scorer:
            done, unread = [], []
            pairs = _pairs(files, listener, done, unread)
            rows = scorer.score(pairs)
            scores[np.ix_(done, columns)] = rows
            failures += [
                replace(
                    failure, utterance=files[done[failure.utterance]].utterance
                )
                for failure in scorer.failures
            ]
            failures += [
                Failure(files[row].utterance, name, reason)
                for row, reason in unread
                for name in scorer.names
            ]
    return scores, failures


def _pairs(files, listener, done, unread):
    """Reads what the metrics of one listener compare.

    The rows of the files that are yielded go to ``done``, those that cannot be
    read to ``unread``, with the reason.
    """
    bar = tqdm(files, unit="utterance", desc=listener, disable=None)
    for row, utterance in enumerate(bar):
        try:
            signals = read(utterance)
        except ValueError as error:
            unread.append((row, str(error)))
            continue
        done.append(row)
        is_heard = listener == "ear"
        yield signals.clean, signals.heard if is_heard else signals.enhanced


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
            raise ValueError(f"{output}: the name must end in .csv or .json")
        files = match(arguments.clean, arguments.enhanced, arguments.noise)
        Scorer(metrics, arguments.n_jobs)
    except (ValueError, ModuleNotFoundError) as error:
        parser.error(str(error))

    with logging_redirect_tqdm():
        scores, failures = score_files(files, metrics, arguments.n_jobs)
    names = [metric.name for metric in metrics]
    columns = zip(names, scores.T, strict=True)
    summaries = {name: summarise(column) for name, column in columns}
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        utterances = [utterance.utterance for utterance in files]
        rows = (output, utterances, names, scores)
        if output.suffix == ".csv":
            write_csv(*rows)
        else:
            write_json(*rows, summaries, failures)
    reasons = [f"{failure.utterance}: {failure.reason}" for failure in failures]
    for reason in dict.fromkeys(reasons):
        logger.error(reason)
    sys.stdout.write(table(summaries) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

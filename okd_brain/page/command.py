"""``okd-report``: results and runs to a page to listen and look at."""

import time
from pathlib import Path

from okd_brain import cli
from okd_brain.messages import counted, listed
from okd_brain.survival import NOTE

SECONDS_BETWEEN = 20.0  # of one look at runs and the next

DESCRIPTION = """\
Make a page of results, to hear, to see and to compare.

RESULTS is the output folder of train.py, or of evaluate.py -o; those that were
tested are of one test set. Of a run, the page has the curves, while it is at work,
too. The page is a folder that any browser opens from disk (index.html), and any
web server serves; it asks for nothing outside itself.
"""

EPILOG = """\
What can be heard is in RESULTS/samples. Where that is missing, this command says
how to make it: the same train.py or evaluate.py again, with --samples N.

exit status: 0 done; 2 nothing was done, as the command is wrong; 130 interrupted
by Ctrl-C.
"""


def main(argv=None):
    """Run ``okd-report``.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.

    Returns
    -------
    int
        Exit status: 0, or 2 for a wrong command, 130 after Ctrl-C.
    """
    parser = cli.make_parser(
        prog="okd-report", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("results", metavar="RESULTS[=NAME]", nargs="+")
    parser.add_argument(
        *("-o", "--output"),
        metavar="FOLDER",
        type=Path,
        default=Path("report"),
        help="the page; an earlier one is replaced (default: report)",
    )
    parser.add_argument("--title", metavar="TEXT", help="of the page")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="keep the curves of runs at work up to date, until they are done; "
        "a page that is open follows",
    )
    arguments = parser.parse_args(argv)
    if arguments.output.suffix.lower() in (".html", ".htm"):
        parser.error(
            f"-o {arguments.output} names a file; the page is a folder, such as "
            f"{arguments.output.with_suffix('')}"
        )
    after_interrupt = "The page stays as it was."
    return cli.run(_report, arguments, after_interrupt=after_interrupt)


def _report(arguments):
    from okd_brain.page.content import make_page, read_results, write_curves

    def read():
        return [read_results(*_split(text)) for text in arguments.results]

    def make(sources):
        heard = make_page(sources, arguments.output, arguments.title)
        runs = sum(source.run is not None for source in sources)
        curves = f", curves of {counted(runs, 'run')}" if runs else ""
        cli.show(
            f"{arguments.output / 'index.html'}: "
            f"{counted(heard, 'utterance')} to hear{curves}"
        )

    sources = read()
    for source in sources:
        if source.results and not source.samples:
            cli.show(
                f"{source.folder} has no samples, so that nothing of it can be "
                f"heard. {_how_to_make(source)}"
            )
    make(sources)
    if arguments.watch and (waiting := _at_work(sources)):
        cli.show(
            f"Watching {listed(waiting)} until done; one that was interrupted "
            "goes on with its command. Ctrl-C ends the watching."
        )
    while arguments.watch and (at_work := _at_work(sources)):
        time.sleep(SECONDS_BETWEEN)
        sources = read()
        if _at_work(sources) == at_work:
            write_curves(sources, arguments.output)
        else:
            make(sources)


def _at_work(sources):
    """Return the folders of runs that have not ended."""
    return [
        source.folder
        for source in sources
        if source.run is not None
        and (not source.run.is_done or (source.folder / NOTE).exists())
    ]


def _how_to_make(source):
    if (source.folder / "hyperparams.yaml").is_file():
        return (
            "The same train.py command makes them, with --test_only True and "
            "--samples 12."
        )
    return "The same evaluate.py command makes them, with --samples 12."


def _split(text):
    """Return the folder and the name of RESULTS=NAME."""
    folder, equals, name = text.rpartition("=")
    if not equals or Path(text).exists():
        return text, None
    return folder, name

"""What every command does the same: import late, end in one line.

Commands parse their arguments before they import what works for them, so that
``--help`` does not wait for PyTorch; and an error that the user can mend is one
line, without a traceback.
"""

import argparse
import contextlib
import importlib
import logging
import os
import re
import sys
from pathlib import Path

from okd_brain import __version__
from okd_brain.messages import UserError
from okd_brain.survival import TOLD_TO_END, ToldToEnd

DEBUG_VARIABLE = "OKD_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
WRONG = 2  # as argparse
SCRIPTS = "train|study|analyse|evaluate"  # of recipes; okd-train runs train.py


def run(function, *arguments, after_interrupt="", traceback=False):
    """Call what a command does and turn its end into an exit code.

    Arguments
    ---------
    function : callable
        Returns an exit code or None.
    *arguments : object
        Passed to it.
    after_interrupt : str
        What the user may do after Ctrl-C, for instance "The same command goes
        on."
    traceback : bool
        Let errors through as they are, as the environment variable
        ``OKD_DEBUG=1`` does.

    Returns
    -------
    int
        Of the function, or 0; 2 after an error of the user's; 130 after Ctrl-C;
        75 if a signal told it to end and the same command goes on.

    Example
    -------
    >>> run(lambda: None)
    0
    """
    # On its import, SpeechBrain warns of a package that nothing here needs.
    logging.getLogger("speechbrain.utils.train_logger").addFilter(
        lambda record: "torchvision" not in str(record.msg)
    )
    try:
        return function(*arguments) or 0
    except (UserError, OSError) as error:
        if traceback or os.environ.get(DEBUG_VARIABLE):
            raise
        _say(f"error: {one_line(error)}")
        return WRONG
    except KeyboardInterrupt:
        _say(f"\nInterrupted. {after_interrupt}".rstrip())
        return INTERRUPTED
    except ToldToEnd as order:
        _say(f"\n{order}. {after_interrupt}".rstrip())
        return TOLD_TO_END


def _say(text):
    """Write a line of errors, if there still is somebody to read it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def run_resumable(main, argv):
    """Run what the same command continues: ``train.py`` and ``okd-train``.

    Arguments
    ---------
    main : callable
        Takes the command line.
    argv : list of str
        Without the program's name; ``--debug`` in it lets errors through.

    Returns
    -------
    int
        As ``run``.
    """
    return run(
        main,
        argv,
        after_interrupt="The same command goes on.",
        traceback="--debug" in argv,
    )


def show(text):
    """Write to standard output; what the terminal does not know is escaped.

    Arguments
    ---------
    text : str
        May hold names that are not UTF-8.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    known = one_line(text).encode(encoding, errors="backslashreplace")
    sys.stdout.write(known.decode(encoding) + "\n")


def one_line(error):
    """Return the message of an error; its bytes that are not UTF-8 escaped."""
    text = str(error)
    return text.encode("utf-8", errors="surrogateescape").decode(
        "utf-8", errors="backslashreplace"
    )


def make_parser(**options):
    """Return an ``argparse.ArgumentParser`` that knows ``--version``.

    Its help names what was typed: that of ``okd-train`` does not say ``python
    train.py``, though both are the same.

    Arguments
    ---------
    **options : object
        Of ``argparse.ArgumentParser``; texts keep their lines.

    Returns
    -------
    argparse.ArgumentParser
    """
    parser = _Parser(
        formatter_class=argparse.RawDescriptionHelpFormatter, **options
    )
    parser.add_argument(
        "--version", action="version", version=f"okd {__version__}"
    )
    return parser


class _Parser(argparse.ArgumentParser):
    """Speaks of installed commands where one was typed, not of scripts."""

    def format_help(self):
        text = super().format_help()
        if not Path(sys.argv[0]).name.startswith("okd-"):
            return text
        text = re.sub(
            r"python (\w+)\.py((?: \w+)?) (?:hparams|studies)/(\S+)\.yaml",
            r"okd-\1\2 \3",
            text,
        )
        return re.sub(rf"(?:python )?\b({SCRIPTS})\.py", r"okd-\1", text)


def attach(package, modules):
    """Make a package import its names when they are first used (PEP 562).

    Arguments
    ---------
    package : str
        The package's ``__name__``.
    modules : dict
        Module within the package -> names that the package takes from it.

    Returns
    -------
    getter, lister, names
        For ``__getattr__``, ``__dir__`` and ``__all__`` of the package.
    """
    homes = {name: home for home, names in modules.items() for name in names}

    def getter(name):
        if name not in homes:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        module = importlib.import_module(f"{package}.{homes[name]}")
        return getattr(module, name)

    names = sorted(homes)
    return getter, lambda: names, names

"""What ``okd-enhance --task le`` is told of the noise around the listener."""

import argparse
import math

from okd_brain.enhance.noise import read_listener_noise
from okd_brain.enhance.noise_levels import read_noise_levels

NAMES = ("noise", "noise_levels", "snr_db")

NOISE_HELP = """\
With --task le, INPUT is clean speech that is to be played, and MODEL a network for
listening enhancement: it makes the speech clearer in the noise around the listener
without making it louder. Each channel of the output has the power of its input (or
each frame, where MODEL was trained so), and the noise is not in it. MODEL has to be
told the noise by one or both of
  --noise         a recording, of any sample rate and one channel; begins with each
                  INPUT, is repeated if it is shorter and held in memory (64 kB/s),
  --noise_levels  how loud it is over time: a CSV file with a line 'seconds,dbfs' for
                  each of some times, ascending, counted from the beginning of each
                  INPUT; straight lines in dB in between. The recording follows it
                  (its RMS as a whole), or noise with the spectrum of the speech if
                  there is none.
Levels of speech and recording are those in the files (RMS, full scale 1), unless
--snr_db names the ratio of speech to noise over the whole INPUT.
With --stream, two channels come in, the speech to be played and the noise around
its listener, and one goes out; the power of each frame is kept. They are taken at
the levels they have, while files are brought to that of training, speech at -25 dBFS.
"""


def add_noise_options(parser):
    """Add the task and its noise to a command line.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Gets ``--task``, ``--noise``, ``--noise_levels`` and ``--snr_db``.
    """
    parser.add_argument(
        "--task",
        choices=["se", "le"],
        default="se",
        help="se: speech enhancement of noisy speech; le: listening enhancement "
        "of clean speech (default: %(default)s)",
    )
    parser.add_argument(
        "--noise",
        metavar="NOISE",
        help="recording of the noise around the listener, for --task le",
    )
    parser.add_argument(
        "--noise_levels",
        metavar="CSV",
        help="level of that noise over time, for --task le",
    )
    parser.add_argument(
        "--snr_db",
        metavar="DB",
        type=_decibels,
        help="ratio of speech to NOISE, in place of their levels",
    )


def check_noise_options(arguments):
    """Make sure that noise is told where it is needed, and only there.

    Arguments
    ---------
    arguments : argparse.Namespace
        The command line.

    Raises
    ------
    ValueError
        If it contradicts itself.
    """
    told = [name for name in NAMES if getattr(arguments, name) is not None]
    if arguments.task == "se":
        if told:
            raise ValueError(
                f"--{told[0]} is for listening enhancement: add --task le, or "
                "leave it out"
            )
        return
    if arguments.stream:
        if told:
            raise ValueError(
                f"--{told[0]} is for files: in a stream, the second channel is "
                "the noise"
            )
        return
    if arguments.noise is None and arguments.noise_levels is None:
        raise ValueError(
            "--task le needs to know the noise: --noise NOISE, "
            "--noise_levels CSV, or both"
        )
    if arguments.snr_db is not None and (
        arguments.noise is None or arguments.noise_levels is not None
    ):
        raise ValueError(
            "--snr_db goes with --noise alone; --noise_levels sets the level of "
            "the noise itself"
        )


def noise_of(arguments):
    """Read the noise that a command line names.

    Arguments
    ---------
    arguments : argparse.Namespace
        The command line, checked.

    Returns
    -------
    dict
        The arguments of ``wave_files.enhance_speech_file`` that say what the
        noise is.

    Raises
    ------
    ValueError
        If a file cannot be used.
    """
    noise = levels = None
    if arguments.noise is not None:
        noise = read_listener_noise(arguments.noise)
    if arguments.noise_levels is not None:
        levels = read_noise_levels(arguments.noise_levels)
    return {"noise": noise, "noise_levels": levels, "snr_db": arguments.snr_db}


def _decibels(text):
    """Return a finite number of dB."""
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a number of dB")
    return number

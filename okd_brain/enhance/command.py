"""Enhance files, folders and streams with a trained generator: ``okd-enhance``.

    okd-enhance noisy.wav -o enhanced/
    okd-enhance export/pesq noisy.wav more/ 'calls/**/*.flac' -o enhanced/
    okd-enhance export/siib prompts/ -o played/ --task le --noise platform.wav
    arecord -f S16_LE -r 16000 -t raw | okd-enhance export/causal --stream | ...
    ... | okd-enhance export/siib --stream --task le | ...

``okd-enhance --help`` (also ``python -m okd_brain.enhance --help``) says what it
reads, where it writes and what it returns.
"""

import argparse
import logging
import math
import os
from functools import partial
from glob import has_magic

from okd_brain import cli
from okd_brain.audio import CONVERTIBLE, AudioFile, printable
from okd_brain.enhance.jobs import again, conversion, plan
from okd_brain.export.sources import find_export, names_model
from okd_brain.files import AUDIO_SUFFIXES, on_disk
from okd_brain.messages import UserError, counted, offer
from okd_brain.models import (
    DEFAULTS,
    SSDRC,
    TASKS,
    default_model,
    known_models,
)

logger = logging.getLogger("okd_brain.enhance.command")  # with -m, too

DESCRIPTION = """\
Enhance noisy speech with the model that comes with okd, or another one; or, with
--task le, make clean speech clearer in noise.

MODEL is the name of a model that comes with okd (--list-models), an export folder,
the output folder of a run with one generator, or the id of a model on the Hugging
Face hub, such as speechbrain/metricgan-plus-voicebank. It is named by --model, or
comes first where it cannot be an INPUT. Without it, a message says which is used.

INPUT is
  a file       any format of libsndfile; goes to OUTPUT under its own name,
  a folder     all audio files in it and below, links followed, sub-folders kept
               in OUTPUT; but not what is in OUTPUT, nor, where there are other
               files, what okd-enhance wrote before,
  'a pattern'  in quotes; * ? [] and ** as usual, sub-folders kept from the
               first of these on. The name of what exists is not a pattern.
OUTPUT is a folder; or, for a single file, the name of a file that ends in .wav
or .flac.
WAV and FLAC keep their format, other formats become WAV (name.ogg: name.wav);
sample types are kept, but compressed ones become 16-bit. Peaks beyond full scale
are not clipped: unless its samples are float, such a file is scaled down as a
whole, and a warning gives the gain. No file is replaced without --overwrite,
and no input even then.

Any sample rate and number of channels: each channel is resampled to 16 kHz,
enhanced by itself and resampled back. What was above 8 kHz is lost.

Any length from 32 ms on: long files are enhanced in segments of 30 s that
overlap by 2 s, where one fades into the next, so that memory does not grow
with the length. Meanwhile 4 bytes of disk space per sample are needed in OUTPUT.
A truncated file is enhanced as far as it goes; a warning gives both lengths, and
the file counts as enhanced.

With --stream, raw PCM (16-bit little-endian, one channel, 16 kHz) goes from
standard input to standard output while it arrives, at most 31.9 ms later.
MODEL must be causal (those of --task le are). Peaks beyond full scale are saturated,
and a warning says so.

--dry 0.1 mixes a tenth of the input into the output, so that some noise stays, and
with it what the network takes from the speech.

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
--model ssdrc is the classical method, which is told no noise and needs all of the
speech, so that it does not stream.
Levels of speech and recording are those in the files (RMS, full scale 1), unless
--snr_db names the ratio of speech to noise over the whole INPUT.
With --stream, two channels come in, the speech to be played and the noise around
its listener, and one goes out; the power of each frame is kept. They are taken at
the levels they have, while files are brought to that of training, speech at -25 dBFS.
"""

EPILOG = """\
exit status: 0 all enhanced, or the stream has ended; 1 some failed (each with a
message, the others are enhanced); 2 nothing was done, as the command is wrong:
no such model or device, an input without audio files, two inputs with one
output, an output that is an input, a stream that is not raw PCM, a model that
is not causal for a stream or was trained for the other task, noise that is
missing, silent or not told with --task le; 130 interrupted by Ctrl-C.

OKD_DEBUG=1 in the environment shows where an error comes from.
"""


def main(argv=None):
    """Run ``okd-enhance``.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.

    Returns
    -------
    int
        Exit status: 0 if all files are enhanced or the stream has ended, 1 if
        some failed, 2 for a wrong command, before any file is enhanced.
    """
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.list_models:
        return cli.run(_list_models)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger("okd_brain").setLevel(logging.INFO)
    return cli.run(
        _work,
        arguments,
        after_interrupt="What is enhanced stays; the same command does the rest.",
    )


def _work(arguments):
    """Do what the command line says; return the exit status."""
    named = _choose_model(arguments)
    _check_options(arguments)
    if arguments.model != SSDRC:
        find_export(arguments.model)  # refuses a run of several generators
    _check_noise(arguments)
    if not named:
        logger.info(
            f"Model: {arguments.model}, which comes with okd (--model names "
            "another)."
        )
    if arguments.stream:
        from okd_brain.streaming import enhance_stdin

        enhance_stdin(_streamed(arguments), dry=arguments.dry)
        return 0
    told = [arguments.noise] if arguments.noise is not None else []
    jobs, unreadable, written = plan(
        arguments.inputs, arguments.output, also_read=told
    )
    enhance = _enhancer(arguments)
    if unreadable:
        logger.warning(f"Left out: {conversion(unreadable)}")
    if written:
        logger.warning(f"Left out: {again(written)}")
    failed, incomplete = _enhance_all(enhance, jobs, arguments.overwrite)
    enhanced = counted(len(jobs) - failed, "file")
    summary = [f"{enhanced} enhanced, {failed} failed."]
    if incomplete:
        summary.append(
            f"Incomplete, as warned: {incomplete} of those enhanced."
        )
    if unreadable or written:
        summary.append(f"Left out: {len(unreadable) + len(written)}.")
    logger.info(" ".join(summary))
    return 1 if failed else 0


def _enhance_all(enhance, jobs, overwrite):
    """Enhance the files one by one; return how many failed or are incomplete."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    failed, defects = 0, []
    total = sum(_seconds(job.source) for job in jobs)
    bar = tqdm(
        total=round(total),
        unit="s",
        bar_format="{desc}{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s "
        "of audio [{elapsed}<{remaining}]",
        disable=None,  # unless standard error is a terminal
    )
    with bar, logging_redirect_tqdm():
        for job in jobs:
            bar.set_description(printable(job.source.name))
            try:
                enhance(
                    job.source,
                    job.destination,
                    overwrite=overwrite,
                    on_progress=bar.update,
                    on_defect=defects.append,
                )
            except Exception as error:  # whatever one file does to libraries
                failed += 1
                logger.error(
                    _reason(job.source, error),
                    exc_info=bool(os.environ.get(cli.DEBUG_VARIABLE)),
                )
    return failed, len(defects)


def _seconds(source):
    """Return the duration in a file's header, 0 if it has none."""
    try:
        with AudioFile(source) as sound:
            return (sound.announced_frames or 0) / sound.samplerate
    except Exception:  # reported when its turn comes
        return 0


def _reason(source, error):
    """Return one line about an error in a file, with the file's name."""
    if isinstance(error, UserError):  # names what is wrong
        return cli.one_line(error)
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    reason = cli.one_line(error).partition("\n")[0]
    return f"{printable(source)}: {kind}{reason}".rstrip(": ")


def _list_models():
    """Print the models that need no path; return the exit status."""
    for model in known_models().values():
        default = ", default" if model.name == DEFAULTS[model.task] else ""
        what = f"{TASKS[model.task]}{default}"
        cli.show(f"{model.name}: {what}. {model.summary}.")
    cli.show(
        f"{SSDRC}: {TASKS['le']}. Spectral shaping and dynamic range "
        "compression, the classical method, without a network."
    )


def _choose_model(arguments):
    """Settle what MODEL is; return whether the command line names it."""
    model, inputs = arguments.model, arguments.inputs
    if model is None and inputs:
        first = str(on_disk(inputs[0]))
        if _is_model(first, alone=len(inputs) == 1 and not arguments.stream):
            model = first
            inputs.pop(0)
        elif not _may_be_input(first):
            raise UserError(
                f"{first} is neither a model nor something to enhance: there is "
                f"no such file, folder or model{offer(first, _model_names())} A "
                "hub model that is the only argument is named by --model"
            )
    named = model is not None
    if (
        not named
        and arguments.task == "le"
        and DEFAULTS["le"] not in known_models()
    ):
        raise UserError(
            "no model for listening enhancement comes with this okd: name one "
            f"with --model; --model {SSDRC} is the classical method"
        )
    arguments.model = str(
        on_disk(model if named else default_model(arguments.task))
    )
    return named


def _model_names():
    """Return the names that need no path."""
    return [*known_models(), SSDRC]


def _is_model(text, alone):
    """Tell whether the first argument is a model; alone, no hub id is one."""
    here = os.path.exists(text) or text in known_models()
    return names_model(text) and (here or not alone)


def _may_be_input(text):
    """Tell whether something could be a file, a folder or a pattern."""
    suffix = os.path.splitext(text)[1].lower()
    named_so = has_magic(text) or suffix in AUDIO_SUFFIXES | CONVERTIBLE
    return named_so or os.path.exists(text)


def _check_options(arguments):
    """Raise unless all that is needed is named, and nothing that is not used."""
    inputs, output = arguments.inputs, arguments.output
    if arguments.stream and (
        inputs or output is not None or arguments.overwrite
    ):
        raise UserError(
            "--stream reads standard input and writes standard output: leave "
            "out INPUT, -o and --overwrite"
        )
    if not arguments.stream and not (inputs and output is not None):
        raise UserError("INPUT and -o/--output are required, or else --stream")
    if arguments.dry and arguments.task == "le":
        raise UserError("--dry is for noisy speech: leave out --task le or it")
    if arguments.model == SSDRC and arguments.task == "se":
        raise UserError(
            f"--model {SSDRC} is for listening enhancement: add --task le"
        )
    if arguments.model == SSDRC and arguments.stream:
        raise UserError(
            f"--model {SSDRC} needs all of the speech: it does not stream"
        )


def _check_noise(arguments):
    """Raise unless noise is described where it is needed, and only there."""
    options = ("noise", "noise_levels", "snr_db")
    told = [name for name in options if getattr(arguments, name) is not None]
    if told and arguments.task == "se":
        raise UserError(
            f"--{told[0]} is for listening enhancement: add --task le, or "
            "leave it out"
        )
    if told and arguments.stream:
        raise UserError(
            f"--{told[0]} is for files: in a stream, the second channel is "
            "the noise"
        )
    if told and arguments.model == SSDRC:
        raise UserError(
            f"--model {SSDRC} does not look at the noise: leave out --{told[0]}"
        )
    if arguments.task == "se" or arguments.stream or arguments.model == SSDRC:
        return
    if arguments.noise is None and arguments.noise_levels is None:
        raise UserError(
            "--task le needs to know the noise: --noise NOISE, "
            "--noise_levels CSV, or both"
        )
    if arguments.snr_db is not None and arguments.noise_levels is not None:
        raise UserError(
            "--snr_db goes with --noise alone; --noise_levels sets the level of "
            "the noise itself"
        )


def _load(arguments):
    """Return the generator that the command line names, and its task."""
    from okd_brain.distributed import find_device
    from okd_brain.export import load_generator, read_details, task_of
    from okd_brain.tasks import ListeningEnhancement

    device = find_device(arguments.device)
    generator = load_generator(arguments.model)
    task = task_of(generator, read_details(arguments.model))
    listening = isinstance(task, ListeningEnhancement)
    if listening != (arguments.task == "le"):
        instead = "with --task le" if listening else "without --task le"
        raise UserError(
            f"{arguments.model} was trained for {task.description['task']}: "
            f"use it {instead}"
        )
    return generator.to(device), task


def _streamed(arguments):
    """Return the generator for a stream."""
    generator, task = _load(arguments)
    if arguments.task == "le" and task.equal_power != "frame":
        logger.warning(
            f"{arguments.model} was trained to keep the power of the whole "
            "utterance, which a stream cannot: it keeps that of each frame. "
            "For streams, train with --equal_power frame."
        )
    return generator


def _enhancer(arguments):
    """Return a function that enhances one file into another."""
    from okd_brain.enhance import (
        enhance_file,
        enhance_listening_file,
        enhance_ssdrc_file,
        read_listener_noise,
        read_noise_levels,
    )

    if arguments.model == SSDRC:
        return enhance_ssdrc_file
    generator, task = _load(arguments)
    if arguments.task == "se":
        return partial(enhance_file, generator, dry=arguments.dry)
    noise = levels = None
    if arguments.noise is not None:
        noise = read_listener_noise(on_disk(arguments.noise))
    if arguments.noise_levels is not None:
        levels = read_noise_levels(on_disk(arguments.noise_levels))
    return partial(
        enhance_listening_file,
        generator,
        noise=noise,
        noise_levels=levels,
        snr_db=arguments.snr_db,
        equal_power=task.equal_power,
    )


def _share(text):
    """Return a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return number


def _decibels(text):
    """Return a finite number of dB."""
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text} is not a number of dB")
    return number


def _parser():
    """Return the parser of the command line."""
    parser = cli.make_parser(
        prog="okd-enhance",
        usage="%(prog)s INPUT... -o OUTPUT [--model MODEL] [--dry SHARE] ..."
        "\n       %(prog)s INPUT... -o OUTPUT --task le [--model MODEL] "
        "--noise NOISE [--snr_db DB] ..."
        "\n       %(prog)s INPUT... -o OUTPUT --task le [--model MODEL] "
        "[--noise NOISE] --noise_levels CSV ..."
        "\n       %(prog)s INPUT... -o OUTPUT --task le --model ssdrc"
        "\n       %(prog)s --stream [--model MODEL] [--task le] ..."
        "\n       %(prog)s MODEL INPUT... -o OUTPUT ..."
        "\n       %(prog)s --list-models",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="*")
    parser.add_argument("-o", "--output", metavar="OUTPUT")
    parser.add_argument(
        "--model",
        metavar="PATH|NAME|HUB_ID",
        help="MODEL; every other argument is then an INPUT",
    )
    parser.add_argument(
        "--list-models",
        action="store_true",
        help="show the models that come with okd, a line each, and end",
    )
    parser.add_argument(
        "--device",
        help="cpu, or cuda:0 and so on (default: the first GPU, or else the CPU)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that exist in OUTPUT; without it these fail",
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="raw PCM from standard input to standard output",
    )
    parser.add_argument(
        "--dry",
        metavar="SHARE",
        type=_share,
        default=0.0,
        help="share of the input in the output, 0 to 1 (default: 0)",
    )
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
    return parser

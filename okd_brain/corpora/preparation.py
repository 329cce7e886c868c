"""What every preparation of a corpus does: list, re-use, report, write elsewhere.

A folder of manifests comes with a record, ``corpus.json``, that vouches for
them: it has a fingerprint of everything that they were made from.
"""

import hashlib
import json
import os
from pathlib import Path

from speechbrain.utils.logger import get_logger

from okd_brain import __version__
from okd_brain.audio import CONVERTIBLE, MAX_PEAK, SAMPLE_RATES_HZ, printable
from okd_brain.corpora import checks
from okd_brain.corpora.checks import Violation
from okd_brain.corpora.manifests import are_unchanged, read_entries
from okd_brain.corpora.splits import SPLITS
from okd_brain.files import (
    checksum_of,
    cut_line,
    walk_audio,
    write_json,
    write_text,
)
from okd_brain.messages import UserError, counted, listed

logger = get_logger(__name__)

FORMAT = 3  # of the record; counts up, too, when other files are found or bad
REPORT_LINES = 20  # what a terminal shows at a glance; the file has them all


def list_audio(folder):
    """Return the audio files of a folder with their size and time of change.

    Arguments
    ---------
    folder : str or Path
        Sub-folders count; hidden files and folders do not.

    Returns
    -------
    dict
        {path relative to the folder: [bytes, nanoseconds]}, sorted; [0, 0] for
        a link to nothing, which is reported where files are read.

    Raises
    ------
    ValueError
        If there is no such folder, or no audio file in it.
    """
    listing = list_folder(folder)
    unreadable = walk_audio(folder, CONVERTIBLE)
    if unreadable:
        logger.warning(
            "%s: %s left out, as libsndfile does not read the format: %s. Convert them, for instance: ffmpeg -i %s out.wav",
            printable(folder),
            counted(len(unreadable), "file is", "files are"),
            listed(map(printable, unreadable)),
            printable(unreadable[0]),
        )
    if not listing:
        raise UserError(f"{folder}: there is no audio file in it")
    return listing


def list_folder(folder):
    """Do as `list_audio`, but accept a folder without audio."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{printable(folder)}: there is no such folder")
    start = len(str(folder / "a")) - 1
    listing = {}
    for path in map(str, walk_audio(folder)):
        if os.path.isfile(path):
            status = os.stat(path)
            listing[path[start:]] = [status.st_size, status.st_mtime_ns]
        elif os.path.islink(path):
            listing[path[start:]] = [0, 0]
    return listing


def check_names(folder, listing):
    """Tell files whose names are text from those that no manifest can name.

    Arguments
    ---------
    folder : Path
        Where they are.
    listing : dict
        From `list_audio`.

    Returns
    -------
    good : dict
        The part of the listing that can be used.
    violations : list of Violation
        Names that are not UTF-8.
    """
    good, violations = {}, []
    for name, status in listing.items():
        try:
            name.encode()
        except UnicodeEncodeError:
            rule = (
                "has a name, or is in a folder with a name, that is not UTF-8: "
                f"{printable(name)}; rename it (convmv -f latin1 -t utf8 does "
                "so for old disks)"
            )
            violations.append(Violation(str(folder / name), rule))
        else:
            good[name] = status
    return good, violations


def refuse_output_in(data_folder, output_folder, audio_folders=("",)):
    """Keep the promise that nothing is written into a corpus.

    Arguments
    ---------
    data_folder : Path
        The corpus.
    output_folder : Path
        Where results go.
    audio_folders : iterable of str
        Folders of the corpus, relative to it, which must not hold the output;
        by default the whole corpus.

    Raises
    ------
    ValueError
        If the output folder is the corpus or lies in one of the folders.
    """
    output = output_folder.resolve()
    audio = [(data_folder / folder).resolve() for folder in audio_folders]
    if output == data_folder.resolve() or any(
        output.is_relative_to(folder) for folder in audio
    ):
        raise UserError(
            f"output_folder {output_folder} lies in the corpus {data_folder}, "
            "into which nothing is written; name a folder outside it"
        )


def manifest_paths(output_folder):
    """Return "train", "valid" and "test" to the path of the manifest."""
    return {split: str(output_folder / f"{split}.json") for split in SPLITS}


def prepare_once(output_folder, inputs, roots_of, make):
    """Make manifests and their record, unless they are there and current.

    Arguments
    ---------
    output_folder : Path
        Receives corpus.json, the record; parents are made.
    inputs : list
        All that the manifests are made from, as `json` can write it; the rules
        of `okd_brain.corpora.checks` and the version of okd are added.
    roots_of : callable
        Record -> {root in the manifests: folder}.
    make : callable
        Writes the manifests and returns what else to record, a dict.

    Returns
    -------
    dict
        The record.
    """
    path = output_folder / "corpus.json"
    fingerprint = _fingerprint(inputs)
    record = _current_record(path, fingerprint, roots_of)
    if record:
        logger.info("Re-using the manifests in %s", output_folder)
        return record
    path.unlink(missing_ok=True)  # it vouches for the manifests
    output_folder.mkdir(parents=True, exist_ok=True)
    record = {"fingerprint": fingerprint, **make()}
    record["manifests"] = {
        Path(manifest).name: checksum_of(manifest)
        for manifest in manifest_paths(output_folder).values()
    }
    write_json(path, record)
    return record


def _fingerprint(inputs):
    rules = (
        FORMAT,
        MAX_PEAK,
        SAMPLE_RATES_HZ,
        checks.MIN_SECONDS,
        checks.LENGTH_TOLERANCE_SECONDS,
        checks.SILENCE_DBFS,
    )
    text = json.dumps([inputs, rules, __version__])
    return hashlib.sha256(text.encode()).hexdigest()


def _current_record(path, fingerprint, roots_of):
    """Return the record of an earlier preparation if it still holds, else None.

    The fingerprint covers the corpus, but not a resampled copy of it, so that
    all files that the manifests name must be there as they were.
    """
    if not path.exists():
        return None
    manifests = manifest_paths(path.parent).values()
    damaged = path
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["fingerprint"] != fingerprint or not all(
            map(os.path.exists, manifests)
        ):
            return None
        roots, entries = roots_of(record), []
        for damaged in manifests:
            checksum = record.get("manifests", {}).get(Path(damaged).name)
            if checksum not in (None, checksum_of(damaged)):
                raise ValueError("it is not as it was written")
            entries += read_entries(damaged, {"length"}, **roots).values()
    except (
        *(ValueError, LookupError, TypeError, AttributeError),
        RecursionError,
    ) as error:
        logger.warning(
            "%s is damaged (%s): the corpus is prepared again.",
            *(damaged, cut_line(error)),
        )
        return None
    return record if are_unchanged(entries) else None


def report_bad_files(violations, output_folder, skip_bad_files):
    """Raise an error, or log a warning, that names the bad files.

    Arguments
    ---------
    violations : list of Violation
        What is wrong.
    output_folder : Path
        Receives bad_files.txt, with every violation in a line: file, tabulator,
        rule. An older one is removed if nothing is wrong.
    skip_bad_files : bool
        Whether to warn only.

    Raises
    ------
    ValueError
        If something is wrong and not to be skipped.
    """
    full_list = output_folder / "bad_files.txt"
    full_list.unlink(missing_ok=True)  # of an earlier state
    if violations:
        text = "".join(f"{v.file}\t{v.rule}\n" for v in violations)
        write_text(full_list, text)
        files = len({violation.file for violation in violations})
        breaking = counted(files, "file breaks", "files break")
        lines = [f"{breaking} a rule (whole list: {full_list}):"]
        lines += [f"  {printable(v.file)}: {v.rule}" for v in violations]
        if not skip_bad_files:
            if len(violations) > REPORT_LINES:
                more = len(violations) - REPORT_LINES
                lines[REPORT_LINES + 1 :] = [f"  ... and {more} more"]
            raise UserError(
                "\n".join(lines) + "\nRepair or remove them, or leave them out "
                "with skip_bad_files=True (--skip_bad_files True)"
            )
        logger.warning("skip_bad_files: left out. %s", "\n".join(lines))

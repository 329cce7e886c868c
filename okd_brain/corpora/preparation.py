"""What every preparation of a corpus does: re-use, report, write elsewhere.

A folder of manifests comes with a record, ``corpus.json``, that vouches for
them: it has a fingerprint of all that they were made from.
"""

import hashlib
import inspect
import json
import os
from pathlib import Path

from speechbrain.dataio.dataio import load_data_json
from speechbrain.utils.logger import get_logger

from okd_brain import __version__
from okd_brain.corpora import checks as audio_checks
from okd_brain.messages import offer

logger = get_logger(__name__)


def check_switch(name, value):
    """Refuse what is neither True nor False: "False" would be true.

    Arguments
    ---------
    name : str
        The option.
    value : object
        What it was given.

    Raises
    ------
    ValueError
        If it is no bool.
    """
    if not isinstance(value, bool):
        raise ValueError(
            f"{name} is {value!r}, must be True or False; on the command line "
            f"write --{name} True"
        )


def check_options(name, options, function, taken=()):
    """Refuse options that a function does not take.

    Arguments
    ---------
    name : str
        The key of the experiment that holds them.
    options : dict
        Keyword arguments.
    function : callable
        Shall get them.
    taken : collection of str
        Keyword arguments that it gets from elsewhere.

    Raises
    ------
    ValueError
        If there is one; close matches are offered.
    """
    if not isinstance(options, dict):
        raise ValueError(
            f"{name} is {options!r}, but 'key: value' lines are expected."
        )
    known = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.name not in taken
    ]
    for key in options:
        if key not in known:
            raise ValueError(f"{name} has no option {key!r}{offer(key, known)}")


def refuse_unused(name, options, function, wanted):
    """Refuse options that were set for a function that is not called.

    Arguments
    ---------
    name : str
        The key of the experiment that holds them.
    options : dict
        Keyword arguments that `check_options` has passed.
    function : callable
        Would get them.
    wanted : str
        What is not given, without which the function is not called.

    Raises
    ------
    ValueError
        If one differs from the function's default.
    """
    parameters = inspect.signature(function).parameters
    for key, value in options.items():
        default = parameters[key].default
        if value != (list(default) if isinstance(default, tuple) else default):
            raise ValueError(
                f"{name} has {key}: {value!r}, but there is no {wanted}, "
                "without which it does nothing."
            )


def refuse_output_in(data_folder, output_folder, audio_folders):
    """Keep the promise that nothing is written into a corpus.

    Arguments
    ---------
    data_folder : Path
        The corpus.
    output_folder : Path
        Where results go.
    audio_folders : list of str
        Folders of the corpus, relative to it, in which no output may lie.

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
        raise ValueError(
            f"output_folder {output_folder} lies in the corpus {data_folder}, "
            "into which nothing is written; name a folder outside of it"
        )


def fingerprint(*inputs):
    """Return a digest of what manifests are made from.

    Arguments
    ---------
    *inputs : object
        What `json` can write; the rules of `okd_brain.corpora.checks` and the
        version of okd are added.

    Returns
    -------
    str
    """
    rules = (
        audio_checks.MIN_SECONDS,
        audio_checks.LENGTH_TOLERANCE_SECONDS,
        audio_checks.SILENCE_DBFS,
    )
    text = json.dumps([inputs, rules, __version__])
    return hashlib.sha256(text.encode()).hexdigest()


def current_record(record_path, digest, manifests, roots_of):
    """Return the record of an earlier preparation if it still holds.

    Arguments
    ---------
    record_path : Path
        The record.
    digest : str
        `fingerprint` of what would be prepared now.
    manifests : dict
        Split -> path of the manifest.
    roots_of : callable
        Record -> {root in the manifests: folder}.  The fingerprint covers the
        corpus, but not a resampled copy of it: the files must all be there.

    Returns
    -------
    dict or None
    """
    if not record_path.exists():
        return None
    record = json.loads(record_path.read_text(encoding="utf-8"))
    if record["fingerprint"] != digest:
        return None
    if not all(os.path.exists(path) for path in manifests.values()):
        return None
    roots = roots_of(record)
    files = {
        value
        for path in manifests.values()
        for entry in load_data_json(path, roots).values()
        for name, value in entry.items()
        if name.endswith("_wav")
    }
    return record if all(os.path.exists(file) for file in files) else None


def report_bad_files(violations, full_list, skip_bad_files):
    """Raise an error, or log a warning, that names the bad files.

    Arguments
    ---------
    violations : list of Violation
        What is wrong.
    full_list : Path
        Receives all of it; removed if nothing is.
    skip_bad_files : bool
        Whether to warn only.

    Raises
    ------
    ValueError
        If something is wrong and not to be skipped.
    """
    if not violations:
        Path(full_list).unlink(missing_ok=True)  # of an earlier state
        return
    if not skip_bad_files:
        raise ValueError(
            f"{audio_checks.summarise(violations, full_list)}\n"
            "Repair or remove them, or leave them out with "
            "skip_bad_files=True (--skip_bad_files True)"
        )
    logger.warning(
        "skip_bad_files: left out. %s",
        audio_checks.summarise(violations, full_list, limit=len(violations)),
    )

"""Folders of clean speech: each file's utterance name, speaker and split."""

import csv
from pathlib import PurePosixPath
from typing import NamedTuple

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.checks import Violation
from okd_brain.corpora.layouts import (
    SPEECH,
    Reading,
    describe,
    one_of_each,
    one_word,
    read_speech_path,
)
from okd_brain.corpora.splits import SPLITS, speaker_of, split_by_speaker
from okd_brain.files import short_name
from okd_brain.messages import UserError, counted, listed

logger = get_logger(__name__)

MIN_SECONDS = 1.0  # SIIB's (`okd_brain.measures.siib`)
CLIENT_CHARACTERS = (
    16  # of Common Voice's 128, which no table shows at a glance
)


class Utterance(NamedTuple):
    """A file of clean speech.

    Attributes
    ----------
    path : str
        Relative to the folder of speech.
    name, speaker, split : str
        What it is called, who speaks, and what it is for.
    """

    path: str
    name: str
    speaker: str
    split: str


def utterance_of(path):
    """Return an utterance's name: anna_monday_a_1 for anna/monday/a_1.flac."""
    return one_word("_".join(PurePosixPath(path).with_suffix("").parts))


def find_utterances(
    data_folder,
    listing,
    *,
    valid_speakers=None,
    test_speakers=None,
    called="speakers",
):
    """Assign each file of a folder an utterance name, speaker and split.

    Names begin with the speaker and an underscore, as those of VoiceBank do:
    ``84-1.wav`` becomes ``84_84-1``. What was understood is logged.

    Arguments
    ---------
    data_folder : Path
        Any folder of speech; the layouts of
        `okd_brain.corpora.layouts.SPEECH` are recognised.
    listing : iterable of str
        Paths of its audio files.
    valid_speakers : list of str, optional
        As for `okd_brain.corpora.splits.split_by_speaker`.
    test_speakers : list of str, optional
        Likewise.
    called : str
        Likewise.

    Returns
    -------
    corpus : str
        Its name.
    utterances : list of Utterance
        Sorted by split and path.
    violations : list of Violation
        Files of equal names.

    Raises
    ------
    ValueError
        If the speakers are not there, a split is left without files, or a
        corpus with a test set of its own has a speaker on both sides.
    """
    readings, notes = one_of_each(_read_paths(data_folder, sorted(listing)))
    logger.info(
        "%s: %s",
        data_folder,
        "; ".join([describe(readings, "speaker"), *notes]),
    )
    published = {
        path: reading.split
        for path, reading in readings.items()
        if reading.split
    }
    if test_speakers is None and {"train", "test"} <= set(published.values()):
        _check_published(data_folder, {p: readings[p] for p in published})
    else:
        published = {}
    splits = split_by_speaker(
        {path: reading.source for path, reading in readings.items()},
        valid_speakers=valid_speakers,
        test_speakers=test_speakers,
        published=published,
        called=called,
    )
    named, violations = {}, []
    for split, paths in splits.items():
        for path in paths:
            name, speaker = utterance_of(path), readings[path].source
            if not name.startswith(f"{speaker}_"):
                name = f"{speaker}_{name}"
            name = short_name(name)
            if name in named:
                rule = f"has the same name as {named[name].path}: {name}"
                violations.append(Violation(str(data_folder / path), rule))
                continue
            named[name] = Utterance(path, name, speaker, split)
    return data_folder.resolve().name, list(named.values()), violations


def _read_paths(data_folder, paths):
    """Return path -> `Reading` of files of speech."""
    whole = [
        collection
        for collection in SPEECH
        if collection.root and all(map(collection.read, paths))
    ]
    readings, clients = {}, None
    for path in paths:
        reading = read_speech_path(path)
        if reading is None and whole:
            reading = whole[0].read(path)
        if reading is None:
            reading = Reading(None, speaker_of(path), path)
        elif reading.collection.tables:
            if clients is None:
                clients = _clients(data_folder)
            speaker = clients.get(PurePosixPath(path).stem)
            if speaker is not None:
                reading = reading._replace(source=speaker)
        readings[path] = reading
    if clients is not None:
        unknown = [
            path
            for path, reading in readings.items()
            if reading.collection
            and reading.collection.tables
            and PurePosixPath(path).stem not in clients
        ]
        if unknown:
            logger.warning(
                "%s: no table (*.tsv with client_id and path, in this folder or "
                "the one above) says who speaks in %s, each of which "
                "counts as a speaker of its own; one speaker may be heard in "
                "several splits",
                data_folder,
                counted(len(unknown), "file"),
            )
    return readings


def _clients(data_folder):
    """Return clip -> speaker of Common Voice's tables.

    They lie beside the folder ``clips``, which is below the data folder or is
    it.
    """
    clients = {}
    folder = data_folder.resolve()
    tables = {*folder.parent.glob("*.tsv"), *folder.glob("*.tsv")}
    for table in sorted(tables | set(folder.glob("*/*.tsv"))):
        with open(
            table, newline="", encoding="utf-8", errors="replace"
        ) as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            try:
                if not {"client_id", "path"} <= set(rows.fieldnames or ()):
                    continue
                for row in rows:
                    clip = PurePosixPath(row["path"] or "").stem
                    speaker = row["client_id"] or ""
                    clients[clip] = one_word(speaker)[:CLIENT_CHARACTERS]
            except csv.Error as error:
                where = f"{table}, line {rows.reader.line_num}"
                raise UserError(f"{where}: {error}") from error
    return clients


def _check_published(data_folder, readings):
    """Refuse speakers on both sides of published splits, or warn of them."""
    heard, shared = {}, {}
    for reading in readings.values():
        if heard.setdefault(reading.source, reading.split) != reading.split:
            shared[reading.source] = reading.collection
    if not shared:
        return
    message = (
        f"{data_folder}: "
        f"{counted(len(shared), 'speaker is', 'speakers are')} in several "
        f"splits: {listed(sorted(shared))}"
    )
    if not all(collection.by_user for collection in shared.values()):
        raise UserError(
            f"{message}; its folders look like the splits of a published corpus, "
            "in which no speaker is in two. Name those who test and validate "
            "yourself, or move the files"
        )
    logger.warning("%s, as your folders say", message)


def refuse_noise(utterances, noises, *, data_root, noise_root):
    """Refuse folders of speech and noise that have files in common."""
    speech, noise = data_root.resolve(), noise_root.resolve()
    shared = {speech / utterance.path for utterance in utterances}
    shared &= {noise / path for path in noises}
    if shared:
        raise UserError(
            f"data_folder {data_root} and noise_folder {noise_root} have "
            f"{counted(len(shared), 'file')} in common, {min(shared)} first: "
            "all audio files below a folder are taken; name a folder of speech alone and "
            "one of noise alone"
        )


def check_speech(data_folder, utterances, recordings):
    """Return split -> (utterance, recording) of all good speech, and violations.

    Good speech has a recording (path -> `Recording`) and lasts at least 1 s.
    """
    spoken, violations = {split: [] for split in SPLITS}, []
    for utterance in utterances:
        recording = recordings.get(utterance.path)
        if recording is None:
            continue
        if recording.seconds >= MIN_SECONDS:
            spoken[utterance.split].append((utterance, recording))
            continue
        rule = (
            f"lasts {recording.seconds:.3f} s, must last at least "
            f"{MIN_SECONDS} s to be scored"
        )
        violations.append(Violation(str(data_folder / utterance.path), rule))
    return spoken, violations

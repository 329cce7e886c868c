"""Folders of clean speech: each file's utterance name, speaker and split."""

from pathlib import PurePosixPath
from typing import NamedTuple

from okd_brain.corpora.checks import Violation
from okd_brain.corpora.splits import (
    SPLITS,
    one_word,
    speaker_of,
    split_by_speaker,
)
from okd_brain.messages import UserError

MIN_SECONDS = 1.0  # SIIB's (`okd_brain.measures.siib`)


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
    data_folder, listing, *, valid_speakers=None, test_speakers=None
):
    """Assign each file of a folder an utterance name, speaker and split.

    Names begin with the speaker and an underscore, as those of VoiceBank do:
    ``84-1.wav`` becomes ``84_84-1``.

    Arguments
    ---------
    data_folder : Path
        Any folder of speech.
    listing : iterable of str
        Paths of its audio files.
    valid_speakers : list of str, optional
        As for `okd_brain.corpora.splits.split_by_speaker`.
    test_speakers : list of str, optional
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
        If the speakers are not there, or a split is left without files.
    """
    splits = split_by_speaker(
        {path: speaker_of(path) for path in listing},
        valid_speakers=valid_speakers,
        test_speakers=test_speakers,
    )
    named, violations = {}, []
    for split, paths in splits.items():
        for path in paths:
            name, speaker = utterance_of(path), speaker_of(path)
            if not name.startswith(f"{speaker}_"):
                name = f"{speaker}_{name}"
            if name in named:
                rule = f"has the same name as {named[name].path}: {name}"
                violations.append(Violation(str(data_folder / path), rule))
                continue
            named[name] = Utterance(path, name, speaker, split)
    return data_folder.resolve().name, list(named.values()), violations


def refuse_noise(utterances, noises, *, data_root, noise_root):
    """Refuse folders of speech and noise that have files in common."""
    speech, noise = data_root.resolve(), noise_root.resolve()
    shared = {speech / utterance.path for utterance in utterances}
    shared &= {noise / path for path in noises}
    if shared:
        raise UserError(
            f"data_folder {data_root} and noise_folder {noise_root} have "
            f"{len(shared)} files in common, {min(shared)} first: all audio "
            "files below a folder are taken; name a folder of speech alone and "
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

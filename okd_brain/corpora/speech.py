"""Clean speech: who says what in which split, and whether it can be used."""

from okd_brain.corpora.audio_folders import Utterance, utterance_of
from okd_brain.corpora.checks import Violation
from okd_brain.corpora.harvard import find_sentences, is_harvard
from okd_brain.corpora.splits import SPLITS
from okd_brain.corpora.talkers import split_by_talker, talker_of

MIN_SECONDS = 1.0  # SIIB's (`okd_brain.measures.siib`)


def find_speech(data_folder, listing, *, valid_talkers=None, test_talkers=None):
    """Decide which file is which utterance of whom in which split.

    Arguments
    ---------
    data_folder : Path
        Harvard sentences (`okd_brain.corpora.harvard`), or any folder of speech.
    listing : iterable of str
        Paths of its audio files.
    valid_talkers, test_talkers : list of str, optional
        As for `okd_brain.corpora.talkers.split_by_talker`.

    Returns
    -------
    corpus : str
        Its name.
    utterances : list of Utterance
        Sorted by split and name.
    violations : list of Violation

    Raises
    ------
    ValueError
        If the talkers are not there, or named for Harvard sentences, or a split
        is left without files.
    """
    if is_harvard(data_folder):
        if valid_talkers is not None or test_talkers is not None:
            raise ValueError(
                f"{data_folder} has Harvard sentences, which are divided by "
                "their number, both talkers alike; leave valid_talkers and "
                "test_talkers out"
            )
        return "Harvard sentences", *find_sentences(data_folder, listing)
    return find_talkers(
        data_folder,
        listing,
        valid_talkers=valid_talkers,
        test_talkers=test_talkers,
    )


def find_talkers(
    data_folder, listing, *, valid_talkers=None, test_talkers=None
):
    """Do as `find_speech`, whatever the talkers of a folder are called.

    Names of utterances begin with the talker and an underscore, as those of
    VoiceBank: ``84-1.wav`` is ``84_84-1``.
    """
    splits = split_by_talker(
        {path: talker_of(path) for path in listing},
        valid_talkers=valid_talkers,
        test_talkers=test_talkers,
    )
    named, violations = {}, []
    for split, paths in splits.items():
        for path in paths:
            name, talker = utterance_of(path), talker_of(path)
            if not name.startswith(f"{talker}_"):
                name = f"{talker}_{name}"
            if name in named:
                rule = f"has the same name as {named[name].path}: {name}"
                violations.append(Violation(str(data_folder / path), rule))
                continue
            named[name] = Utterance(path, name, talker, split)
    return data_folder.resolve().name, list(named.values()), violations


def refuse_noise(utterances, noises, *, data_root, noise_root):
    """Refuse folders of speech and noise that have files in common.

    Arguments
    ---------
    utterances : list of Utterance
        What is taken for speech.
    noises : iterable of str
        Paths of what is taken for noise.
    data_root, noise_root : Path
        The folders of speech and of noise.

    Raises
    ------
    ValueError
        If an utterance is a noise.
    """
    speech, noise = data_root.resolve(), noise_root.resolve()
    shared = {speech / said.path for said in utterances}
    shared &= {noise / path for path in noises}
    if shared:
        raise ValueError(
            f"data_folder {data_root} and noise_folder {noise_root} have "
            f"{len(shared)} files in common, {min(shared)} first: all audio "
            "files below a folder are taken; name a folder of speech alone and "
            "one of noise alone"
        )


def check_speech(data_folder, utterances, recordings):
    """Find the speech that cannot be scored.

    Arguments
    ---------
    data_folder : Path
        For messages.
    utterances : list of Utterance
        The speech.
    recordings : dict
        Path -> `okd_brain.corpora.examination.Recording` of the good files.

    Returns
    -------
    spoken : dict
        Split -> list of (Utterance, Recording).
    violations : list of Violation
        Speech shorter than 1 s.
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

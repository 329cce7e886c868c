"""Data preparation for listening enhancement: Harvard sentences in noise.

Speech, in the data folder, either

* the 720 Harvard sentences (IEEE Recommended Practice for Speech Quality
  Measurements, 1969), with the folders

  * ``male``: Hurricane natural speech corpus, University of Edinburgh,
    https://datashare.ed.ac.uk/handle/10283/3239 (``harvard_NNN.wav``),
  * ``female``: Harvard speech corpus, University of Salford,
    https://doi.org/10.17866/rd.salford.7862465, CC BY-NC 4.0, from the archive
    HARVARD_edited_EndPointed (its copies padded to 5 s are recognised and
    ignored),

  or one of them; sentences 1-600 train, 601-660 validate, 661-720 test, for both
  speakers alike; or

* any folder of clean speech; a speaker is a sub-folder, or what a file name has
  before its first ``-`` or ``_``.

Noise, in the noise folder, either

* MS-SNSD, https://github.com/microsoft/MS-SNSD: ``noise_train`` and
  ``noise_test`` with files like ``Babble_12.wav``, or

* any folder of noises named like that.

Any sample rate is accepted: what is not at 16 kHz is resampled once, into the
output folder. (The authors' script takes MS-SNSD's 16 kHz training noise for 48
kHz and speeds it up threefold; this is not reproduced.) Nothing is downloaded,
and nothing is written into either folder.
"""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from speechbrain.utils.logger import get_logger

from okd_brain.audio import AudioFile
from okd_brain.corpora import (
    Utterance,
    Violation,
    build_mini_noises,
    find_utterances,
    prepare_mixture_corpus,
)
from okd_brain.messages import UserError

logger = get_logger(__name__)

SPEAKERS = ("female", "male")
SENTENCES = 720
LAST_SENTENCE = {"train": 600, "valid": 660, "test": 720}  # the authors' split
# Salford's archive has 720 files as cut, and 720 filled up to this length.
PADDED_SECONDS = 5.0


def prepare_harvard(
    data_folder,
    noise_folder,
    save_folder,
    mixing,
    *,
    valid_speakers=None,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check speech and noise and write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str or None
        Speech as above.
    noise_folder : str or None
        Noise as above. If both folders are None, the mini corpus that comes with
        okd is used: four speakers, five kinds of noise.
    save_folder : str
        Receives the manifests and whatever has to be resampled or made.
    mixing : okd_brain.corpora.MixingPlan
        What is mixed, and how. The paper does not name its types of noise. Our
        choice from MS-SNSD is Babble, CopyMachine, Typing, VacuumCleaner and
        WasherDryer for training (and other files of them for validation),
        AirConditioner, AirportAnnouncements and NeighborSpeaking for the test.
    valid_speakers : list of str, optional
        Speakers of a folder of speech that validate.
    skip_bad_files : bool
        Leave out, and log, files that break a rule. By default they are an
        error.
    n_jobs : int, optional
        Number of threads; by default one per available CPU.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    okd_brain.corpora.MixtureCorpus

    Raises
    ------
    ValueError
        If only one of the folders is named, and as
        `okd_brain.corpora.prepare_mixture_corpus`.
    """
    is_mini = data_folder is None and noise_folder is None
    if is_mini:
        mini = build_mini_noises(Path(save_folder) / "mini_noises")
        data_folder, noise_folder = mini.data_folder, mini.noise_folder
        valid_speakers = mini.valid_speakers
        mixing = replace(mixing, test_speakers=mini.test_speakers)
    corpus = prepare_mixture_corpus(
        data_folder,
        noise_folder,
        save_folder,
        mixing,
        valid_speakers=valid_speakers,
        find=find_speech,
        skip_bad_files=skip_bad_files,
        n_jobs=n_jobs,
        progressbar=progressbar,
    )
    return replace(corpus, corpus="mini corpus") if is_mini else corpus


def find_speech(
    data_folder, listing, *, valid_speakers=None, test_speakers=None
):
    """Assign each file an utterance name, speaker and split.

    Arguments
    ---------
    data_folder : Path
        Harvard sentences, or any folder of speech.
    listing : iterable of str
        Paths of its audio files.
    valid_speakers : list of str, optional
        Who validates in a folder that is not Harvard's.
    test_speakers : list of str, optional
        Who tests there.

    Returns
    -------
    corpus : str
        Its name.
    utterances : list of Utterance
        What there is to mix.
    violations : list of Violation
        What is wrong with which file.

    Raises
    ------
    ValueError
        If speakers are named for Harvard sentences, and as
        `okd_brain.corpora.find_utterances`.
    """
    if not is_harvard(data_folder):
        return find_utterances(
            data_folder,
            listing,
            valid_speakers=valid_speakers,
            test_speakers=test_speakers,
            called="talkers",
        )
    if valid_speakers is not None or test_speakers is not None:
        raise UserError(
            f"{data_folder} has Harvard sentences, which are divided by their "
            "number, both speakers alike; leave valid_talkers and test_talkers "
            "out"
        )
    return "Harvard sentences", *find_sentences(data_folder, listing)


def is_harvard(data_folder):
    """Tell whether a folder has a speaker's folder of Harvard sentences."""
    return any((data_folder / speaker).is_dir() for speaker in SPEAKERS)


def find_sentences(data_folder, listing):
    """Find one recording of each sentence of each speaker.

    Arguments
    ---------
    data_folder : Path
        With the folders ``male`` and ``female``, or one of them; what lies
        below them may be nested, and what lies beside them is ignored.
    listing : iterable of str
        Paths of its audio files. The last three digits of a name are the number
        of the sentence. Salford's padded copies, which last 5 s or have "pad" in
        their path, are ignored, which is logged.

    Returns
    -------
    utterances : list of Utterance
        Named like ``male_001``; sorted.
    violations : list of Violation
        Names without number, sentences that are there twice or not at all.
    """
    utterances, violations = [], []
    for speaker in SPEAKERS:
        if not (data_folder / speaker).is_dir():
            logger.info("%s has no folder %s", data_folder, speaker)
            continue
        paths = sorted(p for p in listing if p.startswith(f"{speaker}/"))
        cut = [path for path in paths if not _is_padded(data_folder, path)]
        padded = len(paths) - len(cut)
        if padded:
            logger.info(
                "%s: %d padded copies are ignored",
                data_folder / speaker,
                padded,
            )
        numbered, bad = _number(data_folder, cut)
        violations += bad
        missing = set(range(1, SENTENCES + 1)) - set(numbered)
        if missing:
            rule = (
                f"lacks sentence {_ranges(missing)}, must have 1-{SENTENCES} "
                f"({padded} padded copies do not count)"
            )
            violations.append(Violation(str(data_folder / speaker), rule))
        utterances += [
            Utterance(path, f"{speaker}_{number:03d}", speaker, _split(number))
            for number, path in sorted(numbered.items())
        ]
    return utterances, violations


def _split(number):
    """Return the split of a sentence."""
    return next(s for s, last in LAST_SENTENCE.items() if number <= last)


def _is_padded(data_folder, path):
    """Tell whether a file is one of those that Salford filled up with zeros."""
    if "pad" in path.lower():
        return True
    try:
        with AudioFile(data_folder / path) as audio:
            seconds = audio.frames / audio.samplerate
    except UserError:
        return False  # what it is instead is said when it is read
    return abs(seconds - PADDED_SECONDS) < 1e-3


def _number(data_folder, paths):
    """Return sentence number -> path, and the files that have no place in it."""
    numbered, violations = {}, []
    for path in paths:
        digits = re.search(r"\d{3}$", PurePosixPath(path).stem)
        number = int(digits.group()) if digits else 0
        if not 1 <= number <= SENTENCES:
            rule = (
                "must be named with the number of its sentence at the end, 001 "
                f"to {SENTENCES}, like harvard_001.wav"
            )
        elif number in numbered:
            rule = f"is sentence {number} once more, after {numbered[number]}"
        else:
            numbered[number] = path
            continue
        violations.append(Violation(str(data_folder / path), rule))
    return numbered, violations


def _ranges(numbers):
    """Return different whole numbers as text: 1, 2, 3 and 7 are "1-3, 7"."""
    runs = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in runs
    )

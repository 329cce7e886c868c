"""Corpora of a few minutes, for a first run without any download.

The prompts of tests/samples (four speakers, four languages) are the speech of
both tasks, the noises come from `okd_brain.noises`. What is learnt from them says
whether the software works, and nothing else: the figures to compare with others'
come from the real corpora.

The mixtures for speech enhancement are written here and not by
`okd_brain.corpora.mixture_corpus`: each has a noise of its own, made for its
prompt, and a converter's headroom, as VoiceBank-DEMAND's have.
"""

import hashlib
import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain import __version__
from okd_brain.corpora.layouts import LAYOUTS
from okd_brain.files import replacing, replacing_folder, shipped, write_json
from okd_brain.messages import UserError
from okd_brain.noises import NOISES, mix
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

PROMPTS_FOLDER = shipped("tests/samples")
LICENCE_FILES = ("README.md", "COPYRIGHT.debian.txt")

SPEAKERS = {
    "train": ("allison", "carlo"),
    "valid": ("june",),
    "test": ("ivrvoice",),
}
"""Who speaks in which split: different people, and different languages."""

SNRS_DB = (0, 5, 10, 15)  # the training set of VoiceBank-DEMAND
MIXTURES_PER_PROMPT = 2
LEVEL_DBFS = -26.0  # nominal speech level of ITU-T P.56
PEAK = 0.99
SEED = 0
LAYOUT = LAYOUTS[0]  # VoiceBank-DEMAND, 28 speakers, 16 kHz
LOG_NAMES = {"train": "log_trainset_28spk.txt", "test": "log_testset.txt"}
RECORD = "mini_corpus.json"

LISTENING_NOISES = {
    "train": ("babble", "speech_shaped", "pink"),
    "test": ("modulated", "hum"),
}
"""What is heard in training and validation, and what only in the test."""

FILES_PER_TYPE = 3  # one of those for training validates
NOISE_SECONDS = 8.0
NOISE_PEAK = 0.5  # so that 16 bit hold it; mixing sets the level


class MiniCorpus(NamedTuple):
    """Where the mini corpus is and who validates in it."""

    data_folder: str
    valid_speakers: list


def build_mini_corpus(folder):
    """Mix the mini corpus of speech enhancement, unless it is there already.

    Every prompt is mixed twice, with another noise and at another ratio: 72
    utterances train, 20 validate and 20 test. In validation and test each of the
    20 combinations of noise and SNR occurs once. Babble and speech-shaped noise
    are made from the other prompts of the same split. Each call gives the same
    bytes.

    Arguments
    ---------
    folder : str or Path
        The corpus to make, in the layout of VoiceBank-DEMAND at 16 kHz; it
        appears when complete. Its log_trainset_28spk.txt and log_testset.txt
        name the noise and the SNR in dB of each utterance, as the real ones do.

    Returns
    -------
    MiniCorpus
        The folder, and the validation speakers to hand to
        `okd_brain.corpora.prepare_corpus`.

    Raises
    ------
    ValueError
        If the prompts are absent, or the folder exists and is something else.
    """
    folder = Path(folder)
    corpus = MiniCorpus(str(folder), list(SPEAKERS["valid"]))
    prompts = _find_prompts()
    fingerprint = _fingerprint(prompts)
    if folder.exists():
        if _is_complete(folder, fingerprint):
            logger.info("Re-using the mini corpus in %s", folder)
            return corpus
        if not (folder / RECORD).exists():
            raise UserError(
                f"{folder} exists and is not a mini corpus, so it is left "
                "alone; remove it or name another folder"
            )
    logger.info("Mixing the mini corpus in %s", folder)
    with replacing_folder(folder) as made:
        for layout_folder in LAYOUT.folders():
            (made / layout_folder).mkdir()
        for split, paths in prompts.items():
            _mix_split(split, paths, made)
        for name in LICENCE_FILES:
            shutil.copyfile(PROMPTS_FOLDER / name, made / name)
        files = sorted(
            str(path.relative_to(made)) for path in made.rglob("*.wav")
        )
        write_json(made / RECORD, {"fingerprint": fingerprint, "files": files})
    return corpus


class MiniListening(NamedTuple):
    """What the mini corpus of listening enhancement is mixed from.

    Attributes
    ----------
    data_folder, noise_folder : str
        Speech and noise.
    valid_speakers, test_speakers : list of str
        Who validates and tests.
    """

    data_folder: str
    noise_folder: str
    valid_speakers: list
    test_speakers: list


def build_mini_noises(folder):
    """Make the noises of listening enhancement.

    Files that are there already, byte for byte, stay untouched. The speech is
    that of tests/samples as it lies there. Voices of babble are those of the
    speakers that train, played backwards, so that no utterance is mixed with
    itself.

    Arguments
    ---------
    folder : str or Path
        Receives noise_train and noise_test, named as those of MS-SNSD: three
        files of 8 s of each type.

    Returns
    -------
    MiniListening

    Raises
    ------
    ValueError
        If the prompts are absent.
    """
    folder = Path(folder)
    speech = [soundfile.read(path)[0] for path in _find_prompts()["train"]]
    backwards = [wave[::-1] for wave in speech]
    for use, kinds in LISTENING_NOISES.items():
        for kind in kinds:
            for number in range(1, FILES_PER_TYPE + 1):
                noise = NOISES[kind](
                    round(NOISE_SECONDS * SAMPLE_RATE),
                    np.random.default_rng(
                        [SEED, list(NOISES).index(kind), number]
                    ),
                    backwards,
                )
                _write_if_new(
                    folder / f"noise_{use}" / f"{kind}_{number}.wav",
                    noise * NOISE_PEAK / np.abs(noise).max(),
                )
    return MiniListening(
        data_folder=str(PROMPTS_FOLDER),
        noise_folder=str(folder),
        valid_speakers=list(SPEAKERS["valid"]),
        test_speakers=list(SPEAKERS["test"]),
    )


def _find_prompts():
    """Return split -> sorted paths of the prompts of its speakers."""
    prompts = {}
    for split, speakers in SPEAKERS.items():
        prompts[split] = []
        for speaker in speakers:
            paths = sorted(PROMPTS_FOLDER.glob(f"{speaker}_*.flac"))
            if not paths:
                raise UserError(
                    "the mini corpus is mixed from prompts that come with "
                    f"okd, but there is no {PROMPTS_FOLDER / speaker}_*.flac; "
                    "install okd again, or name a corpus with --data_folder"
                )
            prompts[split] += paths
    return prompts


def _fingerprint(prompts):
    """Return a digest of everything that the mixtures depend on."""
    inputs = [
        __version__,
        {
            split: [[path.name, path.stat().st_size] for path in paths]
            for split, paths in prompts.items()
        },
        list(NOISES),
        [SNRS_DB, MIXTURES_PER_PROMPT, LEVEL_DBFS, PEAK, SEED],
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _is_complete(folder, fingerprint):
    """Tell whether an earlier call made this folder from the same inputs."""
    if not (folder / RECORD).exists():
        return False
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return record["fingerprint"] == fingerprint and all(
        (folder / file).exists() for file in record["files"]
    )


def _mix_split(split, paths, corpus):
    """Write the mixtures of one split and append them to its log."""
    corpus_split = "test" if split == "test" else "train"
    speech = [soundfile.read(path)[0] for path in paths]
    numbers = Counter()
    log_path = corpus / LOG_NAMES[corpus_split]
    with open(log_path, "a", encoding="utf-8") as log:
        # Every prompt, MIXTURES_PER_PROMPT times in a row.
        for mixture in range(MIXTURES_PER_PROMPT * len(paths)):
            index = mixture // MIXTURES_PER_PROMPT
            speaker = paths[index].name.split("_")[0]
            numbers[speaker] += 1
            name = f"{speaker}_{numbers[speaker]:03d}"
            # Four ratios and five noises have no common factor: counting
            # through both at once meets all 20 combinations.
            snr_db = SNRS_DB[mixture % len(SNRS_DB)]
            kind = list(NOISES)[mixture % len(NOISES)]
            rng = np.random.default_rng(
                [SEED, list(SPEAKERS).index(split), mixture]
            )
            others = speech[:index] + speech[index + 1 :]
            clean, noisy = mix(
                speech[index],
                NOISES[kind](len(speech[index]), rng, others),
                snr_db=snr_db,
                level_dbfs=LEVEL_DBFS,
                peak=PEAK,
            )
            for role, wave in (("clean", clean), ("noisy", noisy)):
                folder = corpus / LAYOUT.folder(corpus_split, role)
                soundfile.write(
                    folder / f"{name}.wav", wave, SAMPLE_RATE, "PCM_16"
                )
            log.write(f"{name} {kind} {snr_db}\n")


def _write_if_new(path, wave):
    """Write a WAV file unless it is there: times tell whether files changed."""
    content = io.BytesIO()
    soundfile.write(content, wave, SAMPLE_RATE, "PCM_16", format="WAV")
    if path.exists() and path.read_bytes() == content.getvalue():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content.getvalue())

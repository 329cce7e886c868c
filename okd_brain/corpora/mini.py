"""A corpus of five minutes, for a first run without any download.

The prompts of tests/samples (four talkers, four languages) are mixed with the
noises of `okd_brain.noises` into the folders of VoiceBank-DEMAND at 16 kHz.
What is learnt from it says whether the software works, and nothing else: the
figures to compare with others' come from the real corpus.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain import __version__
from okd_brain.corpora.layouts import LAYOUTS
from okd_brain.corpora.manifests import write_json
from okd_brain.noises import NOISES, mix
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

PROMPTS_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "samples"

TALKERS = {
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
LICENCE_FILES = ("README.md", "COPYRIGHT.debian.txt")


class MiniCorpus(NamedTuple):
    """Where the mini corpus is and who validates in it."""

    data_folder: str
    valid_speakers: list


def build_mini_corpus(folder):
    """Mix the mini corpus, unless it is there already.

    Every prompt is mixed twice, with another noise and at another ratio: 72
    utterances train, 20 validate and 20 test.  In validation and test each of
    the 20 combinations of noise and SNR occurs once.  Babble and speech-shaped
    noise are made from the other prompts of the same split.  Each call gives
    the same bytes.

    Arguments
    ---------
    folder : str or Path
        The corpus to make, in the layout of VoiceBank-DEMAND at 16 kHz; it
        appears when complete.  Its log_trainset_28spk.txt and log_testset.txt
        name the noise and the SNR in dB of each utterance, as the real ones do.

    Returns
    -------
    MiniCorpus
        The folder, and the validation speakers to hand to
        `okd_brain.corpora.paired.prepare_corpus`.

    Raises
    ------
    ValueError
        If the prompts are absent, or the folder exists and is something else.
    """
    folder = Path(folder)
    corpus = MiniCorpus(str(folder), list(TALKERS["valid"]))
    prompts = find_prompts()
    fingerprint = _fingerprint(prompts)
    if folder.exists():
        if _is_complete(folder, fingerprint):
            logger.info("Re-using the mini corpus in %s", folder)
            return corpus
        if not (folder / RECORD).exists():
            raise ValueError(
                f"{folder} exists and is no mini corpus, so it is left alone; "
                "remove it or name another folder"
            )
    logger.info("Mixing the mini corpus in %s", folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "mini_corpus"
        for layout_folder in LAYOUT.folders():
            (made / layout_folder).mkdir(parents=True)
        for split, paths in prompts.items():
            _mix_split(split, paths, made)
        for name in LICENCE_FILES:
            shutil.copyfile(PROMPTS_FOLDER / name, made / name)
        files = sorted(
            str(path.relative_to(made)) for path in made.rglob("*.wav")
        )
        record = {"fingerprint": fingerprint, "files": files}
        write_json(made / RECORD, record)
        if folder.exists():  # outdated or damaged, but ours
            shutil.rmtree(folder)
        os.replace(made, folder)
    return corpus


def find_prompts():
    """Return the sorted paths of the prompts of each split.

    Returns
    -------
    dict
        "train", "valid" and "test" to list of Path.

    Raises
    ------
    ValueError
        If a talker's are absent.
    """
    prompts = {}
    for split, talkers in TALKERS.items():
        prompts[split] = []
        for talker in talkers:
            paths = sorted(PROMPTS_FOLDER.glob(f"{talker}_*.flac"))
            if not paths:
                raise ValueError(
                    "the mini corpus is mixed from the prompts in tests/samples "
                    "of the repository, but there is no "
                    f"{PROMPTS_FOLDER / talker}_*.flac; install from a clone "
                    "(pip install -e .) or name a corpus with --data_folder"
                )
            prompts[split] += paths
    return prompts


def _fingerprint(prompts):
    """Return a digest of all that the mixtures depend on."""
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
    log_name = LOG_NAMES[corpus_split]
    speech = [soundfile.read(path)[0] for path in paths]
    numbers = Counter()
    with open(corpus / log_name, "a", encoding="utf-8") as log:
        for index, path in enumerate(paths):
            talker = path.name.split("_")[0]
            others = speech[:index] + speech[index + 1 :]
            for take in range(MIXTURES_PER_PROMPT):
                numbers[talker] += 1
                # Four ratios and five noises have no common factor: counting
                # through both at once meets all 20 combinations.
                mixture = MIXTURES_PER_PROMPT * index + take
                snr_db = SNRS_DB[mixture % len(SNRS_DB)]
                kind = list(NOISES)[mixture % len(NOISES)]
                rng = np.random.default_rng(
                    [SEED, list(TALKERS).index(split), mixture]
                )
                clean, noisy = mix(
                    speech[index],
                    NOISES[kind](len(speech[index]), rng, others),
                    snr_db=snr_db,
                    level_dbfs=LEVEL_DBFS,
                    peak=PEAK,
                )
                name = f"{talker}_{numbers[talker]:03d}"
                for role, wave in (("clean", clean), ("noisy", noisy)):
                    soundfile.write(
                        corpus
                        / LAYOUT.folder(corpus_split, role)
                        / f"{name}.wav",
                        wave,
                        SAMPLE_RATE,
                        subtype="PCM_16",
                    )
                log.write(f"{name} {kind} {snr_db}\n")

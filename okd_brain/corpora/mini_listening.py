"""Speech and noise for a first run of listening enhancement, no download needed.

The speech is that of tests/samples as it lies there: two talkers train, one
validates, one tests (`okd_brain.corpora.mini.TALKERS`).  The noises are made from
numbers and from the speech of the talkers that train.
"""

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from okd_brain.corpora.mini import PROMPTS_FOLDER, TALKERS, find_prompts
from okd_brain.corpora.noise_sets import MS_SNSD_FOLDERS
from okd_brain.noises import NOISES
from okd_brain.signals import SAMPLE_RATE

TYPES = {
    "train": ("babble", "speech_shaped", "pink"),
    "test": ("modulated", "hum"),
}
"""What is heard in training and validation, and what only in the test."""

FILES_PER_TYPE = 3  # of training, one of them validates
SECONDS = 8.0
PEAK = 0.5  # so that 16 bit hold it; mixing sets the level
SEED = 0


class MiniListening(NamedTuple):
    """Arguments of `okd_brain.corpora.mixture_corpus.prepare_mixture_corpus`.

    Attributes
    ----------
    data_folder, noise_folder : str
        Speech and noise.
    valid_talkers, test_talkers : list of str
        Who validates and tests.
    """

    data_folder: str
    noise_folder: str
    valid_talkers: list
    test_talkers: list


def build_mini_noises(folder):
    """Make the noises; what is there already, byte for byte, stays untouched.

    Voices of babble are played backwards, so that no utterance is mixed with
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
    speech = [soundfile.read(path)[0] for path in find_prompts()["train"]]
    backwards = [wave[::-1] for wave in speech]
    samples = round(SECONDS * SAMPLE_RATE)
    for use, kinds in TYPES.items():
        for kind in kinds:
            for number in range(1, FILES_PER_TYPE + 1):
                rng = np.random.default_rng(
                    [SEED, list(NOISES).index(kind), number]
                )
                noise = NOISES[kind](samples, rng, backwards)
                _write(
                    folder / MS_SNSD_FOLDERS[use] / f"{kind}_{number}.wav",
                    noise * PEAK / np.abs(noise).max(),
                )
    return MiniListening(
        data_folder=str(PROMPTS_FOLDER),
        noise_folder=str(folder),
        valid_talkers=list(TALKERS["valid"]),
        test_talkers=list(TALKERS["test"]),
    )


def _write(path, wave):
    """Write a WAV file unless it is there: times tell whether files changed."""
    content = io.BytesIO()
    soundfile.write(content, wave, SAMPLE_RATE, "PCM_16", format="WAV")
    if path.exists() and path.read_bytes() == content.getvalue():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(content.getvalue())
    os.replace(partial, path)

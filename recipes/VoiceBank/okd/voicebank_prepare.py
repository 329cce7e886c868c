"""Data preparation for VoiceBank-DEMAND.

Corpus: Valentini-Botinhao, "Noisy speech database for training speech
enhancement algorithms and TTS models", University of Edinburgh, 2017,
https://doi.org/10.7488/ds/2117.

Accepted in the data folder, each with its four sub-folders:

* the release as it is (48 kHz): clean_trainset_28spk_wav,
  noisy_trainset_28spk_wav, clean_testset_wav, noisy_testset_wav (or the 56
  speakers); it is resampled once, into the output folder;
* the same at 16 kHz, folder names ending in _16k;
* the layout of the authors' code: train/clean, train/noisy, test/clean,
  test/noisy (16 kHz).

Transcripts are not needed, nothing is downloaded, and nothing is written into
the corpus.
"""

from functools import partial

from okd_brain.corpora import choose_speakers, prepare_corpus

VALID_SPEAKERS = ("p226", "p287")
"""Speakers that validate, as in SpeechBrain's recipes: 770 of the 11,572 training
utterances."""


def choose_valid_speakers(speakers):
    """Return p226 and p287 if both are there, else the first speakers by name.

    Arguments
    ---------
    speakers : list of str
        The speaker of every training utterance.

    Returns
    -------
    list of str
    """
    if set(VALID_SPEAKERS) <= set(speakers):
        return list(VALID_SPEAKERS)
    return choose_speakers(speakers)


prepare_voicebank = partial(prepare_corpus, choose=choose_valid_speakers)

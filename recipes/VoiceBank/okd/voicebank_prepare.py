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

from okd_brain.corpora.paired import prepare_corpus


def prepare_voicebank(
    data_folder,
    save_folder,
    valid_speakers=None,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check the corpus and write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder : str
        The corpus, in one of the layouts above.
    save_folder : str
        Receives the manifests, and the 16 kHz copy of a 48 kHz corpus.
    valid_speakers : list of str, optional
        Training speakers to validate on; default: p226 and p287.
    skip_bad_files : bool
        Leave out, and log, pairs that break a rule of `okd_brain.corpora.checks`.
        By default they are an error.
    n_jobs : int, optional
        Number of threads; by default one per available CPU.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    okd_brain.corpora.paired.PreparedCorpus

    Raises
    ------
    ValueError
        As `okd_brain.corpora.paired.prepare_corpus`.
    """
    return prepare_corpus(
        data_folder,
        save_folder,
        valid_speakers=valid_speakers,
        skip_bad_files=skip_bad_files,
        n_jobs=n_jobs,
        progressbar=progressbar,
    )

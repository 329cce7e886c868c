"""Speech enhancement on one's own recordings: clean speech, and noise."""

from okd_brain.corpora.mixing_plan import MixingPlan
from okd_brain.corpora.mixture_corpus import prepare_mixture_corpus
from okd_brain.corpora.mixtures import LEVEL_DBFS
from okd_brain.corpora.speech import find_talkers

# Those of VoiceBank-DEMAND.
TRAIN_SNRS_DB = (0, 5, 10, 15)
TEST_SNRS_DB = (2.5, 7.5, 12.5, 17.5)
MAX_MIXTURES = {"train": 10_000, "valid": 200, "test": 800}
"""About as many as VoiceBank-DEMAND has, but in validation, which is often."""


def mix_recordings(
    data_folder,
    noise_folder,
    save_folder,
    *,
    valid_speakers=None,
    test_speakers=None,
    train_noises=None,
    valid_noises=None,
    test_noises=None,
    train_snrs_db=TRAIN_SNRS_DB,
    test_snrs_db=TEST_SNRS_DB,
    level_dbfs=LEVEL_DBFS,
    max_mixtures=None,
    mixing_seed=0,
    write_mixtures=False,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check speech and noise and write train.json, valid.json and test.json.

    No talker and no stretch of noise is in two splits.  Files that are not at 16
    kHz are resampled once, into the output folder; nothing is written into the
    other two.

    Arguments
    ---------
    data_folder : str
        Clean speech.  A talker is a sub-folder, or what the name of a file has
        before its first ``-`` or ``_``.
    noise_folder : str
        Noise, whose type is the file name without the number at its end.  What
        is shorter than the speech is repeated.
    save_folder : str
        Receives the manifests and whatever is resampled or written.
    valid_speakers, test_speakers : list of str, optional
        Talkers that validate and test; default:
        `okd_brain.corpora.talkers.split_by_talker`.
    train_noises, valid_noises, test_noises : list of str, optional
        Types of noise, none of them twice; default:
        `okd_brain.corpora.noise_sets.choose_noises`.
    train_snrs_db, test_snrs_db : list of float
        Ratios in dB for training and validation, and for the test; a range is
        the list of its steps.
    level_dbfs : float
        RMS level of the speech, in dB relative to full scale.  Speech with high
        peaks is softer; the sum with the noise may exceed full scale.
    max_mixtures : dict, optional
        Split -> number of mixtures, or None for all combinations of speech, type
        of noise and ratio; of fewer, noises and ratios are drawn evenly.  Splits
        that are not there have `MAX_MIXTURES`.
    mixing_seed : int
        Decides which mixtures are drawn, and where noise begins.
    write_mixtures : bool
        Write all mixtures to ``mixtures`` in the output folder, a corpus in the
        layout of the authors' code, instead of mixing on the fly.
    skip_bad_files : bool
        Leave out, and log, files that break a rule.  By default they are an
        error.
    n_jobs : int, optional
        Number of threads; by default one per available CPU.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    okd_brain.corpora.mixture_corpus.MixtureCorpus

    Raises
    ------
    ValueError
        If there is no folder of speech, or ``max_mixtures`` is no dict, and as
        `okd_brain.corpora.mixture_corpus.prepare_mixture_corpus`.
    """
    if data_folder is None:
        raise ValueError(
            f"noise_folder is {noise_folder}, but data_folder is not set: name "
            "a folder of clean speech to mix with the noise"
        )
    if not isinstance(max_mixtures, (dict, type(None))):
        raise ValueError(
            f"max_mixtures is {max_mixtures!r}, must be a number for each split, "
            f"such as {MAX_MIXTURES}"
        )
    return prepare_mixture_corpus(
        data_folder,
        noise_folder,
        save_folder,
        plan=MixingPlan(
            train_snrs_db=train_snrs_db,
            test_snrs_db=test_snrs_db,
            level_dbfs=level_dbfs,
            max_mixtures={**MAX_MIXTURES, **(max_mixtures or {})},
            loop_noise=True,
            seed=mixing_seed,
        ),
        train_noises=train_noises,
        valid_noises=valid_noises,
        test_noises=test_noises,
        valid_talkers=valid_speakers,
        test_talkers=test_speakers,
        written=write_mixtures,
        skip_bad_files=skip_bad_files,
        find=find_talkers,
        n_jobs=n_jobs,
        progressbar=progressbar,
    )

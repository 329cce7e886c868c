"""Data preparation for listening enhancement: Harvard sentences in noise.

Speech, in the data folder, either

* the 720 Harvard sentences, with the folders

  * ``male``: Hurricane natural speech corpus, University of Edinburgh,
    https://datashare.ed.ac.uk/handle/10283/3239 (``harvard_NNN.wav``),
  * ``female``: Harvard speech corpus, University of Salford,
    https://doi.org/10.17866/rd.salford.7862465, CC BY-NC 4.0, of the archive
    HARVARD_edited_EndPointed (its copies padded to 5 s are told apart and
    ignored),

  or one of them; sentences 1-600 train, 601-660 validate, 661-720 test, of both
  talkers alike; or

* any folder of clean speech; a talker is a sub-folder, or what a file name has
  before its first ``-`` or ``_``.

Noise, in the noise folder, either

* MS-SNSD, https://github.com/microsoft/MS-SNSD: ``noise_train`` and
  ``noise_test`` with files like ``Babble_12.wav``, or

* any folder of noises named like that.

Any sample rate is accepted: what is not at 16 kHz is resampled once, into the
output folder.  (The authors' script takes MS-SNSD's 16 kHz training noise for 48
kHz and speeds it up threefold; this is not reproduced.)  Nothing is downloaded,
and nothing is written into either folder.
"""

from dataclasses import replace
from pathlib import Path

from okd_brain.corpora.mini_listening import build_mini_noises
from okd_brain.corpora.mixing_plan import MixingPlan
from okd_brain.corpora.mixture_corpus import prepare_mixture_corpus


def prepare_harvard(
    data_folder,
    noise_folder,
    save_folder,
    *,
    train_noises=None,
    valid_noises=None,
    test_noises=None,
    valid_talkers=None,
    test_talkers=None,
    train_snrs_db=(-11, -7, -3),
    test_snrs_db=(-13, -9, -5, -1),
    paper_mixing=False,
    noise_offset="random",
    level_dbfs=-25.0,
    max_train_mixtures=None,
    max_valid_mixtures=None,
    max_test_mixtures=None,
    mixing_seed=0,
    write_mixtures=False,
    skip_bad_files=False,
    n_jobs=None,
    progressbar=True,
):
    """Check speech and noise and write train.json, valid.json and test.json.

    Arguments
    ---------
    data_folder, noise_folder : str or None
        Speech and noise as above.  If both are None, the mini corpus that comes
        with okd: four talkers, five kinds of noise.
    save_folder : str
        Receives the manifests and whatever has to be resampled or made.
    train_noises, valid_noises, test_noises : list of str, optional
        Types of noise, none of them twice.  The paper's are unknown; our choice
        of MS-SNSD's is Babble, CopyMachine, Typing, VacuumCleaner and
        WasherDryer for training (and other files of them for validation),
        AirConditioner, AirportAnnouncements and NeighborSpeaking for the test.
        Of other folders: `okd_brain.corpora.noise_sets.choose_noises`.
    valid_talkers, test_talkers : list of str, optional
        Talkers of a folder of speech that validate and test; default:
        `okd_brain.corpora.talkers.split_by_talker`.
    train_snrs_db, test_snrs_db : list of float
        Ratios in dB for training and validation, and for the test.
    paper_mixing : bool
        Halve all ratios, as the authors' scripts do by mistake, to compare
        figures.
    noise_offset : str
        "random" by seed, or "start" as in the authors' scripts.
    level_dbfs : float
        RMS level of the speech over the utterance, in dB relative to full
        scale; -25 as in the authors' scripts.
    max_train_mixtures, max_valid_mixtures, max_test_mixtures : int, optional
        So many mixtures instead of all combinations of speech, type of noise
        and ratio, drawn evenly over noises and ratios.
    mixing_seed : int
        Decides which mixtures are drawn, and where noise begins.
    write_mixtures : bool
        Write all mixtures as float WAV files instead of mixing on the fly.
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
        For `okd_brain.corpora.mixtures.make_mixture_dataset`.

    Raises
    ------
    ValueError
        If only one of the folders is named, and as
        `okd_brain.corpora.mixture_corpus.prepare_mixture_corpus`.
    """
    if (data_folder is None) != (noise_folder is None):
        raise ValueError(
            f"data_folder is {data_folder} and noise_folder is {noise_folder}: "
            "name both, or neither for the mini corpus"
        )
    is_mini = data_folder is None
    if is_mini:
        data_folder, noise_folder, valid_talkers, test_talkers = (
            build_mini_noises(Path(save_folder) / "mini_noises")
        )
    corpus = prepare_mixture_corpus(
        data_folder,
        noise_folder,
        save_folder,
        plan=MixingPlan(
            train_snrs_db=train_snrs_db,
            test_snrs_db=test_snrs_db,
            noise_offset=noise_offset,
            level_dbfs=level_dbfs,
            paper_mixing=paper_mixing,
            max_mixtures={
                "train": max_train_mixtures,
                "valid": max_valid_mixtures,
                "test": max_test_mixtures,
            },
            seed=mixing_seed,
        ),
        train_noises=train_noises,
        valid_noises=valid_noises,
        test_noises=test_noises,
        valid_talkers=valid_talkers,
        test_talkers=test_talkers,
        written=write_mixtures,
        skip_bad_files=skip_bad_files,
        n_jobs=n_jobs,
        progressbar=progressbar,
    )
    return replace(corpus, corpus="mini corpus") if is_mini else corpus

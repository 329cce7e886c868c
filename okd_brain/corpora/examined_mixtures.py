"""From files of speech and noise to the mixtures that the good ones make."""

from okd_brain.corpora.examination import examine_files
from okd_brain.corpora.mixing_plan import plan_mixtures
from okd_brain.corpora.noise_splits import divide_noises
from okd_brain.corpora.speech import check_speech


def examine_and_plan(
    folders, copy_folders, utterances, noises, plan, **examining
):
    """Read all files once and write down the mixtures of the good ones.

    Arguments
    ---------
    folders, copy_folders : dict
        "data_root" and "noise_root" to the folder of speech and noise, and to
        the one that receives 16 kHz copies if that takes any.
    utterances : list of Utterance
        The speech.
    noises : dict
        From `okd_brain.corpora.noise_sets.choose_noises`.
    plan : MixingPlan
        How they are mixed.
    **examining : object
        ``n_jobs`` and ``progressbar`` of `okd_brain.corpora.examination.examine_files`.

    Returns
    -------
    entries : dict
        Split -> content of its manifest.
    roots : dict
        "data_root" and "noise_root" to the folder where the 16 kHz files are.
    violations : list of Violation
        What is wrong with which file.
    """
    wanted = {
        "data_root": [utterance.path for utterance in utterances],
        "noise_root": [
            path
            for types in noises.values()
            for paths in types.values()
            for path in paths
        ],
    }
    roots, good, violations = {}, {}, []
    for name, paths in wanted.items():
        roots[name], good[name], bad = examine_files(
            paths,
            folder=folders[name],
            copy_folder=copy_folders[name],
            **examining,
        )
        violations += bad
    spoken, bad = check_speech(
        folders["data_root"], utterances, good["data_root"]
    )
    violations += bad
    longest = {
        split: max((recording.samples for _, recording in pairs), default=0)
        for split, pairs in spoken.items()
    }
    sources, bad = divide_noises(
        folders["noise_root"],
        noises,
        good["noise_root"],
        longest,
        loop=plan.loop_noise,
    )
    violations += bad
    entries = {}
    for split, pairs in spoken.items():
        entries[split], bad = plan_mixtures(
            plan, split, pairs, sources[split], roots["noise_root"]
        )
        violations += bad
    return entries, roots, violations

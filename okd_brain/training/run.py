"""What the ``train.py`` of every recipe does once its corpus is prepared."""

from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger

from okd_brain.brain import OKDBrain
from okd_brain.training.finish import export_trained, report_on
from okd_brain.training.networks import build_modules
from okd_brain.training.pretrained import start_from_pretrained

logger = get_logger(__name__)


def make_brain(hparams, run_opts):
    """Build the networks of an experiment and the brain that trains them.

    Arguments
    ---------
    hparams : dict
        The experiment, loaded.
    run_opts : RunOptions
        SpeechBrain's run options.

    Returns
    -------
    OKDBrain

    Raises
    ------
    ValueError
        If the experiment contradicts itself, or ``pretrained`` does not fit.
    """
    modules = build_modules(hparams)
    start_from_pretrained(modules, hparams)
    return OKDBrain(
        modules=modules,
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )


def train_and_test(brain, datasets, corpus_name):
    """Train, export the best generators, score them.

    ``results.json``, of the test, comes last: a run that has it is done.  The
    processes of a distributed run part then.

    Arguments
    ---------
    brain : OKDBrain
        From ``make_brain``; goes on from its newest checkpoint.
    datasets : dict
        "train", "valid" and "test" to a dataset with what the task needs.
        Checkpoints are chosen on the one that ``selection`` names.
    corpus_name : str
        For the results.
    """
    hparams = brain.hparams
    if brain.selection.split == "test":
        logger.warning(
            "selection: test. Checkpoints are chosen on the test set, as in the "
            "published protocol, so that its figures are optimistic; every "
            "table says so."
        )
    brain.fit(
        hparams.epoch_counter,
        datasets["train"],
        datasets[brain.selection.split],
        train_loader_kwargs=hparams.train_dataloader_opts,
        valid_loader_kwargs=hparams.valid_dataloader_opts,
    )

    def report(split):
        return report_on(
            brain, datasets[split], corpus=corpus_name, split=split
        )

    valid = report("valid")
    if if_main_process():
        export_trained(brain, corpus=corpus_name, results=valid)
    report("test")

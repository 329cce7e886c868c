"""What a run has kept: the checkpoints that analyses look at, and their scores."""

from speechbrain.utils.checkpoints import torch_recovery

from okd_brain.distributed import bare
from okd_brain.messages import UserError
from okd_brain.scoring.board import means
from okd_brain.training.checkpoints import ends_epoch


def kept_checkpoints(checkpointer, accept, what):
    """Return some of the checkpoints that a run has kept.

    Arguments
    ---------
    checkpointer : Checkpointer
        Of the run.
    accept : callable
        Tells from the meta (dict) of a checkpoint whether it is wanted.
    what : str
        Describes those, for the error.

    Returns
    -------
    list of Checkpoint
        In the order of their epochs; only ends of epochs.

    Raises
    ------
    UserError
        If there is none.
    """
    kept = [
        checkpoint
        for checkpoint in checkpointer.list_checkpoints()
        if ends_epoch(checkpoint) and accept(checkpoint.meta)
    ]
    if not kept:
        raise UserError(
            f"{checkpointer.checkpoints_dir} holds no checkpoint {what}: train "
            "with --checkpoints_to_keep 1000, or name the output_folder of a "
            "run that was trained so."
        )
    return sorted(kept, key=lambda checkpoint: checkpoint.meta["epoch"])


def load_discriminators(brain, checkpoint):
    """Load all discriminators of a brain from a checkpoint of its run."""
    for name in brain.discriminator_heads:
        network = bare(brain.modules[name])
        torch_recovery(network, checkpoint.paramfiles[name], True)


def when(checkpoint):
    """Return the first cells of a row: ``epoch`` and ``stage``."""
    return {
        "epoch": checkpoint.meta["epoch"],
        "stage": checkpoint.meta["phase"],
    }


def score_checkpoints(brain, datasets):
    """Score the kept checkpoints.

    Nothing is chosen by the test scores; they are there to be looked at.

    Arguments
    ---------
    brain : OKDBrain
        Of the run.
    datasets : dict
        "valid" and "test".

    Returns
    -------
    list of dict
        ``epoch``, ``stage``, ``split``, ``system``, and the mean of every
        metric.

    Raises
    ------
    UserError
        If no validated checkpoint was kept.
    """
    kept = kept_checkpoints(
        brain.checkpointer,
        lambda meta: any("/" in key for key in meta),
        "that was validated",
    )
    rows = []
    for checkpoint in kept:
        for split in ("valid", "test"):
            scores, _ = brain.test(
                datasets[split], checkpoint, brain.hparams.test_dataloader_opts
            )
            for system, by_utterance in scores.items():
                row = {**when(checkpoint), "split": split, "system": system}
                rows.append({**row, **means(by_utterance)})
    return rows

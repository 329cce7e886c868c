"""Kept checkpoints, which the analyses look at."""

from speechbrain.utils.checkpoints import torch_recovery

from okd_brain.distributed import bare
from okd_brain.messages import UserError


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
        if "phase" in checkpoint.meta and accept(checkpoint.meta)
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

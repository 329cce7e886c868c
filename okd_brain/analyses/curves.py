"""Scores over training: every validated checkpoint, on validation and test."""

from okd_brain.analyses.checkpoints import kept_checkpoints, when
from okd_brain.scoring.board import means


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

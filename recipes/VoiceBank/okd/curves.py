#!/usr/bin/env python3
"""Scores over training: test every checkpoint that a run has kept.

To run this, train with all checkpoints kept, then give the same arguments:
> python train.py hparams/okd_pesq_csig.yaml --checkpoints_to_keep 1000
> python curves.py hparams/okd_pesq_csig.yaml

The run's output folder receives curves.csv, a row per epoch, split and system,
and curves.png (which needs pip install 'okd[plots]').  The test scores are for looking at: nothing is chosen by them.

Authors
 * the okd developers 2026
"""

import csv
import sys

from speechbrain.utils.distributed import if_main_process
from train import build

from okd_brain.plots import draw_curves
from okd_brain.scoreboard import means


def main(argv):
    """Score the kept checkpoints on validation and test."""
    brain, datasets, _ = build(argv)
    kept = [
        checkpoint
        for checkpoint in brain.checkpointer.list_checkpoints()
        if any("/" in key for key in checkpoint.meta)  # it was validated
    ]
    rows = []
    for checkpoint in sorted(kept, key=lambda kept: kept.meta["epoch"]):
        for split in ("valid", "test"):
            scores, _ = brain.test(
                datasets[split], checkpoint, brain.hparams.test_dataloader_opts
            )
            for system, by_utterance in scores.items():
                row = {
                    "epoch": checkpoint.meta["epoch"],
                    "stage": checkpoint.meta["phase"],
                    "split": split,
                    "system": system,
                }
                rows.append({**row, **means(by_utterance)})
    if if_main_process():
        curves = brain.artifacts_folder / "curves.csv"
        with open(curves, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        draw_curves(rows, curves.with_suffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1:])

"""One process of a distributed run; started by torchrun in test_ddp.py."""

import json
import sys
from pathlib import Path

import torch
from experiments import dataset, fit, make_small_brain

from okd_brain.distributed import begin_distributed_run, end_distributed_run
from okd_brain.scoring.board import gather
from okd_brain.training import find_changes, spread_batches, summaries
from okd_brain.training.fidelity import fidelity_stats

OPTIONS = {
    "device": "cpu",
    "distributed_backend": "gloo",
    "ckpt_interval_steps": 2,
    "ckpt_interval_minutes": 0,
}


def run(folder, epochs, train, valid):
    """Train up to an epoch, from where the folder's last run ended."""
    brain = make_small_brain(
        folder / "run",
        f"--number_of_epochs={epochs}",
        "--number_of_samples=3",
        "--discriminator=separate",
        "--fidelity_utterances=3",
        run_opts=OPTIONS,
    )
    fit(brain, train, valid)
    return brain


def main(folder):
    """Train, go on, and compare with the other process."""
    rank = torch.distributed.get_rank()
    train = dataset(folder / f"train{rank}", 3)
    valid = dataset(folder / f"valid{rank}", 3, first=5)
    run(folder, 1, train, valid)
    brain = run(folder, 3, train, valid)  # goes on after the first epoch
    scores, _ = brain.test(valid, "okd", {"batch_size": 1})
    stats, _ = fidelity_stats(brain, valid, 3)
    mine = {
        "fidelity": json.dumps(stats),
        "weights": [p.tolist() for p in brain.modules.parameters()],
        "past": brain.replay.past,
        "steps": dict(brain.steps),
        "scores": scores,
    }
    for name, value in mine.items():
        values = gather(value)
        assert values[0] == values[1], f"the processes differ in {name}"
    target = brain.targets[0]
    found = find_changes(brain, target, spread_batches(valid, 3))  # all, alone
    edits, *_ = summaries(found[target.terms[0]])
    for name, key in (("r", "pearson"), ("sign", "sign_agreement")):
        assert stats[f"fid si_sdr {name}"] == edits[key]
    epochs = [record.epoch for record in brain.replay.past]
    assert epochs == 3 * [1] + 3 * [2] + 3 * [3]
    assert sorted(scores["si_sdr"]) == ["u5", "u6", "u7"]
    # 3 utterances over 2 processes: 2 steps each; 20 % of 3 and of 6 are 0 and 1
    assert brain.steps["g_si_sdr"] == 2 * 2
    assert brain.steps["d_si_sdr"] == 3 * 2 * 2 * 3 + 2 + 2 + 2
    if rank == 0:
        print("the processes agree")


if __name__ == "__main__":
    torch.set_num_threads(1)
    begin_distributed_run(OPTIONS)
    main(Path(sys.argv[1]))
    end_distributed_run()

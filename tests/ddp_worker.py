"""One process of a distributed run; started by torchrun in test_ddp.py."""

import sys
from pathlib import Path

import torch
from experiments import dataset, fit, make_brain
from speechbrain.utils.distributed import ddp_init_group

from okd_brain.scoreboard import gather

folder = Path(sys.argv[1])
torch.set_num_threads(1)
options = {
    "device": "cpu",
    "distributed_backend": "gloo",
    "ckpt_interval_steps": 2,
    "ckpt_interval_minutes": 0,
}
ddp_init_group(options)
rank = torch.distributed.get_rank()
train = dataset(folder / f"train{rank}", 3)
valid = dataset(folder / f"valid{rank}", 3, first=5)


def run(epochs):
    brain = make_brain(
        folder / "run",
        f"--number_of_epochs={epochs}",
        "--number_of_samples=3",
        "--discriminator=separate",
        run_opts=options,
    )
    fit(brain, train, valid)
    return brain


run(1)
brain = run(3)  # goes on after the first epoch
scores, _ = brain.test(valid, "okd", {"batch_size": 1})
mine = {
    "weights": [p.tolist() for p in brain.modules.parameters()],
    "past": brain.replay.past,
    "steps": dict(brain.steps),
    "scores": scores,
}
for name, value in mine.items():
    values = gather(value)
    assert values[0] == values[1], f"the processes differ in {name}"
assert [record.epoch for record in brain.replay.past] == [
    1,
    1,
    1,
    2,
    2,
    2,
    3,
    3,
    3,
]
assert sorted(scores["si_sdr"]) == ["u5", "u6", "u7"]
# 3 utterances over 2 processes: 2 steps each; 20 % of 3 and of 6 are 0 and 1
assert brain.steps["g_si_sdr"] == 2 * 2
assert brain.steps["d_si_sdr"] == 3 * 2 * 2 * 3 + 2 + 2 + 2
if rank == 0:
    print("the processes agree")
torch.distributed.destroy_process_group()

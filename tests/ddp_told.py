"""One process of a run of which one other is told to end; see test_ddp.py.

Arguments: a folder, and where to be told: in a "step", or in "validation".
"""

import os
import signal
import sys
from pathlib import Path

import torch
from ddp_worker import OPTIONS
from experiments import dataset, fit, make_small_brain

from okd_brain import cli
from okd_brain.distributed import begin_distributed_run
from okd_brain.training import carry_out


def run(folder, where):
    """Train; only the second process hears the signal."""
    rank = torch.distributed.get_rank()
    train = dataset(folder / f"train{rank}", 3)
    valid = dataset(folder / f"valid{rank}", 3, first=5)
    brain = make_small_brain(
        folder / "run",
        "--number_of_epochs=3",
        "--number_of_samples=3",
        run_opts={**OPTIONS, "ckpt_interval_steps": 0},
    )
    name = "fit_batch" if where == "step" else "evaluate_batch"
    work = getattr(brain, name)

    def told(*arguments, **options):
        result = work(*arguments, **options)
        if rank == 1 and brain.train_loader.epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    setattr(brain, name, told)
    fit(brain, train, valid)


if __name__ == "__main__":
    torch.set_num_threads(1)
    begin_distributed_run(OPTIONS)
    folder, where = Path(sys.argv[1]), sys.argv[2]
    code = cli.run(carry_out, run, folder, where)
    (folder / f"code{os.environ['RANK']}").write_text(str(code))

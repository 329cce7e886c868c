"""How the processes of a distributed run find each other and part."""

import gc

import torch
from speechbrain.utils.distributed import ddp_init_group


def begin_distributed_run(run_opts):
    """Find the other processes, where ``torchrun`` has started some.

    Arguments
    ---------
    run_opts : RunOptions
        SpeechBrain's run options.
    """
    if torch.distributed.is_available():
        # DistributedDataParallel would import it later.  The group of that
        # moment is the default of its functions' arguments, and would stay.
        from torch.distributed import nn  # noqa: F401
    ddp_init_group(run_opts)


def end_distributed_run():
    """Part from the other processes, where there are any.

    SpeechBrain does not.  The threads of gloo then outlive the interpreter, and
    one that still drops the tensors of the last exchange aborts its process:
    "terminate called without an active exception"
    (https://github.com/pytorch/pytorch/pull/179291).  They end with the group's
    last reference, so call this when the brain is gone: networks that
    DistributedDataParallel wraps hold the group.  Not for a process that fails,
    which would wait for the others here.
    """
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        # Freed last, and from here: other owners would wait for the threads
        # while they keep the interpreter from them.
        group = distributed.group.WORLD
        distributed.destroy_process_group()
        gc.collect()
        del group

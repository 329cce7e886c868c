"""Processes that train together: how they meet, count themselves and part."""

import gc
import os

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


def without_ddp(module):
    """Return a module without its DistributedDataParallel wrapper."""
    ddp = torch.nn.parallel.DistributedDataParallel
    return module.module if isinstance(module, ddp) else module


def bare(module):
    """Return a module without any wrapper, as it is saved and exported.

    Arguments
    ---------
    module : torch.nn.Module
        Perhaps compiled, perhaps distributed.

    Returns
    -------
    torch.nn.Module

    Example
    -------
    >>> linear = torch.nn.Linear(1, 1)
    >>> bare(torch.compile(linear)) is linear
    True
    """
    return getattr(without_ddp(module), "_orig_mod", without_ddp(module))


def world_size():
    """Return the number of processes that train together."""
    if not torch.distributed.is_initialized():
        return 1
    return torch.distributed.get_world_size()


def processes_here():
    """Return how many of these share this machine, as torchrun says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))

"""Devices, and processes that train together: how they meet and part."""

import gc
import os

import torch
from speechbrain.utils.distributed import (
    ddp_init_group,
    is_distributed_initialized,
)

from okd_brain.messages import UserError, reason_of


def find_device(name=None):
    """Return a device that computes, having tried it.

    Arguments
    ---------
    name : str, optional
        "cpu", "cuda" or "cuda:0" to the number of the last GPU. By default the
        first GPU, or the CPU where there is none.

    Returns
    -------
    torch.device

    Raises
    ------
    UserError
        If this machine has no such device, or PyTorch cannot use it.

    Example
    -------
    >>> find_device("cpu")
    device(type='cpu')
    """
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    name = name or (gpus[0] if gpus else "cpu")
    if name not in ("cpu", "cuda", *gpus) or (name == "cuda" and not gpus):
        gpu_message = "" if gpus else " (PyTorch finds no GPU with a driver)"
        raise UserError(
            f"device {name!r}: this machine has {', '.join(['cpu', *gpus])}"
            f"{gpu_message}"
        )
    device = torch.device(name)
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"device {name!r} does not compute: {reason}; --device cpu does"
        ) from error
    return device


def begin_distributed_run(run_opts):
    """Find the other processes, where ``torchrun`` has started some.

    A second call does nothing.

    Arguments
    ---------
    run_opts : RunOptions
        SpeechBrain's run options.

    Raises
    ------
    UserError
        If the backend does not work here.
    """
    if torch.distributed.is_available():
        # DistributedDataParallel would import it later.  The group of that
        # moment is the default of its functions' arguments, and would stay.
        from torch.distributed import nn  # noqa: F401
    try:
        if not is_distributed_initialized():
            ddp_init_group(run_opts)
    except ValueError as error:
        raise UserError(
            f"distributed_backend is {run_opts['distributed_backend']}: "
            f"{reason_of(error)} Start as many processes on a machine as it has GPUs, "
            "or name --device cpu."
        ) from error


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
    if not is_distributed_initialized():
        return 1
    return torch.distributed.get_world_size()


def processes_here():
    """Return how many of these share this machine, as torchrun says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def any_process(fact, device=None):
    """Tell whether something is true in any of the processes.

    Arguments
    ---------
    fact : bool
        In this one; every process has to ask.
    device : str or torch.device, optional
        Where they exchange it.

    Returns
    -------
    bool
        The same in all of them.
    """
    if world_size() == 1:
        return fact
    flag = torch.tensor(float(fact), device=device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag)

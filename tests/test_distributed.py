"""Processes that cannot meet say so."""

import pytest
from speechbrain.utils.run_opts import RunOptions

from okd_brain.distributed import begin_distributed_run
from okd_brain.messages import UserError


def test_a_backend_that_does_not_work_is_named(monkeypatch):
    monkeypatch.setenv("RANK", "4096")
    monkeypatch.setenv("LOCAL_RANK", "4096")  # more than there are GPUs
    with pytest.raises(UserError, match="distributed_backend is nccl: .*GPU"):
        begin_distributed_run(RunOptions())

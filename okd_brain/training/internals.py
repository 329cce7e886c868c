"""Where okd reaches into SpeechBrain, and why.

All else of okd uses hooks that SpeechBrain documents. These parts it may change
without notice; ``tests/training/test_internals.py`` fails when it does.

``Checkpointer._new_checkpoint_dirpath`` and ``_custom_checkpoint_dirpath``
    name the folder of a checkpoint before it is written. The meta file comes
    first, so that a run killed in between leaves a folder that the next start
    picks as the newest and cannot load. Overridden to write under another name.
``Brain._fit_valid``
    validates after every epoch, and only where there is a validation set.
    Overridden for ``is_validated``, and to end every epoch with a checkpoint.
``Brain._save_intra_epoch_ckpt``
    deletes checkpoints by a default list of keys that all calls share and that
    grows. Overridden to pass an empty one.
``Brain.debug_batches``, read by ``_fit_train``, ``_fit_valid`` and ``evaluate``
    makes ``--debug`` leave an epoch after so many batches, all of them of its
    first phase. Unset; the loaders cut each phase instead.
``Brain.evaluation_ctx``
    is the autocast of validation, needed where the current set is made.
"""

import logging
import shutil
from pathlib import Path

import speechbrain as sb
from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.utils.checkpoints import Checkpoint, Checkpointer
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    main_process_only,
)
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

UNFINISHED = "unfinished-"


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's ``Checkpointer``, whose checkpoints are whole or absent.

    Arguments and use are those of ``speechbrain.utils.checkpoints.Checkpointer``.
    """

    def _new_checkpoint_dirpath(self):
        path = super()._new_checkpoint_dirpath()
        return path.with_name(UNFINISHED + path.name)

    def _custom_checkpoint_dirpath(self, name):
        path = super()._custom_checkpoint_dirpath(name)
        return path.with_name(UNFINISHED + path.name)

    def save_checkpoint(
        self, meta=None, end_of_epoch=True, name=None, verbosity=logging.INFO
    ):
        """Save as the parent does; the folder gets its name when complete."""
        self._remove_unfinished()
        ddp_barrier()
        saved = super().save_checkpoint(
            meta or {}, end_of_epoch, name, verbosity=logging.DEBUG
        )
        ddp_barrier()  # every process may have written its part
        if if_main_process():
            final = saved.path.with_name(saved.path.name[len(UNFINISHED) :])
            saved.path.rename(final)
            files = {
                name: final / Path(file).name
                for name, file in saved.paramfiles.items()
            }
            saved = Checkpoint(final, saved.meta, files)
            logger.log(verbosity, "Saved a checkpoint in %s", final)
        ddp_barrier()
        return saved

    @main_process_only
    def _remove_unfinished(self):
        for leftover in self.checkpoints_dir.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover)


class EpochEndBrain(sb.Brain):
    """``sb.Brain`` that decides which epochs are validated, and ends each.

    Arguments are those of ``speechbrain.Brain``; ``debug_limit`` is the number of
    batches to which ``--debug`` cuts each phase, validation and test, or None.
    """

    def __init__(self, modules, hparams, run_opts=None, checkpointer=None):
        super().__init__(
            modules=modules,
            hparams=hparams,
            run_opts=run_opts,
            checkpointer=checkpointer,
        )
        self.debug_limit = self.debug_batches if self.debug else None
        self.debug_batches = None

    def is_validated(self, epoch):
        """Tell whether an epoch ends with a validation."""
        raise NotImplementedError

    def end_epoch(self, epoch, scores):
        """Save an epoch; without a validation, ``scores`` is empty."""
        raise NotImplementedError

    def _fit_valid(self, valid_set, epoch, enable):
        if valid_set is not None and self.is_validated(epoch):
            super()._fit_valid(valid_set, epoch, enable)
        else:
            self.end_epoch(epoch, {})

    def _save_intra_epoch_ckpt(self):
        self.checkpointer.save_and_keep_only(
            end_of_epoch=False,
            num_to_keep=1,
            importance_keys=[],
            ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG in c.meta,
            meta={INTRA_EPOCH_CKPT_FLAG: True},
        )

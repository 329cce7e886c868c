"""Where okd reaches into SpeechBrain, and why.

All else of okd uses hooks that SpeechBrain documents. These parts it may change
without notice; ``tests/training/test_internals.py`` fails when it does.

``Checkpointer._new_checkpoint_dirpath`` and ``_custom_checkpoint_dirpath``
    name the folder of a checkpoint before it is written. The meta file comes
    first, so that a run killed in between leaves a folder that the next start
    picks as the newest and cannot load. Overridden to write under another name.
``Checkpointer._list_checkpoint_dirs`` and ``_construct_checkpoint_objects``
    read all meta files at once, so that one that is damaged hides the others.
    Called for one folder at a time.
``Brain._fit_valid``
    validates after every epoch, and only where there is a validation set.
    Overridden for ``is_validated``, and to end every epoch with a checkpoint.
``Brain._should_save_intra_epoch_ckpt`` and ``_save_intra_epoch_ckpt``
    decide after each step, by the wall clock of the main process, whether to
    save; and delete checkpoints by a default list of keys that all calls share
    and that grows. Overridden for a clock that nobody sets, to save when any
    process was told to end, and then end; and to pass an empty list.
``Brain.debug_batches``, read by ``_fit_train``, ``_fit_valid`` and ``evaluate``
    makes ``--debug`` leave an epoch after that many batches, all of them of its
    first phase. Unset; the loaders cut each phase instead.
``Brain.evaluation_ctx``
    is the autocast of validation, needed where the current set is made.
"""

import logging
import shutil
import time
from pathlib import Path

import speechbrain as sb
import torch
import yaml
from speechbrain.core import INTRA_EPOCH_CKPT_FLAG
from speechbrain.utils.checkpoints import (
    METAFNAME,
    Checkpoint,
    Checkpointer,
    ckpt_recency,
)
from speechbrain.utils.distributed import (
    ddp_barrier,
    ddp_broadcast,
    if_main_process,
    main_process_only,
)
from speechbrain.utils.logger import get_logger

from okd_brain.distributed import any_process, world_size
from okd_brain.files import CHECKSUMS, damage, flush, seal, writing
from okd_brain.messages import UserError
from okd_brain.survival import (
    ToldToEnd,
    deferring,
    end_if_told,
    told_to_end,
)
from okd_brain.training.checkpoints import (
    SEALED,
    WITHIN,
    bytes_of,
    later_than,
    place_of,
    what_is_lost,
)
from okd_brain.training.phases import own_words

logger = get_logger(__name__)

UNFINISHED = "unfinished-"
DAMAGED = "damaged-"
GO_ON = "Make room, and the same command goes on from the newest checkpoint."


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's ``Checkpointer``, whose checkpoints are whole or absent.

    Checkpoints are on disk, with their checksums, before older ones go; which is
    the newest does not depend on the clock; damaged ones are named and left out.

    Arguments
    ---------
    checkpoints_dir : str or Path
        Receives them; made.
    recoverables : dict, optional
        Name -> what is saved.
    **hooks : object
        Of ``speechbrain.utils.checkpoints.Checkpointer``.

    Attributes
    ----------
    before_saving : list of callable
        Called in every process before a checkpoint is written: what it names
        has to be on disk.
    checks : dict
        Name of a recoverable -> function of its file in a checkpoint, which
        says what is wrong with what that names, or None.
    """

    def __init__(self, checkpoints_dir, recoverables=None, **hooks):
        super().__init__(checkpoints_dir, recoverables, **hooks)
        self.before_saving = []
        self.checks = {}
        self._named = set()  # damaged ones that are in the log

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
        for prepare in self.before_saving:
            prepare()
        ddp_barrier()
        there = self.list_checkpoints()
        meta = {
            **(meta or {}),
            "unixtime": later_than(there),
            SEALED: CHECKSUMS,
        }
        with writing(
            self.checkpoints_dir / "CKPT+",
            needed=bytes_of(self.recoverables.values()),
            kept=GO_ON if there else "",
        ):
            try:
                saved = super().save_checkpoint(
                    meta, end_of_epoch, name, verbosity=logging.DEBUG
                )
                ddp_barrier()  # every process may have written its part
                if if_main_process():
                    seal(saved.path)
                    saved = self._complete(saved)
                    logger.log(
                        verbosity, "Saved a checkpoint in %s", saved.path
                    )
            finally:
                self._remove_unfinished()
        ddp_barrier()
        return saved

    @staticmethod
    def _complete(saved):
        """Give a checkpoint that is written and sealed its name."""
        final = saved.path.with_name(saved.path.name[len(UNFINISHED) :])
        saved.path.rename(final)
        flush(final.parent)
        files = {
            name: final / Path(file).name
            for name, file in saved.paramfiles.items()
        }
        return Checkpoint(final, saved.meta, files)

    @main_process_only  # called by all, as it ends with a broadcast
    def _remove_unfinished(self):
        self._sweep()

    def _sweep(self):
        leftovers = list(self.checkpoints_dir.glob(f"{UNFINISHED}*"))
        # What a kill while deleting left, before deleting began with a rename.
        leftovers += [
            folder
            for folder in self.checkpoints_dir.glob("CKPT+*")
            if not (
                (folder / METAFNAME).exists() or (folder / CHECKSUMS).exists()
            )
        ]
        for leftover in leftovers:
            shutil.rmtree(leftover)

    def delete_checkpoints(
        self,
        *,
        num_to_keep=1,
        min_keys=None,
        max_keys=None,
        importance_keys=(ckpt_recency,),
        ckpt_predicate=None,
        verbosity=logging.INFO,
    ):
        """Delete as the parent does; a folder loses its name before its files.

        What kills and power cuts have left of other checkpoints goes, too.
        """
        orders = [{"min_key": key} for key in min_keys or ()]
        orders += [{"max_key": key} for key in max_keys or ()]
        orders += [{"importance_key": key} for key in importance_keys]
        surplus, kept = {}, set()
        for order in orders:
            ranked = self.find_checkpoints(
                ckpt_predicate=ckpt_predicate, **order
            )
            surplus |= {checkpoint.path: checkpoint for checkpoint in ranked}
            kept |= {checkpoint.path for checkpoint in ranked[:num_to_keep]}
        ddp_barrier()  # all have looked
        if if_main_process():
            with writing(self.checkpoints_dir, kept=GO_ON):
                for path in surplus.keys() - kept:
                    path.rename(path.with_name(UNFINISHED + path.name))
                    logger.log(verbosity, "Deleted checkpoint in %s", path)
                # Else a power cut could bring back a name without its files.
                flush(self.checkpoints_dir)
                self._sweep()
                flush(self.checkpoints_dir)
        ddp_barrier()

    def list_checkpoints(self):
        """Return the checkpoints that can be read; others are in the log."""
        readable, damaged = self._read()
        for path, reason in damaged.items():
            self._name(path, reason)
        return readable

    def _name(self, path, reason):
        if path not in self._named:
            logger.warning("%s is damaged and left out: %s.", path, reason)
            self._named.add(path)

    def _read(self):
        """Return the checkpoints, and folder -> what is wrong with it."""
        readable, damaged = [], {}
        for folder in sorted(self.checkpoints_dir.glob("CKPT+*")):
            if not (folder / METAFNAME).exists():
                if (folder / CHECKSUMS).exists():
                    damaged[folder] = f"{METAFNAME} is missing"
                continue
            try:
                (checkpoint,) = self._construct_checkpoint_objects([folder])
                reason = damage(folder, METAFNAME)
                if not {"unixtime", "end-of-epoch"} <= checkpoint.meta.keys():
                    raise ValueError("it has no time")
            except FileNotFoundError:  # deleted meanwhile
                continue
            except (yaml.YAMLError, OSError, ValueError, AttributeError):
                damaged[folder] = f"{METAFNAME} is not as it was written"
            else:
                if reason is None:
                    readable.append(checkpoint)
                else:
                    damaged[folder] = reason
        return readable, damaged

    def find_checkpoint(self, *args, **kwargs):
        """Return the first checkpoint of an order that is whole.

        Arguments
        ---------
        *args : object
            Of the parent's method, which says what the order is.
        **kwargs : object
            Likewise.

        Returns
        -------
        Checkpoint or None
        """
        for checkpoint in self.find_checkpoints(*args, **kwargs):
            reason = self._damage(checkpoint)
            if reason is None:
                return checkpoint
            self._name(checkpoint.path, reason)
        return None

    @staticmethod
    def _damage(checkpoint):
        reason = damage(checkpoint.path)
        if reason is None and SEALED in checkpoint.meta:
            if not (checkpoint.path / CHECKSUMS).exists():
                return f"{CHECKSUMS} is missing"
        return reason

    def recover_if_possible(self, *args, **kwargs):
        """Go on from the newest checkpoint that is whole, with what it names.

        Damaged ones that are newer are named and moved aside, as a new one has
        to be the newest.

        Arguments
        ---------
        *args : object
            As the parent's, another order than that of time.
        **kwargs : object
            Likewise.

        Returns
        -------
        Checkpoint or None
            None if there is none.

        Raises
        ------
        UserError
            If none is whole, each with its damage.
        """
        chosen = None
        if if_main_process():
            chosen = self._newest_whole(*args, **kwargs)
        chosen = ddp_broadcast(chosen)
        if chosen is not None:
            self.load_checkpoint(chosen)
        return chosen

    def _newest_whole(self, *args, **kwargs):
        _, damaged = self._read()
        newer, chosen = [], None
        for checkpoint in self.find_checkpoints(*args, **kwargs):
            reason = self._damage(checkpoint)
            for name, check in self.checks.items():
                if reason is None and name in checkpoint.paramfiles:
                    reason = check(checkpoint.paramfiles[name])
            if reason is None:
                chosen = checkpoint
                break
            damaged[checkpoint.path] = reason
            newer.append(checkpoint)
        if not damaged:
            return chosen
        named = "; ".join(f"{path}: {why}" for path, why in damaged.items())
        if chosen is None:
            raise UserError(
                f"No checkpoint in {self.checkpoints_dir} is whole. {named}. "
                "Restore them from a copy; or train in a new output_folder, or "
                "in this one after moving these folders away."
            )
        for path in damaged:
            path.rename(path.with_name(DAMAGED + path.name))
        logger.warning(
            "DAMAGED: %s. The run goes on from %s (%s): %s. What is damaged is "
            "kept as %s*; delete it when you like.",
            *(named, chosen.path.name, place_of(chosen)),
            *(what_is_lost(newer, chosen), self.checkpoints_dir / DAMAGED),
        )
        return chosen


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

    def tidy(self):
        """Delete what the newest checkpoint has made superfluous."""
        raise NotImplementedError

    def fit(self, *args, **kwargs):
        """Train as the parent does; what tells it to end waits for a step.

        There are no bars of SpeechBrain's: `training.progress` has one. Where no
        epoch is left, what a killed one has not deleted goes all the same.

        Arguments
        ---------
        *args : object
            Of ``speechbrain.Brain.fit``.
        **kwargs : object
            Likewise.
        """
        with deferring(), own_words():
            super().fit(*args, **{**kwargs, "progressbar": False})
            self.tidy()

    def evaluate(self, *args, **kwargs):
        """Evaluate as the parent does.

        Arguments
        ---------
        *args : object
            Of ``speechbrain.Brain.evaluate``.
        **kwargs : object
            Likewise.

        Returns
        -------
        float
            Mean loss.
        """
        with own_words():
            return super().evaluate(*args, **kwargs)

    def evaluate_batch(self, batch, stage):
        """Evaluate a batch as the parent does, unless told to end."""
        if world_size() == 1:  # others would wait for its scores
            end_if_told()
        return super().evaluate_batch(batch, stage)

    def _fit_valid(self, valid_set, epoch, enable):
        if valid_set is not None and self.is_validated(epoch):
            super()._fit_valid(valid_set, epoch, enable)
        else:
            self.end_epoch(epoch, {})
        self._end_if_any_is_told()

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt):
        if steps_since_ckpt == 1:
            elapsed = max(0.0, time.time() - last_ckpt_time)
            self._last_save = time.monotonic() - elapsed
        minutes = (time.monotonic() - self._last_save) / 60
        is_due = (
            0 < self.ckpt_interval_minutes < minutes
            or 0 < self.ckpt_interval_steps <= steps_since_ckpt
        )
        # The main process decides about the time; any, whether it was told.
        decision = is_due and if_main_process() or bool(told_to_end())
        return any_process(decision, device=self.device)

    def _save_intra_epoch_ckpt(self):
        self.checkpointer.save_and_keep_only(
            end_of_epoch=False,
            num_to_keep=1,
            importance_keys=[],
            ckpt_predicate=lambda c: INTRA_EPOCH_CKPT_FLAG in c.meta,
            meta={
                INTRA_EPOCH_CKPT_FLAG: True,
                WITHIN: self.hparams.epoch_counter.current,
            },
        )
        self._end_if_any_is_told()

    def _end_if_any_is_told(self):
        """End all processes if one of them was told to."""
        order = told_to_end()
        if any_process(bool(order), device=self.device):
            raise ToldToEnd(order or "Another process ends", together=True)


def refuse_unsupported_options(brain):
    """Reject run options that would be ignored or do harm.

    Arguments
    ---------
    brain : speechbrain.Brain or RunOptions
        Its attributes hold the options.

    Raises
    ------
    UserError
        Naming the option, its value, why, and what to use instead.
    """
    factor = brain.grad_accumulation_factor
    rules = {
        f"grad_accumulation_factor is {factor}, but only 1 works: the "
        "discriminator makes three steps per batch, and accumulation would "
        "drop some and mix others. Raise batch_size instead.": factor != 1,
        f"max_grad_norm is {brain.max_grad_norm}, but it must be positive: "
        "PyTorch's clipping reverses the gradients for a negative limit and "
        "zeroes them for 0. A large number turns clipping off.": not (
            brain.max_grad_norm > 0
        ),
        "remove_vector_weight_decay is not supported: SpeechBrain clips the "
        "first parameter group of an optimizer only. Leave it out.": (
            brain.remove_vector_weight_decay
        ),
        "optimizer_step_limit is not supported: it would cut an epoch short and "
        "save it as a whole one. Use number_of_epochs.": (
            brain.optimizer_step_limit is not None
        ),
        "data_parallel_backend is not supported (nor by PyTorch any longer). "
        "Start several processes with torchrun.": brain.data_parallel_backend,
        "jit is not supported: TorchScript cannot compile packed sequences "
        "of SpeechBrain's LSTM. Use compile.": (
            brain.jit or brain.jit_module_keys
        ),
        f"precision is {brain.precision}, but on this processor PyTorch's LSTM "
        "runs in fp32 alone (bf16 takes AVX-512). Use --precision fp32.": (
            str(brain.device).startswith("cpu")
            and not _runs_on_this_processor(brain.precision)
        ),
    }
    for reason, broken in rules.items():
        if broken:
            raise UserError(reason)


def _runs_on_this_processor(precision):
    """Tell whether an LSTM runs on this CPU in a precision."""
    supported = {
        "bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "fp16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
    }
    return precision not in supported or supported[precision]()

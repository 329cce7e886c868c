"""Replay: enhanced speech of past epochs with its true scores.

The waves are float WAV files in one folder. What is known about them are plain
records, saved as JSON lines in each checkpoint, so that a resumed run sees
exactly the replay at the moment of the checkpoint, whatever was written since.
"""

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

from okd_brain.files import flush, replacing, short_name, writing
from okd_brain.messages import UserError
from okd_brain.training.phases import Excerpt

FORMAT = 1  # of the saved records


@dataclass(frozen=True)
class Record:
    """An enhanced excerpt and its scores.

    Attributes
    ----------
    excerpt : Excerpt
        What was enhanced.
    epoch : int
        When.
    generator : str
        Target's name of the generator that enhanced it.
    file : str
        The wave, relative to the replay folder.
    scores : dict
        Raw metric values of the enhanced excerpt.
    unprocessed_scores : dict
        Raw metric values of the unprocessed excerpt.
    """

    excerpt: Excerpt
    epoch: int
    generator: str
    file: str
    scores: dict
    unprocessed_scores: dict


@register_checkpoint_hooks
class Replay:
    """The current set, the past sets, and the files behind them.

    Arguments
    ---------
    folder : str or Path
        Where the waves lie; made when first needed.
    sample_rate : int
        In Hz.
    limit : int, optional
        How many past records are kept, the newest ones; None keeps all, as the
        authors do. With all kept, replay is 9 of 10 discriminator steps of a
        750-epoch run.

    Raises
    ------
    UserError
        If the limit is not positive.

    Example
    -------
    >>> import random
    >>> tmpdir = getfixture("tmpdir")
    >>> replay = Replay(tmpdir, limit=2)
    >>> excerpt = Excerpt("p226_001", start=0, length=160)
    >>> for epoch in (1, 2, 3):
    ...    file = replay.write(excerpt, epoch, torch.zeros(160))
    ...    replay.current = [Record(excerpt, epoch, "pesq", file, {}, {})]
    ...    replay.add_current()
    >>> [record.epoch for record in replay.past]
    [2, 3]
    >>> [record.epoch for record in replay.sample(0.5, random.Random(1))]
    [2]
    """

    def __init__(self, folder, sample_rate=16000, limit=None):
        if limit is not None and limit < 1:
            raise UserError(
                f"max_history is {limit}, but it must be at least 1, or null "
                "to keep everything (history_portion: 0 turns replay off)."
            )
        self.folder = Path(folder)
        self.sample_rate = sample_rate
        self.limit = limit
        self.current = []
        self.past = []
        self._unflushed = []

    def write(self, excerpt, epoch, wave):
        """Write an enhanced excerpt and return its file name.

        Arguments
        ---------
        excerpt : Excerpt
            What was enhanced.
        epoch : int
            When.
        wave : torch.Tensor or numpy.ndarray
            [samples], float.

        Returns
        -------
        str
            Relative to the folder.
        """
        file = Path(f"{epoch:05d}") / f"{short_name(excerpt.utterance)}.wav"
        path = self.folder / file
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        # FLOAT: PCM would clip and quantise what D must see as it was scored.
        wave = np.asarray(wave, dtype=np.float32)
        with replacing(path, durable=False) as partial:
            soundfile.write(
                os.fsencode(partial), wave, self.sample_rate, subtype="FLOAT"
            )
        self._unflushed.append(path)
        return file.as_posix()

    def flush(self):
        """Wait until all waves that this process wrote are on disk."""
        folders = {path.parent for path in self._unflushed}
        for path in [*self._unflushed, *folders, self.folder]:
            if path.exists():  # pruned, or no wave yet
                with writing(path):
                    flush(path)
        self._unflushed = []

    def read(self, record):
        """Return the wave of a record.

        Arguments
        ---------
        record : Record
            Of this replay.

        Returns
        -------
        torch.Tensor
            [samples], float32.

        Raises
        ------
        UserError
            If it has not as many samples as it had.
        """
        path = self.folder / record.file
        wave, _ = soundfile.read(os.fsencode(path), dtype="float32")
        if len(wave) != record.excerpt.length:
            raise UserError(
                f"{path} has {len(wave)} samples, but was written with "
                f"{record.excerpt.length}: it is damaged."
            )
        return torch.from_numpy(wave)

    def add_current(self):
        """Make the current set part of the past, whose oldest records fall out."""
        self.past = self.past + self.current
        self.current = []
        if self.limit is not None:
            self.past = self.past[-self.limit :]

    def sample(self, portion, rng):
        """Draw a share of the past without replacement.

        Arguments
        ---------
        portion : float
            In [0, 1].
        rng : random.Random
            Decides which.

        Returns
        -------
        list of Record
        """
        return rng.sample(self.past, int(portion * len(self.past)))

    def damage(self, path):
        """Say what is wrong with the waves that a saved replay names.

        Arguments
        ---------
        path : str or Path
            File of a replay in a checkpoint.

        Returns
        -------
        str or None
            The first file that is missing or cut off, and how many are; None
            if all are there.
        """
        past, current = _read_records(path)
        wrong = []
        for record in past + current:
            try:
                size = os.stat(self.folder / record.file).st_size
            except FileNotFoundError:
                wrong.append(f"{record.file} is missing")
            else:
                if size < 4 * record.excerpt.length:
                    wrong.append(f"{record.file} is cut off")
        if not wrong:
            return None
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return f"of the replay in {self.folder}, {wrong[0]}{more}"

    def prune(self, saved):
        """Delete the waves that neither this replay nor a checkpoint names.

        Arguments
        ---------
        saved : list of str or Path
            Files of replays, one per checkpoint.
        """
        keep = {record.file for record in self.past + self.current}
        for path in saved:
            past, current = _read_records(path)
            keep.update(record.file for record in past + current)
        changed = set()
        with writing(self.folder):
            for path in self.folder.glob("*/*.wav"):
                if path.relative_to(self.folder).as_posix() not in keep:
                    path.unlink()
                    changed |= {path.parent, self.folder}
                    with contextlib.suppress(OSError):  # another wave is there
                        path.parent.rmdir()
            for folder in filter(Path.exists, changed):
                flush(folder)

    @mark_as_saver
    def _save(self, path):
        rows = [{"format": FORMAT, "past": len(self.past)}]
        rows += [_as_row(record) for record in self.past + self.current]
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        self.past, self.current = _read_records(path)


def _read_records(path):
    """Return (past, current) of a saved replay."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        header, *rows = map(json.loads, text.splitlines())
        form, past = header["format"], header["past"]
        if form == FORMAT:
            records = [_as_record(row) for row in rows]
            if not (type(past) is int and 0 <= past <= len(records)):
                raise ValueError(f"{past!r} of {len(records)} are past")
    except (
        *(ValueError, TypeError, AttributeError, LookupError),
        RecursionError,
    ) as error:
        raise UserError(
            f"{path} is damaged: it does not hold the records of a replay "
            f"({error!r})."
        ) from error
    if form != FORMAT:
        raise UserError(
            f"{path} holds a replay of format {form}, but this version reads "
            f"format {FORMAT}: resume with the version of okd that started the "
            "run."
        )
    return records[:past], records[past:]


def _as_row(record):
    row = dataclasses.asdict(record)
    row["noisy_scores"] = row.pop("unprocessed_scores")  # as it was named first
    return row


def _as_record(row):
    row["unprocessed_scores"] = row.pop("noisy_scores")
    row["excerpt"] = Excerpt(**row["excerpt"])
    record = Record(**row)
    excerpt, file = record.excerpt, Path(record.file)
    scores = [*record.scores.values(), *record.unprocessed_scores.values()]
    if not (
        isinstance(excerpt.utterance, str)
        and type(excerpt.start) is type(excerpt.length) is int
        and min(excerpt.start, excerpt.length - 1) >= 0
        and all(type(score) in (int, float) for score in scores)
        and not (file.is_absolute() or ".." in file.parts)
    ):
        raise ValueError(f"{row!r} is not a record")
    return record

"""Replay: enhanced speech of past epochs with its true scores.

The waves are float WAV files in one folder. What is known about them are plain
records, saved as JSON lines in each checkpoint, so that a resumed run sees
exactly the replay at the moment of the checkpoint, whatever was written since.
"""

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

from okd_brain.files import short_name
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
        path.parent.mkdir(parents=True, exist_ok=True)
        # FLOAT: PCM would clip and quantise what D must see as it was scored.
        wave = np.asarray(wave, dtype=np.float32)
        soundfile.write(
            os.fsencode(path), wave, self.sample_rate, subtype="FLOAT"
        )
        return file.as_posix()

    def read(self, record):
        """Return the wave of a record, float32 tensor [samples]."""
        path = os.fsencode(self.folder / record.file)
        wave, _ = soundfile.read(path, dtype="float32")
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

    def missing(self):
        """Return the files that records name but the folder does not hold."""
        files = [record.file for record in self.past + self.current]
        return [file for file in files if not (self.folder / file).is_file()]

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
        for path in self.folder.glob("*/*.wav"):
            if path.relative_to(self.folder).as_posix() not in keep:
                path.unlink()

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
    header, *rows = map(json.loads, Path(path).read_text().splitlines())
    if header["format"] != FORMAT:
        raise UserError(
            f"{path} holds a replay of format {header['format']}, but this "
            f"version reads format {FORMAT}: resume with the version of okd "
            "that started the run."
        )
    records = [_as_record(row) for row in rows]
    return records[: header["past"]], records[header["past"] :]


def _as_row(record):
    row = dataclasses.asdict(record)
    row["noisy_scores"] = row.pop("unprocessed_scores")  # as it was named first
    return row


def _as_record(row):
    row["unprocessed_scores"] = row.pop("noisy_scores")
    row["excerpt"] = Excerpt(**row["excerpt"])
    return Record(**row)

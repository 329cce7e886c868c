"""The replay: what is kept, drawn, saved and deleted."""

import errno
import json
import os
import random
from pathlib import Path

import pytest
import soundfile
import torch

from okd_brain.files import WriteError
from okd_brain.messages import UserError
from okd_brain.training import replay as module
from okd_brain.training.phases import Excerpt, draw_excerpts
from okd_brain.training.replay import Record, Replay


def record(replay, epoch, utterance="u1", wave=None):
    wave = torch.full((100,), float(epoch)) if wave is None else wave
    excerpt = Excerpt(utterance, 0, len(wave))
    return Record(
        excerpt,
        epoch,
        "pesq",
        replay.write(excerpt, epoch, wave),
        {"pesq": 2.0 + epoch},
        {"pesq": 1.5},
    )


def filled(folder, epochs, limit=None):
    replay = Replay(folder, limit=limit)
    for epoch in range(1, epochs + 1):
        replay.current = [record(replay, epoch)]
        replay.add_current()
    return replay


def test_a_wave_comes_back_as_it_was(tmp_path):
    """Float, with samples beyond full scale: as it was scored."""
    wave = 3 * torch.randn(1000)
    replay = Replay(tmp_path)
    assert torch.equal(replay.read(record(replay, 1, wave=wave)), wave)


def test_saved_records_come_back(tmp_path):
    replay = filled(tmp_path, 3)
    replay.current = [record(replay, 4)]
    replay._save(tmp_path / "saved")
    other = Replay(tmp_path)
    other._load(tmp_path / "saved", True)
    assert (other.past, other.current) == (replay.past, replay.current)
    rows = (tmp_path / "saved").read_text().splitlines()
    row = json.loads(rows[1])  # JSON, no pickle
    assert row["scores"] == {"pesq": 3.0}
    assert row["noisy_scores"] == {"pesq": 1.5}  # its name since the first run


def test_an_unknown_format_is_refused(tmp_path):
    (tmp_path / "saved").write_text('{"format": 99, "past": 0}\n')
    with pytest.raises(ValueError, match="format 99"):
        Replay(tmp_path)._load(tmp_path / "saved", True)


def test_sample_is_a_share_without_repeats(tmp_path):
    replay = filled(tmp_path, 10)
    drawn = replay.sample(0.55, random.Random(0))
    assert len(drawn) == len({r.epoch for r in drawn}) == 5
    assert drawn == replay.sample(0.55, random.Random(0))
    assert replay.sample(0.0, random.Random(0)) == []


def test_prune_keeps_what_a_checkpoint_names(tmp_path, flushed):
    replay = filled(tmp_path / "waves", 3, limit=1)
    older = filled(tmp_path / "waves", 2)
    older._save(tmp_path / "older")
    record(replay, 9)  # written by a run that was killed
    replay.prune([tmp_path / "older"])
    there = sorted(p.parent.name for p in replay.folder.glob("*/*.wav"))
    assert there == ["00001", "00002", "00003"]
    replay.prune([])
    there = sorted(p.parent.name for p in replay.folder.glob("*/*.wav"))
    assert there == ["00003"]
    assert replay.folder in flushed  # a power cut brings nothing back


@pytest.mark.parametrize(
    "old, new",
    [
        ('"past": 2', '"past": 4'),
        ('"past": 2', '"past": true'),
        ('"past": 2', '"past": null'),
        ('{"format": 1, "past": 2}', "[]"),
        ('{"format": 1, "past": 2}', "[" * 10**5),
        ('{"format": 1, "past": 2}\n', ""),
        ('"start": 0', '"start": -1'),
        ('"start": 0', '"start": 0.5'),
        ('"file": "', '"file": "../'),
        ('"file": "', '"file": "/'),
        ('"file": "00001/', '"file": 3, "x": "'),
        ('"utterance": "', '"utterance": 3, "x": "'),
        ('"scores": {', '"scores": {"pesq": "high"}, "old": {'),
        ("}\n", ""),
    ],
)
def test_records_that_are_none_are_named(tmp_path, old, new):
    filled(tmp_path / "waves", 2)._save(tmp_path / "saved")
    text = (tmp_path / "saved").read_text()
    assert old in text
    (tmp_path / "saved").write_text(text.replace(old, new))
    with pytest.raises(UserError, match="saved is damaged"):
        Replay(tmp_path)._load(tmp_path / "saved", end_of_epoch=True)


def test_limit_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="max_history is 0"):
        Replay(tmp_path, limit=0)


def test_excerpts_stay_within_their_utterance():
    lengths = {f"u{n}": 50 + n for n in range(40)}
    excerpts = draw_excerpts(lengths, random.Random(1), 30, 60)
    assert len({e.utterance for e in excerpts}) == 30
    for excerpt in excerpts:
        whole = lengths[excerpt.utterance]
        assert excerpt.length == min(60, whole)
        assert 0 <= excerpt.start <= whole - excerpt.length
    assert len({e.start for e in excerpts}) > 5
    assert len(draw_excerpts(lengths, random.Random(1), 99)) == 40


def test_an_id_that_is_too_long_for_a_file_name(tmp_path):
    """Corpora join folders to ids; others' manifests may have any."""
    replay = Replay(tmp_path)
    wave = torch.randn(100)
    first = record(replay, 1, "u" * 300, wave)
    other = record(replay, 1, "u" * 299 + "v", -wave)
    assert torch.equal(replay.read(first), wave)
    assert torch.equal(replay.read(other), -wave)


def test_a_checkpoint_whose_waves_are_damaged_is_known(tmp_path):
    replay = filled(tmp_path / "waves", 3)
    replay._save(tmp_path / "saved")
    assert replay.damage(tmp_path / "saved") is None
    first, second, third = (replay.folder / r.file for r in replay.past)
    second.write_bytes(second.read_bytes()[: second.stat().st_size // 2])
    reason = replay.damage(tmp_path / "saved")
    assert reason.endswith("00002/u1.wav is cut off")
    first.unlink()
    reason = replay.damage(tmp_path / "saved")
    assert reason.endswith("00001/u1.wav is missing, and 1 more")


def test_a_wave_that_was_cut_off_is_not_read(tmp_path):
    """By less than a stat can tell, as the header has a length, too."""
    replay = filled(tmp_path, 1)
    path = replay.folder / replay.past[0].file
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="00001/u1.wav has 90 samples.*100"):
        replay.read(replay.past[0])


def test_a_wave_is_whole_or_absent_and_on_disk_when_asked(
    tmp_path, monkeypatch
):
    flushed = []
    monkeypatch.setattr(module, "flush", lambda path: flushed.append(path))
    replay = filled(tmp_path, 2)
    assert flushed == []  # all at once, before a checkpoint names them
    replay.flush()
    waves = [tmp_path / record.file for record in replay.past]
    assert set(flushed) == {*waves, *(w.parent for w in waves), tmp_path}
    replay.flush()
    assert flushed.count(waves[0]) == 1

    def fail(path, *arguments, **options):
        Path(os.fsdecode(path)).write_bytes(b"half")
        raise soundfile.LibsndfileError(2, "Error writing: ")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(WriteError, match="00009/u1.wav: cannot be written"):
        record(replay, 9)
    assert list((tmp_path / "00009").iterdir()) == []


def test_a_disk_that_fails_to_flush_is_named(tmp_path, monkeypatch):
    """The error of a descriptor has no path."""
    replay = filled(tmp_path, 2, limit=1)

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="u1.wav: cannot be written: No space"):
        replay.flush()
    with pytest.raises(WriteError, match=f"{tmp_path}: cannot be written: No"):
        replay.prune([])
    with pytest.raises(OSError, match=str(tmp_path)):
        module.flush(tmp_path)
    monkeypatch.setattr(os, "mkdir", lambda *_: fail(0))
    with pytest.raises(WriteError, match="new/00009: cannot be written: No"):
        record(Replay(tmp_path / "new"), 9)

"""The replay: what is kept, drawn, saved and deleted."""

import json
import random

import pytest
import torch

from okd_brain.training.phases import Excerpt, draw_excerpts
from okd_brain.training.replay import Record, Replay


def record(replay, epoch, utterance="u1", wave=None):
    excerpt = Excerpt(utterance, 0, 100)
    wave = torch.full((100,), float(epoch)) if wave is None else wave
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


def test_prune_keeps_what_a_checkpoint_names(tmp_path):
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
    assert replay.missing() == []


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

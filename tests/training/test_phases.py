"""The phased loader: order, shares, and going on where it stopped."""

import json
import random
from collections import Counter

import pytest
import torch

from okd_brain.training.phases import (
    Excerpt,
    ExcerptReader,
    Phase,
    PhasedLoader,
    Remixed,
    exchange_noises,
    share,
)


def load(item):
    return {"item": item}


def make_loader(log=None, **kwargs):
    def items(phase, epoch):
        if log is not None:
            log.append((epoch, phase.name))
        return [f"{phase.name}{number}" for number in range(5)]

    phases = [Phase("a", 5, 2), Phase("b", 5, 1)]
    return PhasedLoader(lambda epoch: phases, items, load, **kwargs)


def visit(loader, stop=None):
    seen = []
    for name, batch in loader:
        seen.append((name, *batch.item))
        if len(seen) == stop:
            break
    return seen


WHOLE = [("a", "a0", "a1"), ("a", "a2", "a3"), ("a", "a4")] + [
    ("b", f"b{number}") for number in range(5)
]


def test_phases_come_whole_and_in_order():
    log = []
    loader = make_loader(log)
    assert visit(loader) == WHOLE
    assert len(loader) == len(WHOLE)
    loader.set_epoch(2)
    assert visit(loader) == WHOLE
    # each phase asks for its items when it begins, not before
    assert log == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


@pytest.mark.parametrize(
    "stop, num_workers",
    # A worker process takes its time: once within a phase, once at its end.
    [*((stop, 0) for stop in range(1, 9)), (2, 1), (3, 1)],
)
def test_goes_on_after_the_last_batch_that_was_saved(
    tmp_path, stop, num_workers
):
    loader = make_loader(num_workers=num_workers)
    first = visit(loader, stop)
    loader._save(tmp_path / "loader")
    other = make_loader()
    other._recover(tmp_path / "loader", end_of_epoch=False)
    assert first + visit(other) == WHOLE
    assert visit(other) == WHOLE  # the epoch after


def test_an_end_of_epoch_checkpoint_starts_anew(tmp_path):
    loader = make_loader()
    visit(loader, 3)
    loader._save(tmp_path / "loader")
    loader._recover(tmp_path / "loader", end_of_epoch=True)
    assert visit(loader) == WHOLE


@pytest.mark.parametrize("before, after", [(2, 1), (1, 2), (2, 4), (3, 2)])
@pytest.mark.parametrize("steps", range(1, 6))
def test_other_processes_go_on_with_the_other_items(
    tmp_path, before, after, steps, caplog
):
    """Nothing is lost, and repeated only where processes share unequal parts."""

    def loaders(count):
        return [make_loader(rank=r, world_size=count) for r in range(count)]

    firsts = [
        (loader, visit(loader, min(steps, len(loader))))
        for loader in loaders(before)
    ]
    visited = [batch for _, part in firsts for batch in part]
    firsts[0][0]._save(tmp_path / "loader")
    for loader in loaders(after):
        loader._recover(tmp_path / "loader", end_of_epoch=False)
        visited += visit(loader)
    counts = Counter(item for _, *items in visited for item in items)
    assert set(counts) == {item for _, *batch in WHOLE for item in batch}
    for name in "ab":
        twice = sum(n - 1 for item, n in counts.items() if item[0] == name)
        assert twice < max(before, after), (name, counts)
    assert f"{after} processes go on where {before} stopped" in caplog.text


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("steps", range(1, 6))
def test_as_many_processes_go_on_exactly(tmp_path, world_size, steps, caplog):
    for rank in range(world_size):
        options = {"rank": rank, "world_size": world_size}
        whole = visit(make_loader(**options))
        first = make_loader(**options)
        before = visit(first, min(steps, len(first)))
        first._save(tmp_path / "loader")
        other = make_loader(**options)
        other._recover(tmp_path / "loader", end_of_epoch=False)
        assert before + visit(other) == whole
    assert "processes go on" not in caplog.text


def test_a_position_as_it_was_saved_first_is_read(tmp_path):
    """A phase, and the batches of each process in it."""
    for rank in (0, 1):
        whole = visit(make_loader(rank=rank, world_size=2))
        loader = make_loader(rank=rank, world_size=2)
        (tmp_path / "loader").write_text(json.dumps([1, 1]))
        loader._recover(tmp_path / "loader", end_of_epoch=False)
        assert visit(loader) == whole[3:]


def test_debug_cuts_every_phase():
    loader = make_loader(batches_per_phase=2)
    assert visit(loader) == WHOLE[:2] + WHOLE[3:5]
    assert len(loader) == 4


def test_processes_share_and_make_the_same_number_of_steps():
    parts = [visit(make_loader(rank=rank, world_size=2)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [5, 5]
    items = [item for part in parts for _, *batch in part for item in batch]
    assert set(items) == {item for _, *batch in WHOLE for item in batch}
    assert share([1, 2, 3, 4], 1, 2) == [2, 4]
    assert share([], 1, 2) == []
    assert [share([1], rank, 4) for rank in range(4)] == 4 * [[1]]


# Noise of other utterances ----------------------------------------------------


class Utterances(list):
    data_ids = ("loud", "soft")


def make_reader(is_mixed):
    """Return a reader of speech of different power, length and noise."""
    torch.manual_seed(1)
    utterances = Utterances()
    for level, ratio, length in ((1.0, 0.5, 90), (0.1, 2.0, 40)):
        clean = level * torch.randn(length)
        noise = level * ratio * torch.randn(length)
        signals = {"id": str(level), "clean_sig": clean}
        noises = {"noisy_sig": clean + noise} if is_mixed else {}
        utterances.append(signals | (noises or {"noise_sig": noise}))
    return ExcerptReader(utterances, heads=[], replay=None)


def test_an_exchange_gives_each_noise_once():
    excerpts = [Excerpt(name, 0, 9) for name in "abcdefgh"]
    remixed = exchange_noises(excerpts, random.Random(1))
    assert [item.speech for item in remixed] == excerpts
    assert Counter(item.noise for item in remixed) == Counter(excerpts)
    assert [item.noise for item in remixed] != excerpts


@pytest.mark.parametrize("is_mixed", [True, False])
def test_noise_comes_at_the_ratio_it_had(is_mixed):
    reader = make_reader(is_mixed)
    loud, soft = Excerpt("loud", 10, 80), Excerpt("soft", 5, 30)
    own, other = reader(loud), reader(soft)
    item = reader(Remixed(loud, soft))
    assert item.keys() == own.keys()
    assert torch.equal(item["clean_sig"], own["clean_sig"])
    if is_mixed:
        noise = item["noisy_sig"] - item["clean_sig"]
        of_other = other["noisy_sig"] - other["clean_sig"]
    else:
        noise, of_other = item["noise_sig"], other["noise_sig"]
    powers = [wave["clean_sig"].square().mean() for wave in reader.dataset]
    expected = (powers[0] / powers[1]).sqrt() * of_other.repeat(3)[:80]
    torch.testing.assert_close(noise, expected, atol=1e-6, rtol=1e-5)


def test_noise_of_its_own_changes_nothing():
    reader = make_reader(is_mixed=True)
    excerpt = Excerpt("loud", 10, 80)
    own, item = reader(excerpt), reader(Remixed(excerpt, excerpt))
    torch.testing.assert_close(item["noisy_sig"], own["noisy_sig"])

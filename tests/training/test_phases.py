"""The phased loader: order, shares, and going on where it stopped."""

import pytest

from okd_brain.training.phases import Phase, PhasedLoader, share


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

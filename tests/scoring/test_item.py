"""The references' halves in memory."""

import numpy as np
from scoring_signals import noisy, speech

from okd_brain.scoring import Scorer
from okd_brain.scoring.item import HalvesCache, digest


def use(cache, reference):
    """Makes a reference's composite half."""
    with cache.halves(digest(reference), reference) as halves:
        return halves.composite


def test_halves_are_found_again_by_content():
    cache = HalvesCache(1e8)
    first = use(cache, speech(0))
    assert use(cache, speech(0).copy()) is first
    assert use(cache, speech(1)) is not first
    assert use(cache, speech(0).astype(np.float32)) is not first


def test_the_budget_is_kept_and_the_latest_stay():
    one = use(HalvesCache(1e8), speech(0)).nbytes + speech(0).nbytes
    cache = HalvesCache(2.5 * one)
    made = [use(cache, speech(0) + n) for n in range(4)]
    assert 0 < cache.nbytes <= 2.5 * one
    assert use(cache, speech(0) + 3) is made[3]
    assert use(cache, speech(0) + 2) is made[2]
    assert use(cache, speech(0)) is not made[0]


def test_what_is_larger_than_the_budget_is_not_kept():
    cache = HalvesCache(1000)
    assert use(cache, speech(0)) is not use(cache, speech(0))
    assert cache.nbytes == 0


def test_nothing_is_kept_of_what_no_metric_has_made():
    cache = HalvesCache(1e8)
    for reference in (speech(0), None):
        with cache.halves(digest(reference), reference) as halves:
            assert halves.reference is reference
    assert cache.nbytes == 0


def test_a_kept_half_does_not_change_scores():
    pairs = [(speech(), noisy(snr_db=snr_db)) for snr_db in (0.0, 10.0, 20.0)]
    remembers = Scorer(["csig", "cbak"]).score(pairs)
    forgets = Scorer(["csig", "cbak"], memory_bytes=0).score(pairs)
    np.testing.assert_array_equal(remembers, forgets)

"""2,000 bad signals at once: no crash, no hang, and all accounted for."""

import numpy as np
import pytest
from scoring_signals import RATE, noisy, speech

from okd_brain.scoring import Scorer

METRICS_UNDER_STRESS = ["pesq", "csig", "cbak", "stoi", "estoi", "si_sdr"]
BAD_SIGNALS = 2000
GOOD_EVERY = 50


def excerpt(rng):
    """0.7 s from within a prompt, clean and noisy."""
    index = int(rng.integers(56))
    clean, degraded = speech(index), noisy(index, rng.uniform(-5, 30))
    start = int(rng.integers(2000, len(clean) - 16000))
    part = slice(start, start + 11200)
    return clean[part].copy(), degraded[part].copy()


def at_random(rng, signal, value):
    """The signal with one sample replaced."""
    signal[rng.integers(len(signal))] = value
    return signal


def many_bursts(rng):
    """65 s with 80 bursts."""
    time = np.arange(65 * RATE) / RATE
    burst = np.where(time % 0.8125 < 0.5, 0.1, 0.0)
    reference = burst * rng.standard_normal(len(time))
    return reference, reference + 0.01 * rng.standard_normal(len(time))


def shortened(rng, clean, degraded):
    """0 to 0.3 s of a pair."""
    length = rng.integers(round(0.3 * RATE))
    return clean[:length], degraded[:length]


KINDS = {
    "silence": lambda rng, c, d: (c, 0 * d),
    "silent reference": lambda rng, c, d: (0 * c, d),
    "both silent": lambda rng, c, d: (0 * c, 0 * d),
    "NaN": lambda rng, c, d: (c, at_random(rng, d, np.nan)),
    "NaN in reference": lambda rng, c, d: (at_random(rng, c, np.nan), d),
    "infinity": lambda rng, c, d: (c, at_random(rng, d, -np.inf)),
    "constant": lambda rng, c, d: (c, 0 * d + rng.uniform(-1, 1)),
    "short": shortened,
    "clipped": lambda rng, c, d: (c, np.clip(50 * d, -1, 1)),
    "tiny": lambda rng, c, d: (c, 1e-6 * d),
    "both tiny": lambda rng, c, d: (1e-6 * c, 1e-6 * d),
    "huge": lambda rng, c, d: (c, 100 * d),
    "offset": lambda rng, c, d: (c, d + rng.uniform(-1, 1)),
    "unequal": lambda rng, c, d: (c, d[: -rng.integers(1, 4000)]),
    "half silent": lambda rng, c, d: (c, np.r_[d[:4000], 0 * d[4000:]]),
    "impulse": lambda rng, c, d: (c, at_random(rng, 0 * d, 1.0)),
}


@pytest.mark.slow
def test_bad_signals_cost_themselves_only():
    rng = np.random.default_rng(0)
    good = (speech(), noisy(snr_db=20.0))
    expected = Scorer(METRICS_UNDER_STRESS).score([good])[0]
    kinds = list(KINDS.values())
    pairs, good_rows = [], []
    for count in range(BAD_SIGNALS):
        if count % GOOD_EVERY == 0:
            good_rows.append(len(pairs))
            pairs.append(good)
        if count % (BAD_SIGNALS // 2) == 0:
            pairs.append(many_bursts(rng))
        else:
            pairs.append(kinds[count % len(kinds)](rng, *excerpt(rng)))

    with Scorer(METRICS_UNDER_STRESS, n_jobs=2) as scorer:
        scores = scorer.score(pairs)

    assert scores.shape == (len(pairs), len(METRICS_UNDER_STRESS))
    assert (scores[good_rows] == expected).all()
    missing = {
        (row, scorer.names[column])
        for row, column in np.argwhere(np.isnan(scores))
    }
    explained = {(f.utterance, f.metric) for f in scorer.failures}
    assert missing == explained
    assert len(scorer.failures) == len(explained)
    # Rules, not accidents: nothing was killed, nothing unforeseen raised.
    for failure in scorer.failures:
        assert failure.reason.startswith(f"{failure.metric}: "), failure
        assert "Error" not in failure.reason, failure
    assert 0.3 < np.isfinite(scores[:, 0]).mean() < 0.9

"""DNSMOS and ViSQOL: what we hand over, and what is said if they are missing.

Their packages are replaced here by stand-ins that record how they are called,
so that the tests run without them. With the extras installed, the battery of
metrics/test_table.py and the stored numbers of test_scores.py use the
packages themselves.
"""

import sys
import types

import numpy as np
import pytest
from scoring_signals import noisy, speech
from stand_ins import stand_in_for_speechmos

from okd_brain.measures import optional
from okd_brain.metrics import METRICS, parse_targets, resolve_metrics
from okd_brain.scoring import Scorer

DNSMOS_NAMES = ["dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"]
extras = pytest.mark.parametrize(
    ("name", "extra", "package"),
    [("dnsmos_ovrl", "dnsmos", "speechmos"), ("visqol", "visqol", "visqol")],
)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(optional, "is_installed", lambda extra: True)


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setattr(optional, "find_spec", lambda module: None)


@pytest.fixture
def speechmos(monkeypatch):
    return stand_in_for_speechmos(monkeypatch)


@pytest.fixture
def visqol(monkeypatch, installed):
    """A stand-in for visqol that keeps what it is given."""
    module = types.ModuleType("visqol")
    module.created, module.calls = [], []

    class VisqolApi:
        def create(self, **options):
            module.created.append(options)

        def measure_from_arrays(self, ref_array, deg_array, sample_rate):
            module.calls.append((ref_array, deg_array, sample_rate))
            return types.SimpleNamespace(moslqo=3.25)

    module.VisqolApi = VisqolApi
    monkeypatch.setitem(sys.modules, "visqol", module)
    optional._visqol.cache_clear()
    yield module
    optional._visqol.cache_clear()


def test_dnsmos_runs_once_for_all_its_scores(speechmos):
    scorer = Scorer(DNSMOS_NAMES)
    scores = scorer.score([(None, noisy()), (speech(), noisy())])
    assert scores.tolist() == [[2.5, 3.0, 3.5, 4.0]] * 2
    assert len(speechmos.calls) == 2
    labels = [METRICS[name].normalise(3.0) for name in DNSMOS_NAMES]
    assert labels == [0.5] * 4


def test_dnsmos_gets_what_a_sound_card_would_play(speechmos):
    METRICS["dnsmos_sig"].score(degraded=10 * noisy())
    ((sample, rate),) = speechmos.calls
    np.testing.assert_array_equal(sample, np.clip(10 * noisy(), -1, 1))
    assert rate == 16000


def test_visqol_is_in_speech_mode_with_the_lattice_mapper(visqol):
    pair = {"reference": speech(), "degraded": noisy().astype(np.float32)}
    assert METRICS["visqol"].score(**pair) == 3.25
    assert METRICS["visqol"].score(**pair) == 3.25
    assert visqol.created == [{"mode": "speech", "use_lattice_model": True}]
    reference, degraded, rate = visqol.calls[0]
    np.testing.assert_array_equal(reference, speech())
    assert degraded.dtype == np.float64 and rate == 16000


def test_the_failure_policy_holds(speechmos, visqol):
    for name in (*DNSMOS_NAMES, "visqol"):
        silence = METRICS[name].score(reference=speech(), degraded=0 * speech())
        assert silence == 1.0
    short = speech()[8000:16000]
    with pytest.raises(ValueError, match="visqol: needs at least 0.7 s"):
        METRICS["visqol"].score(reference=short, degraded=short)
    assert not speechmos.calls and not visqol.calls


@extras
@pytest.mark.parametrize(
    "use",
    [
        lambda name: resolve_metrics(["pesq", name]),
        lambda name: parse_targets([["pesq"], [f"csig+{name}"]]),
        lambda name: Scorer([name], n_jobs=2),
        lambda name: METRICS[name].score(reference=speech(), degraded=noisy()),
    ],
)
def test_a_missing_package_is_an_error_naming_the_extra(
    missing, name, extra, package, use
):
    message = rf"'{package}': pip install 'okd\[{extra}\]'"
    with pytest.raises(ModuleNotFoundError, match=message):
        use(name)


def test_other_metrics_need_no_extra(missing):
    assert [metric.name for metric in resolve_metrics(["pesq"])] == ["pesq"]

"""Names to metrics, and targets to terms and heads."""

from dataclasses import replace

import numpy as np
import pytest
from scoring_signals import quarter

from okd_brain.metrics import (
    METRICS,
    Metric,
    heads_of,
    parse_targets,
    resolve_metrics,
)


def test_unknown_names_offer_close_ones():
    with pytest.raises(ValueError, match="'peqs'; did you mean 'pesq'"):
        resolve_metrics(["peqs"])
    with pytest.raises(ValueError, match="Unknown metric 'xyz'. Known: cbak"):
        parse_targets([["pesq"], ["csig+xyz"]])


def test_names_find_records_of_the_same_list():
    mine = Metric("mine", quarter)
    assert resolve_metrics([mine, "pesq", "mine"]) == [mine, METRICS["pesq"]]
    targets = parse_targets([["mine+pesq"], [mine]])
    assert targets[0].metrics == (mine, METRICS["pesq"])
    strict_pesq = replace(METRICS["pesq"], min_seconds=1.0)
    assert parse_targets([["pesq"], [strict_pesq]])[0].metrics == (strict_pesq,)


def test_two_records_may_not_share_a_name():
    with pytest.raises(ValueError, match="have the name 'mine'"):
        resolve_metrics(
            [Metric("mine", quarter), Metric("mine", quarter, -1.0)]
        )


def test_targets_are_named_after_terms_and_numbered():
    targets = [["pesq"], ["csig+cbak"], ["pesq", "csig"], ["pesq"], ["pesq"]]
    names = ["pesq", "csig+cbak", "pesq_csig", "pesq_2", "pesq_3"]
    assert [target.name for target in parse_targets(targets)] == names


def test_equal_terms_share_a_head_whatever_their_order():
    targets = parse_targets([["csig+cbak"], ["pesq"], ["cbak+csig"]])
    assert [head.name for head in heads_of(targets)] == ["csig+cbak", "pesq"]
    assert targets[0].terms == targets[2].terms
    assert targets[2].name == "csig+cbak_2"


@pytest.mark.parametrize(
    "targets", ["pesq", [], ["pesq"], [[]], [["pesq"], "csig"], None]
)
def test_targets_are_lists_of_lists(targets):
    with pytest.raises(ValueError, match="one list of terms per generator"):
        parse_targets(targets)


@pytest.mark.parametrize("targets", [[["pesq+pesq"]], [["pesq", "pesq"]]])
def test_a_term_or_a_target_names_nothing_twice(targets):
    with pytest.raises(ValueError, match="twice"):
        parse_targets(targets)


def test_a_term_is_labelled_with_the_mean():
    (target,) = parse_targets([["pesq+csig"]])
    (term,) = target.terms
    assert term.label({"pesq": 2.5, "csig": 5.0, "stoi": 0.1}) == 0.75
    assert term.clean_label == 1.0
    raw = {"pesq": np.array([2.5, 2.5]), "csig": np.array([1.0, 5.0])}
    np.testing.assert_allclose(term.label(raw), [0.25, 0.75])


def test_selection_is_raw_for_one_metric_and_by_label_for_more():
    error = Metric(
        "error", quarter, floor=2.0, perfect=0.0, higher_is_better=False
    )
    raw = {"error": 0.5, "csig": 5.0}
    targets = parse_targets([[error], ["error", "csig"], ["error+csig"]])
    values = [target.selection_value(raw) for target in targets]
    assert values == [(0.5, False), (0.875, True), (0.875, True)]

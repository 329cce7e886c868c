"""Names to metrics, and targets to terms and heads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
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
    parsed = parse_targets(targets)
    assert [target.name for target in parsed] == names
    # Keys of checkpoints, so they must never change.
    assert [target.module for target in parsed] == [f"g_{n}" for n in names]
    assert parsed[3].warmup_optimizer == "warmup_g_pesq_2"


def test_equal_terms_have_a_head_each_whatever_their_order():
    targets = parse_targets([["csig+cbak"], ["pesq"], ["cbak+csig"]])
    names = [head.name for head in heads_of(targets)]
    assert names == ["csig+cbak", "pesq", "csig+cbak_2"]
    assert targets[2].name == "csig+cbak_2"


@pytest.mark.parametrize(
    "targets", ["pesq", [], ["pesq"], [[]], [["pesq"], "csig"], None]
)
def test_targets_are_lists_of_lists(targets):
    with pytest.raises(ValueError, match="one list of terms per generator"):
        parse_targets(targets)


@pytest.mark.parametrize(
    "targets",
    [[["pesq+pesq"]], [["pesq", "pesq"]], [["3*pesq", "pesq"]]],
)
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


def test_weights_are_shares_and_part_of_the_name():
    targets = parse_targets(
        [["3*pesq", "csig"], ["pesq", "0.5*csig"], ["2 * pesq", "2*csig"]]
    )
    assert [(target.name, target.weights) for target in targets] == [
        ("3pesq_csig", (0.75, 0.25)),
        ("pesq_0p5csig", (2 / 3, 1 / 3)),
        ("2pesq_2csig", (0.5, 0.5)),
    ]
    (even,) = parse_targets([["pesq", "1*csig"]])
    assert (even.name, even.weights) == ("pesq_csig", (0.5, 0.5))


def test_names_with_weights_are_unique_and_name_folders_and_modules(tmp_path):
    mine = Metric("3pesq", quarter)
    targets = parse_targets(
        [[mine, "csig"], ["3*pesq", "csig"], ["0.1*pesq", "1e20*csig"]]
    )
    names = [target.name for target in targets]
    assert names == ["3pesq_csig", "3pesq_csig_2", "0p1pesq_1e+20csig"]
    torch.nn.ModuleDict({name: torch.nn.Identity() for name in names})
    for name in names:
        (tmp_path / name).mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_heads_are_numbered_whatever_the_weights():
    targets = parse_targets([["3*pesq", "csig"], ["csig", "2*pesq"], ["pesq"]])
    names = [head.name for head in heads_of(targets)]
    assert names == ["pesq", "csig", "csig_2", "pesq_2", "pesq_3"]


def test_selection_weighs_the_labels_as_the_loss_does():
    (target,) = parse_targets([["3*pesq", "csig"]])
    raw = {"pesq": 2.5, "csig": 5.0}  # labels 0.5 and 1
    assert target.selection_value(raw) == (0.625, True)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "", "two", "2*"])
def test_a_weight_is_a_positive_number(weight):
    with pytest.raises(ValueError, match=r"positive number .* as in 3\*pesq"):
        parse_targets([["csig", f"{weight}*pesq"]])


def test_a_weight_without_effect_is_refused():
    with pytest.raises(ValueError, match="this one has no other; write pesq"):
        parse_targets([["3*pesq"], ["csig"]])


@pytest.mark.parametrize("term", ["3*csig+cbak", "csig+3*cbak"])
def test_a_mean_has_no_weight(term):
    with pytest.raises(ValueError, match="a mean is one head"):
        parse_targets([["pesq", term]])

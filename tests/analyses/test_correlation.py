"""Correlations against NumPy's, and the files that are left out."""

import numpy as np
import pytest

from okd_brain.analyses import correlate, correlation_matrices


def scores_of(values, metrics=("a", "b", "c")):
    """Return utterance -> metric -> value."""
    return {
        f"u{number}": dict(zip(metrics, row, strict=True))
        for number, row in enumerate(values.tolist())
    }


def found(rows, of, method, first, second):
    (row,) = (
        row
        for row in rows
        if (row["of"], row["method"]) == (of, method)
        and (row["first"], row["second"]) == (first, second)
    )
    return row


def test_correlations_of_scores_and_of_gains():
    rng = np.random.default_rng(0)
    noisy, one, other = rng.standard_normal((3, 20, 3)) @ rng.random((3, 3))
    tables = {
        "x.csv": {"noisy": scores_of(noisy), "one": scores_of(one)},
        "y.csv": {"noisy": scores_of(noisy), "two": scores_of(other)},
    }
    rows = correlate(tables)
    assert len(rows) == 2 * 2 * 3
    values = {
        "score": np.concatenate([one, other]),
        "gain": np.concatenate([one - noisy, other - noisy]),
    }
    for of, array in values.items():
        ranks = array.argsort(axis=0).argsort(axis=0)
        for method, compared in (("pearson", array), ("spearman", ranks)):
            expected = np.corrcoef(compared.T)
            for i, j in ((0, 1), (0, 2), (1, 2)):
                row = found(rows, of, method, "abc"[i], "abc"[j])
                assert row["correlation"] == pytest.approx(expected[i, j])
                assert (row["files"], row["left_out"]) == (40, 0)
    only = correlate(tables, ["one"])
    assert found(only, "gain", "pearson", "a", "b")["files"] == 20
    unprocessed = correlate(tables, ["noisy"])
    assert {row["of"] for row in unprocessed} == {"score"}

    matrices, names = correlation_matrices(rows)
    assert names == ["a", "b", "c"]
    np.testing.assert_allclose(
        matrices["gain, pearson"], np.corrcoef(values["gain"].T)
    )


def test_what_has_no_value_is_left_out_pair_by_pair():
    values = np.random.default_rng(0).standard_normal((9, 3))
    values[0, 0] = np.nan
    values[1, 1] = np.inf
    values[:7, 2] = np.nan
    rows = correlate({"x.csv": {"one": scores_of(values)}})
    assert {row["of"] for row in rows} == {"score"}  # no noisy speech
    row = found(rows, "score", "pearson", "a", "b")
    assert (row["files"], row["left_out"]) == (7, 2)
    expected = np.corrcoef(values[2:, :2].T)[0, 1]
    assert row["correlation"] == pytest.approx(expected)
    row = found(rows, "score", "spearman", "a", "c")
    assert (row["files"], row["left_out"]) == (2, 7)
    assert np.isnan(row["correlation"])  # of two, it would be 1 or -1


def test_a_constant_metric_has_no_correlation():
    values = np.random.default_rng(0).standard_normal((9, 3))
    values[:, 1] = 4.5
    rows = correlate({"x.csv": {"one": scores_of(values)}})
    for method in ("pearson", "spearman"):
        row = found(rows, "score", method, "a", "b")
        assert np.isnan(row["correlation"]) and row["files"] == 9


def test_tables_that_cannot_be_correlated():
    values = np.random.default_rng(0).standard_normal((3, 3))
    tables = {"x.csv": {"noisy": scores_of(values), "one": scores_of(values)}}
    with pytest.raises(ValueError, match="has a system 'onee'; there are"):
        correlate(tables, ["onee"])
    other = {"y.csv": {"one": scores_of(values, ("a", "b", "d"))}}
    with pytest.raises(ValueError, match=r"x\.csv has .* but y\.csv has"):
        correlate({**tables, **other})
    with pytest.raises(ValueError, match="at least 3"):
        correlate({"x.csv": {"one": scores_of(values[:2])}})
    with pytest.raises(ValueError, match="no system"):
        correlate({"x.csv": {"noisy": scores_of(values)}})

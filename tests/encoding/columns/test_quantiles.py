"""Bins of equal shares, in which a frequent number has one of its own."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from encoding_cases import fitted
from fastfm_ext.encoding import binned
from fastfm_ext.encoding.columns.quantiles import quantile_edges

COLUMNS = st.lists(st.integers(-5, 5) | st.floats(-9, 9), min_size=1, max_size=60)


def edges_of(numbers, n_bins):
    return quantile_edges(*np.unique(numbers, return_counts=True), n_bins)


def rows_in_bins(numbers, edges):
    edges = edges[edges > numbers.min()]
    return np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1)


@pytest.mark.parametrize("place", ["below", "between", "above"])
def test_a_column_that_is_mostly_zeros_keeps_them_apart_and_bins_the_rest(place):
    rest = np.random.default_rng(0).lognormal(size=80)
    rest *= {"below": 1, "between": np.where(np.arange(80) % 2, 1, -1), "above": -1}[place]
    numbers = np.concatenate([np.zeros(920), rest])
    counts = rows_in_bins(numbers, edges_of(numbers, 10))
    assert 920 in counts
    others = np.delete(counts, counts.argmax())
    assert len(others) >= 8
    assert others.max() <= 11


def test_several_frequent_numbers_have_bins_of_their_own():
    numbers = np.concatenate([np.zeros(900), np.full(60, 7.0), 10 * np.random.default_rng(0).normal(size=40)])
    counts = rows_in_bins(numbers, edges_of(numbers, 10)).tolist()
    assert 900 in counts
    assert 60 in counts


def test_with_too_few_bins_the_most_frequent_number_comes_first():
    numbers = np.concatenate([np.zeros(900), np.full(60, 7.0), 10 * np.random.default_rng(0).normal(size=40)])
    assert 900 in rows_in_bins(numbers, edges_of(numbers, 3))
    assert 900 not in rows_in_bins(numbers, edges_of(numbers, 2))


@given(COLUMNS, st.integers(2, 9))
def test_there_are_never_more_bins_than_asked_for(numbers, n_bins):
    edges = edges_of(np.array(numbers, dtype=float), n_bins)
    assert len(edges) < n_bins
    assert (np.diff(edges) > 0).all()


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40), st.integers(2, 12))
@example([0, 1, 2, 3, 4, 5], 5)  # 3 / 5 of 5 is 3, but not in floating point
def test_no_bin_of_the_fitted_rows_is_empty(numbers, n_bins):
    encoder = fitted(binned("x", n_bins), numbers)
    assert set(encoder.transform({"x": numbers}).indices.tolist()) == set(range(encoder.n_features_out_))


@st.composite
def columns_of_more_numbers_than_bins(draw):
    n_bins = draw(st.integers(2, 9))
    return draw(st.lists(st.floats(-1e300, 1e300), min_size=n_bins, max_size=50, unique=True)), n_bins


@given(columns_of_more_numbers_than_bins())
def test_without_frequent_numbers_edges_are_the_quantiles_of_numpy(case):
    numbers, n_bins = case
    distinct = np.unique(np.array(numbers) + 0.0)
    assume(len(distinct) >= n_bins)  # 0.0 and -0.0 are one
    expected = np.quantile(distinct, np.linspace(0, 1, n_bins + 1)[1:-1])
    edges = quantile_edges(distinct, np.ones(len(distinct), dtype=np.int64), n_bins)
    # NumPy rounds the shares, which ours does not.
    rounding = 1e-14 * (distinct[-1] - distinct[0]) + 1e-15 * np.abs(distinct).max() + 1e-320
    differences = np.abs(edges[:, None] - expected)
    assert (differences.min(axis=0) <= rounding).all()
    assert (differences.min(axis=1) <= rounding).all()

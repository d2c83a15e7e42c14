"""Centers of numeric columns: which columns have one, rows less the centers, and what a model of these says of x."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from fastfm_ext import _engine
from fastfm_ext._engine.centers import Centers
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import fm
from fastfm_ext._validation.matrices import canonical_csr

OPTIONS = Options("squared", "adagrad", 0.1, 0.1, 0.0, 0.0, init_stdev=0.5)


def csr(X):
    return canonical_csr(sp.csr_array(np.asarray(X, dtype=np.float32)))


def dense(X):
    data = np.ones(X.nnz, np.float32) if X.data is None else X.data
    return sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features)).toarray()


def model(n_features, seed=0):
    rng = np.random.default_rng(seed)
    params = Parameters.initialise(n_features, 3, OPTIONS, 0.7, rng)
    params.w[:] = rng.normal(size=n_features)
    return params


def test_numeric_columns_far_from_zero_have_their_mean_as_center():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5)) + np.array([0.0, 1.0, 3.0, -50.0, 2000.0])
    centers = Centers.of(csr(X))
    np.testing.assert_array_equal(centers.columns, [2, 3, 4])
    np.testing.assert_allclose(centers.values, X.mean(axis=0)[2:], rtol=1e-6)


def test_ids_and_sparse_columns_have_none():
    rng = np.random.default_rng(0)
    ids = np.eye(2)[(rng.random(400) < 0.02).astype(int)]  # the first is nonzero in nearly every row
    some = np.where(rng.random((400, 1)) < 0.4, rng.normal(size=(400, 1)) + 100, 0)
    number = rng.normal(size=(400, 1))
    assert not len(Centers.of(csr(np.hstack([ids, 7 * ids, some, number]))))
    assert not len(Centers.of(csr(ids)))


def test_a_column_of_one_number_is_centered_unless_it_is_one():
    X = np.column_stack([np.full(20, 293.15), np.ones(20), np.zeros(20), np.full(20, -1e6)])
    np.testing.assert_array_equal(Centers.of(csr(X)).columns, [0, 3])


def test_a_few_rows_do_not_tell_that_a_column_is_numeric():
    X = np.random.default_rng(0).normal(size=(9, 2)) + 100
    assert not len(Centers.of(csr(X)))
    assert len(Centers.of(csr(np.vstack([X, X])))) == 2


@pytest.mark.parametrize("sign", [1, -1])
def test_at_the_beginning_of_many_rows_a_clock_has_none(sign):
    rng = np.random.default_rng(0)
    X = np.column_stack([1.7e9 + sign * np.cumsum(rng.exponential(60, 500)), rng.normal(2000, 10, 500)])
    np.testing.assert_array_equal(Centers.of(csr(X)).columns, [0, 1])
    np.testing.assert_array_equal(Centers.of(csr(X), is_beginning=True).columns, [1])
    shuffled = X[rng.permutation(500)]
    np.testing.assert_array_equal(Centers.of(csr(shuffled), is_beginning=True).columns, [0, 1])


def test_means_are_refined_in_double_precision_and_constants_met_exactly():
    values = np.column_stack([np.full(30, 293.15), 1.7e9 + np.arange(30.0)])
    centers = Centers.of(csr(values)).refined(values)
    np.testing.assert_array_equal(centers.values, [293.15, 1.7e9 + 14.5])
    np.testing.assert_array_equal(dense(centers.apply(csr(values), values)), values - centers.values)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans())
def test_rows_less_the_centers(seed, share_of_zeros, in_order):
    rng = np.random.default_rng(seed)
    X = rng.integers(-3, 4, size=(7, 5)) * (rng.random((7, 5)) >= share_of_zeros)
    columns = np.flatnonzero(rng.random(5) < 0.6)
    centers = Centers(columns, rng.integers(-2, 3, len(columns)) + 0.5 * (rng.random() < 0.5))
    rows = csr(X)
    if not in_order:  # within a row the features may stand in any order
        order = np.lexsort((rng.random(rows.nnz), np.repeat(np.arange(7), np.diff(rows.indptr))))
        rows = Csr(rows.indptr, rows.indices[order], None if rows.data is None else rows.data[order], 5)
    expected = X.astype(float)
    expected[:, columns] -= centers.values
    centered = centers.apply(rows, X[:, columns].astype(float))
    np.testing.assert_array_equal(dense(centered), expected)
    assert centered.nnz == np.count_nonzero(expected)
    assert centered.indices.dtype == np.int32


@given(st.integers(0, 2**32 - 1))
def test_the_parameters_of_x_score_x_as_those_of_z_score_z(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(9, 6)) * (rng.random((9, 6)) < 0.8)
    columns = np.array([1, 2, 5])
    centers, params = Centers(columns, rng.normal(size=3) * 10), model(6, seed)
    z = csr(X + 0)
    scores = _engine.predict(centers.apply(z, X[:, columns]), params)
    of_x = fm.predict(X, centers.w0(params), centers.w(params).astype(float), params.V.astype(float))
    np.testing.assert_allclose(of_x, scores, rtol=1e-3, atol=1e-3)


def test_without_centers_the_parameters_are_those_of_x():
    params, none = model(4), Centers(np.zeros(0, dtype=np.intp), np.zeros(0))
    assert none.w0(params) == params.w0
    np.testing.assert_array_equal(none.w(params), params.w)


@given(st.integers(0, 2**32 - 1))
def test_terms_of_x_from_rows_that_lack_the_centered_zeros(seed):
    rng = np.random.default_rng(seed)
    X = np.float32(rng.normal(size=(9, 6)) * (rng.random((9, 6)) < 0.7)).astype(float)
    columns = np.array([0, 2, 3])
    centers, params = Centers(columns, rng.normal(size=3) * 10), model(6, seed)
    values = X[:, columns]
    z = centers.apply(csr(X), np.where(values == 0, centers.values, values))
    own, sums, score = centers.uncentered(*_engine.pool(z, params), (values == 0).astype(float), params)
    V, w = params.V.astype(float), centers.w(params).astype(float)
    np.testing.assert_allclose(sums, X @ V, atol=1e-3)
    np.testing.assert_allclose(own, fm.predict(X, 0.0, w, V), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(score + params.w0, own + centers.w0(params), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ([0, 5], [1.0, 2.0]),
        ([-1, 2], [1.0, 2.0]),
        ([2, 1], [1.0, 2.0]),
        ([1, 1], [1.0, 2.0]),
        ([1, 2], [1.0]),
        ([1, 2], [1.0, np.nan]),
        ([[1, 2]], [[1.0, 2.0]]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([1, 2], np.float32([1.0, 2.0])),
    ],
)
def test_centers_of_no_columns_are_refused(columns, values):
    with pytest.raises(ValueError, match="center"):
        Centers(np.array(columns), np.asarray(values)).check(5)


def test_centers_of_columns_pass():
    Centers(np.array([0, 4]), np.array([1.0, -2.0])).check(5)

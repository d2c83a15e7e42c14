"""Whatever the rows look like, and however they lie in memory: one model, the paper's predictions, finite numbers."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastfm_ext import DivergenceError, FMClassifier, FMRegressor
from fastfm_ext._reference import fm
from registries import SOLVERS
from row_layouts import with_int64_indices, with_unsorted_indices

# Examples are small, but a fit costs milliseconds; no times are measured.
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

N_FACTORS = st.one_of(st.integers(0, 20), st.sampled_from([31, 32, 33, 63, 64, 65, 100, 128, 200]))
SOLVER = st.sampled_from(SOLVERS)
# Sizes at which float32 sums of squares are still far from their ends.
VALUES = st.one_of(st.just(0.0), st.just(1.0), st.floats(-1e3, 1e3, width=32))
EXTREME = st.one_of(st.just(0.0), st.floats(allow_nan=False, allow_infinity=False, width=32))


@st.composite
def matrices(draw, values=VALUES, most_rows=12):
    """Dense float32 rows with empty rows and columns among them."""
    shape = draw(st.tuples(st.integers(2, most_rows), st.integers(1, 8)))
    return draw(hnp.arrays(np.float32, shape, elements=values, fill=st.just(np.float32(0.0))))


def with_duplicates(X):
    """COO in which each value stands as two halves, in any order, and zeros stand explicitly."""
    row, col = np.indices(X.shape).reshape(2, -1)
    half = X.astype(np.float64).ravel() / 2
    order = np.random.default_rng(0).permutation(2 * len(row))
    both = [np.tile(a, 2)[order] for a in (half, row, col)]
    return sp.coo_array((both[0], (both[1], both[2])), shape=X.shape)


WAYS_TO_WRITE = {
    "fortran order": np.asfortranarray,
    "float64": lambda X: X.astype(np.float64),
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "csr": sp.csr_array,
    "csr_matrix": sp.csr_matrix,
    "csc": sp.csc_array,
    "lil": sp.lil_array,
    "64-bit indices": with_int64_indices,
    "unsorted indices": with_unsorted_indices,
    "duplicates and explicit zeros": with_duplicates,
}


def fitted(X, n_factors, solver, **params):
    return FMRegressor(n_factors, solver=solver, max_iter=2, random_state=0, **params).fit(X, np.arange(len(X)) % 5.0)


@QUICK
@given(matrices(), N_FACTORS, SOLVER, st.sampled_from(sorted(WAYS_TO_WRITE)))
def test_the_way_that_rows_are_written_changes_no_bit(X, n_factors, solver, way):
    written = WAYS_TO_WRITE[way](X)
    try:
        model = fitted(X, n_factors, solver)
    except DivergenceError:
        with pytest.raises(DivergenceError):
            FMRegressor(n_factors, solver=solver, max_iter=2, random_state=0).fit(written, np.arange(len(X)) % 5.0)
        return
    twin = FMRegressor(n_factors, solver=solver, max_iter=2, random_state=0).fit(written, np.arange(len(X)) % 5.0)
    np.testing.assert_array_equal(model.w_, twin.w_)
    np.testing.assert_array_equal(model.V_, twin.V_)
    np.testing.assert_array_equal(model.predict(X), twin.predict(written))


@QUICK
@given(matrices(values=st.floats(-4, 4, width=32)), N_FACTORS, st.integers(0, 2**16))
def test_predictions_are_those_of_the_paper_for_any_number_of_factors(X, n_factors, seed):
    model = FMRegressor(n_factors, max_iter=1, random_state=seed, init_stdev=0.2).fit(X, np.arange(len(X)) % 3.0)
    w, V = model.w_.astype(float), model.V_.astype(float)
    expected = [fm.score(row.astype(float), model.w0_, w, V) for row in X]
    size = 1.0 + np.abs(expected).max() + (np.abs(X) @ np.abs(V)).max(initial=0.0) ** 2
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-5 * size, rtol=1e-4)


@QUICK
@given(matrices(values=EXTREME), N_FACTORS, SOLVER)
def test_any_finite_values_give_finite_numbers_or_a_documented_error(X, n_factors, solver):
    y = np.arange(len(X)) % 2
    try:
        model = FMClassifier(n_factors, solver=solver, max_iter=2, random_state=0).fit(X, y)
        probabilities = model.predict_proba(X)
    except (DivergenceError, ValueError):
        return
    assert np.isfinite(model.w_).all()
    assert np.isfinite(model.V_).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


@QUICK
@given(matrices(values=st.floats(-4, 4, width=32)), st.integers(1, 40), st.integers(0, 2**16))
def test_the_parts_of_users_and_items_add_up_to_the_prediction(X, n_factors, seed):
    X = np.hstack([X, X[::-1]])
    model = FMRegressor(n_factors, max_iter=1, random_state=seed, init_stdev=0.2).fit(X, np.arange(len(X)) % 3.0)
    half = X.shape[1] // 2
    users, items = X.copy(), X.copy()
    users[:, half:], items[:, :half] = 0.0, 0.0
    together = model.user_bias(users) + (model.user_vector(users) * model.item_vector(items)).sum(axis=1)
    size = 1.0 + (np.abs(X) @ np.abs(model.V_)).max() ** 2
    np.testing.assert_allclose(together, model.predict(X), atol=3e-5 * size)


@QUICK
@given(matrices(values=st.sampled_from([0.0, 1.0])), N_FACTORS, st.sampled_from(["?", "i1", "u2", "i8", "f2", "f8"]))
def test_ones_and_zeros_of_any_type_are_the_same_rows(X, n_factors, dtype):
    model = fitted(X, n_factors, "adagrad")
    for rows in (X.astype(dtype), sp.csr_array(X.astype(dtype if dtype != "f2" else "f4"))):
        twin = FMRegressor(n_factors, max_iter=2, random_state=0).fit(rows, np.arange(len(X)) % 5.0)
        np.testing.assert_array_equal(model.V_, twin.V_)


@QUICK
@given(matrices(), st.integers(0, 8), SOLVER, st.data())
def test_rows_of_weight_zero_are_rows_that_were_never_there(X, n_factors, solver, data):
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(X), max_size=len(X))))
    if keep.sum() < 2:
        keep[:2] = True
    y = np.arange(len(X)) % 5.0
    params = {"n_factors": n_factors, "solver": solver, "max_iter": 2, "random_state": 0}
    try:
        all_rows = FMRegressor(**params).fit(X, y, keep.astype(float))
    except DivergenceError:
        return
    few_rows = FMRegressor(**params).fit(X[keep], y[keep])
    np.testing.assert_array_equal(all_rows.V_, few_rows.V_)

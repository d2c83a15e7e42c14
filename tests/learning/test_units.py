"""Numeric features of any unit train as if they were of unit size, and the model stays in the user's units."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.units import FeatureScale
from fastfm_ext._validation.matrices import canonical_csr
from registries import ALL_SOLVERS, SOLVERS


def csr(X):
    return canonical_csr(sp.csr_array(np.asarray(X, dtype=np.float32)))


def scale_of(X):
    """The factor of every column."""
    scale = FeatureScale.of(csr(X))
    factors = np.ones(np.shape(X)[1])
    factors[scale.columns] = scale.factors[:, 0]
    return factors


# --- which columns are scaled --------------------------------------------------------------------------------------


def test_factors_are_powers_of_two_that_bring_the_root_mean_square_to_about_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 7)) * [1e-30, 1e-6, 0.3, 1.0, 3.0, 1e6, 1e30]
    factors = scale_of(X)
    mantissas, _ = np.frexp(factors)
    np.testing.assert_array_equal(mantissas, 0.5)
    rms = np.sqrt(np.mean((X * factors) ** 2, axis=0))
    assert (rms > 0.7).all()
    assert (rms < 1.42).all()


def test_one_hot_columns_and_columns_of_unit_size_are_left_alone():
    one_hot = np.eye(5)[np.arange(40) % 5]
    signs = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
    assert not len(FeatureScale.of(csr(one_hot)).columns)
    np.testing.assert_array_equal(scale_of(np.hstack([one_hot, signs, 100 * signs])), [1] * 6 + [2.0**-7])


def test_small_values_of_a_sparse_column_are_meant():
    """Shares that sum to 1, such as 1/20 for each of 20 films rated, are features of their own size."""
    X = np.zeros((20, 3))
    X[:5, 0] = 0.05  # sparse and small: left alone
    X[:5, 1] = 50.0  # sparse and large: brought down
    X[:, 2] = 0.05  # in every row: a numeric column
    np.testing.assert_array_equal(scale_of(X), [1.0, 2.0**-6, 2.0**4])


@pytest.mark.parametrize("value", [1e-45, 1.1754944e-38, 3.4e38])
def test_extreme_values_get_factors_that_float32_holds(value):
    X = csr(np.full((4, 1), value))
    scale = FeatureScale.of(X)
    assert np.isfinite(scale.factors).all()
    assert np.isfinite(1 / scale.factors).all()
    assert (scale.factors >= np.finfo(np.float32).tiny).all()
    scaled = scale.apply(X).data
    assert np.isfinite(scaled).all()
    assert (scaled <= 4).all()


def test_a_column_without_values_is_left_alone():
    np.testing.assert_array_equal(scale_of(np.c_[np.zeros(4), np.full(4, 8.0)]), [1.0, 0.125])


def test_rows_are_not_changed_and_parameters_return_exactly():
    rng = np.random.default_rng(0)
    X = csr(rng.normal(size=(30, 4)) * [1, 1e3, 1e-3, 1e5])
    data = X.data.copy()
    scale = FeatureScale.of(X)
    assert not np.array_equal(scale.apply(X).data, data)
    np.testing.assert_array_equal(X.data, data)
    options = Options("squared", "adagrad", 0.1, 0.1, 0.0, 0.0, init_stdev=0.5)
    params = Parameters.initialise(4, 3, options, 0.0, rng)
    before = params.copy()
    scale.to_user_units(params)
    assert not np.array_equal(params.V, before.V)
    state, state_before = params.tables["V"][:, 1:], before.tables["V"][:, 1:]
    np.testing.assert_array_equal(state, state_before, "the optimizer's state has no unit")
    scale.to_unit_size(params)
    for array, array_before in zip(params.arrays, before.arrays, strict=True):
        np.testing.assert_array_equal(array, array_before)


# --- what it means for a model -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    X = np.hstack([rng.normal(size=(120, 3)), np.eye(4)[rng.integers(0, 4, 120)]]).astype(np.float32)
    return X, X[:, 0] - X[:, 1] * X[:, 2] + X[:, 3] * X[:, 0]


UNITS = np.array([2.0**10, 2.0**-10, 2.0**40, 1, 1, 1, 1], dtype=np.float32)


def train(X, y, estimator, how, **params):
    target = y if estimator is FMRegressor else y > 0
    model = estimator(n_factors=3, max_iter=4, random_state=0, warm_start=how == "warm start", **params)
    if how == "partial_fit":
        for _ in range(3):
            model.partial_fit(X, target)
        return model
    model.fit(X, target)
    return model.fit(X, target) if how == "warm start" else model


@pytest.mark.parametrize("how", ["fit", "warm start", "partial_fit"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
def test_the_unit_of_a_numeric_column_changes_no_bit_of_a_prediction(rows, estimator, solver, how):
    X, y = rows
    plain = train(X, y, estimator, how, solver=solver)
    other_units = train(X * UNITS, y, estimator, how, solver=solver)
    np.testing.assert_array_equal(other_units.user_bias(X * UNITS), plain.user_bias(X))
    np.testing.assert_array_equal(other_units.w_ * UNITS, plain.w_)
    np.testing.assert_array_equal(other_units.V_ * UNITS[:, None], plain.V_)


def test_later_rows_are_in_the_units_of_the_first(rows):
    """A batch of ages under 2 is no column of another unit."""
    X, y = rows
    model = FMRegressor(n_factors=3, random_state=0).partial_fit(X * UNITS, y)
    columns, factors = model._units.features.columns.copy(), model._units.features.factors.copy()
    model.partial_fit(X * UNITS * 1e-3, y)
    model.set_params(warm_start=True, max_iter=2).fit(X * UNITS * 1e-3, y)
    np.testing.assert_array_equal(model._units.features.columns, columns)
    np.testing.assert_array_equal(model._units.features.factors, factors)
    model.set_params(warm_start=False).fit(X, y)
    assert not np.array_equal(model._units.features.factors, factors)


def test_validation_rows_are_read_in_the_same_units(rows):
    X, y = rows
    losses = [
        FMRegressor(n_factors=3, max_iter=4, random_state=0)
        .fit(X * units, y, X_val=X[:40] * units, y_val=y[:40])
        .history_["val_loss"]
        for units in (np.ones_like(UNITS), UNITS)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_the_unit_of_the_target_hardly_matters(rows, solver, scale):
    X, y = rows
    if not 1e-11 < scale < 1e10:
        with pytest.raises(ValueError, match=r"y is too (small|large) for float32 arithmetic"):
            FMRegressor(solver=solver).fit(X, y * scale)
        return
    plain = FMRegressor(solver=solver, random_state=0).fit(X, y)
    scaled = FMRegressor(solver=solver, random_state=0).fit(X, y * scale)
    np.testing.assert_allclose(scaled.predict(X) / scale, plain.predict(X), atol=0.02 * y.std())


def test_a_constant_target_is_learned():
    X = np.random.default_rng(0).normal(size=(50, 3))
    for value in (0.0, 0.1, -7e9):
        np.testing.assert_allclose(FMRegressor(random_state=0).fit(X, np.full(50, value)).predict(X), value, atol=0.2)

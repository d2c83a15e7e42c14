"""Data as people bring it, unscaled: everything stays finite, and something is learned."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning

from fastfm_ext import FMClassifier, FMRegressor
from registries import ALL_SOLVERS, SOLVERS


def diabetes():
    """Age, blood pressure, serum values in their own units: 1 to 300."""
    return load_diabetes(return_X_y=True, scaled=False)


def houses():
    """Columns of the sizes of scikit-learn's California housing, which has to be downloaded."""
    rng = np.random.default_rng(0)
    n = 3000
    income, age, rooms = rng.gamma(4, 1, n), rng.integers(1, 53, n).astype(float), rng.gamma(20, 0.27, n)
    population, occupants = np.exp(rng.normal(7, 0.8, n)).clip(3, 35_682), np.exp(rng.normal(1, 0.3, n))
    latitude, longitude = rng.uniform(32.5, 42, n), rng.uniform(-124.3, -114.3, n)
    X = np.column_stack([income, age, rooms, rooms / 5, population, occupants, latitude, longitude])
    coast = np.abs(latitude - 37) + np.abs(longitude + 122)
    return X, 0.45 * income - 0.1 * coast + 0.004 * age + 0.3 * rng.normal(size=n) + 1.5


def huge():
    """A column of 1e6 beside one of 1e-6."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 3)) * [1e6, 1.0, 1e-6] + [5e6, 0, 0]
    return X, X[:, 0] / 1e6 + X[:, 1] + X[:, 2] * 1e6


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize("data", [diabetes, houses, huge])
def test_raw_columns_are_learned_without_a_warning(data, solver):
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = FMRegressor(n_factors=4, solver=solver, max_iter=60, random_state=0).fit(X, y)
    for numbers in (model.w0_, model.w_, model.V_, model.predict(X)):
        assert np.isfinite(numbers).all()
    assert model.score(X, y) > 0.3


@pytest.mark.parametrize("solver", SOLVERS)
def test_raw_pixels_of_digits_are_told_apart(solver):
    X, y = load_digits(return_X_y=True)
    model = FMClassifier(n_factors=4, solver=solver, max_iter=15, random_state=0).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.score(X, y) > 0.9

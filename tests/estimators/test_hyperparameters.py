"""Hyperparameters: which values are refused by name, and what those that bound and shrink do."""

import numpy as np
import pytest

from fastfm_ext import FMClassifier, FMRegressor
from registries import SOLVERS

N_ROWS = 30


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(5).normal(size=(N_ROWS, 4))


@pytest.fixture(scope="module")
def y(X):
    return X[:, 0] + X[:, 1] * X[:, 2]


NO_POSITIVE_NUMBERS = [0, -1.0, float("nan"), float("inf"), 10**400, "0.1", True, [0.1]]

NO_NUMBERS_FROM_ZERO = [-1e-9, float("nan"), float("inf"), "1", False, 1j]

NO_COUNTS = [0, -1, 2.5, 3.0, "8", True, None, np.float64(3)]

BAD_PARAMETERS = {
    "n_factors": [-1, *NO_COUNTS[2:]],
    "solver": ["newton", None, 1, ["sgd"], b"sgd"],
    "learning_rate": NO_POSITIVE_NUMBERS,
    "max_iter": NO_COUNTS,
    "l2_w": NO_NUMBERS_FROM_ZERO,
    "l2_V": NO_NUMBERS_FROM_ZERO,
    "init_stdev": NO_NUMBERS_FROM_ZERO,
    "fit_intercept": [1, None, "yes"],
    "fit_linear": [1, None, "yes"],
    "shuffle": [1, None, "yes"],
    "early_stopping": [1, None, "yes"],
    "validation_fraction": [0, 1, 1.0, -0.1, float("nan"), "0.1", True, None],
    "n_iter_no_change": NO_COUNTS,
    "tol": [*NO_NUMBERS_FROM_ZERO, None],
    "refit": [1, None, "auto"],
    "warm_start": [1, None, "yes"],
    "n_jobs": [0, 2.0, "2", True],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_PARAMETERS.items() for value in values]
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_hyperparameters(X, y, name, value, method):
    with pytest.raises(ValueError, match=f"^{name} of FMRegressor must be .*; got "):
        getattr(FMRegressor(**{name: value}), method)(X, y)


GOOD_PARAMETERS = [
    {"n_factors": np.int8(3), "max_iter": np.int64(2), "l2_w": np.float32(0.1), "l2_V": 0, "init_stdev": 1},
    {"early_stopping": np.True_, "shuffle": np.False_, "n_jobs": np.int64(1), "tol": 0},
    {"n_jobs": -1, "validation_fraction": np.float32(0.2), "early_stopping": True},
    {"learning_rate": 1, "init_stdev": 0.0},
]


@pytest.mark.parametrize("params", GOOD_PARAMETERS, ids=str)
def test_hyperparameters_of_other_number_types_are_fine(X, y, params):
    assert np.isfinite(FMRegressor(**params).fit(X, y).predict(X)).all()


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.1), (2, 0.9), (30, 0.999)])
def test_a_hold_out_that_leaves_no_row_to_train_on(X, y, n, fraction):
    with pytest.raises(ValueError, match=f"validation_fraction={fraction} of the rows, and of {n} rows none"):
        FMRegressor(early_stopping=True, validation_fraction=fraction).fit(X[:n], y[:n])


def test_one_row_is_enough_without_a_hold_out(X, y):
    np.testing.assert_allclose(FMRegressor(random_state=0).fit(X[:1], y[:1]).predict(X[:1]), y[:1], atol=1e-3)


def test_ftrl_with_l1_learns_a_sparse_model():
    rng = np.random.default_rng(3)
    X = (rng.random((4_000, 60)) < 0.1).astype(np.float32)
    y = 2.0 * X[:, 0] - 2.0 * X[:, 1] + 3.0 * X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=4_000)
    dense = FMRegressor(4, solver="ftrl", random_state=0).fit(X, y)
    sparse = FMRegressor(4, solver="ftrl", l1_w=200.0, l1_V=200.0, random_state=0).fit(X, y)
    assert np.count_nonzero(dense.w_) == 60
    assert np.count_nonzero(sparse.w_) < 20
    assert (sparse.w_[[0, 1]] != 0).all()
    assert np.mean(sparse.V_ == 0) > 0.5
    assert sparse.score(X, y) > 0.98


@pytest.mark.parametrize("name", ["l1_w", "l1_V"])
def test_l1_needs_ftrl(name):
    with pytest.raises(ValueError, match=f'{name} needs solver="ftrl"'):
        FMRegressor(solver="adagrad", **{name: 0.1}).fit(np.eye(3), [1.0, 2.0, 3.0])


def test_with_clipped_gradients_a_few_wrong_targets_do_little_harm():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 6))
    y = X[:, 0] - 2.0 * X[:, 1] + X[:, 2] * X[:, 3]
    spoiled = np.where(rng.random(4_000) < 0.02, 100.0, y)
    model = FMRegressor(4, random_state=0)
    errors = {}
    for bound in (None, 0.1):
        predicted = model.set_params(clip_gradient=bound).fit(X, spoiled).predict(X)
        errors[bound] = np.median(np.abs(predicted - y))
    assert errors[0.1] < 0.2 * errors[None]


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_bound_of_gradients_is_in_units_of_the_target(solver):
    X = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    y = X[:, 0] + X[:, 1] * X[:, 2]
    fit = FMRegressor(4, solver=solver, clip_gradient=0.2, random_state=0).fit
    unscaled, scaled = fit(X, y).predict(X), fit(X, 1024.0 * y).predict(X)
    np.testing.assert_allclose(scaled / 1024.0, unscaled, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
def test_a_bound_that_no_gradient_reaches_changes_nothing(estimator):
    X = np.random.default_rng(1).normal(size=(500, 4))
    y = X[:, 0] + X[:, 1] * X[:, 2] > 0
    models = [estimator(4, clip_gradient=bound, random_state=0).fit(X, y) for bound in (None, 1e6)]
    np.testing.assert_array_equal(models[0].V_, models[1].V_)

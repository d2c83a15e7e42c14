"""Wide dense rows train as stably as rows of usual norm, and usual rows train as the settings say."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from fastfm_ext import FMClassifier, FMRegressor, _engine, load_model, save_model
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.row_norms import RowNorms
from fastfm_ext._validation.matrices import canonical_csr
from registries import ALL_SOLVERS, SOLVERS


def csr(X):
    return canonical_csr(sp.csr_array(np.asarray(X, dtype=np.float32)))


def options(solver, **changes):
    sizes = {"learning_rate_w": 0.1, "learning_rate_V": 0.05, "l2_w": 0.03, "l2_V": 0.02, "init_stdev": 0.1}
    return Options("squared", solver, **sizes | changes)


def standardised(X, y):
    """Training and test rows: X, X_test, y, y_test."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


@pytest.fixture(scope="module")
def prices():
    return standardised(*make_regression(800, 300, n_informative=40, noise=50, random_state=0))


@pytest.fixture(scope="module")
def labels():
    return standardised(*make_classification(2000, 300, n_informative=20, n_redundant=20, random_state=1))


# --- norms and what follows from them ------------------------------------------------------------------------------


def test_norms_are_those_of_the_rows_also_where_some_are_empty():
    X = [[0, 0], [1, 2], [0, 0], [3, 0], [0, 0]]
    np.testing.assert_allclose(RowNorms.of(csr(X)), (14 / 5, (25 + 81) / 14, 9))
    assert RowNorms.of(csr(np.eye(3)[[0, 1]] + np.eye(3)[[2, 2]])) == RowNorms(2.0, 2.0, 2.0)
    assert RowNorms.of(csr(np.zeros((2, 2)))) == RowNorms(0.0, 0.0, 0.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rows_of_forty_ones_train_with_the_settings_as_given(solver):
    settings = options(solver)
    assert RowNorms.of(csr(np.ones((3, 40)))).options(settings) == settings
    assert RowNorms.of(csr(np.ones((3, 41)))).options(settings) != settings


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_column_of_outliers_among_usual_rows_changes_the_steps_of_plain_descent_alone(solver):
    X = np.ones((500, 10))
    X[0, 0] = 40.0
    settings = options(solver)
    assert (RowNorms.of(csr(X)).options(settings) == settings) == (solver != "sgd")


@pytest.mark.parametrize("solver", SOLVERS)
def test_longer_rows_train_as_rows_of_usual_norm_with_smaller_parameters(solver):
    m, rng = 16.0, np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=(40)).astype(np.float32)
    given = options(solver, l2_w=0.0, fit_intercept=False)
    learned = []
    for rows, used in ((csr(X), given), (csr(X * m**0.5), given.for_rows_of(m))):
        params = Parameters.initialise(6, 4, used, 0.0, np.random.default_rng(1))
        for _ in range(3):
            _engine.train_epoch(rows, y, None, np.arange(40), params, used, 1)
        learned.append(params)
    usual, long = learned
    assert np.abs(usual.w).max() > 0.01
    np.testing.assert_allclose(long.w * m**0.5, usual.w, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(long.V * m**0.5, usual.V, rtol=2e-3, atol=1e-5)


# --- estimators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_default_regressor_comes_near_ridge_on_a_wide_dense_table(prices, early_stopping):
    X, X_test, y, y_test = prices
    model = FMRegressor(early_stopping=early_stopping, random_state=0).fit(X, y)
    ridge = root_mean_squared_error(y_test, Ridge().fit(X, y).predict(X_test))
    assert root_mean_squared_error(y_test, model.predict(X_test)) < 1.2 * ridge


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_default_classifier_comes_near_logistic_regression_on_a_wide_dense_table(labels, early_stopping):
    X, X_test, y, y_test = labels
    model = FMClassifier(early_stopping=early_stopping, random_state=0).fit(X, y)
    linear = log_loss(y_test, LogisticRegression().fit(X, y).predict_proba(X_test))
    assert log_loss(y_test, model.predict_proba(X_test)) < 1.2 * linear


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_explains_most_of_a_wide_dense_table(prices, solver):
    X, X_test, y, y_test = prices
    assert (
        FMRegressor(solver=solver, n_factors=4, early_stopping=True, random_state=0).fit(X, y).score(X_test, y_test)
        > 0.5
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_beats_a_constant_on_wide_dense_classes(labels, solver):
    X, X_test, y, y_test = labels
    model = FMClassifier(solver=solver, n_factors=4, early_stopping=True, random_state=0).fit(X, y)
    assert log_loss(y_test, model.predict_proba(X_test)) < 0.6


def test_a_few_rows_far_longer_than_the_others_do_not_let_training_diverge():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 60)) * np.exp(rng.normal(size=(600, 1)))
    y = X[:, 0] + rng.normal(size=600)
    for solver in ALL_SOLVERS:
        model = FMRegressor(solver=solver, max_iter=20, early_stopping=False, random_state=0).fit(X, y)
        assert model.score(X, y) > 0.3, solver


@pytest.mark.parametrize("solver", ["adagrad", "sgd"])
def test_batches_and_streams_learn_the_norms_from_the_first_rows(prices, solver, tmp_path):
    X, X_test, y, y_test = prices
    batches = [(X[part], y[part]) for part in np.array_split(np.arange(len(y)), 3)]
    by_batches = FMRegressor(solver=solver, random_state=0)
    for epoch in range(20):
        for part in batches:
            by_batches.partial_fit(*part)
        if epoch == 9:
            save_model(tmp_path / "model.fm", by_batches)
            by_batches = load_model(tmp_path / "model.fm").model
    streamed = FMRegressor(solver=solver, random_state=0).fit_stream(batches, n_epochs=20, buffer_rows=200)
    for model in (by_batches, streamed):
        assert model.score(X_test, y_test) > 0.9


# --- L2 of plain descent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", [None, 0.05])
@pytest.mark.parametrize("l2", [100.0, 1e6])
@pytest.mark.parametrize("weights", [None, (0.1, 10.0)])
def test_plain_descent_under_a_large_l2_shrinks_to_the_constant(l2, learning_rate, weights):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    y = 7 + X[:, 0] + X[:, 1] * X[:, 2]
    model = FMRegressor(solver="sgd", l2_w=l2, l2_V=l2, learning_rate=learning_rate, random_state=0)
    model.fit(X, y, None if weights is None else np.random.default_rng(1).choice(weights, 300))
    assert np.abs(model.w_).max() < 100 / l2
    assert np.abs(model.V_).max() < 100 / l2
    assert np.ptp(model.predict(X)) < 0.25 * np.ptp(y)


def test_a_usual_l2_leaves_the_step_size_of_plain_descent_as_given():
    settings = options("sgd", l2_w=9.9, l2_V=1e3)
    assert settings.w.learning_rate == 0.1
    assert settings.V.learning_rate == 1e-3
    assert settings.w0.learning_rate == 0.1

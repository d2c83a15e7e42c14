"""The epoch loop: history, row order, progress lines, threads, early stopping."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

import training_cases
from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext._estimators import base
from fastfm_ext._learning import loop
from registries import SOLVERS
from training_cases import ESTIMATORS, assert_same_model, make, target_of

rows = training_cases.rows  # pytest finds fixtures among the names of the test's module


# --- epochs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_history_has_one_entry_an_epoch(rows, estimator):
    X, y = rows[0], target_of(estimator, rows[1])
    model = make(estimator, early_stopping=False).fit(X, y)
    assert set(model.history_) == {"train_loss", "val_loss", "seconds"}
    assert (
        model.n_iter_ == model.best_epoch_ == len(model.history_["train_loss"]) == len(model.history_["seconds"]) == 5
    )
    assert model.history_["val_loss"] == []
    assert model.history_["train_loss"][-1] < model.history_["train_loss"][0]
    model.fit(X, y, X_val=X, y_val=y)
    assert len(model.history_["val_loss"]) == model.n_iter_


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_seed_gives_one_model(rows, estimator, solver):
    X, y = rows[0], target_of(estimator, rows[1])
    params = {"solver": solver, "early_stopping": True}
    first = make(estimator, **params).fit(X, y)
    assert_same_model(first, make(estimator, **params).fit(X, y))
    assert not np.array_equal(first.V_, make(estimator, random_state=1, **params).fit(X, y).V_)


def test_random_state_may_be_a_generator_that_moves_on(rows):
    X, y = rows
    state = np.random.RandomState(0)
    first, second = (make(FMRegressor, random_state=state).fit(X, y) for _ in range(2))
    assert not np.array_equal(first.V_, second.V_)
    assert_same_model(first, make(FMRegressor, random_state=np.random.RandomState(0)).fit(X, y))


def test_one_line_of_progress_an_epoch(rows, capsys):
    X, y = rows
    make(FMRegressor, verbose=1, max_iter=3, early_stopping=False).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"epoch +2/3  train rmse \d\S*  \d+\.\d\d s", lines[1])
    make(FMClassifier, verbose=1, max_iter=2).fit(X, y > 0, X_val=X, y_val=y > 0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"epoch +1/2  train log loss \d\S*  validation log loss \d\S*  \d+\.\d\d s", lines[0])
    make(FMRegressor).fit(X, y)
    assert capsys.readouterr().out == ""


def test_without_shuffling_rows_are_visited_in_order():
    """Linear SGD written out: each row's step uses what the rows before it have learned."""
    rng = np.random.default_rng(2)
    X = rng.choice([-1.0, 1.0], size=(50, 3))  # of unit size, so training sees them as they are
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=50)
    eta, l2 = 0.05, 0.01
    model = FMRegressor(n_factors=0, solver="sgd", learning_rate=eta, l2_w=l2, max_iter=2, shuffle=False).fit(X, y)
    w0, w = y.mean(), np.zeros(3)
    for _ in range(2):
        for x, target in zip(X, y, strict=True):
            g = w0 + w @ x - target
            w0, w = w0 - eta * g, w - eta * (g * x + l2 * w)
    # 100 steps, each with a rounding error of about 2^-24 of a parameter.
    np.testing.assert_allclose(model.w_, w, atol=1e-5)
    np.testing.assert_allclose(model.w0_, w0, atol=1e-5)


def test_two_threads_learn_as_well():
    rng = np.random.default_rng(4)
    n = 3 * 8192  # enough rows for the engine to use both threads
    columns = np.stack([rng.integers(0, 300, n), rng.integers(300, 500, n)], axis=1)
    X = sp.csr_array((np.ones(2 * n), columns.ravel(), np.arange(0, 2 * n + 1, 2)), shape=(n, 500))
    V = rng.normal(size=(500, 4))
    y = (V[columns[:, 0]] * V[columns[:, 1]]).sum(axis=1)
    one, two = (
        FMRegressor(
            n_factors=4, l2_V=1e-4, init_stdev=0.1, max_iter=16, early_stopping=False, random_state=0, n_jobs=jobs
        )
        for jobs in (1, 2)
    )
    assert one.fit(X, y).score(X, y) > 0.6
    assert two.fit(X, y).score(X, y) > one.score(X, y) - 0.05
    np.testing.assert_array_equal(two.predict(X), two.set_params(n_jobs=1).predict(X))


# --- early stopping ------------------------------------------------------------------------------------------------


def noisy(n=400):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20)).astype(np.float32)
    return X, X[:, 0] + 2 * rng.normal(size=n)


def validation_loss(model, X, y):
    if not hasattr(model, "predict_proba"):
        return 0.5 * np.mean((model.predict(X).astype(float) - y) ** 2)
    p = model.predict_proba(X)[np.arange(len(y)), y.astype(int)]
    return -np.log(p).mean()


@pytest.mark.parametrize("tol", [0, 1e-4, 0.05])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_best_epochs_parameters_are_kept(estimator, tol):
    X, y = noisy()
    y = target_of(estimator, y)
    fitting, validation = (X[:200], y[:200]), (X[200:], y[200:])
    model = make(estimator, max_iter=60, l2_V=0.0, tol=tol).fit(*fitting, X_val=validation[0], y_val=validation[1])
    losses = model.history_["val_loss"]
    assert model.n_iter_ < 60, "these rows overfit within 60 epochs"
    assert model.best_epoch_ == 1 + int(np.argmin(losses))
    # Training predicts with scaled features and this with scaled parameters; both are exact, and float32.
    np.testing.assert_allclose(validation_loss(model, *validation), min(losses), rtol=1e-6)


@pytest.mark.parametrize("n_epochs", [1, 2, 5])
def test_the_parameters_of_the_last_epoch_are_not_copied(n_epochs, monkeypatch):
    copies, snapshot = [], loop._snapshot
    monkeypatch.setattr(loop, "_snapshot", lambda scorers, reuse: copies.append(1) or snapshot(scorers, reuse))
    X = noisy()[0]
    y = X[:, 0]  # without noise, and so each epoch is the best
    model = make(FMRegressor, max_iter=n_epochs).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == len(losses) == n_epochs
    assert len(copies) == n_epochs - 1
    np.testing.assert_allclose(validation_loss(model, X[200:], y[200:]), losses[-1], rtol=1e-6)


def test_training_ends_after_n_iter_no_change_epochs_without_gain():
    X, y = noisy()
    model = make(FMRegressor, max_iter=60, l2_V=0.0, n_iter_no_change=2, tol=0).fit(
        X[:200], y[:200], X_val=X[200:], y_val=y[200:]
    )
    assert model.n_iter_ == model.best_epoch_ + 2


@pytest.fixture
def splits(monkeypatch):
    """What each training was given: numbers of the training rows, and the validation rows."""
    seen = []
    solve_for_all = base.solve_for_all

    def spy(problem, solver):
        seen.append((problem.data, problem.visited, problem.held_out and problem.held_out.samples))
        return solve_for_all(problem, solver)

    monkeypatch.setattr(base, "solve_for_all", spy)
    return seen


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3])
def test_internal_hold_out_keeps_each_classs_share(splits, fraction):
    n = 600
    y = np.repeat([0, 1, 2], [60, 180, 360])
    X = np.random.default_rng(0).normal(size=(n, 4))
    make(FMClassifier, early_stopping=True, validation_fraction=fraction, max_iter=1).fit(X, y)
    rows, train_rows, validation = splits[0]
    counts = validation.targets.sum(axis=1)
    assert np.abs(counts - fraction * np.array([60, 180, 360])).max() <= 1
    assert validation.X.n_rows == round(n * fraction)
    assert len(train_rows) == n - round(n * fraction)
    held_out = np.setdiff1d(np.arange(n), train_rows)
    np.testing.assert_array_equal(rows.targets[:, held_out].sum(axis=1), counts)

"""An estimator after an error: as it was before, whatever the error."""

import numpy as np
import pytest

import training_cases
from fastfm_ext import DivergenceError, FMClassifier, _engine
from registries import SOLVERS
from training_cases import ESTIMATORS, Interruption, assert_same_model, learned, make, target_of

rows = training_cases.rows  # pytest finds fixtures among the names of the test's module


def score(model, X):
    return model.decision_function(X) if isinstance(model, FMClassifier) else model.predict(X)


@pytest.mark.parametrize("failure", ["divergence", "interruption", "bad rows"])
@pytest.mark.parametrize("method", ["fit", "warm fit", "partial_fit"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fitted", [False, True])
def test_a_failure_leaves_the_estimator_as_it_was(rows, monkeypatch, failure, method, estimator, solver, fitted):
    X, y = rows[0], target_of(estimator, rows[1])
    model = make(estimator, solver=solver)
    if fitted:
        model.fit(X, y)
        before, attributes = (score(model, X), model.w0_, model.w_.copy(), model.V_.copy()), dict(vars(model))
    X, error = X.copy(), KeyboardInterrupt
    if failure == "divergence":
        X[-1], error = 3e38, DivergenceError
        model.set_params(learning_rate=1e30)
    elif failure == "bad rows":
        X[-1], error = np.nan, ValueError
    else:
        monkeypatch.setattr(_engine, "train_epoch", Interruption(0 if method == "partial_fit" else 2))
    model.set_params(warm_start=method == "warm fit")
    train = model.partial_fit if method == "partial_fit" else model.fit
    arguments = {"classes": [False, True]} if method == "partial_fit" and estimator is FMClassifier else {}
    with pytest.raises(error):
        train(X, y, **arguments)
    if not fitted:
        assert not learned(model)
        return
    after = (score(model, rows[0]), model.w0_, model.w_, model.V_)
    for value, value_before in zip(after, before, strict=True):
        np.testing.assert_array_equal(value, value_before)
    assert {name: vars(model)[name] for name in learned(model)} == {name: attributes[name] for name in learned(model)}
    # The optimizer's state is as it was, too: training goes on as if nothing had happened.
    monkeypatch.undo()
    go_on = {"learning_rate": None, "warm_start": False}
    twin = make(estimator, solver=solver).fit(rows[0], y)
    assert_same_model(model.set_params(**go_on).partial_fit(rows[0], y), twin.partial_fit(rows[0], y))


def test_classes_of_a_failed_partial_fit_are_forgotten(rows):
    X, y = rows[0], rows[1] > 0
    model = make(FMClassifier)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X * np.nan, y, classes=[0, 1, 2, 3])
    np.testing.assert_array_equal(model.fit(X, y).classes_, [False, True])

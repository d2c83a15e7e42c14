"""Decay of the optimizer's state: predictions stay, and later steps are larger."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fastfm_ext import FMClassifier, FMRegressor

SHRINKING = pytest.mark.parametrize("solver", ["adagrad", "ftrl"])
SETTINGS = {"adagrad": {}, "ftrl": {"l1_w": 0.5, "l1_V": 0.1}}


def rows(seed):
    rng = np.random.default_rng(seed)
    X = (rng.random((2000, 12)) < 0.3).astype(np.float32)
    return X, (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(scale=0.3, size=2000) > 0.6).astype(int)


def trained(solver, **params):
    model = FMClassifier(n_factors=4, solver=solver, random_state=0, **SETTINGS.get(solver, {}) | params)
    return model.partial_fit(*rows(0)).partial_fit(*rows(1))


@SHRINKING
def test_predictions_stay(solver):
    model, X = trained(solver), rows(2)[0]
    before = model.decision_function(X)
    np.testing.assert_array_equal(model.decay_state(0.3).decision_function(X), before)


@SHRINKING
def test_steps_grow(solver):
    X, y = rows(2)
    moves = []
    for keep in (1, 0.5, 0.1):
        model = trained(solver)
        before = model.decision_function(X)
        model.decay_state(keep).partial_fit(X[:20], 1 - y[:20])
        moves.append(np.abs(model.decision_function(X) - before).mean())
    assert moves[0] < moves[1] < moves[2]


@SHRINKING
def test_a_step_goes_on_from_the_parameters_that_are_there(solver):
    X, y = rows(2)
    model = trained(solver)
    before = model.decision_function(X)
    model.decay_state(0.5).partial_fit(X[:1], y[:1])
    np.testing.assert_allclose(model.decision_function(X), before, atol=0.2)


@SHRINKING
def test_all_of_the_memory_is_no_change(solver):
    X, y = rows(2)
    one, other = trained(solver).decay_state(1), trained(solver)
    np.testing.assert_allclose(
        one.partial_fit(X, y).decision_function(X), other.partial_fit(X, y).decision_function(X), rtol=1e-4, atol=1e-5
    )


def test_adagrad_remembers_no_less_than_at_the_beginning():
    model = trained("adagrad")
    for _ in range(100):
        model.decay_state(0.5)
    fresh = FMClassifier(n_factors=4, random_state=0).partial_fit(*rows(0))._options().initial_acc_w
    assert model._scorers[0].tables["w"][:, 1].min() == pytest.approx(fresh)


def test_regressors_decay_too():
    X, y = rows(0)
    model = FMRegressor(n_factors=2, random_state=0).partial_fit(X, 1000.0 * y)
    before = model.predict(X)
    np.testing.assert_array_equal(model.decay_state(0.5).predict(X), before)


@pytest.mark.parametrize("keep", [0, -1, 1.5, float("nan"), "1", None, True])
def test_invalid_shares_are_refused(keep):
    with pytest.raises(ValueError, match="keep must be a number"):
        trained("adagrad").decay_state(keep)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_solvers_of_constant_steps_are_refused(solver):
    with pytest.raises(ValueError, match="whose steps shrink"):
        trained(solver).decay_state(0.5)


def test_a_model_without_parameters_has_nothing_to_decay():
    with pytest.raises(NotFittedError):
        FMClassifier().decay_state(0.5)


def test_parameters_of_another_program_have_no_state_to_decay():
    model = FMClassifier.from_parameters(0.5, [1.0, 2.0], [[1.0], [2.0]])
    assert model.decay_state(0.5).w0_ == 0.5

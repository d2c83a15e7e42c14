"""Divergence: an error that says when and at what learning rate, and the best epoch where one was validated."""

import pickle

import numpy as np
import pytest

import training_cases
from fastfm_ext import DivergenceError, FMClassifier, FMRegressor, _engine
from registries import SOLVERS
from training_cases import ESTIMATORS, Interruption, assert_same_model, learned, make, target_of

rows = training_cases.rows  # pytest finds fixtures among the names of the test's module


def repeat(times, train, *rows, **arguments):
    for _ in range(times):
        train(*rows, **arguments)


def train_methods(model, y):
    return [(model.fit, {}), (model.partial_fit, {"classes": np.unique(y)} if isinstance(model, FMClassifier) else {})]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_divergence_names_epoch_and_learning_rate_and_leaves_no_model(rows, estimator, solver):
    X, y = rows[0], target_of(estimator, rows[1])
    model = make(estimator, solver=solver, learning_rate=1e30, max_iter=50)
    for train, arguments in train_methods(model, y):
        with pytest.raises(DivergenceError, match=r"diverged in epoch \d+ with learning_rate=1e\+30") as caught:
            repeat(50, train, X, y, **arguments)
        assert caught.value.learning_rate == 1e30
        assert "Try a smaller learning_rate, a clip_gradient of 1 or less," in str(caught.value)
        assert f"epoch {caught.value.epoch} " in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        if train == model.fit:
            assert not learned(model)


class Explosion(Interruption):
    """Lets the engine train for some calls, and from then on first makes the factors huge."""

    def __call__(self, X, y, sample_weight, order, params, *rest):
        self.n_calls -= 1
        if self.n_calls < 0:
            params.tables["V"][:, 0] = 1e25
        return self.train_epoch(X, y, sample_weight, order, params, *rest)


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_run_that_diverges_keeps_its_best_epoch(rows, monkeypatch, estimator, warm_start):
    X, y = rows[0], target_of(estimator, rows[1])
    fit = {"X": X[:150], "y": y[:150], "X_val": X[150:], "y_val": y[150:]}
    model, twin = (make(estimator, max_iter=2, warm_start=warm_start).fit(**fit) for _ in range(2))
    twin.fit(**fit)
    monkeypatch.setattr(_engine, "train_epoch", Explosion(2))
    with pytest.raises(DivergenceError, match=r"diverged in epoch 3 .* has the parameters of epoch 2") as caught:
        model.set_params(max_iter=9).fit(**fit)
    assert caught.value.kept_epoch == model.best_epoch_ == model.n_iter_ == 2
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert_same_model(model, twin)
    histories = [{k: v for k, v in m.history_.items() if k != "seconds"} for m in (model, twin)]
    assert histories[0] == histories[1]


def test_validation_rows_that_overflow_are_an_error(rows):
    X, y = rows
    for estimator in ESTIMATORS:
        with pytest.raises(DivergenceError, match="the validation loss became NaN or infinite"):
            make(estimator).fit(X, target_of(estimator, y), X_val=X * 1e30, y_val=target_of(estimator, y))


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
@pytest.mark.parametrize("changes", [{"l2_V": 1e30}, {"solver": "sgd", "learning_rate": 1e10}, {"learning_rate": 1e10}])
def test_one_epoch_over_one_row_raises_or_leaves_finite_predictions(fit, changes):
    model = FMRegressor(2, max_iter=1, random_state=0, **changes)
    X, y = np.ones((3, 2)), [1.0, 2.0, 3.0]
    try:
        getattr(model, fit)(X, y)
    except DivergenceError:
        assert not hasattr(model, "n_iter_")
    else:
        assert np.isfinite(model.predict(X)).all()


def test_a_parameter_that_overflows_in_the_last_step_is_noticed():
    with pytest.raises(DivergenceError, match="a parameter became NaN or infinite"):
        FMRegressor(2, l2_V=1e300, max_iter=1, random_state=0).fit(np.eye(3), [1.0, 2.0, 3.0])


def test_parameters_that_overflow_in_the_units_of_the_features_are_noticed():
    X = np.random.default_rng(0).random((50, 2)) * 1e-37
    y = X[:, 0] * 1e37 * 1e5
    with pytest.raises(DivergenceError, match="a parameter became NaN or infinite"):
        FMRegressor(2, random_state=0).fit(X, y)


def test_the_row_in_the_message_is_the_users_row():
    X = np.zeros((140, 2), dtype=np.float32)
    X[132] = 1.0
    weight = np.r_[np.zeros(100), np.ones(40)]
    model = FMRegressor(2, init_stdev=1e25, shuffle=False, random_state=0)
    with pytest.raises(DivergenceError, match="row 132 "):
        model.fit(X, np.arange(140.0), weight)

"""Weights of rows, and training that goes on: `warm_start` and `partial_fit`."""

import numpy as np
import pytest
from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor

import training_cases
from fastfm_ext import FMClassifier, FMRegressor
from registries import SOLVERS
from training_cases import ESTIMATORS, assert_same_model, make, target_of

rows = training_cases.rows  # pytest finds fixtures among the names of the test's module


# --- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"solver": "sgd", "shuffle": False}], ids=str)
def test_rows_of_weight_zero_leave_no_trace(rows, estimator, params):
    X, y = rows[0].copy(), target_of(estimator, rows[1]).copy()
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    left_out = weights == 0
    X[left_out] *= 1e6
    y[left_out] = 1e6 if y.dtype != bool else ~y[left_out]
    kept = make(estimator, **params).fit(X[~left_out], y[~left_out], sample_weight=weights[~left_out])
    assert_same_model(make(estimator, **params).fit(X, y, sample_weight=weights), kept)
    kept.partial_fit(X[~left_out], y[~left_out], sample_weight=weights[~left_out])
    model = make(estimator, **params).fit(X, y, sample_weight=weights)
    assert_same_model(model.partial_fit(X, y, sample_weight=weights), kept)


def test_a_class_of_weight_zero_is_no_class(rows):
    X = rows[0]
    y = np.arange(len(X)) % 3
    model = make(FMClassifier).fit(X, y, sample_weight=y > 0)
    np.testing.assert_array_equal(model.classes_, [1, 2])
    with pytest.raises(ValueError, match="y holds one class only"):
        make(FMClassifier).fit(X, y, sample_weight=y == 1)


def test_rows_of_weight_zero_never_empty_the_internal_validation_set(rows):
    X, y = rows
    weights = np.zeros(len(X))
    weights[:10] = 1.0
    model = make(FMRegressor, early_stopping=True).fit(X, y, sample_weight=weights)
    assert np.isfinite(model.history_["val_loss"]).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_equal_weights_of_one_change_nothing(rows, estimator):
    X, y = rows[0], target_of(estimator, rows[1])
    assert_same_model(make(estimator).fit(X, y, sample_weight=np.ones(len(X))), make(estimator).fit(X, y))
    assert_same_model(make(estimator).fit(X, y, sample_weight=1.0), make(estimator).fit(X, y))


def test_weights_of_two_in_a_later_batch_double_the_step_of_sgd(rows):
    """A weight multiplies a row's loss and its L2, and so is a factor of the learning rate."""
    X, y = rows
    params = {"solver": "sgd", "shuffle": False, "l2_w": 0.125, "l2_V": 0.125, "learning_rate": 2.0**-7}
    weighted, fast = (make(FMRegressor, **params).partial_fit(X, y) for _ in range(2))
    weighted.partial_fit(X, y, sample_weight=np.full(len(X), 2.0))
    assert_same_model(weighted, fast.set_params(learning_rate=2.0**-6).partial_fit(X, y))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weight", [1e-3, 2.0, 1e-30, 3e30])
@pytest.mark.parametrize("how", ["fit", "warm start", "partial_fit", "fit_stream"])
def test_equal_weights_of_any_size_train_as_none_do(rows, how, weight, solver):
    X, y = rows
    plain, weighted = (make(FMRegressor, solver=solver, warm_start=how == "warm start", max_iter=3) for _ in range(2))
    for model, weights in ((plain, None), (weighted, np.full(len(X), weight))):
        for _ in range(2):
            if how == "partial_fit":
                model.partial_fit(X, y, weights)
            elif how == "fit_stream":
                model.fit_stream([(X[:90], y[:90], weights if weights is None else weights[:90])], 2, buffer_rows=40)
            else:
                model.fit(X, y, weights)
    assert_same_model(weighted, plain)


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_only_relative_weights_matter(rows, estimator, factor):
    X, y = rows[0], target_of(estimator, rows[1])
    weights = np.random.default_rng(0).integers(1, 5, len(X)).astype(float)
    validation = {"X_val": X, "y_val": y, "sample_weight_val": weights}
    some, others = (make(estimator).fit(X, y, w, **validation) for w in (weights, weights * factor))
    assert_same_model(some, others)
    assert some.history_["val_loss"] == others.history_["val_loss"]


def test_weights_of_later_batches_are_relative_to_those_of_the_first(rows):
    X, y = rows
    small, large = (make(FMRegressor).partial_fit(X, y, np.full(len(X), weight)) for weight in (0.25, 1.0))
    small.partial_fit(X, y, np.full(len(X), 0.5))
    assert_same_model(small, large.partial_fit(X, y, np.full(len(X), 2.0)))
    small.partial_fit(X, y)  # weights of 1, where those of 0.25 are the usual ones
    assert_same_model(small, large.partial_fit(X, y, np.full(len(X), 4.0)))


def test_boosting_and_bagging_weigh_rows_as_little_as_they_like(rows):
    X, y = rows[0], rows[1] > 0
    alone = make(FMClassifier, max_iter=20).fit(X, y).score(X, y)
    boosted = AdaBoostClassifier(make(FMClassifier, max_iter=20), n_estimators=4, random_state=0).fit(X, y)
    assert boosted.score(X, y) > alone - 0.05
    bagged = BaggingRegressor(make(FMRegressor, max_iter=20), n_estimators=4, random_state=0)
    plain = make(FMRegressor, max_iter=20).fit(X, rows[1]).score(X, rows[1])
    assert bagged.fit(X, rows[1], sample_weight=np.full(len(X), 1e-4)).score(X, rows[1]) > plain - 0.1


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_small_steps_take_weight_for_repetition(rows, estimator):
    """One step of size w eta and w steps of size eta differ by the order of eta^2."""
    X, y = rows[0], target_of(estimator, rows[1])
    weights = np.random.default_rng(0).integers(1, 5, len(X))
    params = {"solver": "sgd", "shuffle": False, "learning_rate": 1e-4, "tol": 0, "max_iter": 20}
    # Of the repeated rows an epoch takes more steps, as many times as a weight is on average.
    rate = params["learning_rate"] * weights.mean()
    weighted = make(estimator, **(params | {"learning_rate": rate})).fit(X, y, sample_weight=weights)
    repeated = make(estimator, **params).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    moved = np.abs(repeated.w_).max()
    assert moved > 1e-4
    np.testing.assert_allclose(weighted.w_, repeated.w_, atol=0.01 * moved)


def test_validation_weights_weigh_the_validation_loss(rows):
    X, y = rows
    half = np.arange(len(X)) < 100
    weighted = make(FMRegressor).fit(X, y, X_val=X, y_val=y, sample_weight_val=half.astype(float))
    plain = make(FMRegressor).fit(X, y, X_val=X[half], y_val=y[half])
    np.testing.assert_allclose(weighted.history_["val_loss"], plain.history_["val_loss"], rtol=1e-9)


# --- going on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_warm_start_and_partial_fit_go_on_where_training_stopped(rows, estimator, solver):
    X, y = rows[0], target_of(estimator, rows[1])
    params = {"solver": solver, "shuffle": False, "tol": 0, "n_iter_no_change": 100}
    at_once = make(estimator, max_iter=4, **params).fit(X, y)
    in_two = make(estimator, max_iter=2, warm_start=True, **params).fit(X, y).fit(X, y)
    by_epoch = make(estimator, **params)
    for _ in range(4):
        by_epoch.partial_fit(X, y)
    assert_same_model(in_two, at_once)
    assert_same_model(by_epoch, at_once)
    assert by_epoch.n_iter_ == 4


def test_without_warm_start_fit_forgets(rows):
    X, y = rows
    model = make(FMRegressor).fit(X[:, :3], -y)
    assert_same_model(model.fit(X, y), make(FMRegressor).fit(X, y))


def test_warm_start_does_not_touch_the_parameters_handed_out_before(rows):
    X, y = rows
    model = make(FMRegressor, warm_start=True).fit(X, y)
    V = model.V_
    before = V.copy()
    model.fit(X, y)
    np.testing.assert_array_equal(V, before)


@pytest.mark.parametrize(("name", "value"), [("solver", "sgd"), ("n_factors", 40)])
def test_going_on_with_another_layout_is_refused(rows, name, value):
    X, y = rows
    model = make(FMRegressor, warm_start=True).fit(X, y)
    before = model.predict(X)
    model.set_params(**{name: value})
    for go_on in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=f"{name} is now .*train anew"):
            go_on(X, y)
    np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(warm_start=False).fit(X, y)


def test_partial_fit_knows_classes_that_come_later(rows):
    X, y = rows[0], np.arange(200) % 3
    model = make(FMClassifier).partial_fit(X[:100], y[:100] % 2, classes=[0, 1, 2]).partial_fit(X[100:], y[100:])
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    model.partial_fit(X, y, classes=[2, 1, 0])

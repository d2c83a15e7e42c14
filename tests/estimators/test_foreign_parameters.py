"""Parameters of another program predict, are saved, and are trained further."""

import io
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from fastfm_ext import FMClassifier, FMRegressor, load_model, save_model
from registries import ALL_SOLVERS, SOLVERS

RNG = np.random.default_rng(0)
X = np.where(RNG.random((300, 6)) < 0.5, 0, RNG.normal(size=(300, 6))) * [1, 1, 1, 40, 1, 1]
Y = 30 + 8 * (X[:, 0] - X[:, 1] * X[:, 2] + 0.05 * X[:, 3])
W0, W, V = 30.0, RNG.normal(size=6), RNG.normal(size=(6, 3))
EACH_CLASS = RNG.normal(size=3), RNG.normal(size=(3, 6)), RNG.normal(size=(3, 6, 2))


def score(w0, w, V):
    return w0 + X @ w + 0.5 * ((X @ V) ** 2 - X**2 @ V**2).sum(axis=1)


def by_hand(rows=X):
    return score(W0, W, V)


def trained():
    return FMRegressor(3, max_iter=30, random_state=0).fit(X, Y)


def given(model, **hyperparameters):
    return FMRegressor.from_parameters(model.w0_, model.w_, model.V_, random_state=0, **hyperparameters)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_a_regressor_predicts_what_the_formula_says(solver):
    model = FMRegressor.from_parameters(W0, W, V, solver=solver)
    np.testing.assert_allclose(model.predict(X), by_hand(), rtol=1e-4, atol=1e-3)
    assert (model.w0_, model.n_factors, model.n_features_in_) == (W0, 3, 6)
    np.testing.assert_array_equal(model.V_, V.astype(np.float32))


def test_a_classifier_of_two_and_of_more_classes():
    two = FMClassifier.from_parameters(W0, W, V, classes=["no", "yes"])
    np.testing.assert_allclose(two.decision_function(X), by_hand(), rtol=1e-4, atol=1e-3)
    assert two.predict(X).tolist() == np.where(by_hand() > 0, "yes", "no").tolist()
    more = FMClassifier.from_parameters(*EACH_CLASS, classes=[2, 5, 9])
    expected = np.stack([score(*parameters) for parameters in zip(*EACH_CLASS, strict=True)], axis=1)
    np.testing.assert_allclose(more.decision_function(X), expected, rtol=1e-4, atol=1e-3)
    assert more.predict(X).tolist() == np.array([2, 5, 9])[expected.argmax(axis=1)].tolist()


def test_a_model_without_factors_is_linear():
    model = FMRegressor.from_parameters(W0, W, np.zeros((6, 0)))
    np.testing.assert_allclose(model.predict(X), W0 + X @ W, rtol=1e-5, atol=1e-4)


def test_training_without_state_goes_on_as_if_the_parameters_were_its_own():
    own = FMRegressor(3, solver="sgd", max_iter=3, random_state=0, warm_start=True, early_stopping=False).fit(X, Y)
    other = given(own, solver="sgd", max_iter=3, warm_start=True, early_stopping=False)
    own.fit(X, Y)
    other.fit(X, Y)
    np.testing.assert_array_equal(other.V_, own.V_)
    np.testing.assert_array_equal(other.w_, own.w_)
    assert other.w0_ == own.w0_


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("train", ["fit", "partial_fit", "fit_stream"])
def test_every_solver_goes_on_from_them(solver, train):
    good = trained()
    model = given(good, solver=solver, max_iter=1, warm_start=True, early_stopping=False)
    if train == "fit_stream":
        model.fit_stream([(X[:100], Y[:100]), (X[100:], Y[100:])])
    else:
        getattr(model, train)(X, Y)
    fresh = FMRegressor(3, solver=solver, max_iter=1, random_state=0, early_stopping=False).fit(X, Y)
    assert model.history_["train_loss"][0] < 0.5 * fresh.history_["train_loss"][0]
    assert not np.array_equal(model.V_, good.V_)
    assert model.n_iter_ == 1
    before = model.V_.copy()
    model.partial_fit(X, Y)
    assert not np.array_equal(model.V_, before)


@pytest.mark.parametrize("train", ["fit", "partial_fit", "fit_stream"])
def test_a_classifier_keeps_its_classes(train):
    model = FMClassifier.from_parameters(*EACH_CLASS, classes=[2, 5, 9], warm_start=True, max_iter=1)
    labels = np.where(X[:, 0] > 0, 2, 9)
    if train == "fit_stream":
        model.fit_stream([(X, labels)])
    else:
        getattr(model, train)(X, labels)
    assert model.classes_.tolist() == [2, 5, 9]
    assert model.predict_proba(X).shape == (300, 3)
    with pytest.raises(ValueError, match="y holds the class 3"):
        model.partial_fit(X, np.full(300, 3))


def test_a_cold_fit_begins_anew():
    model = given(trained(), max_iter=2).fit(X, Y)
    fresh = FMRegressor(3, max_iter=2, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.V_, fresh.V_)


def test_the_solver_may_be_chosen_later():
    model = given(trained()).set_params(solver="adam")
    model.partial_fit(X, Y)
    with pytest.raises(ValueError, match="solver is now 'sgd'"):
        model.set_params(solver="sgd").partial_fit(X, Y)


def test_a_training_that_fails_leaves_them_as_they_were():
    model = given(trained())
    before = model.predict(X)
    with pytest.raises(ValueError, match="X contains NaN"):
        model.partial_fit(X * np.nan, Y)
    np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(solver="adam").partial_fit(X, Y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_they_grow(solver):
    model = given(trained(), solver=solver)
    before = model.predict(X)
    wide = sp.csr_array(np.hstack([X, np.zeros((300, 2))]))
    np.testing.assert_array_equal(model.grow(8).predict(wide), before)
    model.partial_fit(sp.csr_array(np.hstack([X, np.ones((300, 4))])), Y)
    assert model.V_.shape == (10, 3)


def through_a_file(model):
    file = io.BytesIO()
    save_model(file, model)
    return load_model(file).model


@pytest.mark.parametrize("copy", [through_a_file, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_saved_model_goes_on_like_the_one_in_memory(copy):
    model = given(trained(), solver="ftrl")
    again = copy(model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.partial_fit(X, Y).V_, model.partial_fit(X, Y).V_)
    np.testing.assert_array_equal(copy(again).partial_fit(X, Y).V_, model.partial_fit(X, Y).V_)


def test_a_clone_has_the_hyperparameters_alone():
    model = clone(given(trained(), solver="sgd"))
    assert (model.n_factors, model.solver) == (3, "sgd")
    assert not hasattr(model, "n_features_in_")


def test_its_vectors_rank_as_its_predictions_do():
    model = given(trained())
    users, items = np.eye(6)[:3], np.eye(6)[3:]
    together = model.user_bias(users)[:, None] + model.user_vector(users) @ model.item_vector(items).T
    expected = [[model.predict([u + t])[0] for t in items] for u in users]
    np.testing.assert_allclose(together, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((0, [1, 2], [[1], [2], [3]]), r"V must have the shape \(n_features=2, n_factors\), got \(3, 1\)"),
        ((0, [1, 2], [[1, 2], [3, 4], [5, 6]]), "It looks transposed: each feature has a row in V"),
        ((0, [[1, 2]], [[1], [2]]), r"w must have the shape \(n_features\), got \(1, 2\)"),
        (([0], [1, 2], [[1], [2]]), r"w0 must have the shape \(\), got \(1,\)"),
        ((0, [], np.zeros((0, 2))), "w has no features"),
        ((np.nan, [1], [[1]]), "w0 has a value that is NaN, infinite or beyond float32"),
        ((0, [1], [[1e39]]), "V has a value that is NaN, infinite or beyond float32"),
        ((0, ["a"], [[1]]), "w must hold numbers"),
    ],
)
def test_parameters_that_do_not_fit_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        FMRegressor.from_parameters(*parameters)


@pytest.mark.parametrize("classes", [[1], [1, 0], [0, 0], [[0, 1]], 3])
def test_classes_are_different_and_rise(classes):
    with pytest.raises(ValueError, match="classes must hold two or more different classes in rising order"):
        FMClassifier.from_parameters(0, [1], [[1]], classes=classes)


def test_hyperparameters_are_checked():
    with pytest.raises(ValueError, match="n_factors is 4, but V has 1 columns"):
        FMRegressor.from_parameters(0, [1], [[1]], n_factors=4)
    with pytest.raises(ValueError, match="solver"):
        FMRegressor.from_parameters(0, [1], [[1]], solver="newton")
    with pytest.raises(ValueError, match=r"w must have the shape \(n_classes=3, n_features\)"):
        FMClassifier.from_parameters([0, 0, 0], [1], [[1]], classes=[0, 1, 2])

"""The estimators as scikit-learn's tools see them: conventions, classes, predictions, pipelines, copies and files."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastfm_ext import FMClassifier, FMRegressor

ESTIMATORS = [FMRegressor, FMClassifier]

WEIGHT_IS_NOT_REPETITION = (
    "a row of weight 2 takes one step of twice the size, and a row that stands there twice takes two steps"
)


def expected_failures(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": WEIGHT_IS_NOT_REPETITION,
        "check_sample_weight_equivalence_on_sparse_data": WEIGHT_IS_NOT_REPETITION,
    }


@parametrize_with_checks([FMRegressor(), FMClassifier()], expected_failed_checks=expected_failures)
def test_scikit_learn_convention(estimator, check):
    check(estimator)


@pytest.fixture
def rows():
    """Rows whose target hangs on a product of features: X, numbers to predict, and two classes."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 6))
    y = X[:, 0] - 2 * X[:, 1] + X[:, 2] * X[:, 3]
    return X, y, y > 0


def target_of(estimator, rows):
    return rows[1] if estimator is FMRegressor else rows[2]


def scores(model, X):
    return model.decision_function(X) if isinstance(model, FMClassifier) else model.predict(X)


def assert_same_model(a, b, X):
    np.testing.assert_array_equal(scores(a, X), scores(b, X))
    for name in ("w0_", "w_", "V_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


# --- classes and probabilities -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        ["pear", "apple"],
        [7, -3],
        [True, False],
        [2.0, -1.0],
        ["pear", "apple", "fig"],
        [5, -3, 0],
        np.array(["pear", "apple", "fig"], dtype=object),
    ],
    ids=str,
)
def test_classes_are_sorted_and_come_back_as_they_were(rows, labels):
    X = rows[0]
    labels = np.asarray(labels)
    y = labels[np.argmax(X[:, : len(labels)], axis=1)]
    model = FMClassifier(random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.sort(labels))
    predicted = model.predict(X)
    assert predicted.dtype == y.dtype
    assert np.mean(predicted == y) > 0.8


def test_binary_probability_is_the_logistic_of_the_decision(rows):
    X, _, y = rows
    model = FMClassifier(random_state=0, max_iter=10).fit(X, y)
    decision = model.decision_function(X)
    assert decision.shape == (len(X),)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / (1 + np.exp(-decision.astype(float))), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), decision > 0)


def test_multiclass_is_one_versus_rest(rows):
    X = rows[0]
    y = np.argmax(X[:, :3], axis=1)
    model = FMClassifier(random_state=0, max_iter=10, n_factors=4).fit(X, y)
    decision = model.decision_function(X)
    assert decision.shape == (len(X), 3)
    assert np.shape(model.w0_) == (3,)
    assert model.w_.shape == (3, 6)
    assert model.V_.shape == (3, 6, 4)
    each = 1 / (1 + np.exp(-decision.astype(float)))
    np.testing.assert_allclose(model.predict_proba(X), each / each.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), decision.argmax(axis=1))


def test_probabilities_stay_finite_and_ordered_for_extreme_scores():
    X = np.array([[-1.0], [1.0], [0.0]])
    model = FMClassifier(n_factors=0, random_state=0).fit(np.repeat(X, 20, axis=0), np.repeat([0, 1, 2], 20))
    p = model.predict_proba(X * 1e6)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_more_classes_than_a_byte_counts():
    y = np.repeat(np.arange(300), 3)
    X = sp.csr_array(np.eye(300)[y])
    model = FMClassifier(n_factors=0, max_iter=40, learning_rate=1.0, random_state=0).fit(X, y)
    assert model.predict_proba(X).shape == (900, 300)
    assert np.mean(model.predict(X) == y) > 0.9


# --- model parts ---------------------------------------------------------------------------------------------------


def test_parts_that_are_switched_off_stay_zero(rows):
    X, y, _ = rows
    model = FMRegressor(n_factors=0, fit_intercept=False, fit_linear=False, max_iter=3).fit(X, y)
    assert model.w0_ == 0
    assert not model.w_.any()
    assert model.V_.shape == (6, 0)
    np.testing.assert_array_equal(model.predict(X), np.zeros(len(X)))


@pytest.mark.parametrize("n_factors", [0, 1, 3, 4, 5, 8, 17])
def test_prediction_is_the_formula_of_the_paper(rows, n_factors):
    X, y, _ = rows
    model = FMRegressor(n_factors=n_factors, random_state=0, max_iter=10).fit(X, y)
    w, V = model.w_.astype(float), model.V_.astype(float)
    expected = model.w0_ + X @ w + 0.5 * ((X @ V) ** 2 - X**2 @ V**2).sum(axis=1)
    # float32 arithmetic on some ten terms of about 10.
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-5 * np.abs(expected).max())
    assert model.predict(X).dtype == np.float32


METHODS = ["predict", "user_vector", "item_vector", "user_bias", "score"]


@pytest.mark.parametrize(
    ("estimator", "method"),
    [(estimator, method) for estimator in ESTIMATORS for method in METHODS]
    + [(FMClassifier, "predict_proba"), (FMClassifier, "decision_function")],
)
def test_use_before_fit_raises_not_fitted(rows, estimator, method):
    arguments = (rows[0], target_of(estimator, rows)) if method == "score" else (rows[0],)
    with pytest.raises(NotFittedError, match=f"{estimator.__name__} instance is not fitted yet"):
        getattr(estimator(), method)(*arguments)


def test_parameters_before_fit_are_an_attribute_error():
    with pytest.raises(AttributeError, match="not fitted"):
        _ = FMRegressor().V_
    assert not hasattr(FMRegressor(), "w_")


# --- scikit-learn's tools ------------------------------------------------------------------------------------------


def test_pipeline_and_grid_search_over_two_processes(rows):
    X = np.random.default_rng(0).normal(size=(300, 3))
    y = X[:, 0] * X[:, 1] > 0  # only a product of features tells the classes apart
    pipeline = make_pipeline(StandardScaler(), FMClassifier(random_state=0, max_iter=20))
    search = GridSearchCV(pipeline, {"fmclassifier__n_factors": [0, 4]}, cv=3, n_jobs=2).fit(X, y)
    assert search.best_params_["fmclassifier__n_factors"] == 4
    assert search.best_score_ > 0.8


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_cross_val_score_on_sparse_rows(rows, estimator):
    result = cross_val_score(estimator(random_state=0), sp.csr_matrix(rows[0]), target_of(estimator, rows), cv=3)
    assert result.mean() > 0.6


def test_calibration(rows):
    X, _, y = rows
    p = CalibratedClassifierCV(FMClassifier(random_state=0, max_iter=10), cv=3).fit(X, y).predict_proba(X)
    assert p.shape == (len(X), 2)
    assert np.mean((p[:, 1] > 0.5) == y) > 0.7


# --- copies and files ----------------------------------------------------------------------------------------------


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def through_state(model):
    meta, arrays = model._to_state()
    return type(model)._from_state(meta, {name: array.copy() for name, array in arrays.items()})


COPIES = [lambda model: pickle.loads(pickle.dumps(model)), through_joblib, copy.deepcopy, through_state]
COPY_NAMES = ["pickle", "joblib", "deepcopy", "state"]


@pytest.mark.parametrize("make_copy", COPIES, ids=COPY_NAMES)
@pytest.mark.parametrize("solver", ["sgd", "adagrad"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_copy_predicts_and_goes_on_training_bit_for_bit(rows, make_copy, solver, estimator):
    X, y = rows[0] * 50, target_of(estimator, rows)  # values that training scales
    model = estimator(n_factors=5, solver=solver, max_iter=5, random_state=0).fit(X, y)
    twin = make_copy(model)
    assert_same_model(twin, model, X)
    for _ in range(2):
        model.partial_fit(X, y)
        twin.partial_fit(X, y)
    assert_same_model(twin, model, X)
    assert twin.n_iter_ == model.n_iter_


def test_multiclass_model_copies(rows):
    X = rows[0]
    y = np.array(["a", "b", "c"])[np.argmax(X[:, :3], axis=1)]
    model = FMClassifier(random_state=0, max_iter=5).fit(X, y)
    for make_copy in COPIES:
        twin = make_copy(model)
        np.testing.assert_array_equal(twin.classes_, model.classes_)
        assert_same_model(twin, model, X)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_model_mapped_read_only_predicts_and_its_training_leaves_the_file_alone(rows, estimator, tmp_path):
    X, y = rows[0], target_of(estimator, rows)
    model = estimator(random_state=0, max_iter=3).fit(X, y)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    before = path.read_bytes()
    mapped = joblib.load(path, mmap_mode="r")
    assert_same_model(mapped, model, X)
    mapped.partial_fit(X, y)
    assert_same_model(mapped, model.partial_fit(X, y), X)
    assert path.read_bytes() == before


def test_clone_is_unfitted_with_the_same_parameters(rows):
    X, y, _ = rows
    model = FMRegressor(n_factors=3, l2_V=0.5, random_state=1, max_iter=2).fit(X, y)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        twin.predict(X)


def test_pickle_of_an_unfitted_estimator(rows):
    model = pickle.loads(pickle.dumps(FMRegressor(n_factors=2)))
    assert model.fit(rows[0], rows[1]).V_.shape == (6, 2)

"""The estimators as scikit-learn's tools see them: conventions, attributes, pipelines, searches."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import estimator_cases
from estimator_cases import ESTIMATORS, target_of
from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMOrdinalClassifier,
    BayesianFMRegressor,
    FMClassifier,
    FMRanker,
    FMRegressor,
)

rows = estimator_cases.rows

WEIGHT_IS_NOT_REPETITION = (
    "a row of weight 2 takes one step of twice the size, and a row that stands there twice takes two steps"
)
WEIGHT_IS_REPETITION_IN_DISTRIBUTION = "the draws are other ones; tests/bayesian compares what they are draws of"

BAYESIAN = [
    # Thirty sweeps are enough for what the checks look at.
    BayesianFMRegressor(max_sweeps=30),
    BayesianFMClassifier(max_sweeps=30),
    BayesianFMOrdinalClassifier(max_sweeps=30),
]


def expected_failures(estimator):
    reason = WEIGHT_IS_REPETITION_IN_DISTRIBUTION if estimator in BAYESIAN else WEIGHT_IS_NOT_REPETITION
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@parametrize_with_checks(
    [*(estimator() for estimator in ESTIMATORS), *BAYESIAN], expected_failed_checks=expected_failures
)
def test_scikit_learn_convention(estimator, check):
    check(estimator)


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


METHODS = ["predict", "user_vector", "item_vector", "user_bias", "user_vectors_and_bias", "score"]


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


@pytest.mark.parametrize("estimator", [*ESTIMATORS, FMRanker])
def test_an_unknown_hyperparameter_is_told_of_the_class_that_was_called(estimator):
    with pytest.raises(TypeError, match=rf"^{estimator.__name__}\.__init__\(\) got an unexpected keyword argument 'k'"):
        estimator(k=3)
    with pytest.raises(ValueError, match=f"Invalid parameter 'k' for estimator {estimator.__name__}"):
        estimator().set_params(k=3)


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

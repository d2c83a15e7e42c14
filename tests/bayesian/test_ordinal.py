"""Classes in an order: probabilities, expected values, and cut points."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

import bayesian_cases
from bayesian_cases import FIELDS
from fastfm_ext import BayesianFMClassifier, BayesianFMOrdinalClassifier

ratings = bayesian_cases.ratings
EDGES = [1.5, 2.5, 3.5, 4.5]


def stars_of(y):
    return np.digitize(y, EDGES) + 1


@pytest.fixture(scope="module")
def fitted(ratings):
    X, y, _, _ = ratings
    model = BayesianFMOrdinalClassifier(n_factors=2, fields=FIELDS, random_state=0, max_sweeps=200)
    return model.fit(X, stars_of(y))


def test_it_predicts_better_than_classes_without_an_order(ratings, fitted):
    X, y, X_test, y_test = ratings
    unordered = BayesianFMClassifier(n_factors=2, fields=FIELDS, random_state=0, max_sweeps=200).fit(X, stars_of(y))
    of_order, of_none = (log_loss(stars_of(y_test), model.predict_proba(X_test)) for model in (fitted, unordered))
    assert of_order < 0.95 * of_none


def test_probabilities_classes_and_expected_values_agree(ratings, fitted):
    _, _, X_test, y_test = ratings
    p = fitted.predict_proba(X_test)
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(X_test), p.argmax(axis=1) + 1)
    mean, std = fitted.predict_mean(X_test, return_std=True)
    np.testing.assert_allclose(mean, p @ np.arange(1, 6))
    np.testing.assert_allclose(std**2, p @ np.arange(1, 6) ** 2 - mean**2, atol=1e-9)
    error = (mean - stars_of(y_test)) ** 2
    assert error.mean() < 0.6 * stars_of(y_test).var()
    assert error.mean() == pytest.approx((std**2).mean(), rel=0.25)


def test_cut_points_lie_as_far_apart_as_the_edges(fitted):
    steps = np.diff(fitted.cut_points_)
    assert (steps > 0).all()
    # The edges are one noise of the score and more apart: 1 / 0.5.
    np.testing.assert_allclose(steps, 2.0, rtol=0.35)
    assert fitted.w0_ == 0


def test_classes_that_are_no_numbers_have_no_mean(ratings):
    X, y, X_test, _ = ratings
    names = np.array(["a", "b", "c"])[np.digitize(y, [2, 4])]
    model = BayesianFMOrdinalClassifier(n_factors=2, max_sweeps=40, random_state=0).fit(X, names)
    assert set(model.predict(X_test)) <= set("abc")
    with pytest.raises(ValueError, match="predict_mean needs classes that are numbers"):
        model.predict_mean(X_test)


def test_two_classes_are_a_probit(ratings):
    X, y, X_test, _ = ratings
    settings = {"n_factors": 2, "fields": FIELDS, "max_sweeps": 300, "random_state": 0}
    ordinal = BayesianFMOrdinalClassifier(**settings).fit(X, y > 3)
    probit = BayesianFMClassifier(**settings).fit(X, y > 3)
    apart = np.abs(ordinal.predict_proba(X_test) - probit.predict_proba(X_test))
    assert apart.mean() < 0.03


def test_the_mean_alone_predicts_with_its_cut_points(ratings, fitted):
    X, y, X_test, _ = ratings
    mean = BayesianFMOrdinalClassifier(n_factors=2, fields=FIELDS, random_state=0, max_sweeps=200, keep="mean")
    mean.fit(X, stars_of(y))
    np.testing.assert_array_equal(mean.cut_points_, fitted.cut_points_)
    assert np.mean(mean.predict(X_test) == fitted.predict(X_test)) > 0.9

"""Bayesian classification: probabilities, more than two classes, and labels."""

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.metrics import log_loss
from sklearn.utils import compute_sample_weight

import bayesian_cases
from bayesian_cases import FIELDS, truth
from fastfm_ext import BayesianFMClassifier, BlockMatrix, FMClassifier, load_model, save_model

ratings = bayesian_cases.ratings


@pytest.fixture(scope="module")
def clicks(ratings):
    """Return rows with two classes whose probabilities are known: X, y, X_test, p_test."""
    X, _, X_test, _ = ratings
    p, p_test = (ndtr(1.5 * (truth(rows) - 3)) for rows in (X, X_test))
    return X, np.random.default_rng(1).random(len(p)) < p, X_test, p_test


@pytest.fixture(scope="module")
def fitted(clicks):
    settings = {"n_factors": 4, "fields": FIELDS, "random_state": 0, "max_sweeps": 400, "tol": 2e-3}
    return BayesianFMClassifier(**settings).fit(*clicks[:2])


def expected_log_loss(p, p_true):
    return float(-np.mean(p_true * np.log(p) + (1 - p_true) * np.log1p(-p)))


def test_probabilities_are_better_than_those_of_gradient_descent(clicks, fitted):
    X, y, X_test, p_test = clicks
    p = fitted.predict_proba(X_test)[:, 1]
    descent = FMClassifier(n_factors=4, random_state=0).fit(X, y).predict_proba(X_test)[:, 1]
    assert expected_log_loss(p, p_test) < expected_log_loss(descent, p_test)
    assert np.abs(p - p_test).mean() < 0.13


def test_probabilities_are_calibrated(clicks, fitted):
    _, _, X_test, p_test = clicks
    p = fitted.predict_proba(X_test)[:, 1]
    for part in np.array_split(np.argsort(p), 4):
        assert p[part].mean() == pytest.approx(p_test[part].mean(), abs=0.08)


def test_decisions_scores_and_probabilities_agree(clicks, fitted):
    X_test = clicks[2]
    p, scores = fitted.predict_proba(X_test), fitted.decision_function(X_test)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p[:, 1], ndtr(scores))
    np.testing.assert_array_equal(fitted.predict(X_test), p[:, 1] > 0.5)
    assert fitted.classes_.tolist() == [False, True]
    assert set(fitted.history_) == {"spread", "seconds"}


def test_the_mean_of_the_parameters_is_too_sure(clicks, fitted):
    X, y, X_test, _ = clicks
    mean = BayesianFMClassifier(n_factors=4, fields=FIELDS, random_state=0, max_sweeps=400, tol=2e-3, keep="mean").fit(
        X, y
    )
    sure, averaged = (np.abs(model.predict_proba(X_test)[:, 1] - 0.5).mean() for model in (mean, fitted))
    assert sure > averaged
    assert np.mean(mean.predict(X_test) == fitted.predict(X_test)) > 0.9


def test_more_than_two_classes_have_a_machine_each(ratings):
    X, y, X_test, y_test = ratings
    names = np.array(["bad", "fair", "good"])
    label, label_test = (names[np.digitize(values, [2.5, 3.5])] for values in (y, y_test))
    model = BayesianFMClassifier(n_factors=2, fields=FIELDS, random_state=0, max_sweeps=150).fit(X, label)
    p = model.predict_proba(X_test)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert model.classes_.tolist() == names.tolist()
    np.testing.assert_array_equal(model.predict(X_test), names[p.argmax(axis=1)])
    assert model.decision_function(X_test).shape == (600, 3)
    assert (model.w0_.shape, model.w_.shape, model.V_.shape) == ((3,), (3, 70), (3, 70, 2))
    assert model.hyperparameters_["mu_V"].shape == (3, 2, 2)
    shares = np.unique(label, return_counts=True)[1] / len(label)
    assert log_loss(label_test, p) < 0.8 * log_loss(label_test, np.tile(shares, (600, 1)))
    with pytest.raises(ValueError, match="single score"):
        model.user_vector(X_test)


def test_extreme_scores_stay_finite():
    X = np.array([[1.0], [-1.0]] * 100)
    model = BayesianFMClassifier(n_factors=0, max_sweeps=50, random_state=0).fit(X, X[:, 0] > 0)
    scores = model.decision_function([[1e4], [-1e4]])
    assert np.isfinite(scores).all()
    assert scores[0] > 5 > -5 > scores[1]
    np.testing.assert_allclose(model.predict_proba([[1e4], [-1e4]]), [[0, 1], [1, 0]], atol=1e-300)


def test_a_single_class_is_refused(ratings):
    with pytest.raises(ValueError, match="y holds one class only"):
        BayesianFMClassifier().fit(ratings[0], np.ones(1200))


# --- class weights ---------------------------------------------------------------------------------------------------

SHORT = {"n_factors": 2, "fields": FIELDS, "random_state": 0, "max_sweeps": 30, "keep": "mean"}


@pytest.mark.parametrize("edges", [[3.5], [2.5, 4.5]], ids=["two", "three"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0}, {0: 0.5, 1: 2.5}], ids=str)
def test_a_class_weight_multiplies_the_weights_of_its_rows(ratings, class_weight, edges):
    X, y, X_test, _ = ratings
    y, given = np.digitize(y, edges), np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    # What is balanced are sums of weights.
    by_row = given * compute_sample_weight(class_weight if isinstance(class_weight, dict) else None, y)
    if class_weight == "balanced":
        sums = np.bincount(y, given)
        by_row = given * (given.sum() / (len(sums) * sums))[y]
    weighted = BayesianFMClassifier(class_weight=class_weight, **SHORT).fit(X, y, given).predict_proba(X_test)
    plain = BayesianFMClassifier(**SHORT).fit(X, y, by_row).predict_proba(X_test)
    np.testing.assert_allclose(weighted, plain, atol=1e-4)


def test_balanced_is_that_of_scikit_learn_also_in_blocks(ratings):
    X, y, X_test, _ = ratings
    y, blocks = y > 4, BlockMatrix([X])
    balanced = BayesianFMClassifier(class_weight="balanced", **SHORT).fit(blocks, y).predict_proba(X_test)
    by_row = BayesianFMClassifier(**SHORT).fit(blocks, y, compute_sample_weight("balanced", y)).predict_proba(X_test)
    np.testing.assert_allclose(balanced, by_row, atol=1e-4)
    plain = BayesianFMClassifier(**SHORT).fit(blocks, y).predict_proba(X_test)
    assert balanced[:, 1].mean() > plain[:, 1].mean() + 0.1


def test_probabilities_are_those_of_rows_of_these_weights():
    X, y = np.zeros((500, 1)), np.arange(500) % 10 == 0
    X[0] = 1e-3
    model = BayesianFMClassifier(n_factors=0, class_weight={True: 4.0}, random_state=0, max_sweeps=300).fit(X, y)
    assert model.predict_proba(X)[1:, 1].mean() == pytest.approx(200 / 650, abs=0.01)


def test_weights_beyond_all_counts_are_those_of_a_class_that_is_all_there_is():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, size=(100, 4)).astype(float), rng.integers(0, 2, size=100)
    heavy = [
        BayesianFMClassifier(2, class_weight={1: weight}, max_sweeps=40, random_state=0).fit(X, y).predict_proba(X)
        for weight in (1e15, 1e30)
    ]
    assert heavy[1][:, 1].min() > 0.9
    np.testing.assert_allclose(*heavy, atol=1e-3)


@pytest.mark.parametrize("value", ["even", {True: 0.0}, {True: np.nan}, [(True, 2.0)]], ids=str)
def test_other_class_weights_are_refused_by_name(clicks, value):
    with pytest.raises(ValueError, match=r'^class_weight of BayesianFMClassifier must be None, "balanced" or a dict'):
        BayesianFMClassifier(class_weight=value).fit(*clicks[:2])


def test_weights_of_classes_that_there_are_not_are_refused(clicks):
    with pytest.raises(ValueError, match="are not in class_weight"):
        BayesianFMClassifier(class_weight={"maybe": 2.0}).fit(*clicks[:2])


@pytest.mark.parametrize("class_weight", ["balanced", {False: 0.5, np.True_: np.float64(2.0)}], ids=str)
def test_class_weights_are_saved(clicks, tmp_path, class_weight):
    model = BayesianFMClassifier(class_weight=class_weight, **SHORT).fit(*clicks[:2])
    save_model(tmp_path / "model.fm", model)
    assert load_model(tmp_path / "model.fm").model.class_weight == class_weight

"""FMClassifier: classes and probabilities."""

import numpy as np
import pytest
import scipy.sparse as sp

import estimator_cases
from fastfm_ext import FMClassifier

rows = estimator_cases.rows


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

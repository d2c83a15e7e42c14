"""Rows for every estimator, with a target of each kind."""

import numpy as np
import pytest
from sklearn.base import is_classifier

from fastfm_ext import FMClassifier, FMRegressor
from field_aware_cases import FIELD_AWARE

# Those that learn a target for each row by descent.
ESTIMATORS = [FMRegressor, FMClassifier, *FIELD_AWARE]


@pytest.fixture
def rows():
    """Rows whose target hangs on a product of features: X, numbers to predict, and two classes."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 6))
    y = X[:, 0] - 2 * X[:, 1] + X[:, 2] * X[:, 3]
    return X, y, y > 0


def target_of(estimator, rows):
    return rows[2] if is_classifier(estimator()) else rows[1]


def scores(model, X):
    return model.decision_function(X) if is_classifier(model) else model.predict(X)


def assert_same_model(a, b, X):
    np.testing.assert_array_equal(scores(a, X), scores(b, X))
    for name in ("w0_", "w_", "V_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))

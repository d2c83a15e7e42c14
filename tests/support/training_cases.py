"""Rows to train on, estimators to train, and what the tests of training compare."""

import numpy as np
import pytest
from sklearn.base import is_classifier

from estimator_cases import ESTIMATORS as ESTIMATORS
from fastfm_ext import _engine
from field_aware_cases import FIELD_AWARE

# Of these features and of some to come.
FIELDS = np.arange(64) % 3


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(200, 6)).astype(np.float32) * 40  # values that training scales
    y = X[:, 0] / 40 - X[:, 1] / 20 + X[:, 2] * X[:, 3] / 1600 + 0.5 * rng.normal(size=200)
    return X, y


def target_of(estimator, y):
    return y > 0 if is_classifier(estimator()) else y


def make(estimator, **params):
    fields = {"fields": FIELDS} if estimator in FIELD_AWARE else {}
    return estimator(**(fields | {"random_state": 0, "max_iter": 5, "n_factors": 5} | params))


def assert_same_model(a, b):
    for name in ("w0_", "w_", "V_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def learned(model):
    return vars(model).keys() - model.get_params().keys()


class Interruption:
    """Lets the engine train for some calls, and then is Ctrl-C."""

    def __init__(self, n_calls):
        self.n_calls = n_calls
        self.train_epoch = _engine.train_epoch

    def __call__(self, *arguments):
        result = self.train_epoch(*arguments)
        self.n_calls -= 1
        if self.n_calls < 0:
            raise KeyboardInterrupt
        return result

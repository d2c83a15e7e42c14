"""Estimators of field-aware models, as the package lists them: a new one is tested by every test of them."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import is_classifier

import fastfm_ext
from fastfm_ext import FMEncoder
from fastfm_ext._names import PUBLIC_NAMES

FIELD_AWARE = [
    getattr(fastfm_ext, public.name) for public in PUBLIC_NAMES if public.module.startswith("fastfm_ext.field_aware.")
]
CLASSIFIERS = [estimator for estimator in FIELD_AWARE if is_classifier(estimator())]
REGRESSORS = [estimator for estimator in FIELD_AWARE if estimator not in CLASSIFIERS]

N_USERS, N_ITEMS, N_DAYS = 12, 15, 3


@pytest.fixture
def table():
    """Columns of users, items and days; a number and a class that hang on the pair of user and item."""
    rng = np.random.default_rng(0)
    n = 900
    columns = {
        "user": rng.integers(0, N_USERS, n),
        "item": rng.integers(0, N_ITEMS, n),
        "day": rng.integers(0, N_DAYS, n),
    }
    y = rng.normal(size=(N_USERS, N_ITEMS))[columns["user"], columns["item"]] + 0.1 * rng.normal(size=n)
    return columns, y, y > 0


def target_of(estimator, table):
    return table[2] if estimator in CLASSIFIERS else table[1]


def scores(model, X):
    return model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)


def make(estimator, **params):
    return estimator(**({"random_state": 0, "max_iter": 5} | params))


def encoded(table):
    encoder = FMEncoder(user=["user"], item=["item"], context=["day"])
    return encoder, encoder.fit_transform(table[0])


def plain(X):
    """The same matrix without the fields that an encoder notes on it."""
    return sp.csr_array((X.data, X.indices, X.indptr), shape=X.shape)

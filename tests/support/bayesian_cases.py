"""Ratings that a factorization machine of two fields has made, for tests of the Bayesian estimators."""

import numpy as np
import pytest
import scipy.sparse as sp

N_USERS, N_FILMS = 40, 30
FIELDS = np.repeat([0, 1], [N_USERS, N_FILMS])
NOISE = 0.5


def ids(n, rng):
    """Rows of a user and a film each: (n, N_USERS + N_FILMS)."""
    columns = np.stack([rng.integers(0, N_USERS, n), N_USERS + rng.integers(0, N_FILMS, n)], axis=1)
    return sp.csr_array((np.ones(2 * n), columns.ravel(), np.arange(0, 2 * n + 1, 2)), shape=(n, N_USERS + N_FILMS))


def truth(X):
    """What each row scores before the noise: about 3, with a spread of about 1.2."""
    rng = np.random.default_rng(7)
    w, V = 0.5 * rng.normal(size=X.shape[1]), 0.7 * rng.normal(size=(X.shape[1], 2))
    return 3 + X @ w + 0.5 * ((X @ V) ** 2 - X**2 @ V**2).sum(axis=1)


@pytest.fixture(scope="session")
def ratings():
    """Return training and test rows with their ratings: X, y, X_test, y_test."""
    rng = np.random.default_rng(0)
    X, X_test = ids(1200, rng), ids(600, rng)
    return X, truth(X) + NOISE * rng.normal(size=1200), X_test, truth(X_test) + NOISE * rng.normal(size=600)

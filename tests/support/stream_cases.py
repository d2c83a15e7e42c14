"""Rows for the tests of streams, batches of them, and a fit that ends in the middle as a crash would end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier

from fastfm_ext import FMClassifier
from field_aware_cases import FIELD_AWARE

N_ROWS, N_FEATURES, BUFFER_ROWS = 1500, 60, 200
FIELDS = np.arange(N_FEATURES) % 3


def rows(seed: int = 0, n_rows: int = N_ROWS) -> tuple[sp.csr_array, np.ndarray]:
    """One of 20 values for each of three fields, and a target that depends on pairs of them."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, 20, size=(n_rows, 3)) + np.array([0, 20, 40])
    X = sp.csr_array((np.ones(3 * n_rows, np.float32), chosen.ravel(), 3 * np.arange(n_rows + 1)), (n_rows, N_FEATURES))
    factors = np.random.default_rng(1).normal(size=(N_FEATURES, 2))
    pairs = (factors[chosen].sum(axis=1) ** 2 - (factors[chosen] ** 2).sum(axis=1)).sum(axis=1)
    return X, pairs + rng.normal(size=n_rows)


def target_of(estimator: type, y: np.ndarray) -> np.ndarray:
    return y > 0 if is_classifier(estimator()) else y


def batches(X: Any, y: Any, n_rows: int, weights: Any = None) -> Callable[[], Iterator[tuple[Any, ...]]]:
    """A function that begins a stream of batches of so many rows."""

    def begin() -> Iterator[tuple[Any, ...]]:
        for first in range(0, X.shape[0], n_rows):
            part = slice(first, first + n_rows)
            yield (X[part], y[part]) if weights is None else (X[part], y[part], weights[part])

    return begin


def make(estimator: type = FMClassifier, **params: Any) -> Any:
    fields = {"fields": FIELDS} if estimator in FIELD_AWARE else {}
    return estimator(**(fields | {"n_factors": 4, "random_state": 3} | params))


class Crash(BaseException):
    """Ends a fit without a chance to tidy up after itself more than any error has."""


def crash_after(n_buffers: int) -> Callable[[Any], None]:
    """A listener to progress that lets the fit crash."""
    seen = []

    def listen(progress: Any) -> None:
        seen.append(progress)
        if len(seen) == n_buffers:
            raise Crash

    return listen


def states(model: Any) -> list[np.ndarray]:
    """Every number that the model has learned, the optimizer's state included."""
    return [array for params in model._scorers for array in params.arrays]


def assert_same_states(a: Any, b: Any) -> None:
    for x, y in zip(states(a), states(b), strict=True):
        np.testing.assert_array_equal(x, y)

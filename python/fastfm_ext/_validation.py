"""The only place that turns what users pass in into arrays for the engine, and says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, validate_data

from fastfm_ext._engine import Csr, Float32Array

MAX_FEATURES = np.iinfo(np.int32).max


def to_csr(estimator: BaseEstimator, X: Any, *, reset: bool = False, name: str = "X") -> Csr:
    """Return ``X`` as the kernels read it.

    Sparse formats, dense arrays and data frames are accepted. Duplicates are summed and explicit zeros dropped, so
    that every way of writing a matrix trains the same model. Arrays of the right type are used without a copy.

    Raises
    ------
    ValueError
        For NaN, infinity, an empty matrix, a number of features other than in ``fit``, or a damaged sparse matrix.
    """
    if getattr(X, "ndim", 2) == 2 and hasattr(X, "shape"):
        check_not_empty(X.shape, name)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused as such
        X = validate_data(estimator, X, reset=reset, accept_sparse="csr", accept_large_sparse=True, dtype=np.float32)
    if X.shape[1] > MAX_FEATURES:
        raise ValueError(
            f"{name} has {X.shape[1]} features; feature numbers are 32-bit, so at most {MAX_FEATURES} can be used. "
            "Hash or renumber the features into a smaller range."
        )
    return canonical_csr(sp.csr_array(X), name)


def canonical_csr(X: sp.csr_array, name: str) -> Csr:
    """Return a float32 ``csr_array`` as a `Csr`: valid, summed, without zeros, and without values if all are 1."""
    try:
        X.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name} is not a valid CSR matrix: {error}") from error
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if not X.data.all():
        X = X.copy()
        X.eliminate_zeros()
    return Csr(
        indptr=np.ascontiguousarray(X.indptr, dtype=np.int64),
        indices=np.ascontiguousarray(X.indices, dtype=np.int32),
        data=None if np.all(X.data == 1) else np.ascontiguousarray(X.data, dtype=np.float32),
        n_features=X.shape[1],
    )


def take_rows(X: Csr, rows: np.ndarray) -> Csr:
    """Return the given rows of X as a matrix of their own."""
    data = np.ones(X.nnz, dtype=np.int8) if X.data is None else X.data
    taken = sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))[rows]
    return Csr(
        indptr=taken.indptr.astype(np.int64),
        indices=taken.indices.astype(np.int32, copy=False),
        data=None if X.data is None else taken.data,
        n_features=X.n_features,
    )


def check_not_empty(shape: Sequence[int], name: str) -> None:
    """Raise ValueError for a matrix without rows or without columns."""
    if shape[0] == 0:
        raise ValueError(f"{name} has 0 sample(s) (shape={tuple(shape)}); at least one row is needed.")
    if len(shape) > 1 and shape[1] == 0:
        raise ValueError(f"{name} has 0 feature(s) (shape={tuple(shape)}) while a minimum of 1 is required.")


def check_weights(sample_weight: ArrayLike | None, X: Csr, name: str) -> Float32Array | None:
    """Return the weights as float32 of shape (n_rows,), or None for none.

    Raises
    ------
    ValueError
        For negative, non-finite or all-zero weights, or another number of them than of rows.
    """
    if sample_weight is None:
        return None
    rows = np.empty((X.n_rows, 0))
    weights = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=False)
    if weights.min() < 0:
        raise ValueError(f"{name} must not be negative; row {int(weights.argmin())} has {weights.min()}.")
    if not weights.any():
        raise ValueError(f"{name} is zero for every row; at least one row must have a positive weight.")
    return np.ascontiguousarray(weights, dtype=np.float32)


def is_real(low: float, *, open_at_low: bool = False, high: float = math.inf) -> Callable[[Any], bool]:
    """Return a check for a finite number above ``low`` (or equal to it) and below ``high``."""

    def check(value: Any) -> bool:
        if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
            return False
        number = float(value)
        return (number > low or (number == low and not open_at_low)) and number < high

    return check


def is_integer(low: int) -> Callable[[Any], bool]:
    """Return a check for an integer of at least ``low``."""
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= low


def optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check that lets None pass, too."""
    return lambda value: value is None or check(value)


def is_bool(value: Any) -> bool:
    """Return whether ``value`` is True or False."""
    return isinstance(value, (bool, np.bool_))


def check_param(estimator: BaseEstimator, name: str, check: Callable[[Any], bool], wanted: str) -> None:
    """Raise ValueError naming the parameter, what it must be and what it is, unless it passes the check."""
    value = getattr(estimator, name)
    if not check(value):
        raise ValueError(f"{name} of {type(estimator).__name__} must be {wanted}; got {value!r}.")

"""Checks of scikit-learn that plain, faultless arrays pass without its import, which takes longer than a small fit."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.sparse import is_sparse


def check_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Compare number and names of the features of X with what the estimator knows, or learn them with `reset`.

    Raises
    ------
    ValueError
        For another number of features, or other names.
    """
    if is_sparse(X) and not hasattr(estimator, "feature_names_in_"):  # a sparse matrix has no names
        if reset:
            estimator.n_features_in_ = X.shape[1]
            return
        if getattr(estimator, "n_features_in_", None) == X.shape[1]:
            return
    from sklearn.utils.validation import validate_data

    validate_data(estimator, X, reset=reset, skip_check_array=True)


def as_column(y: Any) -> AnyArray:
    """Return targets as an array, (n_rows,), with a warning for one of shape (n_rows, 1).

    Raises
    ------
    ValueError
        For another shape.
    """
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuf" and y.flags.c_contiguous:
        return y
    from sklearn.utils import column_or_1d

    column: AnyArray = column_or_1d(y, warn=True)
    return column


def check_finite(y: AnyArray, name: str) -> None:
    """Raise ValueError for floats that are NaN or infinite."""
    if np.isfinite(y).all():
        return
    from sklearn.utils import assert_all_finite

    assert_all_finite(y, input_name=name)


def check_classes(y: AnyArray) -> None:
    """Raise ValueError for labels, (n_rows,), that are a continuous target; warn where nearly all of them differ."""
    is_whole = y.dtype.kind in "biu" or (y.dtype.kind == "f" and bool((np.floor(y) == y).all()))
    if is_whole and y.ndim == 1 and len(np.unique(y)) <= max(2, len(y) // 4):
        return
    from sklearn.utils.multiclass import check_classification_targets

    with np.errstate(invalid="ignore"):  # it looks whether casting to int64 changes a value
        check_classification_targets(y)


def check_fitted(model: Any) -> None:
    """Raise NotFittedError for a model without parameters."""
    if hasattr(model, "_scorers"):
        return
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model, "_scorers")


def generator_of(random_state: Any) -> np.random.RandomState:
    """Return a generator that a seed begins, or the one that is given; NumPy's own for None."""
    if isinstance(random_state, Integral):
        return np.random.RandomState(int(random_state))
    from sklearn.utils import check_random_state

    generator: np.random.RandomState = check_random_state(random_state)
    return generator

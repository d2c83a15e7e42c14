"""Growth of a fitted model: room for features that come later, as ids do that nobody has seen before."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._common.sparse import is_sparse
from fastfm_ext._estimators.base import FMEstimator
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._validation.quick_checks import check_fitted


def grow(model: FMEstimator, n_features: int) -> None:
    """Give a fitted model parameters of 0 for the features from its last one on: see `RowEstimator.grow`.

    The model must be one that no other thread knows.
    """
    check_fitted(model)
    model._check_params()
    n_before: int = model.n_features_in_
    is_count = isinstance(n_features, int | np.integer) and not isinstance(n_features, bool)
    if not is_count or not n_before <= n_features <= MAX_INT32:
        raise ValueError(
            f"n_features must be an integer from {n_before}, which the model has, to {MAX_INT32}; got {n_features!r}."
        )
    if n_features == n_before:
        return
    if hasattr(model, "feature_names_in_"):
        raise ValueError(
            f"The model was trained on {n_before} named columns, and cannot grow to {n_features}. Train "
            "it on a sparse matrix, as an encoder gives it, to let it grow."
        )
    model._check_can_continue()
    n, options, fields = int(n_features), model._options(), model._fields_of(int(n_features))
    model._scorers = Scorers(params.grown(n, options, fields) for params in model._scorers)
    model.n_features_in_ = int(n_features)


def grow_to_fit(model: FMEstimator, X: Any) -> None:
    """Grow for a sparse matrix of more columns; a dense one with another column is a mistake, and refused later."""
    if is_sparse(X) and X.ndim == 2 and model.n_features_in_ < X.shape[1] <= MAX_INT32:
        grow(model, X.shape[1])

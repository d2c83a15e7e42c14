"""Groups of features: those that share a prior, and the scale of those that are groups of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfm_ext._common.arrays import Int32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.units import FeatureScale


def given_fields(fields: ArrayLike, n_features: int) -> Int32:
    """Return the field of each feature, (n_features,), from 0 on; raise ValueError unless there is one for each."""
    given = np.asarray(fields)
    if given.shape != (n_features,) or given.dtype.kind not in "iu":
        raise ValueError(
            f"fields must hold an integer for each of the {n_features} features; got an array of shape "
            f"{given.shape} and type {given.dtype}."
        )
    return np.unique(given, return_inverse=True)[1].astype(np.int32)


def pooled(fields: Int32) -> Int32:
    """Return the group of each feature, (n_features,): its field, but one group for all fields of a single feature.

    A single feature, as a numeric column is, says nothing of the prior that it came from.
    """
    is_alone = np.bincount(fields)[fields] == 1
    groups: Int32 = np.where(is_alone, fields.max(initial=0) + 1, fields)
    return np.unique(groups, return_inverse=True)[1].astype(np.int32)


def as_one_field(scale: FeatureScale, X: Csr, columns: NDArray[np.intp]) -> FeatureScale:
    """Return a scale by which these columns of X together are about as long as the one feature of a field.

    So the prior of a few dozen numeric columns leaves the score the spread that it leaves that of ids.
    """
    if X.data is None or len(columns) < 2:
        return scale
    factors = np.ones(X.n_features, dtype=np.float32)
    factors[scale.columns] = scale.factors[:, 0]
    squares = np.bincount(X.indices, (X.data.astype(np.float64) * factors[X.indices]) ** 2, X.n_features)
    length = float(squares[columns].sum()) / X.n_rows
    factors[columns] *= np.exp2(-np.rint(0.5 * np.log2(max(length, 1.0)))).astype(np.float32)
    chosen = np.flatnonzero(factors != 1)
    return FeatureScale(chosen, factors[chosen][:, None])

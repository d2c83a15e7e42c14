"""Contributions of features to the scores of models with fields, in double precision.

With T_F of a row (see `ModelSpec.pull`), what a feature i of field F adds with all others is ``<v_i, T_F> x_i``, less
``c_ii x_i^2`` with itself, where c_ij is what a pair of ones adds. So contributions are those of a factorization
machine (`contributions`), with T_F in the place of S:

    phi_i = x_i [w_i + <v_i, T_F + E T_F of b> / 2 - c_ii x_i / 2] - m_i <v_i, T_F> / 2 - E phi_i^0(b)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float32, Float64, Int32
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.csr import Csr, present_features, take_rows
from fastfm_ext._engine.field_vectors import field_sums, pairs_of_fields, pulls, towards
from fastfm_ext._engine.parameters import Parameters

if TYPE_CHECKING:
    from fastfm_ext._engine.contributions import Background, GroupSums

# Values of T, and of the vectors of nonzeros, that are in memory at a time.
MOST_VALUES = 1 << 22
_NONE = np.zeros(0, dtype=np.intp)


def to_zeros(X: Csr, params: Parameters) -> Float32:
    """Return what each nonzero adds to the score of its row, against a background of zeros: (nnz,)."""
    parts = [_first_terms(part, params, _pulls_on_all(part, params), None) for part in _some_at_a_time(X, params)]
    return np.concatenate(parts).astype(np.float32)


def of_features(X: Csr, params: Parameters, background: Background) -> tuple[Float32, Float32]:
    """Return the first terms of nonzeros, (nnz,), and the rest, (n_rows, n_features of it): `feature_contributions`."""
    features = background.features
    first, rest = [], []
    for part in _some_at_a_time(X, params):
        T = _pulls_on_all(part, params)
        first.append(_first_terms(part, params, T, 0.5 * background.sum_vx))
        of_background = np.empty((part.n_rows, len(features)), dtype=np.float32)
        V, fields = 0.5 * background.mean[features, None] * _vectors(features, params), _fields(features, params)
        for field in np.unique(fields):
            at = fields == field
            of_background[:, at] = -(T[:, field] @ V[at].T) - background.of_zeros[features[at]]
        rest.append(of_background)
    return np.concatenate(first).astype(np.float32), np.concatenate(rest)


def of_groups(X: Csr, params: Parameters, groups: GroupSums) -> Float32:
    """Return what each group of features adds to the scores of rows: (n_rows, n_groups)."""
    # Where groups are fields, their pairs are products of sums, and none of a single feature is needed.
    are_fields = groups.half_sums is None and np.array_equal(groups.group_of, _fields(slice(None), params))
    found = []
    for part in _some_at_a_time(X, params):
        if are_fields:
            S = _sums_of_all(part, params)
            sums = _by_group(part, _terms_alone(part, params), groups)
            sums += 0.5 * np.einsum("rfk,rfk->rf", S, pulled(S, params))
        else:
            T = _pulls_on_all(part, params)
            sums = _by_group(part, _first_terms(part, params, T, groups.half_sum), groups)
            if groups.half_sums is not None and groups.of_zeros is not None:
                sums = sums - T.reshape(part.n_rows, -1) @ groups.half_sums - groups.of_zeros
        found.append(sums.astype(np.float32))
    return np.concatenate(found)


def with_themselves(features: NDArray[np.integer], params: Parameters) -> Float64:
    """Return c_ii of these features, which the score leaves out: (n_features,)."""
    found, fields, R = np.zeros(len(features)), _fields(features, params), pairs_of_fields(params)
    for field in np.unique(fields):
        at, alone = np.flatnonzero(fields == field), np.array([field])
        V = params.V_of(features[at]).astype(np.float64)[:, None]
        products = towards(V, alone) * pulls(V, params.model, R, alone, alone)
        found[at] = products.sum(axis=tuple(range(1, products.ndim)))
    return found


def pulled(sums: Float64, params: Parameters) -> Float64:
    """Return T_F for all fields from S_F of all, both (n_rows, n_fields, width of a vector)."""
    every, by_field = np.arange(params.fields.n), params.V_of(_NONE).shape[1:]
    S = sums.reshape(len(sums), params.fields.n, *by_field)
    T: Float64 = pulls(S, params.model, pairs_of_fields(params), every, every)
    return T.reshape(sums.shape)


def tagged_vectors(params: Parameters) -> sp.csr_array:
    """Return v_i of each feature at the place of its field, so that sums are S_F: (n_features, n_fields width)."""
    every = np.arange(params.n_features)
    V = _vectors(every, params)
    n, width = V.shape
    places = _fields(every, params)[:, None] * width + np.arange(width)
    shape = (n, params.fields.n * width)
    return sp.csr_array((V.ravel(), places.ravel(), np.arange(n + 1) * width), shape=shape)


def pairs_among(features: NDArray[np.integer], params: Parameters) -> Float64:
    """Return c_ij of all pairs of these features of a model with or without fields, (n_features, n_features)."""
    V = _vectors(features, params)
    if not params.model.has_fields:
        return V @ V.T
    each = Csr(np.arange(len(features) + 1), features.astype(np.int32), None, params.n_features)
    T = _pulls_on_all(each, params)
    pairs: Float64 = np.einsum("ijk,jk->ij", T[:, _fields(features, params)], V)
    return pairs


# --- backgrounds -----------------------------------------------------------------------------------------------------


def mean_pulls(mean: Float64, features: Int32, params: Parameters) -> Float64:
    """Return E T_F, (n_fields, width of a vector), of rows that have these features, of ``mean`` (n_features,)."""
    row = Csr(np.array([0, len(features)]), features, mean[features].astype(np.float32), len(mean))
    of_mean: Float64 = _pulls_on_all(row, params)[0]
    return of_mean


def half_sums(mean: Float64, features: Int32, group_of: Int32, n_groups: int, params: Parameters) -> Float32:
    """Return ``sum m_i v_i / 2`` over the features of a background by field and group: (n_fields width, n_groups)."""
    n_fields = params.fields.n
    places = group_of[features].astype(np.int64) * n_fields + _fields(features, params)
    members = sp.csr_array(
        (0.5 * mean[features], (places, np.arange(len(features)))), shape=(n_groups * n_fields, len(features))
    )
    sums: Float64 = members @ _vectors(features, params)
    return sums.reshape(n_groups, -1).T.astype(np.float32)


# --- parts of a contribution -----------------------------------------------------------------------------------------


def _some_at_a_time(X: Csr, params: Parameters) -> list[Csr]:
    """Return the rows in parts whose values have room in memory."""
    width = math.prod(params.V_of(_NONE).shape[1:])
    n = max(1, int(MOST_VALUES / max(width * (params.fields.n + X.nnz / max(X.n_rows, 1)), 1.0)))
    if n >= X.n_rows:
        return [X]
    numbers = (np.arange(first, min(first + n, X.n_rows), dtype=np.int64) for first in range(0, X.n_rows, n))
    return [take_rows(X, rows) for rows in numbers]


def _sums_of_all(X: Csr, params: Parameters) -> Float64:
    """Return S_F of each row for all fields F, (n_rows, n_fields, width of a vector)."""
    sums = field_sums(X, params, np.arange(params.fields.n), np.float64)
    flat: Float64 = sums.reshape(len(sums), params.fields.n, math.prod(sums.shape[2:]))
    return flat


def _pulls_on_all(X: Csr, params: Parameters) -> Float64:
    """Return T_F of each row for all fields F, (n_rows, n_fields, width of a vector)."""
    return pulled(_sums_of_all(X, params), params)


def _by_group(X: Csr, terms: Float64, groups: GroupSums) -> Float64:
    """Return the sums over the features of each group of terms of nonzeros, (nnz,): (n_rows, n_groups)."""
    rows = np.repeat(np.arange(X.n_rows), np.diff(X.indptr))
    sums = np.bincount(rows * groups.n_groups + groups.group_of[X.indices], terms, X.n_rows * groups.n_groups)
    return sums.astype(np.float64, copy=False).reshape(X.n_rows, groups.n_groups)


def _terms_alone(X: Csr, params: Parameters) -> Float64:
    """Return what nonzeros add without others, less their pairs with themselves, which T_F holds: (nnz,)."""
    features, at = present_features(X)
    x = _values(X)
    terms: Float64 = x * (params.w[X.indices] - 0.5 * with_themselves(features, params)[at] * x)
    return terms


def _values(X: Csr) -> Float64:
    return np.ones(X.nnz) if X.data is None else X.data.astype(np.float64)


def _first_terms(X: Csr, params: Parameters, T: Float64, half: AnyArray | None) -> Float64:
    """Return the first term of each nonzero's contribution, (nnz,).

    Parameters
    ----------
    X : Csr
    params : Parameters
    T : ndarray of shape (n_rows, n_fields, width)
        T_F of the rows.
    half : ndarray of shape (n_fields, width), or None
        E T_F / 2 of the background.
    """
    features, at = present_features(X)
    rows, fields = np.repeat(np.arange(X.n_rows), np.diff(X.indptr)), _fields(X.indices, params)
    halves = 0.5 * T[rows, fields]
    if half is not None:
        halves += half[fields]
    of_pairs = np.einsum("ik,ik->i", _vectors(features, params)[at], halves)
    terms: Float64 = _terms_alone(X, params) + _values(X) * of_pairs
    return terms


def _vectors(features: NDArray[np.integer], params: Parameters) -> Float64:
    """Return V of these features, flat: (n_features, width of a vector)."""
    V = params.V_of(features)
    return V.reshape(len(V), math.prod(V.shape[1:])).astype(np.float64)


def _fields(features: NDArray[np.integer] | slice, params: Parameters) -> Int32:
    assert params.fields.of_feature is not None
    fields: Int32 = params.fields.of_feature[features]
    return fields

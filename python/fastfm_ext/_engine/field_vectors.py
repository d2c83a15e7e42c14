"""Vectors of users and items for models with fields: their inner product is how two rows interact.

Let the row of a user and that of an item share no field. Put together, they score

    score(user + item) = w0 + own(user) + own(item) + <u, t>,

with the terms of each row alone in `own_scores`, and ``u`` and ``t`` from `user_vectors` and `item_vectors`: a search
for the largest inner product finds the best items. With S_F = sum of v_i x_i over a row's features of field F, and G
over the fields of items,

    FwFM    u_G = sum_F r_FG S_F           t_G = S_G                        n_item_fields k numbers
    FmFM    u_G = sum_F S_F M_FG           t_G = S_G                        n_item_fields k numbers
    FFM     u_GF = sum_{i in F} v_i,G x_i  t_GF = sum_{j in G} v_j,F x_j    n_item_fields n_user_fields k numbers

A user's vector of an FwFM or FmFM has taken up all of R, so the items' do not depend on who asks, and are as long as
the fields of items are many. Vectors of an FFM need a place for each pair of fields: just as exact, but with 5 fields
of users, 5 of items and 16 factors they are 400 numbers long, of which those of absent fields are zeros. An index of
them is five times as large as that of an FwFM, and as slow to search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.csr import Csr, present_features
from fastfm_ext._engine.models import ModelSpec
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._engine.scores import predict

ItemFields = NDArray[np.integer]


class PairVectors(NamedTuple):
    """Features of two fields, and vectors whose inner product is what a feature of each add together.

    Attributes
    ----------
    features, others : ndarray of shape (n_features,), (n_others,)
    vectors, vectors_of_others : float64 ndarray of shape (n_features, n_factors), (n_others, n_factors)
    """

    features: NDArray[np.intp]
    vectors: Float64
    others: NDArray[np.intp]
    vectors_of_others: Float64


def user_vectors(X: Csr, params: Parameters, item_fields: ItemFields) -> Float32:
    """Return what users' rows bring to the inner product, (n_rows, length).

    Parameters
    ----------
    X : Csr
        Rows of users, without features of ``item_fields``.
    params : Parameters
        Those of a model with fields.
    item_fields : ndarray of int
        Fields that items have features of, in any order; the same as for `item_vectors`.

    Raises
    ------
    ValueError
        If a row has a feature of ``item_fields``, or the model has no vectors.
    """
    users, items = _sides(params, item_fields)
    sums = field_sums(X, params, users)
    return _flat(pulls(sums, params.model, pairs_of_fields(params), users, items))


def item_vectors(X: Csr, params: Parameters, item_fields: ItemFields) -> Float32:
    """Return what items' rows bring to the inner product, (n_rows, length), as `user_vectors` does for users.

    Raises
    ------
    ValueError
        If a row has a feature of another field than ``item_fields``, or the model has no vectors.
    """
    users, items = _sides(params, item_fields)
    return _flat(towards(field_sums(X, params, items), users))


def vectors_of_pairs(params: Parameters) -> Iterator[PairVectors]:
    """Give the vectors of all pairs of fields, each once, in double precision."""
    assert params.model.pull is not None
    V, R = params.V, pairs_of_fields(params)
    of_field = [np.flatnonzero(params.fields.of_feature == field) for field in range(params.fields.n)]
    for F, G in combinations(range(params.fields.n), 2):
        mine, theirs = of_field[F], of_field[G]
        by_field = params.model.has_vectors_by_field
        own, acted_on = (V[mine, G], V[theirs, F]) if by_field else (V[mine], V[theirs])
        sums = own.reshape(len(own), 1, *[1] * by_field, params.n_factors).astype(np.float64)
        vectors = params.model.pull(sums, None if R is None else R[[[F]], [[G]]].astype(np.float64))
        yield PairVectors(mine, vectors.reshape(own.shape), theirs, acted_on.astype(np.float64))


def own_scores(X: Csr, params: Parameters, n_threads: int = 1) -> Float32:
    """Return the score of each row without w0: its linear terms, and its pairs of features. (n_rows,)."""
    without_w0 = params.tables | {"w0": np.zeros_like(params.tables["w0"])}
    return predict(X, replace(params, tables=without_w0), n_threads)


def field_sums(X: Csr, params: Parameters, fields: ItemFields, dtype: Any = None) -> AnyArray:
    """Return S_F = sum of v_i x_i over each row's features of field F, for these fields: (n_rows, n, n_factors).

    With a vector for each field, they are (n_rows, n, n_fields, n_factors). ``dtype`` is that of V unless it is given.

    Raises
    ------
    ValueError
        If a row has a feature of another field.
    """
    assert params.fields.of_feature is not None
    places = np.full(params.fields.n, -1, dtype=np.int64)
    places[fields] = np.arange(len(fields))
    at = places[params.fields.of_feature[X.indices]]
    if len(at) and at.min() < 0:
        where = int(np.argmin(at))
        row, feature = int(np.searchsorted(X.indptr, where, side="right")) - 1, int(X.indices[where])
        field = int(params.fields.of_feature[feature])
        raise ValueError(
            f"row {row} has feature {feature} of field {field}, which is a field of the other side; fields of users "
            f"and of items must be apart"
        )
    features, columns = present_features(X)
    rows = np.repeat(np.arange(X.n_rows, dtype=np.int64), np.diff(X.indptr))
    by_field = sp.csr_array(
        (as_scipy(X).data, (rows * len(fields) + at, columns)), shape=(X.n_rows * len(fields), len(features))
    )
    V = np.asarray(params.V_of(features), dtype=dtype)
    sums: AnyArray = by_field @ V.reshape(len(V), math.prod(V.shape[1:]))
    return sums.reshape(X.n_rows, len(fields), *V.shape[1:])


def towards(sums: AnyArray, others: ItemFields) -> AnyArray:
    """Return the part of `field_sums` that these other fields, ascending, meet: all, but for vectors by field."""
    return sums[:, :, others] if sums.ndim == 4 and len(others) < sums.shape[2] else sums


def pulls(sums: AnyArray, model: ModelSpec, R: AnyArray | None, fields: ItemFields, others: ItemFields) -> AnyArray:
    """Return what features of these fields do to those of others, by their `field_sums`: see `ModelSpec.pull`.

    R is that of all pairs, (n_fields, n_fields, ...), if the model has it.
    """
    assert model.pull is not None
    return model.pull(towards(sums, others), None if R is None else R[np.ix_(fields, others)])


def pairs_of_fields(params: Parameters) -> Float32 | None:
    """Return R, (n_fields, n_fields, ...), of models that have it."""
    return params.R if "R" in params.tables else None


def _sides(params: Parameters, item_fields: ItemFields) -> tuple[ItemFields, ItemFields]:
    """Return the fields of users, and those of items."""
    if not params.model.has_fields:
        raise ValueError(f"model {params.model.name!r} has no vectors by field")
    items = np.unique(item_fields)
    return np.setdiff1d(np.arange(params.fields.n), items), items


def _flat(vectors: AnyArray) -> AnyArray:
    return vectors.reshape(len(vectors), math.prod(vectors.shape[1:]))

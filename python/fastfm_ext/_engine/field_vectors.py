"""Vectors of users and items for models with fields: their inner product is how two rows interact.

Let the row of a user and that of an item share no field. Put together, they score

    score(user + item) = w0 + own(user) + own(item) + <u, t>,

with the terms of each row alone in `own_scores`, and ``u`` and ``t`` from `user_vectors` and `item_vectors`: a search
for the largest inner product finds the best items. With S_F = sum of v_i x_i over a row's features of field F, and G
over the fields of items,

    FwFM    u_G = sum_F r_FG S_F           t_G = S_G                        n_item_fields k numbers
    FmFM    u_G = sum_F S_F M_FG           t_G = S_G                        n_item_fields k numbers
    FFM     u_FG = sum_{i in F} v_i,G x_i  t_FG = sum_{j in G} v_j,F x_j    n_user_fields n_item_fields k numbers

A user's vector of an FwFM or FmFM has taken up all of R, so the items' do not depend on who asks, and are as long as
the fields of items are many. Vectors of an FFM need a place for each pair of fields: just as exact, but with 5 fields
of users, 5 of items and 16 factors they are 400 numbers long, of which those of absent fields are zeros. An index of
them is five times as large as that of an FwFM, and as slow to search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._engine.scores import predict

ItemFields = NDArray[np.integer]


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
    kind = _kind_of(params)
    items = np.unique(item_fields)
    users = np.setdiff1d(np.arange(params.fields.n), items)
    return _flat(kind.of_users(field_sums(X, params, users), params, users, items))


def item_vectors(X: Csr, params: Parameters, item_fields: ItemFields) -> Float32:
    """Return what items' rows bring to the inner product, (n_rows, length), as `user_vectors` does for users.

    Raises
    ------
    ValueError
        If a row has a feature of another field than ``item_fields``, or the model has no vectors.
    """
    kind = _kind_of(params)
    items = np.unique(item_fields)
    users = np.setdiff1d(np.arange(params.fields.n), items)
    return _flat(kind.of_items(field_sums(X, params, items), params, users))


def own_scores(X: Csr, params: Parameters, n_threads: int = 1) -> Float32:
    """Return the score of each row without w0: its linear terms, and its pairs of features. (n_rows,)."""
    without_w0 = params.tables | {"w0": np.zeros_like(params.tables["w0"])}
    return predict(X, replace(params, tables=without_w0), n_threads)


def field_sums(X: Csr, params: Parameters, fields: NDArray[np.integer]) -> Float32:
    """Return S_F = sum of v_i x_i over each row's features of field F, for these fields: (n_rows, n, width of V).

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
    features, columns = np.unique(X.indices, return_inverse=True)
    rows = np.repeat(np.arange(X.n_rows, dtype=np.int64), np.diff(X.indptr))
    by_field = sp.csr_array(
        (as_scipy(X).data, (rows * len(fields) + at, columns)), shape=(X.n_rows * len(fields), len(features))
    )
    sums: Float32 = by_field @ params.tables["V"][features, 0]
    return sums.reshape(X.n_rows, len(fields), sums.shape[1])


def _flat(vectors: Float32) -> Float32:
    return vectors.reshape(len(vectors), math.prod(vectors.shape[1:]))


@dataclass(frozen=True)
class _Kind:
    """How a model makes vectors: of users from (sums, params, user_fields, item_fields), of items without the last."""

    of_users: Callable[[Float32, Parameters, ItemFields, ItemFields], Float32]
    of_items: Callable[[Float32, Parameters, ItemFields], Float32]


def _sums_alone(sums: Float32, params: Parameters, users: ItemFields) -> Float32:
    return sums[..., : params.n_factors]


def _through_R(sums: Float32, params: Parameters, users: ItemFields, items: ItemFields) -> Float32:
    """Return sum_F S_F R_FG for each field G of items: R_FG a number, a vector by factor, or a matrix."""
    R = params.R[np.ix_(users, items)]
    how = {2: "rfk,fg->rgk", 3: "rfk,fgk->rgk", 4: "rfe,fgek->rgk"}[R.ndim]
    through: Float32 = np.einsum(how, sums[..., : params.n_factors], R, optimize=True)
    return through


def _towards(sums: Float32, params: Parameters, others: ItemFields) -> Float32:
    """Return sums of the factors for these other fields: (n_rows, n, n_others, n_factors)."""
    by_field = sums.reshape(*sums.shape[:2], params.fields.n, params.k)
    return by_field[:, :, others, : params.n_factors]


def _users_by_pair(sums: Float32, params: Parameters, users: ItemFields, items: ItemFields) -> Float32:
    return _towards(sums, params, items)


def _items_by_pair(sums: Float32, params: Parameters, users: ItemFields) -> Float32:
    return _towards(sums, params, users).transpose(0, 2, 1, 3)


_KINDS = {
    "ffm": _Kind(_users_by_pair, _items_by_pair),
    "fwfm": _Kind(_through_R, _sums_alone),
    "fvfm": _Kind(_through_R, _sums_alone),
    "fmfm": _Kind(_through_R, _sums_alone),
}


def _kind_of(params: Parameters) -> _Kind:
    if params.model.name not in _KINDS:
        raise ValueError(f"model {params.model.name!r} has no vectors by field; these have: {sorted(_KINDS)}")
    return _KINDS[params.model.name]

"""Held-out events as requests: for whom to rank, in which context, and what is to be found."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float32, Int64
from fastfm_ext._validation.matrices import check_interactions
from fastfm_ext.encoding.by_side import encoded_groups
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.recommender.interactions import event_columns, places_of, positions_in
from fastfm_ext.recommender.known import Known
from fastfm_ext.recommender.training_data import requests_of
from fastfm_ext.retrieval.ids import positions_by_id


class Requests(NamedTuple):
    """Rankings to make, and what they should find.

    Attributes
    ----------
    users : ndarray of shape (n,), int64
        Position of each request's user.
    relevant : csr_array of shape (n, n_items)
    context : csr_array of shape (n, n_features), or None
    n_left_out : int
        Events of unknown users or items.
    """

    users: Int64
    relevant: sparse.csr_array
    context: sparse.csr_array | None
    n_left_out: int


class GivenVectors:
    """A model for `evaluate` whose vectors are given to it in place of features."""

    def __init__(self, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs

    def user_vector(self, vectors: Float32) -> Float32:
        """Return the vectors, (n_users, d)."""
        return vectors

    def item_vector(self, vectors: Float32) -> Float32:
        """Return the vectors, (n_items, d)."""
        return vectors


def requests_in(events: Any, known: Known, encoder: FMEncoder | None, item_ids: AnyArray) -> Requests:
    """Return the requests of held-out events, a table or a matrix as `fit` takes it, to rank these items, (n_items,).

    Raises
    ------
    TypeError, ValueError
        For events that are not as those of `fit`.
    """
    if sparse.issparse(events):
        return _requests_in_matrix(events, known, item_ids)
    named = known.columns
    in_context = [("context", name) for name in named.context]
    columns = event_columns(events, [("user", named.user), ("item", named.item), *in_context])
    users = _places(columns[named.user], known.users.ids)
    items = _places(columns[named.item], item_ids)
    kept = np.flatnonzero((users >= 0) & (items >= 0) & np.append(known.knows_user, False)[users])
    request_of, first = requests_of(users[kept], [columns[name] for name in named.context], kept)
    context = None
    if named.context and encoder is not None:
        rows = {name: columns[name] for name in named.context}
        context = encoded_groups(encoder, rows, ("context",))[kept[first]]
    ones = np.ones(len(kept), dtype=np.int8)
    relevant = sparse.coo_array((ones, (request_of, items[kept])), shape=(len(first), len(item_ids))).tocsr()
    return Requests(users[kept[first]], relevant, context, len(users) - len(kept))


def _places(column: Any, ids: AnyArray) -> Int64:
    codes, own = positions_in(column, column.name)
    return places_of(own, positions_by_id(ids), f"column {column.name!r}", "of the recommender")[codes]


def _requests_in_matrix(events: Any, known: Known, item_ids: AnyArray) -> Requests:
    matrix = check_interactions(events, "events", (len(known.users), len(known.items)))
    relevant = matrix[:, known.items.find(item_ids.tolist(), "items")]
    relevant = sparse.csr_array(sparse.diags_array(known.knows_user.astype(np.float64)) @ relevant)
    relevant.eliminate_zeros()
    return Requests(np.arange(len(known.users)), relevant, None, int(matrix.nnz - relevant.nnz))

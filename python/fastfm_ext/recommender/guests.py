"""Guests of a recommender: people whom it does not know, by what they chose, who leave nothing behind."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import Float32, Float64, Int64
from fastfm_ext.recommender.known import Known


class Guest(NamedTuple):
    """The vector of somebody whom the recommender does not know, and what each choice has done to it.

    Attributes
    ----------
    vector : ndarray of shape (n_factors + 1,), float32
        As those of users.
    shares : ndarray of shape (n_choices, n_factors)
        What the factors would lose without each choice. Products with an item's factors are what its score would lose;
        for users who are represented by what they chose, the parts of its score.
    """

    vector: Float32
    shares: Float64


def guest_of(known: Known, model: Any, chosen: Int64) -> Guest:
    """Return what choices make of a guest; choices of items that the model cannot learn from change nothing.

    Parameters
    ----------
    known : Known
    model : FMRanker
    chosen : int ndarray of shape (n_choices,)
        Positions of items, each once; a choice weighs as much as the mean one that is known.

    Raises
    ------
    ValueError
        If all items that the model draws are chosen.
    """
    if known.in_histories is not None:
        return _by_history(known, model, chosen)
    items, vectors = known.items_of_fold_in(model)
    columns, counted = _places_in(items, chosen)
    n = len(columns)
    # The first row is of all choices, each of the others without one of them.
    others = ~np.eye(n, dtype=bool)
    rows = np.concatenate([np.zeros(n, dtype=np.int64), 1 + np.nonzero(others)[0]])
    entries = np.concatenate([columns, np.broadcast_to(columns, (n, n))[others]])
    weights = np.full(len(rows), known.mean_weight)
    history = sparse.csr_array(sparse.coo_array((weights, (rows, entries)), shape=(n + 1, len(items))))
    nothing = sparse.csr_array((n + 1, known.users.X.shape[1]), dtype=np.float32)
    folded = model.fold_in(history, vectors, nothing)
    shares = np.zeros((len(chosen), folded.shape[1] - 1))
    shares[counted] = folded[0, 1:].astype(np.float64) - folded[1:, 1:]
    return Guest(folded[0], shares)


def _by_history(known: Known, model: Any, chosen: Int64) -> Guest:
    """Return the guest of a model that represents users by what they chose."""
    assert known.in_histories is not None
    columns, counted = _places_in(known.in_histories, chosen)
    n_features, n_items = known.items.X.shape[1], len(known.in_histories)
    entries = np.ones(len(columns)), np.sort(columns), [0, len(columns)]
    history = sparse.csr_array(entries, shape=(1, n_items))
    row = model.with_history(history, sparse.csr_array((1, n_features), dtype=np.float32))
    vector: Float32 = model.user_vector(row)[0]
    # The vector is the sum of the choices' factors, scaled to a length: each has its part of it.
    parts = model.history_V_[columns].astype(np.float64)
    length = np.linalg.norm(parts.sum(axis=0))
    shares = np.zeros((len(chosen), len(vector) - 1))
    shares[counted] = parts * (np.linalg.norm(vector[1:]) / length if length else 0.0)
    return Guest(vector, shares)


def _places_in(items: Int64, chosen: Int64) -> tuple[Int64, Int64]:
    """Return where chosen items stand among `items`, without those that do not, and the numbers of these choices."""
    place_of = np.full(max(items.max(initial=-1), chosen.max(initial=-1)) + 1, -1, dtype=np.int64)
    place_of[items] = np.arange(len(items))
    found = place_of[chosen]
    counted = np.flatnonzero(found >= 0)
    return found[counted], counted

"""Parts of vectors: what the features of a user or an item add to its vector, and their products to a score."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float32, Float64

ANYBODY, ALONE, REST = "(anybody)", "(item alone)", "(all else)"


class VectorParts(NamedTuple):
    """Sums that make a vector, one for each feature of a row.

    Attributes
    ----------
    features : ndarray of shape (n_entries,)
        The features of the row, and -1 for what no feature gives: means of numeric columns, and choices folded in.
    vectors : ndarray of shape (n_entries, n_factors)
    """

    features: AnyArray
    vectors: Float64


def parts_of(vector_of: Any, V: Float32, row: sparse.csr_array, vector: Float32) -> VectorParts:
    """Take a vector apart into what the features of its row add to it.

    Parameters
    ----------
    vector_of : callable
        `user_vector` or `item_vector` of the model.
    V : ndarray of shape (n_features, n_factors)
    row : csr_array of shape (1, n_features)
    vector : ndarray of shape (n_factors + 1,)
        That of the row, or of a user whose choices were folded in.
    """
    features = row.indices.astype(np.int64)
    alone = sparse.csr_array((row.data, features, np.arange(len(features) + 1)), shape=(len(features), row.shape[1]))
    nothing = vector_of(sparse.csr_array((1, row.shape[1]), dtype=np.float32))[:, 1:].astype(np.float64)
    own = vector_of(row)[0, 1:].astype(np.float64)
    parts = vector_of(alone)[:, 1:].astype(np.float64) - nothing if len(features) else np.zeros((0, len(own)))
    if not np.allclose(parts.sum(axis=0) + nothing[0], own, rtol=1e-3, atol=1e-4 * np.abs(own).max(initial=1e-30)):
        # A vector that is scaled to a length is no sum; its direction is that of the factors' sum.
        parts = V[features].astype(np.float64) * row.data[:, None]
        length = np.linalg.norm(parts.sum(axis=0))
        parts *= np.linalg.norm(own) / length if length else 0.0
    rest = vector[1:].astype(np.float64) - parts.sum(axis=0)
    if np.abs(rest).max(initial=0.0) <= 1e-5 * np.abs(vector[1:]).max(initial=0.0):
        rest[:] = 0.0  # by rounding alone
    return VectorParts(np.append(features, -1), np.vstack([parts, rest]))


def pairs_of(user: VectorParts, item: VectorParts, names: AnyArray, own: float) -> dict[str, AnyArray]:
    """Return what adds up to a score, the largest first.

    Parameters
    ----------
    user, item : VectorParts
    names : object ndarray of shape (n_features,)
    own : float
        What the item scores by itself.

    Returns
    -------
    dict of str to ndarray of shape (n_pairs,)
        "user_feature", "item_feature" and "value".
    """
    values = user.vectors @ item.vectors.T
    rows, columns = np.nonzero(values)
    labels = np.append(names, REST)
    first = np.append(labels[user.features[rows]], ANYBODY)
    second = np.append(labels[item.features[columns]], ALONE)
    value = np.append(values[rows, columns], own)
    order = np.argsort(-np.abs(value), kind="stable")
    return {"user_feature": first[order], "item_feature": second[order], "value": value[order].astype(np.float32)}


def with_shares(row: sparse.csr_array, n_features: int) -> sparse.csr_array:
    """Return a row of features and history, (1, n_features + n_items), with |H|^(-1/2) for each item of it."""
    shared = row.copy()
    chosen = shared.indices >= n_features
    shared.data[chosen] = max(int(chosen.sum()), 1) ** -0.5
    return shared

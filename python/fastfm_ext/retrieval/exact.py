"""Exact search, which compares users with every item, and the order of its results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Bools, Float32, FloatVectors, Int64
from fastfm_ext._engine.search import ItemLists, PackedItems, norms, top_n
from fastfm_ext.retrieval.user_items import AllowedItems

# If at most one item in this many is allowed, the allowed items are packed anew: that costs less than passing over the
# others.
_FEW = 4
# Coordinates of item vectors that are gathered at a time.
_VALUES_AT_ONCE = 1 << 20


class ExactSearch:
    """All items, packed for the kernel.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, d), float32 or float16
        C-contiguous, n_items >= 1, each shorter than `MAX_NORM`.
    """

    def __init__(self, vectors: FloatVectors) -> None:
        self.items = PackedItems.of(vectors)

    @property
    def nbytes(self) -> int:
        """Bytes of the packed items, without the vectors."""
        return self.items.nbytes

    def top_n(self, users: Float32, n: int, allowed: AllowedItems, n_threads: int) -> tuple[Int64, Float32]:
        """Return positions and scores of the `n` best allowed items of each user.

        Parameters
        ----------
        users : ndarray of shape (n_users, d), float32
            C-contiguous, each shorter than `MAX_NORM`.
        n : int
            At least 1.
        allowed : AllowedItems
        n_threads : int

        Returns
        -------
        positions : ndarray of shape (n_users, n), int64
            Best first, equal scores by position; -1 where nothing remains.
        scores : ndarray of shape (n_users, n), float32
            ``-inf`` where nothing remains.
        """
        mask, by_user = allowed.mask, allowed.by_user
        if mask is None or np.count_nonzero(mask) * _FEW > len(mask):
            return top_n(users, self.items, n, by_user, mask, n_threads)
        chosen = np.flatnonzero(mask)
        if not len(chosen):
            shape = (len(users), n)
            return np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
        few = PackedItems.of(self.items.vectors[chosen])
        positions, scores = top_n(users, few, n, None if by_user is None else _among(by_user, mask), None, n_threads)
        return np.where(positions < 0, -1, chosen[positions]), scores


def _among(by_user: ItemLists, mask: Bools) -> ItemLists:
    """Return the users' items as positions among the items of the mask, (n_items,), without all other items."""
    kept = mask[by_user.listed]
    position = np.cumsum(mask, dtype=np.int64) - 1
    kept_before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return ItemLists(kept_before[by_user.indptr], position[by_user.listed[kept]].astype(np.int32), by_user.may_get)


def best_of(users: Float32, vectors: FloatVectors, candidates: Int64, n: int) -> tuple[Int64, Float32]:
    """Rank a few items for each user by inner product in float64, equal products by position.

    Parameters
    ----------
    users : ndarray of shape (n_users, d), float32
    vectors : ndarray of shape (n_items, d), float32 or float16
    candidates : ndarray of shape (n_users, m), int64
        Positions, each at most once in a row; -1 for none.
    n : int
        Items wanted.

    Returns
    -------
    positions, scores : ndarray of shape (n_users, n), int64 and float32
        -1 and ``-inf`` where nothing remains.
    """
    positions = np.empty((len(users), n), dtype=np.int64)
    scores = np.empty((len(users), n), dtype=np.float32)
    step = max(1, _VALUES_AT_ONCE // max(1, candidates.shape[1] * users.shape[1]))
    for first in range(0, len(users), step):
        rows = slice(first, first + step)
        products = np.einsum("ud,und->un", users[rows], vectors[candidates[rows]], dtype=np.float64)
        positions[rows], scores[rows] = in_order(candidates[rows], products, n)
    return positions, scores


def in_order(positions: Int64, scores: NDArray[np.floating[Any]], n: int) -> tuple[Int64, Float32]:
    """Return the `n` positions of the highest scores in each row, equal scores by position, and their scores.

    Positions and scores are (n_users, m), with position -1 for no item; results are (n_users, n), filled up with -1 and
    ``-inf``.
    """
    scores = np.where(positions < 0, -np.inf, scores)
    order = np.lexsort((positions, -scores), axis=1)[:, :n]
    best = np.full((len(order), n), -1, dtype=np.int64)
    best_scores = np.full((len(order), n), -np.inf, dtype=np.float32)
    best[:, : order.shape[1]] = np.take_along_axis(positions, order, axis=1)
    best_scores[:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    return best, best_scores


def comparable(vectors: FloatVectors, metric: str) -> FloatVectors:
    """Return vectors, (n_items, d) of the same type, whose inner products are the similarities of this metric."""
    if metric == "inner":
        return np.ascontiguousarray(vectors)
    lengths = norms(vectors)[:, None]
    units = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    result: FloatVectors = units.astype(vectors.dtype)
    return result

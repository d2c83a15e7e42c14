"""Exact search: every item is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastfm_ext._engine.search import ItemLists, PackedItems, norms, top_n

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

# When fewer than this part of the items may be returned, they are searched apart: passing over the others would cost
# more than laying these out.
_FEW = 4
# Values of vectors that are gathered at once.
_VALUES_AT_ONCE = 1 << 20


class ExactSearch:
    """Items laid out for the kernel.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, d), float32
        C-contiguous, at least one, and so short that no inner product leaves float32.
    """

    def __init__(self, vectors: Float32) -> None:
        self.items = PackedItems.of(vectors)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept beside the vectors."""
        return self.items.nbytes

    def top_n(
        self,
        users: Float32,
        n: int,
        lists: ItemLists | None,
        allowed: npt.NDArray[np.bool_] | None,
        n_threads: int,
    ) -> tuple[Int64, Float32]:
        """Find the `n` best items of each user: see ``_top_n.top_n``."""
        if allowed is None or np.count_nonzero(allowed) * _FEW > len(allowed):
            return top_n(users, self.items, n, lists, allowed, n_threads)
        chosen = np.flatnonzero(allowed)
        if not len(chosen):
            shape = (len(users), n)
            return np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
        few = PackedItems.of(self.items.vectors[chosen])
        positions, scores = top_n(users, few, n, None if lists is None else _among(lists, allowed), None, n_threads)
        return np.where(positions < 0, -1, chosen[positions]), scores


def _among(lists: ItemLists, allowed: npt.NDArray[np.bool_]) -> ItemLists:
    """Return the lists with the allowed items alone, which are numbered from 0 on."""
    kept = allowed[lists.listed]
    numbers = np.cumsum(allowed, dtype=np.int64) - 1
    kept_before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return ItemLists(kept_before[lists.indptr], numbers[lists.listed[kept]].astype(np.int32), lists.may_get)


def best_of(users: Float32, vectors: Float32, candidates: Int64, n: int) -> tuple[Int64, Float32]:
    """Rank a few items for each user by their inner product in float64, equal ones by position.

    Parameters
    ----------
    users : ndarray of shape (n_users, d)
    vectors : ndarray of shape (n_items, d)
    candidates : ndarray of shape (n_users, m), int64
        Positions, each at most once in a row; -1 for none.
    n : int
        Items wanted.

    Returns
    -------
    positions, scores : ndarray of shape (n_users, n)
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


def in_order(positions: Int64, scores: npt.NDArray[np.floating[Any]], n: int) -> tuple[Int64, Float32]:
    """Return the `n` positions of the highest scores in each row, equal ones by position, and these scores."""
    scores = np.where(positions < 0, -np.inf, scores)
    order = np.lexsort((positions, -scores), axis=1)[:, :n]
    best = np.full((len(order), n), -1, dtype=np.int64)
    theirs = np.full((len(order), n), -np.inf, dtype=np.float32)
    best[:, : order.shape[1]] = np.take_along_axis(positions, order, axis=1)
    theirs[:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    return best, theirs


def comparable(vectors: Float32, metric: str) -> Float32:
    """Return vectors whose inner products are the wanted similarities."""
    if metric == "inner":
        return np.ascontiguousarray(vectors)
    lengths = norms(vectors)[:, None]
    units: Float32 = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0).astype(np.float32)
    return units

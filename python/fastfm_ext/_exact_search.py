"""Exact top-N by inner product: faiss proposes, float64 decides.

Why candidates are scored again
-------------------------------
faiss multiplies in float32, in an order that depends on the batch, and leaves the order of ties open. So faiss only
proposes candidates, a few more than asked for. They are scored again in float64, which makes the score of a pair
independent of everything else in the call, and ranked by score, then by position. Rounding moves a faiss score by at
most about ``d * 2**-24 * |u| * |t|``: when the n-th result does not beat the best possible score of an item that was
left out, that user's items are all scored. Hence the answer is always the exact one, ties at the cut-off included.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fastfm_ext._item_ids import Exclusions
from fastfm_ext._optional import require

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

# Values held at once while candidates are scored (8 bytes each).
_BATCH_VALUES = 2**22
# Candidates fetched beyond those needed, so that rounding at the cut-off rarely asks for a second look.
_SPARE = 8
# What a product too small for float32 may lose.
_UNDERFLOW = float(np.finfo(np.float32).tiny)


def exact_top_n(
    users: Float32, vectors: Float32, largest_norm: float, n: int, seen: Exclusions
) -> tuple[Int64, Float32]:
    """Find the `n` items of largest inner product for each user.

    Parameters
    ----------
    users : ndarray of shape (n_users, d)
    vectors : ndarray of shape (n_items, d)
        Both C-contiguous and so short that no inner product leaves float32.
    largest_norm : float
        Of the rows of `vectors`, as `norms` gives them.
    n : int
        At least 1.
    seen : Exclusions
        Items that a user must not get.

    Returns
    -------
    positions : ndarray of shape (n_users, n), int64
        Rows of `vectors`, by decreasing score, then by position; -1 where nothing remains.
    scores : ndarray of shape (n_users, n), float32
        ``-inf`` where nothing remains.
    """
    n_items, d = vectors.shape
    positions = np.full((len(users), n), -1, dtype=np.int64)
    scores = np.full((len(users), n), -np.inf, dtype=np.float32)
    for rows, n_fetch in _batches(n + n // 16 + _SPARE + seen.counts, max_values=_BATCH_VALUES // d):
        unsure = rows
        # A heap of a large part of the items costs more than scoring all of them.
        if n_fetch < n_items // 4:
            found, candidate_scores, bound = _candidates(users[rows], vectors, largest_norm, n_fetch)
            candidate_scores[seen.mask(rows, found, n_items)] = -np.inf
            order = np.lexsort((found, -candidate_scores), axis=-1)[:, :n]
            positions[rows] = np.take_along_axis(found, order, axis=1)
            scores[rows] = np.take_along_axis(candidate_scores, order, axis=1)
            unsure = rows[scores[rows, -1] <= bound]
        for row in unsure:
            _rank_all(vectors, users[row], seen.of(row), positions[row], scores[row])
    return positions, scores


def _batches(n_fetch: Int64, max_values: int) -> Iterator[tuple[Int64, int]]:
    """Group users who need about as many candidates: nobody fetches more than twice what they need.

    Yields the rows of a batch and the number of candidates to fetch, with a product of at most `max_values` (or one
    row).
    """
    order = np.argsort(n_fetch, kind="stable")
    needed = n_fetch[order]
    start = 0
    while start < len(order):
        stop = int(np.searchsorted(needed, 2 * needed[start], side="right"))
        stop = min(stop, start + max(1, max_values // int(needed[stop - 1])))
        yield order[start:stop], int(needed[stop - 1])
        start = stop


def _candidates(
    users: Float32, vectors: Float32, largest_norm: float, n_fetch: int
) -> tuple[Int64, Float32, npt.NDArray[np.float64]]:
    """Fetch the best items: positions and scores (n_users, n_fetch), and a bound on the score of any other item."""
    faiss = require("faiss", extra="retrieval")
    rough, found = faiss.knn(users, vectors, n_fetch, metric=faiss.METRIC_INNER_PRODUCT)
    # Higham's bound for an inner product, with a factor of 2 to spare for the final rounding to float32.
    relative = (vectors.shape[1] + 3) * 2.0**-23
    bound = rough[:, -1] + relative * norms(users) * largest_norm + vectors.shape[1] * _UNDERFLOW
    return found, _inner_products(users[:, None, :], vectors[found]), bound


def _inner_products(users: Float32, vectors: Float32) -> Float32:
    """Multiply along the last axis in float64; a pair has the same result in whatever array it stands."""
    products: Float32 = (vectors * users.astype(np.float64)).sum(axis=-1).astype(np.float32)
    return products


def _rank_all(vectors: Float32, user: Float32, excluded: Int64, positions: Int64, scores: Float32) -> None:
    """Score every item for one user and fill that user's row of the results, shape (n,) each."""
    n_items, n = len(vectors), len(positions)
    everything = np.empty(n_items, dtype=np.float32)
    step = max(1, _BATCH_VALUES // vectors.shape[1])
    for start in range(0, n_items, step):
        everything[start : start + step] = _inner_products(user, vectors[start : start + step])
    everything[excluded] = -np.inf
    cutoff = -np.inf if n >= n_items else np.partition(everything, n_items - n)[n_items - n]
    kept = np.flatnonzero((everything >= cutoff) & (everything > -np.inf))
    best = kept[np.argsort(-everything[kept], kind="stable")][:n]
    positions[: len(best)], positions[len(best) :] = best, -1
    scores[: len(best)], scores[len(best) :] = everything[best], -np.inf


def norms(vectors: Float32) -> npt.NDArray[np.float64]:
    """Euclidean length of each row, computed in float64."""
    lengths: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths

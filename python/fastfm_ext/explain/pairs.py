"""Pairs of vectors with the largest inner products, among all pairs of a table or those of different fields."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64, Int64
from fastfm_ext._engine.search import ItemLists, PackedItems, norms, top_n

# Vectors that are compared with all others at once: few at first, since these find out how short the rest may be.
_FIRST_BLOCK, _BLOCK = 64, 4096
# Pairs that a block finds, at most, but for one of the least size.
_PAIRS_OF_BLOCK = 1 << 20

Pair = tuple[int, int, float]


def strongest_pairs(vectors: Float64, n: int, field_of: Int64 | None, n_threads: int) -> list[Pair]:
    """Return the pairs i < j with the largest |<v_i, v_j>|, by falling size, then by i and j; none where it is 0.

    A pair is found from its longer vector v: its size is at most |v|^2, so vectors shorter than the root of the n-th
    best so far need not be looked at.

    Parameters
    ----------
    vectors : float64 ndarray of shape (n_features, k)
    n : int
    field_of : int64 ndarray of shape (n_features,), or None
        Pairs of one field are left out.
    n_threads : int

    Returns
    -------
    list of (i, j, <v_i, v_j>)
    """
    if not vectors.shape[1] or len(vectors) < 2:
        return []
    longest = float(np.sqrt((vectors**2).sum(axis=1).max()))
    if not longest:
        return []
    # One factor for all vectors brings the longest near unit length; a power of two leaves the digits of all products.
    scaled = vectors * np.exp2(-np.ceil(np.log2(longest)))
    searched = np.ascontiguousarray(scaled, dtype=np.float32)
    items, lengths = PackedItems.of(searched), norms(searched)
    best = np.zeros((0, 2), dtype=np.int64)
    strength = np.zeros(0)
    for block in _blocks(lengths, field_of, min(_BLOCK, max(_FIRST_BLOCK, _PAIRS_OF_BLOCK // n))):
        bound = strength[n - 1] if len(strength) >= n else 0.0
        # The margin is for the rounding of lengths and products in float32.
        rows = block[lengths[block] ** 2 >= bound * (1 - 1e-5)]
        if len(rows):
            found = _neighbours(rows, searched, items, n, field_of, n_threads)
            best, strength = _strongest(np.concatenate((best, found)), scaled, n)
    return [(i, j, float(vectors[i] @ vectors[j])) for i, j in best.tolist()]


def _blocks(lengths: Float64, field_of: Int64 | None, size: int) -> Iterator[Int64]:
    """Return all features in blocks of one field each, of `size` or less; the longest of every field come first."""
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    if field_of is None:
        of_fields = [order]
    else:
        by_field = order[np.argsort(field_of[order], kind="stable")]
        of_fields = np.split(by_field, np.cumsum(np.bincount(field_of))[:-1])
    yield from (features[:_FIRST_BLOCK] for features in of_fields)
    longest = max(map(len, of_fields))
    for start in range(_FIRST_BLOCK, longest, size):
        yield from (features[start : start + size] for features in of_fields)


def _neighbours(
    rows: Int64, vectors: Float32, items: PackedItems, n: int, field_of: Int64 | None, n_threads: int
) -> Int64:
    """Return for some features, all of one field, the pairs (n_pairs, 2), i < j, with their n largest products."""
    signed = np.concatenate((vectors[rows], -vectors[rows]))
    lists = allowed = None
    if field_of is None:
        numbers = np.arange(2 * len(rows) + 1, dtype=np.int64)
        lists = ItemLists(numbers, np.tile(rows, 2).astype(np.int32), may_get=False)
    else:
        allowed = field_of != field_of[rows[0]]
    positions, _ = top_n(signed, items, min(n, len(vectors)), lists, allowed, n_threads)
    first = np.repeat(np.tile(rows, 2), positions.shape[1])
    pairs = np.sort(np.stack((first, positions.ravel()), axis=1), axis=1)
    return pairs[pairs[:, 0] >= 0]


def _strongest(pairs: Int64, vectors: Float64, n: int) -> tuple[Int64, Float64]:
    """Return the n pairs, each once, of the largest products, and these without their signs."""
    pairs = np.unique(pairs, axis=0)
    strength = np.abs(np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]]))
    kept = np.argsort(-strength, kind="stable")[:n]
    kept = kept[strength[kept] > 0]
    return pairs[kept], strength[kept]

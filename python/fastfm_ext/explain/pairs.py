"""Pairs of vectors with the largest inner products: of one table, or of one table and another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64, Int64
from fastfm_ext._engine.field_vectors import PairVectors
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
    searched, factor = _searched(vectors)
    items, lengths = PackedItems.of(searched), norms(searched)
    best = _Best(n)
    for block in _blocks(lengths, field_of, _block_rows(n)):
        # The margin is for the rounding of lengths and products in float32.
        rows = block[lengths[block] ** 2 >= best.bound * factor**2 * (1 - 1e-5)]
        if len(rows):
            found = _neighbours(rows, searched, items, n, field_of, n_threads)
            best.add(found, np.einsum("ij,ij->i", vectors[found[:, 0]], vectors[found[:, 1]]))
    return best.pairs


def strongest_between(fields: Iterable[PairVectors], n: int, n_threads: int) -> list[Pair]:
    """Return the pairs of features of two fields with the largest |<a_i, b_j>|, in the order of `strongest_pairs`.

    A pair is at most |a_i| times the longest b, so vectors a too short for the n-th best so far need not be looked at.

    Parameters
    ----------
    fields : iterable of PairVectors
        Each two fields once.
    n : int
    n_threads : int

    Returns
    -------
    list of (i, j, value)
    """
    best = _Best(n)
    for features, vectors, others, vectors_of_others in fields:
        if not vectors.size or not vectors_of_others.size:
            continue
        (searched, factor), (among, factor_of_others) = _searched(vectors), _searched(vectors_of_others)
        lengths, items = norms(searched), PackedItems.of(among)
        longest = float(norms(among).max())
        for block in _blocks(lengths, None, _block_rows(n)):
            bound = best.bound * factor * factor_of_others
            rows = block[lengths[block] * longest >= bound * (1 - 1e-5)]
            if not len(rows):
                break
            # Margins are for the rounding of lengths and products in float32.
            signed = np.concatenate((searched[rows], -searched[rows]))
            positions, products = top_n(signed, items, min(n, len(others)), n_threads=n_threads)
            row, place = np.nonzero(products >= bound - 1e-5 * longest * np.tile(lengths[rows], 2)[:, None])
            at, to = np.tile(rows, 2)[row], positions[row, place]
            pairs = np.sort(np.stack((features[at], others[to]), axis=1), axis=1)
            best.add(pairs, np.einsum("ij,ij->i", vectors[at], vectors_of_others[to]))
    return best.pairs


class _Best:
    """The n best pairs of those that have been added."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._ends = np.zeros((0, 2), dtype=np.int64)
        self._values = np.zeros(0)

    @property
    def bound(self) -> float:
        """The size that a pair needs to be among them."""
        return abs(float(self._values[-1])) if len(self._values) == self._n else 0.0

    @property
    def pairs(self) -> list[Pair]:
        """All, by falling size, then by their features."""
        return [(i, j, value) for (i, j), value in zip(self._ends.tolist(), self._values.tolist(), strict=True)]

    def add(self, ends: Int64, values: Float64) -> None:
        """Add pairs i < j, (n_pairs, 2), with their values; one that is there already counts once, and 0 not at all."""
        ends, at = np.unique(np.concatenate((self._ends, ends)), axis=0, return_index=True)
        values = np.concatenate((self._values, values))[at]
        kept = np.argsort(-np.abs(values), kind="stable")[: self._n]
        kept = kept[values[kept] != 0]
        self._ends, self._values = ends[kept], values[kept]


def _searched(vectors: Float64) -> tuple[Float32, float]:
    """Return vectors for a search in float32, and by what they are multiplied: the longest is then near unit length.

    A power of two leaves the digits of all products.
    """
    longest = float(np.abs(vectors).max())
    factor = float(np.exp2(-np.ceil(np.log2(longest)))) if longest else 1.0
    return np.ascontiguousarray(vectors * factor, dtype=np.float32), factor


def _block_rows(n: int) -> int:
    return min(_BLOCK, max(_FIRST_BLOCK, _PAIRS_OF_BLOCK // n))


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

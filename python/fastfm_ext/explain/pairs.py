"""Pairs of vectors with the largest inner products: of one table, or of one table and another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    best, table = _Best(n), _Table.of(np.arange(len(vectors)), vectors)
    _search(best, table, table, field_of, n_threads)
    return best.pairs


def strongest_between(fields: Iterable[PairVectors], n: int, n_threads: int) -> list[Pair]:
    """Return the pairs of features of two fields with the largest |<a_i, b_j>|, in the order of `strongest_pairs`.

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
        _search(best, _Table.of(features, vectors), _Table.of(others, vectors_of_others), None, n_threads)
    return best.pairs


class _Table(NamedTuple):
    """Features (n_features,) and their vectors (n_features, k), which a search takes in float32.

    `searched` are the vectors times a power of two, `factor`, which leaves the digits of all products: the longest is
    near unit length. `lengths` (n_features,) are theirs.
    """

    features: Int64
    vectors: Float64
    searched: Float32
    factor: float
    lengths: Float64

    @classmethod
    def of(cls, features: Int64, vectors: Float64) -> _Table:
        longest = float(np.abs(vectors).max(initial=0.0))
        factor = float(np.exp2(-np.ceil(np.log2(longest)))) if longest else 1.0
        searched = np.ascontiguousarray(vectors * factor, dtype=np.float32)
        return cls(features, vectors, searched, factor, norms(searched))


class _Best:
    """The n best pairs of those that have been added."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._ends = np.zeros((0, 2), dtype=np.int64)
        self._values = np.zeros(0)

    @property
    def bound(self) -> float:
        """The size that a pair needs to be among them."""
        return abs(float(self._values[-1])) if len(self._values) == self.n else 0.0

    @property
    def pairs(self) -> list[Pair]:
        """All, by falling size, then by their features."""
        return [(i, j, value) for (i, j), value in zip(self._ends.tolist(), self._values.tolist(), strict=True)]

    def add(self, ends: Int64, values: Float64) -> None:
        """Add pairs i < j, (n_pairs, 2), with their values; one that is there already counts once, and 0 not at all."""
        ends, at = np.unique(np.concatenate((self._ends, ends)), axis=0, return_index=True)
        values = np.concatenate((self._values, values))[at]
        kept = np.argsort(-np.abs(values), kind="stable")[: self.n]
        kept = kept[values[kept] != 0]
        self._ends, self._values = ends[kept], values[kept]


def _search(best: _Best, table: _Table, others: _Table, field_of: Int64 | None, n_threads: int) -> None:
    """Add the strongest pairs of a feature of one table and one of the other; `field_of` is for a table with itself.

    A pair is at most |a_i| times the longest b, and within a table, where its longer vector finds it, at most |a_i|^2.
    Vectors a too short for the n-th best so far need not be looked at.
    """
    if not table.vectors.size or not others.vectors.size:
        return
    items, longest = PackedItems.of(others.searched), float(others.lengths.max())
    reach = table.lengths if others is table else np.full(len(table.lengths), longest)
    for block in _blocks(table.lengths, field_of, min(_BLOCK, max(_FIRST_BLOCK, _PAIRS_OF_BLOCK // best.n))):
        bound = best.bound * table.factor * others.factor
        # Margins are for the rounding of lengths and products in float32.
        rows = block[table.lengths[block] * reach[block] >= bound * (1 - 1e-5)]
        if not len(rows):
            continue
        signed = np.concatenate((table.searched[rows], -table.searched[rows]))
        lists, allowed = _partners(rows, field_of) if others is table else (None, None)
        positions, products = top_n(signed, items, min(best.n, len(others.features)), lists, allowed, n_threads)
        row, place = np.nonzero(products >= bound - 1e-5 * longest * np.tile(table.lengths[rows], 2)[:, None])
        at, to = np.tile(rows, 2)[row], positions[row, place]
        ends = np.sort(np.stack((table.features[at], others.features[to]), axis=1), axis=1)
        best.add(ends, np.einsum("ij,ij->i", table.vectors[at], others.vectors[to]))


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


def _partners(rows: Int64, field_of: Int64 | None) -> tuple[ItemLists | None, NDArray[np.bool_] | None]:
    """Return what features, all of one field, may not be paired with: for each a list, or those of False for all."""
    if field_of is not None:
        return None, field_of != field_of[rows[0]]
    numbers = np.arange(2 * len(rows) + 1, dtype=np.int64)
    return ItemLists(numbers, np.tile(rows, 2).astype(np.int32), may_get=False), None

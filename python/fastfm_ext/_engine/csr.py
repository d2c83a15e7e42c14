"""Sparse rows as the kernels read them, copies of some, and the random orders in which they are visited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._native import core

RowStarts = NDArray[np.int32] | NDArray[np.int64]

# Rows of about this many bytes are visited together: a part of a second-level cache.
BLOCK_BYTES = 1 << 17
ORDERED_ROWS = 1 << 17  # put in order at once: the numbers take a small part of the rows' memory
MOST_ROWS_OF_A_BLOCK = 1 << 31  # the generator's numbers have 32 bits


@dataclass(frozen=True)
class Csr:
    """A validated sparse matrix by rows, as the kernels read it.

    ``data`` is None where every stored value is 1. Within a row each feature stands at most once, and no value is 0.
    """

    indptr: RowStarts
    indices: NDArray[np.int32]
    data: Float32 | None
    n_features: int

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        return len(self.indices)


def features_in(X: Csr, also: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the features that occur in X, or stand in ``also``, in ascending order."""
    if X.nnz < X.n_features // 16:  # fewer to sort than to mark
        return np.union1d(X.indices, also).astype(np.intp)
    marked = np.zeros(X.n_features, dtype=bool)
    marked[X.indices] = True
    marked[also] = True
    return np.flatnonzero(marked)


def present_features(X: Csr) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    """Return the features that occur in X, ascending, and the place among them of each nonzero's, (nnz,)."""
    features = features_in(X, np.zeros(0, dtype=np.intp))
    if X.nnz < X.n_features // 16:
        return features, np.searchsorted(features, X.indices)
    place = np.empty(X.n_features, dtype=np.int32)
    place[features] = np.arange(len(features), dtype=np.int32)
    return features, place[X.indices]


def features_of_rows(X: Csr, left_out: Csr | None = None) -> NDArray[np.integer]:
    """Return the features that occur in X, which may repeat, but for those that only its rows `left_out` have."""
    if left_out is None:
        return X.indices
    counts = np.bincount(X.indices, minlength=X.n_features)
    return np.flatnonzero(counts - np.bincount(left_out.indices, minlength=X.n_features))


def largest_value(X: Csr) -> float:
    """Return the largest absolute value."""
    return 1.0 if X.data is None else float(np.abs(X.data).max(initial=0.0))


def unit_rows(X: Csr) -> Csr:
    """Return X with each row divided by its Euclidean norm; a row without values stays so."""
    lengths = np.diff(X.indptr)
    if X.data is None:
        norms = np.sqrt(lengths.astype(np.float64))
    else:
        row = np.repeat(np.arange(X.n_rows), lengths)
        norms = np.sqrt(np.bincount(row, X.data.astype(np.float64) ** 2, X.n_rows))
    scale = np.divide(1.0, norms, out=np.ones_like(norms), where=norms > 0)
    data = np.repeat(scale, lengths) * (1.0 if X.data is None else X.data)
    return replace(X, data=data.astype(np.float32))


def csr_at_once(indptr: RowStarts, indices: NDArray[np.int32], data: Float32, n_features: int) -> Csr | None:
    """Return these arrays as a `Csr` if they are one: valid, finite, ascending in rows, without zeros; else None."""
    if len(indptr) < 2 or len(indices) != len(data):
        return None
    traits = core.inspect(indptr, indices, data, n_features)
    if not traits.is_valid or not traits.is_finite or traits.has_zeros:
        return None
    return Csr(indptr, indices, None if traits.is_all_ones else data, n_features)


def take_rows(X: Csr, rows: NDArray[np.int64]) -> Csr:
    """Return a copy of the given rows of X, in the given order."""
    nnz = core.nnz_of_rows(X, rows) if len(rows) else 0
    indptr: RowStarts = np.zeros(len(rows) + 1, np.int32) if nnz < 2**31 else np.zeros(len(rows) + 1, np.int64)
    indices = np.empty(nnz, dtype=np.int32)
    data = None if X.data is None else np.empty(nnz, dtype=np.float32)
    taken = Csr(indptr, indices, data, X.n_features)
    if len(rows):
        core.take_rows(X, rows, taken)
    return taken


def block_orders(X: Csr, rng: np.random.Generator, chunks_at_once: int = 1) -> Iterator[NDArray[np.int64]]:
    """Give all rows of X in random order, some at a time, near each other where they are near each other in memory.

    Blocks of neighbouring rows are permuted, and the rows inside each block: see ``threads/rows.hpp``. The order does
    not depend on ``chunks_at_once``, by which more rows come at a time.
    """
    bytes_per_row = 16 + (4 if X.data is None else 8) * X.nnz / X.n_rows
    return _orders_by_blocks(X.n_rows, max(1, int(BLOCK_BYTES / bytes_per_row)), ORDERED_ROWS, rng, chunks_at_once)


def permutation(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers below n in random order, in a third of the time that NumPy takes."""
    return next(_orders_by_blocks(n, MOST_ROWS_OF_A_BLOCK, n, rng))


def _orders_by_blocks(
    n_rows: int, block_rows: int, rows_at_once: int, rng: np.random.Generator, chunks_at_once: int = 1
) -> Iterator[NDArray[np.int64]]:
    block_rows = min(block_rows, MOST_ROWS_OF_A_BLOCK, n_rows)
    blocks = rng.permutation(np.arange(-(-n_rows // block_rows), dtype=np.int64))
    blocks_at_once = -(-rows_at_once // block_rows)
    chunks = [blocks[first : first + blocks_at_once] for first in range(0, len(blocks), blocks_at_once)]
    sizes = [int(np.minimum(block_rows, n_rows - some * block_rows).sum()) for some in chunks]
    for first in range(0, len(chunks), chunks_at_once):
        together = slice(first, first + chunks_at_once)
        order = np.empty(sum(sizes[together]), dtype=np.int64)
        begin = 0
        for some, size in zip(chunks[together], sizes[together], strict=True):
            core.block_order(some, block_rows, n_rows, int(rng.integers(2**63)), order[begin : begin + size])
            begin += size
        yield order

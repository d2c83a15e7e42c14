"""Sparse rows as the kernels read them, and copies of some."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._native import core

RowStarts = NDArray[np.int32] | NDArray[np.int64]


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

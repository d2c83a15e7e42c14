"""Sparse matrix of an encoded table, assembled from the entries of its columns."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import MAX_INT32, Float32, Int32, Int64
from fastfm_ext._native import tables


class EntryKind(IntEnum):
    """What a column gives a row: one feature, several, or a number. ``BlockKind`` of ``encode.hpp``."""

    ONE = 0
    SEVERAL = 1
    NUMBER = 2


class Entries(NamedTuple):
    """The entries that one column gives to n_rows rows: ``Block`` of ``encode.hpp``.

    A row with the code c has, with ONE, the feature ``features[c + 1]``; with SEVERAL the features
    ``features[indptr[c + 1] : indptr[c + 2]]``; so the first place is for missing values, whose code is -1. With
    NUMBER a row has the feature ``features[0]`` with its own value, or ``features[1]`` if that is NaN.

    Attributes
    ----------
    kind : EntryKind
    codes : int32 ndarray of shape (n_rows,), or None with NUMBER
    features : int32 ndarray of shape (n_values + 1,), (indptr[-1],) or (2,)
        Columns of the matrix; -1 for no entry.
    indptr : int64 ndarray of shape (n_cells + 2,), with SEVERAL
    values : float32 ndarray of the shape of `features`, with NUMBER of shape (n_rows,)
        Values of the entries; None where all are 1.
    """

    kind: EntryKind
    codes: Int32 | None
    features: Int32
    indptr: Int64 | None = None
    values: Float32 | None = None


def tidy_cells(lengths: Int64, features: Int32, weights: Float32 | None = None) -> tuple[Int64, Int32, Float32 | None]:
    """Sort the features of each cell; drop the negative, add up the weights of the repeated or drop these.

    Parameters
    ----------
    lengths : int64 ndarray of shape (n_cells,)
        Number of features of each cell.
    features : int32 ndarray of shape (sum(lengths),)
        Changed in place, as the weights are.
    weights : float32 ndarray of shape (sum(lengths),), optional

    Returns
    -------
    indptr : int64 ndarray of shape (n_cells + 1,)
    features : int32 ndarray of shape (indptr[-1],)
    weights : float32 ndarray of shape (indptr[-1],), or None as given
    """
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    tables.tidy_cells(indptr, features, weights)
    return indptr, features[: indptr[-1]], None if weights is None else weights[: indptr[-1]]


def count_of_several(column: Entries) -> int:
    """Return the number of entries of a column of the kind SEVERAL."""
    assert column.indptr is not None
    assert column.codes is not None
    return int(np.diff(column.indptr)[column.codes + 1].sum())


def assemble_rows(columns: list[Entries], n_rows: int, n_features: int, *, sort: bool) -> sparse.csr_array:
    """Return the matrix of shape (n_rows, n_features) with the entries of all columns.

    With `sort`, the columns' features may lie in any order; else those of each must lie above those of the one before.
    """
    indptr = np.empty(n_rows + 1, dtype=np.int64)
    tables.count_entries(columns, indptr)
    nnz = int(indptr[-1])
    indices = np.empty(nnz, dtype=np.int32)
    has_values = any(column.values is not None for column in columns)
    data = np.empty(nnz, dtype=np.float32) if has_values else np.ones(nnz, dtype=np.float32)
    tables.write_entries(columns, indptr, sort, indices, data if has_values else None)
    # SciPy converts index arrays of two types to the longer type.
    fits = nnz <= MAX_INT32
    result = sparse.csr_array(
        (data, indices, indptr.astype(np.int32) if fits else indptr), shape=(n_rows, n_features), copy=False
    )
    # Set here, so that SciPy need not check.
    result.has_sorted_indices = result.has_canonical_format = True
    return result

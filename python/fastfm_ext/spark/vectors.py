"""Vectors of Spark DataFrames as sparse rows: Arrow's buffers become the arrays of a CSR matrix, with no object a row.

A column of `pyspark.ml.linalg` vectors reaches Python as a struct of ``type`` (0 sparse, 1 dense), ``size``,
``indices`` and ``values``, the last two as lists: offsets and flat values, which are a CSR matrix already.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32, Bools, Float32, Float64, Int32, Int64
from fastfm_ext._engine.csr import Csr, csr_at_once

_NO_VECTOR = "the vector of features is null"


class BadRowError(ValueError):
    """A row that cannot be used, and why.

    Parameters
    ----------
    row : int
        Its number in the batch.
    reason : str
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(row, reason)
        self.row = row
        self.reason = reason


class VectorArrays(NamedTuple):
    """Vectors as the arrays of a CSR matrix, whose values nobody has looked at yet.

    Attributes
    ----------
    indptr : ndarray of shape (n_rows + 1,), int64
    indices : ndarray of shape (n_values,), int32
    values : ndarray of shape (n_values,), float64
    n_features : int
    """

    indptr: Int64
    indices: Int32
    values: Float64
    n_features: int

    @property
    def matrix(self) -> sp.csr_array:
        """The rows as a matrix of SciPy, over the same values."""
        shape = (len(self.indptr) - 1, self.n_features)
        return sp.csr_array((self.values, self.indices, self.indptr), shape=shape)

    def csr(self) -> Csr:
        """Return the rows as kernels read them.

        Raises
        ------
        BadRowError
            For values that are NaN, infinite or beyond float32, and for indices that do not rise.
        """
        with np.errstate(over="ignore"):
            data = self.values.astype(np.float32)
        csr = csr_at_once(self.indptr, self.indices, data, self.n_features)
        return self._checked(data) if csr is None else csr

    def _checked(self, data: Float32) -> Csr:
        """Return rows whose zeros are left out, or raise `BadRowError` for what no kernel may read."""
        indptr, indices, values = self.indptr, self.indices, self.values

        def check(good: Bools, fault: str) -> None:
            if not good.all():
                bad = int(np.argmin(good))
                row = int(np.searchsorted(indptr, bad, side="right")) - 1
                raise BadRowError(row, fault.format(value=values[bad], index=indices[bad]))

        check(np.isfinite(values), "{value} stands at index {index} of the vector")
        check(np.isfinite(data), "{value} stands at index {index} of the vector, which is beyond float32")
        check((indices >= 0) & (indices < self.n_features), f"the vector of size {self.n_features} has index {{index}}")
        rises = np.ones(len(indices), dtype=bool)
        rises[1:] = indices[1:] > indices[:-1]
        rises[indptr[:-1][np.diff(indptr) > 0]] = True
        check(rises, "index {index} of the vector does not follow a smaller one")
        kept = data != 0
        kept_before = np.concatenate([[0], np.cumsum(kept)])
        data = data[kept]
        is_all_ones = bool((data == 1).all())
        return Csr(kept_before[indptr], indices[kept], None if is_all_ones else data, self.n_features)


class VectorColumns(NamedTuple):
    """Parts of a column of vectors, as Spark stores them.

    Attributes
    ----------
    size : pyarrow.Array of shape (n_rows,)
        Null for dense vectors, which have no indices.
    indices, values : pyarrow.ListArray of shape (n_rows,)
    """

    size: Any
    indices: Any
    values: Any

    @classmethod
    def of(cls, vectors: Any) -> Self:
        """Return the parts of a `pyarrow.StructArray`, as `pyspark.sql.functions.unwrap_udt` gives them.

        Raises
        ------
        BadRowError
            For a null.
        """
        _check_no_nulls(vectors, _NO_VECTOR)
        return cls(*(vectors.field(name) for name in cls._fields))

    def arrays(self, n_features: int) -> VectorArrays:
        """Return the arrays of a CSR matrix, over the same memory where all vectors are sparse.

        Parameters
        ----------
        n_features : int
            The size that each vector has to be.

        Raises
        ------
        BadRowError
            For a null, and for a vector of another size.
        """
        _check_no_nulls(self.values, _NO_VECTOR)
        indptr, values = _flat(self.values)
        is_dense = self.indices.is_null().to_numpy(zero_copy_only=False)
        lengths = np.diff(indptr)
        sizes = _sizes(self.size)
        sizes = np.where(is_dense, lengths, sizes) if is_dense.any() else sizes
        _check_all(sizes == n_features, lambda row: f"the vector has size {sizes[row]}, and {n_features} is needed")
        return VectorArrays(indptr, _indices(self.indices, is_dense, indptr, lengths), values, n_features)


def csr_of_vectors(vectors: Any, n_features: int) -> Csr:
    """Return a column of vectors, a `pyarrow.StructArray` of shape (n_rows,), as sparse rows.

    Raises
    ------
    BadRowError
        For a vector that no model can read.
    """
    return VectorColumns.of(vectors).arrays(n_features).csr()


def _sizes(sizes: Any) -> NDArray[Any]:
    """Return the sizes that sparse vectors name, (n_rows,); 0 for dense ones."""
    import pyarrow.compute as pc

    known: NDArray[Any] = pc.fill_null(sizes, 0).to_numpy(zero_copy_only=False)
    return known


def _flat(lists: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return where each list begins, (n_rows + 1,) from 0, and the values of all."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    return offsets - first, lists.values.slice(first, last - first).to_numpy(zero_copy_only=False)


def _indices(lists: Any, is_dense: Bools, starts: Int64, lengths: Int64) -> Int32:
    """Return the feature of each value, (n_values,); dense vectors name none."""
    named_starts, named = _flat(lists)
    named = named.astype(np.int32, copy=False)
    is_even = is_dense | (np.diff(named_starts) == lengths)
    _check_all(is_even, lambda row: f"the vector has {lengths[row]} values, and another number of indices")
    if not is_dense.any():
        return named
    counted = (np.arange(starts[-1], dtype=np.int64) - np.repeat(starts[:-1], lengths)).astype(np.int32)
    counted[np.repeat(~is_dense, lengths)] = named
    return counted


def _check_no_nulls(column: Any, fault: str) -> None:
    """Raise `BadRowError` for the first null of a column."""
    if column.null_count:
        raise BadRowError(int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))), fault)


def _check_all(good: NDArray[np.bool_], fault_of: Any) -> None:
    """Raise `BadRowError` for the first row that is not good."""
    if not good.all():
        row = int(np.argmin(good))
        raise BadRowError(row, fault_of(row))


def numbers_of(column: Any, name: str) -> Float64:
    """Return a column of numbers, (n_rows,).

    Raises
    ------
    BadRowError
        For a null, NaN or an infinite value.
    """
    _check_no_nulls(column, f"{name} is null")
    numbers: Float64 = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    _check_all(np.isfinite(numbers), lambda row: f"{name} is {numbers[row]}")
    return numbers


def flags_of(column: Any, name: str) -> Bools:
    """Return a column of booleans, (n_rows,).

    Raises
    ------
    BadRowError
        For a null.
    """
    _check_no_nulls(column, f"{name} is null")
    flags: Bools = column.to_numpy(zero_copy_only=False)
    return flags


def checked_size(n_features: int) -> int:
    """Return a number of features that rows can have.

    Raises
    ------
    ValueError
        For one beyond the range of int32.
    """
    if not 0 < n_features <= MAX_INT32:
        raise ValueError(f"vectors of size {n_features}; a model has 1 to {MAX_INT32} features.")
    return n_features

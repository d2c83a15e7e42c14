"""Columns as codes, texts as bytes, and rows from the blocks of columns: what the encoder asks of the native code."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext._common.arrays import MAX_INT32, Float32, Int32, Int64, UInt8, object_array
from fastfm_ext._native import tables


class Coded(NamedTuple):
    """A column as codes into its distinct values.

    Attributes
    ----------
    codes : int32 ndarray of shape (n_rows,)
        Place of each row's value in `values`, -1 where the value is missing.
    values : ndarray of shape (n_values,)
    all_used : bool
        Whether every value is in some row; a category that only the type declares may be in none.
    """

    codes: Int32
    values: NDArray[Any]
    all_used: bool = True


@dataclass(frozen=True)
class Texts:
    """Texts in Arrow's layouts: ``Texts`` of ``coding.hpp``. One of offsets32, offsets64 and views is there."""

    n: int
    valid: UInt8 | None
    bytes: NDArray[np.uint8] | None
    offsets32: Int32 | None = None
    offsets64: Int64 | None = None
    views: NDArray[np.uint8] | None = None
    buffers: Int64 | None = None


class BlockKind(IntEnum):
    """What a block adds to a row: ``BlockKind`` of ``encode.hpp``."""

    ONE = 0
    SEVERAL = 1
    NUMBER = 2


class Block(NamedTuple):
    """The entries of one column: ``Block`` of ``encode.hpp``."""

    kind: BlockKind
    codes: Int32 | None
    features: Int32
    indptr: Int64 | None = None
    values: Float32 | None = None


# --- coding --------------------------------------------------------------------------------------------------------


def code_ints(values: NDArray[Any], valid: UInt8 | None = None) -> tuple[Int32, Int64]:
    """Code integers of 64 bits or less; return the codes, and for each the first row that has it."""
    codes, first = _room_for_codes(len(values))
    # The bits of a uint64 tell values apart as well as the values do.
    bits = values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64, copy=False)
    n_distinct = tables.code_ints(np.require(bits, requirements=["C", "ALIGNED"]), valid, codes, first)
    return codes, first[:n_distinct]


def code_texts(texts: Texts, *, as_bytes: bool = False) -> Coded:
    """Code texts; the distinct values are str, or bytes."""
    codes, first = _room_for_codes(texts.n)
    n_distinct = tables.code_texts(texts, codes, first)
    rows = first[:n_distinct]
    offsets = np.zeros(n_distinct + 1, dtype=np.int64)
    tables.take_texts(texts, rows, offsets, None)
    utf8 = np.empty(offsets[-1], dtype=np.uint8)
    tables.take_texts(texts, rows, offsets, utf8)
    pieces = _pieces(utf8, offsets)
    return Coded(codes, object_array(pieces if as_bytes else [_decoded(piece) for piece in pieces]))


def code_array(data: NDArray[Any], valid: UInt8 | None = None) -> Coded:
    """Code an array of one dimension. Missing values other than NaN, NaT and those not valid count as values."""
    kind = data.dtype.kind
    if kind == "O":
        return _code_objects(data)
    if kind == "f":
        data = data.astype(np.float64, copy=False) + 0.0  # a new array, with 0 for -0
        is_number = data == data
        if not is_number.all():
            valid = is_number.view(np.uint8) if valid is None else valid & is_number
        keys = data.view(np.int64)
    elif kind in "mM":
        is_missing = np.isnat(data)
        if is_missing.any():
            valid = (~is_missing).view(np.uint8)
        keys = data.view(np.int64)
    elif kind in "biu":
        keys = data
    else:
        values, codes = np.unique(data, return_inverse=True)
        return Coded(codes.reshape(-1).astype(np.int32), values)
    codes32, first = code_ints(keys, valid)
    return Coded(codes32, data[first])


def code_text_objects(data: NDArray[Any]) -> Coded | None:
    """Code an array of objects that are all str or missing; None if there are others."""
    codes, first = _room_for_codes(len(data))
    n_distinct = tables.code_objects(_addresses(data), codes, first)
    return None if n_distinct < 0 else Coded(codes, data[first[:n_distinct]])


def _code_objects(data: NDArray[Any]) -> Coded:
    # The same few objects usually stand in many rows: only distinct objects are compared by value.
    codes, first = code_ints(_addresses(data))
    places: dict[Any, int] = {}
    of_object = [places.setdefault(value, len(places)) for value in data[first].tolist()]
    if len(places) < len(of_object):
        codes = np.array(of_object, dtype=np.int32)[codes]
    return Coded(codes, object_array(places))


def _addresses(data: NDArray[Any]) -> Int64:
    """Return where the objects of an array lie, which must outlive the result."""
    data = np.require(data, requirements=["C", "ALIGNED"])
    return np.asarray(tables.Memory(data, data.ctypes.data, np.dtype(np.intp).str, len(data)))


def _room_for_codes(n: int) -> tuple[Int32, Int64]:
    if n > MAX_INT32:
        raise ValueError(f"a column has {n} rows; encode at most {MAX_INT32} at a time")
    return np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int64)


# --- texts as bytes ------------------------------------------------------------------------------------------------


def pack_texts(texts: Sequence[str]) -> tuple[NDArray[np.uint8], Int64]:
    """Return the texts in UTF-8 one after the other, and the (n_texts + 1,) places where they begin."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8).copy(), offsets


def unpack_texts(utf8: NDArray[np.uint8], offsets: Int64) -> list[str]:
    """Undo `pack_texts`."""
    return [_decoded(piece) for piece in _pieces(utf8, offsets)]


def _pieces(utf8: NDArray[np.uint8], offsets: Int64) -> list[bytes]:
    buffer = utf8.tobytes()
    return [buffer[start:stop] for start, stop in pairwise(offsets.tolist())]


def _decoded(utf8: bytes) -> str:
    return utf8.decode("utf-8", "surrogatepass")


def murmur3(texts: Sequence[str]) -> Int32:
    """Hash texts by MurmurHash3 of 32 bits with seed 0, as scikit-learn's FeatureHasher does."""
    hashes = np.empty(len(texts), dtype=np.int32)
    tables.murmur3(*pack_texts(texts), 0, hashes)
    return hashes


# --- rows ----------------------------------------------------------------------------------------------------------


def tidy_cells(
    lengths: NDArray[np.integer[Any]], features: Int32, weights: Float32 | None = None
) -> tuple[Int64, Int32, Float32 | None]:
    """Sort the features of each cell, of `lengths` features; drop the negative, add up or drop the repeated.

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


def rows_of(blocks: list[Block], n_rows: int, n_features: int, *, sort: bool) -> sparse.csr_array:
    """Assemble the rows of a matrix from the entries of its columns.

    With `sort`, the blocks' features may lie in any order; else those of each must lie above those of the one before.
    """
    indptr = np.empty(n_rows + 1, dtype=np.int64)
    tables.count_entries(blocks, indptr)
    nnz = int(indptr[-1])
    indices = np.empty(nnz, dtype=np.int32)
    has_values = any(block.values is not None for block in blocks)
    data = np.empty(nnz, dtype=np.float32) if has_values else np.ones(nnz, dtype=np.float32)
    tables.write_entries(blocks, indptr, sort, indices, data if has_values else None)
    # SciPy wants both of one type, and takes the longer.
    fits = nnz <= MAX_INT32
    result = sparse.csr_array(
        (data, indices, indptr.astype(np.int32) if fits else indptr), shape=(n_rows, n_features), copy=False
    )
    # Said here, SciPy need not look for itself.
    result.has_sorted_indices = result.has_canonical_format = True
    return result

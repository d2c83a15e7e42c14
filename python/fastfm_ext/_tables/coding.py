"""Codes of a column: each row as the index of its value among the distinct ones."""

from typing import NamedTuple

import numpy as np

from fastfm_ext._common.arrays import MAX_INT32, AnyArray, Int32, Int64, UInt8, object_array
from fastfm_ext._native import tables
from fastfm_ext._tables.texts import Texts, decoded, split_bytes


class Coded(NamedTuple):
    """A column as codes into its distinct values.

    Attributes
    ----------
    codes : int32 ndarray of shape (n_rows,)
        Index of each row's value in `values`, -1 where the value is missing.
    values : ndarray of shape (n_values,)
    all_used : bool
        Whether every value is in some row; a category that only the type declares may be in none.
    """

    codes: Int32
    values: AnyArray
    all_used: bool = True


def code_ints(values: AnyArray, valid: UInt8 | None = None) -> tuple[Int32, Int64]:
    """Code integers of 64 bits or less, of shape (n,), but those where `valid` (n,) is 0.

    Returns
    -------
    codes : int32 ndarray of shape (n,)
    first : int64 ndarray of shape (n_distinct,)
        The first row that has each code.
    """
    codes, first = _room_for_codes(len(values))
    # The bits of a uint64 are as distinct as the values.
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
    pieces = split_bytes(utf8, offsets)
    return Coded(codes, object_array(pieces if as_bytes else [decoded(piece) for piece in pieces]))


def code_array(data: AnyArray, valid: UInt8 | None = None) -> Coded:
    """Code an array (n,), but those where `valid` (n,) is 0. Missing values other than NaN and NaT count as values."""
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


def code_text_objects(data: AnyArray) -> Coded | None:
    """Code an array (n,) of objects that are all str or missing; None if there are others."""
    codes, first = _room_for_codes(len(data))
    n_distinct = tables.code_objects(_addresses(data), codes, first)
    return None if n_distinct < 0 else Coded(codes, data[first[:n_distinct]])


def _code_objects(data: AnyArray) -> Coded:
    # Usually many rows hold the same few objects, so only distinct objects are compared by value.
    codes, first = code_ints(_addresses(data))
    code_of: dict[object, int] = {}
    of_object = [code_of.setdefault(value, len(code_of)) for value in data[first].tolist()]
    if len(code_of) < len(of_object):
        codes = np.array(of_object, dtype=np.int32)[codes]
    return Coded(codes, object_array(code_of))


def _addresses(data: AnyArray) -> Int64:
    """Return the addresses (n,) of the objects of an array, which must outlive the result."""
    data = np.require(data, requirements=["C", "ALIGNED"])
    return np.asarray(tables.Memory(data, data.ctypes.data, np.dtype(np.intp).str, len(data)))


def _room_for_codes(n: int) -> tuple[Int32, Int64]:
    if n > MAX_INT32:
        raise ValueError(f"a column has {n} rows; encode at most {MAX_INT32} at a time")
    return np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int64)

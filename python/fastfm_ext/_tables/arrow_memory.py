"""Arrow arrays of other libraries, read where they lie through Arrow's C interface, without an Arrow library."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float64, Int64, UInt8, object_array
from fastfm_ext._native import tables
from fastfm_ext._tables.coding import Coded, code_array, code_ints, code_texts
from fastfm_ext._tables.texts import Texts

# https://arrow.apache.org/docs/format/CDataInterface.html#data-type-description-format-strings
_NUMBERS = {
    "c": "i1",
    "C": "u1",
    "s": "i2",
    "S": "u2",
    "i": "i4",
    "I": "u4",
    "l": "i8",
    "L": "u8",
    "e": "f2",
    "f": "f4",
    "g": "f8",
}
_DATES = {"tdD": ("i4", "M8[D]"), "tdm": ("i8", "M8[ms]")}
_TIMESTAMP_UNITS = {"tss": "M8[s]", "tsm": "M8[ms]", "tsu": "M8[us]", "tsn": "M8[ns]"}
_DECIMAL_PREFIX = "d:"
_TEXTS, _BYTES = ("u", "U", "vu"), ("z", "Z", "vz")
_VIEW_BYTES, _WORD_BYTES = 16, 8
# 256 bits hold 76 digits.
_EXACT = Context(prec=80)


@dataclass(frozen=True)
class ArrowArray:
    """One chunk of a column, or of a table: a struct whose children are the columns.

    Attributes
    ----------
    format : str
        The type, as Arrow writes it.
    name : str
    length, offset, null_count : int
        Rows; rows to skip in every buffer; missing rows, -1 if nobody has counted.
    buffers : list of int
        Addresses; that of the bitmap of valid rows comes first.
    children : list of ArrowArray
    dictionary : ArrowArray or None
        The values that the array's numbers stand for.
    owner : object
        Keeps the memory alive.
    """

    format: str
    name: str
    length: int
    offset: int
    null_count: int
    buffers: list[int]
    children: list[ArrowArray]
    dictionary: ArrowArray | None
    owner: Any

    def part(self, start: int, length: int) -> ArrowArray:
        """Return some of the rows."""
        if start == 0 and length == self.length:
            return self
        return replace(self, offset=self.offset + start, length=length, null_count=-1 if self.null_count else 0)

    def memory(self, buffer: int, dtype: str, start: int, stop: int) -> AnyArray:
        """Return the values start <= i < stop of a buffer."""
        # An empty array need not have all its buffers.
        address = self.buffers[buffer] if buffer < len(self.buffers) else 0
        if not address or stop <= start:
            return np.empty(0, dtype=dtype)
        return np.asarray(tables.Memory(self.owner, address, np.dtype(dtype).str, stop))[start:]

    def values(self, dtype: str) -> AnyArray:
        """Return the rows' values in the buffer behind the bitmap."""
        return self.memory(1, dtype, self.offset, self.offset + self.length)

    def bits(self, buffer: int) -> UInt8:
        """Return a buffer of bits as bytes 0 and 1, shape (length,)."""
        first, stop = self.offset // 8, (self.offset + self.length + 7) // 8
        packed = self.memory(buffer, "u1", first, stop)
        skip = self.offset - 8 * first
        return np.unpackbits(packed, count=skip + self.length, bitorder="little")[skip:]

    def valid(self) -> UInt8 | None:
        """Return 1 for each row with a value and 0 for the others, shape (length,); None if all have one."""
        if self.format == "n":
            return np.zeros(self.length, dtype=np.uint8)
        if self.null_count == 0 or not self.buffers or not self.buffers[0] or not self.length:
            return None
        return self.bits(0)

    def is_number(self) -> bool:
        """Return whether the values are numbers or truth values."""
        return self.format in _NUMBERS or self.format == "b"

    def is_list(self) -> bool:
        """Return whether every row holds a list of values."""
        return self.format in ("+l", "+L") or self.format.startswith("+w:")

    def list_bounds(self) -> tuple[Int64, Int64]:
        """Return where each row's list begins and ends in the child, shapes (length,)."""
        if self.format.startswith("+w:"):
            size = int(self.format[3:])
            begins = np.arange(self.offset, self.offset + self.length, dtype=np.int64) * size
            return begins, begins + size
        stop = self.offset + self.length + 1
        bounds = self.memory(1, "i4" if self.format == "+l" else "i8", self.offset, stop).astype(np.int64)
        return bounds[:-1], bounds[1:]


def read_arrow(data: Any) -> tuple[ArrowArray, list[ArrowArray]]:
    """Import an object with `__arrow_c_stream__` or `__arrow_c_array__`: its type (an empty array) and its chunks."""
    if hasattr(data, "__arrow_c_stream__"):
        # Optional in the protocol, but some producers want it.
        schema, chunks = tables.import_arrow_stream(data.__arrow_c_stream__(None))
    else:
        schema, chunks = tables.import_arrow_array(*data.__arrow_c_array__(None))
    return _combined(schema, None, None), [_combined(schema, array, owner) for owner, array in chunks]


def _combined(schema: Any, array: Any, owner: Any) -> ArrowArray:
    format_, name, fields, dictionary = schema
    length, offset, null_count, buffers, children, values = array or (0, 0, 0, [], [None] * len(fields), None)
    parts = [_combined(field, child, owner) for field, child in zip(fields, children, strict=True)]
    lookup = None if dictionary is None else _combined(dictionary, values, owner)
    return ArrowArray(format_, name, length, offset, null_count, buffers, parts, lookup, owner)


def read_table(data: Any) -> dict[str, list[ArrowArray]]:
    """Import a table: the chunks of each column by its name.

    Raises
    ------
    TypeError
        If the data is a single column.
    ValueError
        If two columns have one name.
    """
    schema, chunks = read_arrow(data)
    if schema.format != "+s":
        raise TypeError(f"X must be a table, got a single column of the Arrow type {schema.format!r}")
    names = [field.name for field in schema.children]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"the table has more than one column named {repeated[0]!r}")
    columns: dict[str, list[ArrowArray]] = {}
    for number, name in enumerate(names):
        pieces = [chunk.children[number].part(chunk.offset, chunk.length) for chunk in chunks]
        columns[name] = pieces or [schema.children[number]]
    return columns


def code_arrow(array: ArrowArray) -> Coded:
    """Code a chunk.

    Raises
    ------
    TypeError
        For a type whose values cannot be categories.
    """
    valid = array.valid()
    if array.dictionary is not None:
        return _code_dictionary(array, valid)
    format_ = array.format
    if format_ == "n":
        return Coded(np.full(array.length, -1, dtype=np.int32), object_array([]))
    if format_ in _NUMBERS:
        return code_array(array.values(_NUMBERS[format_]), valid)
    if format_ == "b":
        return code_array(array.bits(1).view(bool), valid)
    if format_ in _TEXTS or format_ in _BYTES:
        return code_texts(_texts(array, valid), as_bytes=format_ in _BYTES)
    if format_ in _DATES:
        stored, dtype = _DATES[format_]
        return _code_instants(array.values(stored), dtype, valid)
    if format_[:3] in _TIMESTAMP_UNITS:  # the rest names a time zone for display; instants are in UTC
        return _code_instants(array.values("i8"), _TIMESTAMP_UNITS[format_[:3]], valid)
    if format_.startswith(_DECIMAL_PREFIX):
        return _code_decimals(array, valid)
    raise TypeError(f"Arrow type {format_!r}")


def is_codable(array: ArrowArray) -> bool:
    """Return whether `code_arrow` knows the type, or that of the lists' values."""
    values = array.children[0] if array.is_list() else array.dictionary or array
    format_ = (values.dictionary or values).format
    known = (*_NUMBERS, *_DATES, *_TEXTS, *_BYTES, "b", "n")
    return format_ in known or format_[:3] in _TIMESTAMP_UNITS or format_.startswith(_DECIMAL_PREFIX)


def arrow_numbers(array: ArrowArray) -> Float64:
    """Return a chunk of numbers as float64, shape (length,), NaN where they are missing."""
    values = array.bits(1) if array.format == "b" else array.values(_NUMBERS[array.format])
    valid = array.valid()
    numbers: Float64 = values.astype(np.float64)
    if valid is not None:
        numbers[valid == 0] = np.nan
    return numbers


def _code_dictionary(array: ArrowArray, valid: UInt8 | None) -> Coded:
    assert array.dictionary is not None
    within, values, _ = code_arrow(array.dictionary)
    indices = array.values(_NUMBERS[array.format])
    if valid is not None:
        # Missing rows may hold any index.
        indices = np.where(valid, indices, 0)
    codes = within[indices] if len(within) else np.full(array.length, -1, dtype=np.int32)
    return Coded(codes if valid is None else np.where(valid, codes, np.int32(-1)), values, False)


def _code_instants(stored: AnyArray, dtype: str, valid: UInt8 | None) -> Coded:
    codes, values, _ = code_array(stored, valid)
    return Coded(codes, values.astype(np.int64).view(dtype))


def _code_decimals(array: ArrowArray, valid: UInt8 | None) -> Coded:
    """Code decimals; the distinct values are Decimals, and may hold None."""
    _, scale, *bits = array.format.removeprefix(_DECIMAL_PREFIX).split(",")
    width = int(bits[0] if bits else 128) // 8
    n_words = max(1, width // _WORD_BYTES)
    word = f"<i{min(width, _WORD_BYTES)}"
    start, stop = n_words * array.offset, n_words * (array.offset + array.length)
    words = array.memory(1, word, start, stop).reshape(array.length, n_words)
    if (words[:, 1:] == words[:, :1] >> 63).all():
        codes, first = code_ints(np.ascontiguousarray(words[:, 0]), valid)
        return Coded(codes, object_array(_decimal(row, scale) for row in words[first, :1]))
    decimals = object_array(_decimal(row, scale) for row in words)
    if valid is not None:
        decimals[valid == 0] = None
    return code_array(decimals)


def _decimal(words: AnyArray, scale: str) -> Decimal:
    return Decimal(int.from_bytes(words.tobytes(), "little", signed=True)).scaleb(-int(scale), _EXACT)


def _texts(array: ArrowArray, valid: UInt8 | None) -> Texts:
    start, stop = array.offset, array.offset + array.length
    if array.format.startswith("v"):
        views = array.memory(1, "u1", _VIEW_BYTES * start, _VIEW_BYTES * stop)
        # The last buffer holds the sizes of those before it.
        buffers = np.array(array.buffers[2:-1], dtype=np.int64)
        return Texts(array.length, valid, None, views=np.ascontiguousarray(views), buffers=buffers)
    is_large = array.format in ("U", "Z")
    offsets = array.memory(1, "i8" if is_large else "i4", start, stop + 1)
    if not len(offsets):  # an empty array need not have any
        offsets = np.zeros(1, dtype="i8" if is_large else "i4")
    utf8 = array.memory(2, "u1", 0, int(offsets[-1]))
    if is_large:
        return Texts(array.length, valid, utf8, offsets64=offsets)
    return Texts(array.length, valid, utf8, offsets32=offsets)

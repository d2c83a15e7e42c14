"""Keys of values: texts by which Spark groups values as the encoder compares them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, object_array
from fastfm_ext._tables.vocabulary import canonical

# The first letter of a key says what the rest is: decimal digits, the bits of a float64 as an integer, microseconds
# since 1970, 0 or 1, or the text itself. So each value has one key, whatever stands beside it.
_INTEGER, _FLOAT, _TIME, _BOOLEAN, _TEXT = "i", "f", "t", "b", "s"


def keys_of(values: AnyArray) -> Any:
    """Return the keys of canonical values (n,), as an Arrow array of texts.

    Raises
    ------
    TypeError
        For a value that is no text, number, boolean or time.
    """
    import pyarrow as pa

    kind = values.dtype.kind
    if kind == "O":
        types = set(map(type, values.tolist()))
        if types <= {str}:
            return _tagged(_TEXT, pa.array(values, type=pa.string()))
        return pa.array([_key_of_object(value) for value in values.tolist()], type=pa.string())
    if kind == "f":
        is_whole = (values == np.rint(values)) & (np.abs(values) < 2.0**63)
        whole = np.where(is_whole, values, 0).astype(np.int64)
        fractions = _tagged(_FLOAT, pa.array((values + 0.0).view(np.int64)).cast(pa.string()))
        return _chosen(is_whole, _tagged(_INTEGER, pa.array(whole).cast(pa.string())), fractions)
    if kind == "M":
        return _tagged(_TIME, pa.array(values.astype("M8[us]").view(np.int64)).cast(pa.string()))
    if kind == "b":
        return _tagged(_BOOLEAN, pa.array(values.astype(np.int8)).cast(pa.string()))
    return _tagged(_INTEGER, pa.array(values).cast(pa.string()))


def values_of(keys: Any) -> AnyArray:
    """Undo `keys_of`: return the canonical values (n,) of distinct keys."""
    import pyarrow.compute as pc

    tags = pc.utf8_slice_codeunits(keys, 0, 1)
    rest = pc.utf8_slice_codeunits(keys, 1)
    kinds = set(pc.unique(tags).to_pylist())
    if kinds == {_TEXT}:
        return object_array(rest.to_pylist())
    if kinds == {_TIME}:
        return _integers(rest).view("M8[us]")
    if kinds == {_BOOLEAN}:
        return _integers(rest).astype(bool)
    if kinds == {_FLOAT}:
        return _integers(rest).view(np.float64)
    if kinds == {_INTEGER} and not pc.any(pc.greater(pc.utf8_length(rest), 18)).as_py():
        return _integers(rest)
    pairs = zip(tags.to_pylist(), rest.to_pylist(), strict=True)
    return canonical(object_array([_value(tag, text) for tag, text in pairs]))


def _tagged(tag: str, texts: Any) -> Any:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(tag, texts, "")


def _chosen(mask: AnyArray, chosen: Any, others: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(mask), chosen, others)


def _key_of_object(value: Any) -> str:
    if isinstance(value, bool):
        return f"{_BOOLEAN}{int(value)}"
    if isinstance(value, int):
        return f"{_INTEGER}{value}"
    if isinstance(value, float):
        return str(keys_of(np.array([value]))[0])
    if isinstance(value, str):
        return _TEXT + value
    if isinstance(value, datetime):
        return f"{_TIME}{np.datetime64(value, 'us').astype(np.int64)}"
    raise TypeError(f"{value!r} ({type(value).__name__}) is no text, number, boolean or time: cast the column to one")


def _integers(texts: Any) -> AnyArray:
    import pyarrow as pa

    numbers: AnyArray = texts.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers.copy()


def _value(tag: str, text: str) -> Any:
    if tag == _TEXT:
        return text
    number = int(text)
    if tag == _FLOAT:
        return float(np.array([number]).view(np.float64)[0])
    if tag == _TIME:
        return np.datetime64(number, "us").item()
    return bool(number) if tag == _BOOLEAN else number

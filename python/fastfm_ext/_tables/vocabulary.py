"""Vocabulary of a column: its distinct values in one canonical form and a fixed order, with a fast look-up."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfm_ext._common.arrays import AnyArray, Bools, Int64, object_array
from fastfm_ext._tables.identity import TEXT, kinds_of, other_form, plain_number, unified
from fastfm_ext._tables.texts import pack_texts, unpack_texts

_TAGS = {bool: "b", int: "i", float: "f", str: "s", datetime: "d"}
_ARRAY_FORMS = frozenset({"bool", "int64", "uint64", "float64", "datetime64[us]", "datetime64[ns]"})
_MISSING_NAMES = frozenset({"NAType", "NaTType"})


def missing_mask(values: AnyArray) -> Bools:
    """Return the mask (n,) of missing values: None, NaN, NaT and pandas' NA."""
    if values.dtype.kind in "fcmM":
        # Only NaN and NaT differ from themselves.
        differs: Bools = values != values
        return differs
    if values.dtype.kind == "O":
        if set(map(type, values.tolist())) <= {str}:
            return np.zeros(len(values), dtype=bool)
        return np.fromiter((is_missing(value) for value in values), dtype=bool, count=len(values))
    return np.zeros(len(values), dtype=bool)


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in _MISSING_NAMES:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def canonical(values: ArrayLike) -> AnyArray:
    """Return values (n,) in the form in which they are compared, whatever library they are from; none is missing.

    Integers become int64 (uint64 when they need it), and so do floats if all of them are whole: a column of ids turns
    into floats as soon as one is missing. Dates and times become datetime64 in UTC. The rest stays Python objects, with
    integers beside texts as texts: see `fastfm_ext._tables.identity`.
    """
    array = np.asarray(values)
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind in "iu":
        return _from_ints(array)
    if kind == "f":
        return _from_floats(array)
    if kind == "M":
        return _from_datetimes(array)
    if kind == "m":
        array = array.astype("m8[us]")
    return _from_objects(array.astype(object))


def _from_ints(array: AnyArray) -> AnyArray:
    fits = array.dtype.kind == "i" or not len(array) or array.max() <= np.iinfo(np.int64).max
    return array.astype(np.int64 if fits else np.uint64)


def _from_floats(array: AnyArray) -> AnyArray:
    array = array.astype(np.float64)
    whole = np.isfinite(array) & (array == np.rint(array)) & (np.abs(array) < 2.0**63)
    return array.astype(np.int64) if whole.all() else array


def _from_datetimes(array: AnyArray) -> AnyArray:
    micro = array.astype("M8[us]")
    return micro if (micro == array).all() else array.astype("M8[ns]")


def _from_objects(array: AnyArray) -> AnyArray:
    if set(map(type, array.tolist())) <= {str}:
        return array
    plain = unified([_plain(value) for value in array.tolist()])
    types = set(map(type, plain))
    if types == {bool}:
        return np.array(plain, dtype=bool)
    if types == {datetime}:
        return np.array(plain, dtype="M8[us]")
    if types <= {int, float}:
        numbers = np.array(plain)
        # For integers beyond 64 bits NumPy makes floats, which may differ from them.
        if numbers.dtype.kind in "iuf" and numbers.tolist() == plain:
            return canonical(numbers)
    return object_array(plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64 | np.timedelta64):
        return value.astype(value.dtype.str[:2] + "8[us]").item()
    if isinstance(value, np.longdouble | np.clongdouble):  # item() leaves their type as it is
        return _plain(float(value) if isinstance(value, np.longdouble) else complex(value))
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo is not None else value
        return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond)
    if isinstance(value, date):
        return datetime.combine(value, time())
    return plain_number(value)


def join_values(parts: Sequence[AnyArray]) -> AnyArray:
    """Put arrays of canonical values one after the other, in the form that is canonical for all of them."""
    if len({part.dtype for part in parts}) == 1:
        joined = np.concatenate(parts)
        return _from_objects(joined) if joined.dtype.kind == "O" else joined
    if all(part.dtype.kind == "M" for part in parts):
        joined = np.concatenate(parts)
        if all((np.asarray(part, dtype=joined.dtype).astype(part.dtype) == part).all() for part in parts):
            return joined
        raise ValueError("dates to the nanosecond stand beside dates outside the years 1678 to 2262")
    return _from_objects(object_array(_plain(value) for part in parts for value in _keys(part)))


class Vocabulary:
    """Distinct values in a fixed order; the code of a value is its index.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Distinct canonical values. `learn` sorts them where they have an order, and `grown` leaves the old in place.
    """

    def __init__(self, values: AnyArray) -> None:
        self.values = values

    @classmethod
    def learn(cls, values: AnyArray) -> "Vocabulary":
        """Collect canonical values (n,), which may repeat, in an order that doesn't depend on theirs."""
        if values.dtype.kind != "O":
            return cls(np.unique(values))
        distinct = dict.fromkeys(values.tolist())
        if set(map(type, distinct)) <= {str}:
            return cls(object_array(sorted(distinct)))
        try:
            return cls(object_array(sorted(distinct, key=_sort_key)))
        except TypeError:
            return cls(object_array(distinct))

    def grown(self, values: AnyArray) -> "Vocabulary":
        """Return a vocabulary with those of the values that are new behind the old, which keep their codes."""
        fresh = Vocabulary.learn(values[self.find(values) < 0])
        if not len(fresh):
            return self
        if not len(self):
            return fresh
        grown = Vocabulary(join_values([self.values, fresh.values]))
        if self.kinds == fresh.kinds == {TEXT}:
            # Copied, which is quicker than made anew.
            grown._code_of = {**self._code_of, **{text: len(self) + at for at, text in enumerate(fresh.values)}}
        return grown

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Kinds of the values, in words."""
        return kinds_of(self.values)

    def find(self, values: AnyArray) -> Int64:
        """Return the code (n,) of each canonical value (n,), -1 for those that aren't here.

        Of two types, an integer is the same as its decimal text: see `fastfm_ext._tables.identity`.
        """
        if not len(self):
            return np.full(len(values), -1, dtype=np.int64)
        same_type = values.dtype == self.values.dtype and values.dtype.kind != "O"
        if same_type or values.dtype.kind == self.values.dtype.kind == "M":
            codes = np.searchsorted(self.values, values, sorter=self._order)
            codes[codes == len(self)] = 0
            if self._order is not None:
                codes = self._order[codes]
            return np.where(self.values[codes] == values, codes, -1).astype(np.int64)
        keys = _keys(values)
        codes = np.fromiter((self._code_of.get(v, -1) for v in keys), dtype=np.int64, count=len(values))
        unknown = np.flatnonzero(codes < 0)
        if len(unknown) and kinds_of(values) != self.kinds:
            others = (other_form(keys[row]) for row in unknown.tolist())
            codes[unknown] = [-1 if other is None else self._code_of.get(other, -1) for other in others]
        return codes

    def value(self, code: int) -> Any:
        """Return a value as a Python object."""
        return self.values[code : code + 1].tolist()[0]

    def labels(self) -> list[str]:
        """Return each value as text."""
        if self.values.dtype.kind == "M":
            return [str(np.datetime_as_string(value, unit="auto")) for value in self.values]
        return [str(value) for value in self.values.tolist()]

    @cached_property
    def _order(self) -> NDArray[np.intp] | None:
        return None if (self.values[:-1] < self.values[1:]).all() else np.argsort(self.values)

    @cached_property
    def _code_of(self) -> dict[Any, int]:
        return {value: code for code, value in enumerate(_keys(self.values))}

    def __getstate__(self) -> dict[str, Any]:
        return {"values": self.values}

    def to_arrays(self) -> tuple[str, dict[str, AnyArray]]:
        """Return the name of the storage form and arrays without Python objects.

        Raises
        ------
        TypeError
            If a value is not a str, int, float, bool or datetime.
        """
        values = self.values
        if values.dtype.kind == "M":
            return values.dtype.name, {"values": values.view(np.int64)}
        if values.dtype.kind != "O":
            return values.dtype.name, {"values": values}
        if self.kinds <= {TEXT}:
            return "text", _packed(values.tolist())
        return "mixed", _packed([_tagged(value) for value in values.tolist()])

    @classmethod
    def from_arrays(cls, form: str, arrays: dict[str, AnyArray]) -> "Vocabulary":
        """Undo `to_arrays`.

        Raises
        ------
        KeyError, TypeError, ValueError
            For arrays that `to_arrays` did not make.
        """
        if form in _ARRAY_FORMS:
            return cls(_with_form(arrays["values"], form))
        if form not in ("text", "mixed"):
            raise ValueError(f"unknown form of categories {form!r}")
        values = _unpack(arrays) if form == "text" else [_untagged(text) for text in _unpack(arrays)]
        if len(set(values)) != len(values):
            raise ValueError("a category occurs twice")
        return cls(object_array(values))


def _sort_key(value: Any) -> tuple[str, Any]:
    return ("number" if isinstance(value, bool | int | float) else type(value).__name__, value)


def _keys(values: AnyArray) -> list[Any]:
    # NumPy's tolist() turns datetime64[ns] into integers, which would match integer values.
    return list(values) if values.dtype == "M8[ns]" else values.tolist()


def _tagged(value: Any) -> str:
    if type(value) not in _TAGS:
        kinds = "str, int, float, bool and datetime"
        raise TypeError(f"a category of type {type(value).__name__} ({value!r}) can't be saved, only {kinds}")
    tag = _TAGS[type(value)]
    text = value.hex() if tag == "f" else value.isoformat() if tag == "d" else str(value)
    return tag + text


def _untagged(text: str) -> Any:
    tag, body = text[0], text[1:]
    if tag == "b":
        return body == "True"
    if tag == "d":
        return datetime.fromisoformat(body)
    return {"i": int, "f": float.fromhex, "s": str}[tag](body)  # type: ignore[operator]


def _with_form(values: AnyArray, form: str) -> AnyArray:
    stored_as = "int64" if form.startswith("datetime64") else form
    if values.ndim != 1 or values.dtype != stored_as:
        raise ValueError(f"categories of the form {form} in an array of shape {values.shape} and type {values.dtype}")
    values = values.view(form)
    if not (values[:-1] < values[1:]).all() and len(np.unique(values)) != len(values):
        raise ValueError("a category occurs twice")
    if missing_mask(values).any():
        raise ValueError("a category is missing")
    return values


def _packed(texts: list[str]) -> dict[str, AnyArray]:
    utf8, offsets = pack_texts(texts)
    return {"utf8": utf8, "offsets": offsets}


def _unpack(arrays: dict[str, AnyArray]) -> list[str]:
    utf8, offsets = arrays["utf8"], arrays["offsets"]
    if utf8.dtype != np.uint8 or utf8.ndim != 1 or offsets.dtype != np.int64 or offsets.ndim != 1:
        raise ValueError(f"text in arrays of {utf8.dtype} and {offsets.dtype}")
    bounds = offsets.tolist()
    if bounds != sorted(bounds) or bounds[:1] != [0] or bounds[-1] != len(utf8):
        raise ValueError("the offsets of the categories do not fit their text")
    return unpack_texts(utf8, offsets)

"""Ids of indexed items, as arrays and by position.

Ids whose types differ are compared by the rule of `fastfm_ext._tables.identity`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, KeysView, Sequence, Set
from functools import cached_property
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, object_array
from fastfm_ext._common.checks import kind_of
from fastfm_ext._tables.identity import TEXT, check_meeting, kinds_of, other_form, plain_number, unified, warn_apart
from fastfm_ext._tables.vocabulary import is_missing

_INT64 = np.iinfo(np.int64)


def as_id_array(ids: Iterable[Hashable]) -> AnyArray:
    """Return ids as a new array of shape (n_items,): int64 when all are integers, object otherwise.

    NumPy scalars become Python values, so that an id from an array equals the same id from a list; whole floats and
    Decimals become integers, and integers beside texts become texts.

    Raises
    ------
    TypeError
        If `ids` is not a collection or is a single string, or an id is not hashable.
    ValueError
        If `ids` is not one-dimensional or holds a missing value.
    """
    if isinstance(ids, str | bytes):
        raise TypeError(f"ids must be a collection of ids, got the single value {ids!r}: put it into a list.")
    if not isinstance(ids, Iterable):
        raise TypeError(f"ids must be a collection of ids, got {kind_of(ids)}.")
    # Iterating over a pandas or polars column is slow and gives scalars of the library.
    values: Any = ids.to_numpy() if hasattr(ids, "to_numpy") else ids
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise ValueError(f"ids must be one-dimensional, got an array of shape {values.shape}.")
        if values.dtype.kind == "i" or (values.dtype.kind == "u" and values.max(initial=0) <= _INT64.max):
            return values.astype(np.int64)
    plain = unified([_plain_id(value) for value in values])
    if all(type(value) is int and _INT64.min <= value <= _INT64.max for value in plain):
        return np.array(plain, dtype=np.int64)
    for i, value in enumerate(plain):
        _check_id(value, i)
    return object_array(plain)


# Not datetime64, whose item() drops the unit.
_SCALARS = (np.bool_, np.integer, np.floating, np.str_, np.bytes_)


def plain_ids(values: Iterable[Any]) -> list[Any]:
    """Return ids as Python values: whole floats and Decimals as integers, missing ones as None."""
    return [None if is_missing(value) else _plain_id(value) for value in values]


def _plain_id(value: Any) -> Any:
    return plain_number(value.item() if isinstance(value, _SCALARS) else value)


def _check_id(value: Any, i: int) -> None:
    try:
        hash(value)
    except TypeError as error:
        raise TypeError(f"ids must be hashable, but ids[{i}] is {kind_of(value)}.") from error
    try:
        missing = value is None or bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        missing = True
    if missing:
        raise ValueError(f"ids has a missing value ({value!r}) at position {i}.")


class IdPositions(dict[Hashable, int]):
    """Positions of ids, found also under the other form of an id: see `fastfm_ext._tables.identity`."""

    def find(self, ids: Sequence[Any], what: str, place: str = "of the index") -> list[int]:
        """Return the position of each id, -1 for unknown and missing ones.

        Parameters
        ----------
        ids : sequence of hashables
        what, place : str
            What the ids are, and where those known are, for messages.

        Raises
        ------
        TypeError
            If an id is not hashable.
        ValueError
            If none is found, and their kind can't be that of the known ids.

        Warns
        -----
        UserWarning
            If none is found, and they are integers and texts none of which can be the same.
        """
        found = [self.get(item_id, -1) for item_id in ids]
        if -1 not in found:
            return found
        unknown = [at for at, position in enumerate(found) if position < 0]
        if {type(ids[at]) for at in unknown} <= self._types:
            return found
        plain = [None if is_missing(ids[at]) else _plain_id(ids[at]) for at in unknown]
        for at, item_id in zip(unknown, plain, strict=True):
            found[at] = self.get(item_id, self.get(other_form(item_id), -1))
        if self and max(found) < 0:
            present = [item_id for item_id in plain if item_id is not None]
            held, given = self._kinds, kinds_of(present)
            check_meeting(what, place, held, given)
            warn_apart(what, place, held, given, self if TEXT in held else present)
        return found

    def knows(self, item_id: Hashable) -> bool:
        """Return whether there is a position of this id."""
        return item_id in self or other_form(_plain_id(item_id)) in self

    @cached_property
    def _types(self) -> set[type]:
        return set(map(type, self))

    @cached_property
    def _kinds(self) -> frozenset[str]:
        return kinds_of(self)


def positions_by_id(ids: AnyArray) -> IdPositions:
    """Return the position of each id.

    Raises
    ------
    ValueError
        If an id occurs twice.
    """
    positions = IdPositions()
    for i, item_id in enumerate(ids.tolist()):
        first = positions.setdefault(item_id, i)
        if first != i:
            raise ValueError(f"ids must be unique, but {item_id!r} is at positions {first} and {i}.")
    return positions


def shorten(values: list[Any], n_shown: int = 5) -> str:
    """Return the first values as text for an error message."""
    shown = ", ".join(repr(value) for value in values[:n_shown])
    return shown if len(values) <= n_shown else f"{shown} and {len(values) - n_shown} more"


def as_ordered_ids(ids: Iterable[Hashable]) -> AnyArray:
    """Return `as_id_array` of the ids of item_vectors, one a row.

    Raises
    ------
    TypeError
        If `ids` is a set, which has no order, or as for `as_id_array`.
    """
    if isinstance(ids, Set) and not isinstance(ids, KeysView):
        raise TypeError("ids must be in the order of item_vectors, and a set has none: pass a list.")
    return as_id_array(ids)

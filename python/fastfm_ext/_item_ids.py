"""Ids of indexed items: arrays of ids, their positions, and the items that a search must not return."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

IdArray = npt.NDArray[Any]
Int64 = npt.NDArray[np.int64]

_INT64 = np.iinfo(np.int64)


def as_id_array(ids: Iterable[Hashable]) -> IdArray:
    """Put ids into a new array of shape (n_items,): int64 when all are integers, object otherwise.

    NumPy scalars become Python ones, so that an id compares equal to itself whatever it came in.

    Raises
    ------
    TypeError
        If `ids` is a single string or an id is not hashable.
    ValueError
        If `ids` is not one-dimensional or holds a missing value.
    """
    if isinstance(ids, str | bytes):
        raise TypeError(f"ids must be a collection of ids, got the single value {ids!r}: put it into a list.")
    # pandas and polars columns; iterating over them is slow and gives library scalars.
    values: Any = ids.to_numpy() if hasattr(ids, "to_numpy") else ids
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise ValueError(f"ids must be one-dimensional, got an array of shape {values.shape}.")
        if values.dtype.kind == "i" or (values.dtype.kind == "u" and values.max(initial=0) <= _INT64.max):
            return values.astype(np.int64)
    plain = [value.item() if isinstance(value, _SCALARS) else value for value in values]
    if all(type(value) is int and _INT64.min <= value <= _INT64.max for value in plain):
        return np.array(plain, dtype=np.int64)
    array = np.empty(len(plain), dtype=object)
    for i, value in enumerate(plain):
        _check_id(value, i)
        # Assigned one by one: NumPy would spread a list of tuples over two dimensions.
        array[i] = value
    return array


# Not datetime64, whose item() drops the unit.
_SCALARS = (np.bool_, np.integer, np.floating, np.str_, np.bytes_)


def _check_id(value: Any, i: int) -> None:
    try:
        hash(value)
    except TypeError as error:
        raise TypeError(f"ids must be hashable, but ids[{i}] is a {type(value).__name__}.") from error
    try:
        missing = value is None or bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        missing = True
    if missing:
        raise ValueError(f"ids has a missing value ({value!r}) at position {i}.")


def positions_by_id(ids: IdArray) -> dict[Hashable, int]:
    """Map each id to its position.

    Raises
    ------
    ValueError
        If an id occurs twice.
    """
    positions: dict[Hashable, int] = {}
    for i, item_id in enumerate(ids.tolist()):
        first = positions.setdefault(item_id, i)
        if first != i:
            raise ValueError(f"ids must be unique, but {item_id!r} is at positions {first} and {i}.")
    return positions


class Exclusions:
    """Positions of the items that each user must not get.

    Attributes
    ----------
    indptr, positions : ndarray of int64
        Those of user r are ``positions[indptr[r]:indptr[r + 1]]``, each once.
    counts : ndarray of shape (n_users,)
        How many they are.
    """

    def __init__(self, indptr: Int64, positions: Int64) -> None:
        self.indptr = indptr
        self.positions = positions
        self.counts: Int64 = np.diff(indptr)

    @classmethod
    def from_argument(
        cls, exclude: Any, n_users: int, positions: Mapping[Hashable, int], *, single: bool
    ) -> Exclusions:
        """Read the argument `exclude` of ``ItemIndex.search``; `single` for one collection that isn't in a list."""
        if exclude is None:
            return cls(np.zeros(n_users + 1, dtype=np.int64), np.empty(0, dtype=np.int64))
        if sparse.issparse(exclude):
            return cls._from_matrix(exclude, n_users, len(positions))
        _check_collection(exclude, "exclude")
        collections = [exclude] if single else list(exclude)
        if len(collections) != n_users:
            raise ValueError(f"exclude has {len(collections)} entries for {n_users} users: give one collection a user.")
        rows = [
            _known_positions(ids, "exclude" if single else f"exclude[{r}]", positions)
            for r, ids in enumerate(collections)
        ]
        indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(indptr, np.fromiter((p for row in rows for p in row), dtype=np.int64, count=int(indptr[-1])))

    @classmethod
    def _from_matrix(cls, exclude: Any, n_users: int, n_items: int) -> Exclusions:
        matrix = exclude.reshape(1, -1) if exclude.ndim == 1 else exclude
        if matrix.shape != (n_users, n_items):
            raise ValueError(f"exclude must have shape (n_users, n_items) = {(n_users, n_items)}, got {exclude.shape}.")
        rows, columns = matrix.nonzero()
        keys = np.unique(rows.astype(np.int64) * n_items + columns)
        indptr = np.searchsorted(keys, np.arange(n_users + 1, dtype=np.int64) * n_items)
        return cls(indptr.astype(np.int64), keys % n_items)

    def of(self, row: int) -> Int64:
        """Give the positions of one user."""
        return self.positions[self.indptr[row] : self.indptr[row + 1]]

    def mask(self, rows: Int64, found: Int64, n_items: int) -> npt.NDArray[np.bool_]:
        """Tell which of the positions `found`, shape (len(rows), m), are excluded for the user of their row."""
        if not self.counts[rows].any():
            return np.zeros(found.shape, dtype=bool)
        keys = np.concatenate([self.of(row) + r * n_items for r, row in enumerate(rows)])
        return np.isin(found + np.arange(len(rows))[:, None] * n_items, keys, kind="sort")


def _check_collection(value: Any, name: str) -> None:
    """Refuse what can be iterated over but would be misread as ids."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a collection of ids such as a list or set, got a {type(value).__name__}.")
    if isinstance(value, np.ndarray) and value.dtype == bool:
        raise TypeError(f"{name} is a boolean array, not ids: pass a mask as scipy.sparse.csr_array(mask).")


def _known_positions(ids: Any, name: str, positions: Mapping[Hashable, int]) -> set[int]:
    if ids is None:
        return set()
    _check_collection(ids, name)
    values = ids.tolist() if isinstance(ids, np.ndarray) and ids.dtype.kind in "iuf" else ids
    try:
        return {positions[item_id] for item_id in values if item_id in positions}
    except TypeError as error:
        raise TypeError(f"{name} must hold ids, which are hashable: {error}.") from error


def shorten(values: list[Any], n_shown: int = 5) -> str:
    """List the first values for an error message."""
    shown = ", ".join(repr(value) for value in values[:n_shown])
    return shown if len(values) <= n_shown else f"{shown} and {len(values) - n_shown} more"

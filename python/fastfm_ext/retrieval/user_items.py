"""Sets of indexed items: those that a user must not get, and those that a user may get."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fastfm_ext._common.checks import is_bool
from fastfm_ext._engine.search import ItemLists
from fastfm_ext._validation.matrices import is_table_of_0_and_1, rebuilt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Positions = Mapping[Hashable, int]


class UserItems:
    """A set of items for each user.

    Attributes
    ----------
    indptr : ndarray of shape (n_users + 1,), int64
    positions : ndarray, int32
        The items of user r are ``positions[indptr[r]:indptr[r + 1]]``, ascending, each once.
    """

    def __init__(self, indptr: Int64, positions: Int32) -> None:
        self.indptr = indptr
        self.positions = positions

    @classmethod
    def from_argument(cls, value: Any, name: str, n_users: int, positions: Positions, *, single: bool) -> Self:
        """Read one collection of ids a user, or a sparse matrix; `single` for one collection that isn't in a list.

        Raises
        ------
        TypeError
            If `value` is no collection, or holds what is no id.
        ValueError
            If it is not for so many users, or a matrix not for so many items.
        """
        if sparse.issparse(value):
            return cls._from_matrix(value, name, n_users, len(positions))
        _check_collection(value, name)
        collections = [value] if single else list(value)
        if len(collections) != n_users:
            raise ValueError(f"{name} has {len(collections)} entries for {n_users} users: give one collection a user.")
        rows = [
            sorted(known_positions(ids, name if single else f"{name}[{r}]", positions))
            for r, ids in enumerate(collections)
        ]
        indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(indptr, np.fromiter((p for row in rows for p in row), dtype=np.int32, count=int(indptr[-1])))

    @classmethod
    def _from_matrix(cls, matrix: Any, name: str, n_users: int, n_items: int) -> Self:
        shape = matrix.shape
        if matrix.ndim == 1:
            matrix = matrix.reshape(1, -1)
        if matrix.shape != (n_users, n_items):
            raise ValueError(f"{name} must have shape (n_users, n_items) = {(n_users, n_items)}, got {shape}.")
        try:
            matrix = rebuilt(matrix)
        except ValueError as error:
            raise ValueError(f"{name} is not a valid {matrix.format.upper()} matrix: {error}") from error
        if matrix.format == "csr" and matrix.has_canonical_format and matrix.data.all():
            return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32))
        rows, columns = matrix.nonzero()
        return cls._from_keys(np.unique(rows.astype(np.int64) * n_items + columns), n_users, n_items)

    @classmethod
    def _from_keys(cls, keys: Int64, n_users: int, n_items: int) -> Self:
        """Build the sets from the sorted numbers user * n_items + item."""
        indptr = np.searchsorted(keys, np.arange(n_users + 1, dtype=np.int64) * n_items)
        return cls(indptr.astype(np.int64), (keys % n_items).astype(np.int32))

    def without(self, other: UserItems, n_items: int) -> UserItems:
        """Return these sets without the items of `other`."""
        keys = np.setdiff1d(self._keys(n_items), other._keys(n_items), assume_unique=True)
        return self._from_keys(keys, len(self.indptr) - 1, n_items)

    def _keys(self, n_items: int) -> Int64:
        users = np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int64), np.diff(self.indptr))
        return users * n_items + self.positions


def item_lists(excluded: UserItems | None, only: UserItems | None, n_items: int) -> ItemLists | None:
    """Put what a user must not get and what a user may get into one list."""
    if only is not None:
        chosen = only if excluded is None else only.without(excluded, n_items)
        return ItemLists(chosen.indptr, chosen.positions, may_get=True)
    return None if excluded is None else ItemLists(excluded.indptr, excluded.positions, may_get=False)


def mask_of(value: Any, name: str, positions: Positions) -> npt.NDArray[np.bool_]:
    """Read a set of items for all users, ids or a mask in index order, as a mask.

    Raises
    ------
    TypeError
        If `value` is neither.
    ValueError
        If a mask has another length or a gap.
    """
    given = _booleans(value, name)
    if given is not None:
        if given.shape != (len(positions),):
            raise ValueError(f"{name} is a mask of shape {given.shape}, but the index has {len(positions)} items.")
        return given
    mask = np.zeros(len(positions), dtype=bool)
    if value is None:
        raise TypeError(f"{name} must be a collection of ids or a boolean array.")
    mask[list(known_positions(value, name, positions))] = True
    return mask


def _check_collection(value: Any, name: str) -> None:
    """Refuse what can be iterated over but would be misread as ids."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a collection of ids such as a list or set, got a {type(value).__name__}.")
    if _booleans(value, name) is not None:
        raise TypeError(f"{name} is a boolean array, not ids: pass a mask as scipy.sparse.csr_array(mask).")
    if hasattr(value, "columns"):  # iterating over a frame gives the names of its columns
        kind = type(value).__name__
        raise TypeError(f"{name} is a {kind}: pass its column of ids, or a table of 0 and 1 as scipy.sparse.csr_array.")
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f":
        raise TypeError(f"{name} is a table of {value.dtype}, not ids: pass it as scipy.sparse.csr_array(table).")


def _booleans(value: Any, name: str) -> npt.NDArray[np.bool_] | None:
    """Return an array, column or list of nothing but booleans as an array; None for what holds anything else.

    Raises
    ------
    ValueError
        If a column of booleans has gaps.
    """
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return value
    if isinstance(value, list | tuple):
        return np.array(value, dtype=bool) if value and all(is_bool(entry) for entry in value) else None
    if not hasattr(value, "to_numpy") or "bool" not in str(getattr(value, "dtype", "")).lower():
        return None
    entries = value.to_numpy().tolist()
    if not all(is_bool(entry) for entry in entries):
        raise ValueError(f"{name} is a boolean column with gaps: fill them with True or False.")
    return np.array(entries, dtype=bool)


def known_positions(ids: Any, name: str, positions: Positions) -> set[int]:
    """Return the positions of those ids that are in the index; None is an empty collection.

    Raises
    ------
    TypeError
        If `ids` is no collection, or holds what is no id.
    """
    if ids is None:
        return set()
    _check_collection(ids, name)
    values = ids.tolist() if isinstance(ids, np.ndarray) and ids.dtype.kind in "iuf" else ids
    if is_table_of_0_and_1(values, len(positions)):
        raise TypeError(
            f"{name} looks like a table of 0 and 1 with a value for each of the {len(positions)} items, not like ids: "
            "pass booleans as only, and scipy.sparse.csr_array(table) for a table of users and items."
        )
    try:
        return {positions[item_id] for item_id in values if item_id in positions}
    except TypeError as error:
        raise TypeError(f"{name} must hold ids, which are hashable: {error}.") from error

"""Item sets of a search: items that a user must not get, and items to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import Bools, Int32, Int64, as_kernels_read
from fastfm_ext._common.checks import is_bool, kind_of
from fastfm_ext._engine.search import ItemLists
from fastfm_ext._validation.matrices import is_table_of_0_and_1, rebuilt
from fastfm_ext.retrieval.ids import IdPositions


@dataclass(frozen=True)
class UserItems:
    """A set of items for each user.

    Attributes
    ----------
    indptr : ndarray of shape (n_users + 1,), int64
    positions : ndarray of shape (indptr[-1],), int32
        The items of user r are ``positions[indptr[r]:indptr[r + 1]]``, ascending, each once.
    """

    indptr: Int64
    positions: Int32

    @classmethod
    def from_matrix(cls, matrix: Any, name: str, n_users: int, n_items: int) -> UserItems:
        """Read a sparse matrix of shape (n_users, n_items), or (n_items,) for one user.

        Raises
        ------
        ValueError
            If it has another shape or is damaged.
        """
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
            return cls(matrix.indptr.astype(np.int64), as_kernels_read(matrix.indices, np.int32))
        rows, columns = matrix.nonzero()
        return cls._from_keys(np.unique(rows.astype(np.int64) * n_items + columns), n_users, n_items)

    @classmethod
    def _from_keys(cls, keys: Int64, n_users: int, n_items: int) -> UserItems:
        """Build the sets from the sorted numbers user * n_items + item."""
        indptr = np.searchsorted(keys, np.arange(n_users + 1, dtype=np.int64) * n_items)
        return cls(indptr.astype(np.int64), (keys % n_items).astype(np.int32))

    def of_users(self, first: int, last: int) -> UserItems:
        """Return the sets of the users from `first` up to, and without, `last`."""
        indptr = self.indptr[first : last + 1]
        return UserItems(indptr - indptr[0], self.positions[indptr[0] : indptr[-1]])

    def without(self, other: UserItems, n_items: int) -> UserItems:
        """Return these sets without the items of `other`."""
        keys = np.setdiff1d(self._keys(n_items), other._keys(n_items), assume_unique=True)
        return self._from_keys(keys, len(self.indptr) - 1, n_items)

    def _keys(self, n_items: int) -> Int64:
        users = np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int64), np.diff(self.indptr))
        return users * n_items + self.positions


class UserItemsArgument:
    """An argument with a set of items for each user: checked as a whole at once, read for some users at a time.

    Parameters
    ----------
    value : sequence of n_users collections of ids, or sparse matrix of shape (n_users, n_items)
    name : str
        The argument's name, for errors.
    n_users : int
    position : IdPositions
        The position of each id in the index.
    single : bool, default=False
        Whether `value` is the collection of the only user, not a sequence that holds it.

    Raises
    ------
    TypeError
        If `value` is not a collection.
    ValueError
        If it is for another number of users, or a matrix is damaged or for another number of items.
    """

    def __init__(self, value: Any, name: str, n_users: int, position: IdPositions, *, single: bool = False) -> None:
        self._name = name
        self._position = position
        self._single = single
        self._matrix: UserItems | None = None
        self._collections: list[Any] = []
        if sparse.issparse(value):
            self._matrix = UserItems.from_matrix(value, name, n_users, len(position))
            return
        _check_collection(value, name)
        self._collections = [value] if single else list(value)
        n_given = len(self._collections)
        if n_given != n_users:
            raise ValueError(f"{name} has {n_given} entries for {n_users} users: give one collection a user.")

    def read(self, first: int, last: int) -> UserItems:
        """Return the sets of the users from `first` up to, and without, `last`.

        Raises
        ------
        TypeError
            If one of these sets is not a collection of ids.
        """
        if self._matrix is not None:
            return self._matrix.of_users(first, last)
        rows = []
        for r in range(first, last):
            name = self._name if self._single else f"{self._name}[{r}]"
            rows.append(sorted(known_positions(self._collections[r], name, self._position)))
        indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return UserItems(indptr, np.fromiter((p for row in rows for p in row), dtype=np.int32, count=int(indptr[-1])))


def read_user_items(value: Any, name: str, n_users: int, position: IdPositions, *, single: bool) -> UserItems | None:
    """Return the sets of all users that an argument gives, or None for None; see `UserItemsArgument`."""
    if value is None:
        return None
    return UserItemsArgument(value, name, n_users, position, single=single).read(0, n_users)


@dataclass(frozen=True)
class AllowedItems:
    """The items that a search may return, all if both attributes are None.

    Attributes
    ----------
    by_user : ItemLists or None
        For each user, either the items not to return or the only ones to return.
    mask : ndarray of shape (n_items,), bool, or None
        False for an item that nobody may get.
    """

    by_user: ItemLists | None = None
    mask: Bools | None = None

    @classmethod
    def of(cls, excluded: UserItems | None, only: UserItems | None, mask: Bools | None, n_items: int) -> AllowedItems:
        """Join the items that users must not get, those that they may get, and those that anybody may get."""
        if only is not None:
            chosen = only if excluded is None else only.without(excluded, n_items)
            return cls(ItemLists(chosen.indptr, chosen.positions, may_get=True), mask)
        if excluded is not None:
            return cls(ItemLists(excluded.indptr, excluded.positions, may_get=False), mask)
        return cls(None, mask)

    def of_users(self, users: Int64) -> AllowedItems:
        """Return the same for these users alone, (n,), which are numbered from 0 on."""
        return AllowedItems(None if self.by_user is None else self.by_user.of_users(users), self.mask)


def mask_of(value: Any, name: str, position: IdPositions) -> Bools:
    """Return a set of items for all users, given as ids or as a mask in index order, as a mask of shape (n_items,).

    Raises
    ------
    TypeError
        If `value` is neither.
    ValueError
        If a mask has another length or a gap.
    """
    given = _booleans(value, name)
    if given is not None:
        if given.shape != (len(position),):
            raise ValueError(f"{name} is a mask of shape {given.shape}, but the index has {len(position)} items.")
        return given
    mask = np.zeros(len(position), dtype=bool)
    if value is None:
        raise TypeError(f"{name} must be a collection of ids or a boolean array.")
    mask[list(known_positions(value, name, position))] = True
    return mask


def _is_gap(value: Any) -> bool:
    """Return whether a table has this in place of a list, where a user has none."""
    return (isinstance(value, float) and value != value) or type(value).__name__ == "NAType"


def _check_collection(value: Any, name: str) -> None:
    """Raise TypeError for a value that is not a collection, or whose elements are not ids."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a collection of ids such as a list or set, got {kind_of(value)}.")
    if _booleans(value, name) is not None:
        raise TypeError(f"{name} is a boolean array, not ids: pass a mask as scipy.sparse.csr_array(mask).")
    if hasattr(value, "columns"):  # iterating over a frame gives the names of its columns
        kind = type(value).__name__
        raise TypeError(f"{name} is a {kind}: pass its column of ids, or a table of 0 and 1 as scipy.sparse.csr_array.")
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f":
        raise TypeError(f"{name} is a table of {value.dtype}, not ids: pass it as scipy.sparse.csr_array(table).")


def _booleans(value: Any, name: str) -> Bools | None:
    """Return an array, column or list of booleans as an array, and None for any other value.

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


def known_positions(ids: Any, name: str, position: IdPositions) -> set[int]:
    """Return the positions of the ids that are in the index; None, NaN and pandas.NA are empty collections.

    Raises
    ------
    TypeError
        If `ids` is not a collection of ids.
    ValueError
        If they are of a kind that can't be that of the index's ids.
    """
    if ids is None or _is_gap(ids):
        return set()
    _check_collection(ids, name)
    values = ids.tolist() if isinstance(ids, np.ndarray) and ids.dtype.kind in "iuf" else ids
    if is_table_of_0_and_1(values, len(position)):
        raise TypeError(
            f"{name} looks like a table of 0 and 1 with a value for each of the {len(position)} items, not like ids: "
            "pass booleans as only, and scipy.sparse.csr_array(table) for a table of users and items."
        )
    try:
        found = set(position.find(values if isinstance(values, Sequence) else list(values), name))
    except TypeError as error:
        raise TypeError(f"{name} must hold ids, which are hashable: {error}.") from error
    found.discard(-1)
    return found

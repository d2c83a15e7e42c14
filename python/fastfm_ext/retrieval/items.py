"""Items of an index: their vectors and ids, and how they are fitted, added, removed, updated and saved."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from fastfm_ext._common.arrays import AnyArray, FloatVectors, Int64
from fastfm_ext._common.shared_lock import SharedLock
from fastfm_ext._validation.vectors import check_matrix
from fastfm_ext.model_io.saved import save_model
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.ids import IdPositions, as_id_array, as_ordered_ids, positions_by_id, shorten


@dataclass(frozen=True)
class Items:
    """The content of an index at one moment; a change of the index replaces it.

    Attributes
    ----------
    vectors : ndarray of shape (n_items, d), float32 or float16, or None
        None if only codes are kept.
    width : int
        Width d of the vectors.
    ids : ndarray of shape (n_items,)
    position : IdPositions
        Position of each id.
    searches : dict
        Searches over these items, made when they are first needed: the IVF search is "ivf", the exact search "exact",
        and a search for similar items its metric and whether it skips the bias.
    """

    vectors: FloatVectors | None
    width: int
    ids: AnyArray
    position: IdPositions
    searches: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        vectors: FloatVectors | None,
        width: int,
        ids: AnyArray,
        n_items: int,
        searches: dict[Any, Any] | None = None,
    ) -> Self:
        """Join items and ids, and make the ids read-only.

        Raises
        ------
        ValueError
            If there is not one id for each item, or an id occurs twice.
        """
        _check_length(ids, n_items)
        position = positions_by_id(ids)
        ids.flags.writeable = False
        return cls(vectors, width, ids, position, searches or {})

    def __len__(self) -> int:
        return len(self.position)

    def positions_of(self, ids: AnyArray) -> Int64:
        """Return the positions of these ids, (n,), or raise ValueError if one is unknown."""
        wanted = ids.tolist()
        positions = self.position.find(wanted, "ids")
        unknown = [item_id for item_id, position in zip(wanted, positions, strict=True) if position < 0]
        if unknown:
            raise ValueError(f"ids not in the index: {shorten(unknown)}.")
        return np.array(positions, dtype=np.int64)

    def take_ids(self, positions: Int64) -> AnyArray:
        """Return the ids at these positions, in their shape; at negative positions -1, or None if ids are objects."""
        ids = self.ids[positions]
        ids[positions < 0] = None if ids.dtype == object else -1
        return ids


class ItemStore:
    """The part of `ItemIndex` that holds and changes its items."""

    dtype: str

    def __init__(self) -> None:
        # Replaced as a whole, so that a search in another thread never mixes two states.
        self._items: Items | None = None
        # Held by a change from reading the items to replacing them.
        self._changing = SharedLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_changing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _changing=SharedLock())

    def __len__(self) -> int:
        items = self._items
        return 0 if items is None else len(items)

    def __contains__(self, item_id: Hashable) -> bool:
        items = self._items
        return items is not None and items.position.knows(item_id)

    @property
    def ids(self) -> AnyArray:
        """Ids in index order, shape (n_items,), int64 when all are integers and object otherwise; read-only."""
        return self._fitted().ids

    def fit(self, item_vectors: npt.ArrayLike, ids: Iterable[Hashable] | None = None) -> Self:
        """Index these items in place of any earlier ones.

        Parameters
        ----------
        item_vectors : array-like of shape (n_items, d)
            One finite vector an item, for example ``model.item_vector(X_items)``. A copy is kept, in `dtype`.
        ids : iterable of n_items hashables, optional
            Unique ids, as `search` returns them. ``0 .. n_items - 1`` by default.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            For kind ``"ivf"``, if faiss is not installed.
        TypeError
            If `ids` is a set, which has no order, or an id is not hashable.
        ValueError
            If `item_vectors` is not a non-empty, finite matrix of numbers that `dtype` holds, or `ids` has another
            length, a missing value (None, NaN) or a duplicate.
        """
        vectors = check_matrix(item_vectors, "item_vectors", dtype=self.dtype)
        if vectors.shape[0] == 0:
            raise ValueError("item_vectors is empty: an index needs at least one item.")
        all_ids = np.arange(len(vectors), dtype=np.int64) if ids is None else as_ordered_ids(ids)
        with self._changing.writing():
            return self._set(Change(np.full(len(vectors), -1), vectors), all_ids, None)

    def add(self, item_vectors: npt.ArrayLike, ids: Iterable[Hashable]) -> Self:
        """Append items.

        Parameters
        ----------
        item_vectors : array-like of shape (n_new, d)
            Their vectors, as wide as those of `fit`.
        ids : iterable of n_new hashables
            Their ids, none of them in the index yet.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `fit`, or if an id is already in the index. The index is then unchanged.
        """
        new_ids = as_ordered_ids(ids)
        with self._changing.writing():
            items = self._fitted()
            new = check_matrix(item_vectors, "item_vectors", items.width, dtype=self.dtype)
            _check_length(new_ids, len(new))
            known = [item_id for item_id in new_ids.tolist() if items.position.knows(item_id)]
            if known:
                raise ValueError(f"ids already in the index: {shorten(known)}. Remove them before adding them again.")
            source = np.concatenate([np.arange(len(items)), np.full(len(new), -1)])
            return self._set(Change(source, new), as_id_array([*items.ids.tolist(), *new_ids.tolist()]), items)

    def remove(self, ids: Iterable[Hashable]) -> Self:
        """Take items out; the others keep their order.

        Parameters
        ----------
        ids : iterable of hashables
            Ids of items in the index.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If an id is not in the index. The index is then unchanged.
        """
        removed = as_id_array(ids)
        with self._changing.writing():
            items = self._fitted()
            keep = np.ones(len(items), dtype=bool)
            keep[items.positions_of(removed)] = False
            nothing = np.empty((0, items.width), dtype=self.dtype)
            return self._set(Change(np.flatnonzero(keep), nothing), as_id_array(items.ids[keep]), items)

    def update(self, ids: Iterable[Hashable], item_vectors: npt.ArrayLike) -> Self:
        """Give items new vectors; their places in the index stay.

        Parameters
        ----------
        ids : iterable of n_changed hashables
            Ids of items in the index, each once.
        item_vectors : array-like of shape (n_changed, d)
            Their new vectors, as wide as those of `fit`.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `fit`, or if an id is not in the index. The index is then unchanged.
        """
        changed = as_ordered_ids(ids)
        positions_by_id(changed)
        with self._changing.writing():
            items = self._fitted()
            new = check_matrix(item_vectors, "item_vectors", items.width, dtype=self.dtype)
            _check_length(changed, len(new))
            positions = items.positions_of(changed)
            source = np.arange(len(items))
            source[positions] = -1
            return self._set(Change(source, new[np.argsort(positions)]), items.ids, items)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file (see `fastfm_ext.model_io.save_model`).

        Parameters
        ----------
        path : path-like
            The file to write; an existing one is replaced.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError
            If this is a subclass, which `load` could not know, or an id is of a type that a file cannot hold; int,
            float, str, bool and tuples of these are possible.
        OSError
            If the file cannot be written.
        """
        save_model(path, index=self)

    def _set(self, change: Change, ids: AnyArray, before: Items | None) -> Self:
        """Replace the items `before`, None in `fit`, by those after a change; check that the ids, (n_items,), fit."""
        vectors: FloatVectors | None = None
        if before is None:
            vectors = np.array(change.new)
        elif before.vectors is not None:
            vectors = change.of_each(before.vectors, change.new)
        items = Items.of(vectors, change.new.shape[1], ids, len(change))
        items.searches.update(self._searches(change, vectors, before))
        self._items = items
        return self

    def _searches(self, change: Change, vectors: FloatVectors | None, before: Items | None) -> dict[Any, Any]:
        """Return the searches that must exist from the start, over the items after a change.

        `vectors` are those of all items after the change, (n_items, d), or None if only codes are kept.
        """
        raise NotImplementedError

    def _fitted(self) -> Items:
        items = self._items
        if items is None:
            raise NotFittedError("This ItemIndex has no items yet: call fit first.")
        return items


def _check_length(ids: AnyArray, n_vectors: int) -> None:
    if len(ids) != n_vectors:
        raise ValueError(f"ids has {len(ids)} entries for {n_vectors} item_vectors.")

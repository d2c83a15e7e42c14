"""What an index holds: the vectors of items, their ids, and the ways to change and to keep them."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from fastfm_ext._item_ids import as_id_array, as_ordered_ids, positions_by_id, shorten
from fastfm_ext._vector_checks import Float32, check_matrix
from fastfm_ext.model_io import save_model


@dataclass(frozen=True)
class Items:
    """The content of an index at one moment; a change makes another one.

    Attributes
    ----------
    vectors : ndarray of shape (n_items, d), float32
    ids : ndarray of shape (n_items,)
    position : dict
        The row of each id.
    searches : dict
        What searches derive from the vectors, as it is needed.
    """

    vectors: Float32
    ids: npt.NDArray[Any]
    position: dict[Hashable, int]
    searches: dict[Any, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.position)

    def positions_of(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the positions of these ids, or raise ValueError if one is unknown."""
        wanted = ids.tolist()
        unknown = [item_id for item_id in wanted if item_id not in self.position]
        if unknown:
            raise ValueError(f"ids not in the index: {shorten(unknown)}.")
        return np.array([self.position[item_id] for item_id in wanted], dtype=np.int64)

    def take_ids(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the ids at these positions, and the id that stands for no item at negative ones."""
        ids = self.ids[positions]
        ids[positions < 0] = None if ids.dtype == object else -1
        return ids


class ItemStore:
    """Items with their vectors; `ItemIndex` adds the ways to search them."""

    def __init__(self) -> None:
        # Replaced as a whole, so that a search in another thread never mixes two states.
        self._items: Items | None = None

    def __len__(self) -> int:
        items = self._items
        return 0 if items is None else len(items)

    def __contains__(self, item_id: Hashable) -> bool:
        items = self._items
        return items is not None and item_id in items.position

    @property
    def ids(self) -> npt.NDArray[Any]:
        """Ids in index order, shape (n_items,), int64 when all are integers and object otherwise; read-only."""
        return self._fitted().ids

    def fit(self, item_vectors: npt.ArrayLike, ids: Iterable[Hashable] | None = None) -> Self:
        """Index these items in place of any earlier ones.

        Parameters
        ----------
        item_vectors : array-like of shape (n_items, d)
            One finite vector an item, for example ``model.item_vector(X_items)``. A float32 copy is kept.
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
            If `item_vectors` is not a non-empty, finite matrix, or `ids` has another length, a missing value
            (None, NaN) or a duplicate.
        """
        vectors = check_matrix(item_vectors, "item_vectors")
        if vectors.shape[0] == 0:
            raise ValueError("item_vectors is empty: an index needs at least one item.")
        return self._set(
            np.array(vectors), np.arange(len(vectors), dtype=np.int64) if ids is None else as_ordered_ids(ids), None
        )

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
        items = self._fitted()
        old = items.vectors
        new = check_matrix(item_vectors, "item_vectors", old.shape[1])
        new_ids = as_ordered_ids(ids)
        _check_length(new_ids, len(new))
        known = [item_id for item_id in new_ids.tolist() if item_id in items.position]
        if known:
            raise ValueError(f"ids already in the index: {shorten(known)}. Remove them before adding them again.")
        all_ids = as_id_array([*items.ids.tolist(), *new_ids.tolist()])
        source = np.concatenate([np.arange(len(old)), np.full(len(new), -1)])
        return self._set(np.concatenate([old, new]), all_ids, source)

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
        items = self._fitted()
        keep = np.ones(len(items), dtype=bool)
        keep[items.positions_of(as_id_array(ids))] = False
        return self._set(items.vectors[keep], as_id_array(items.ids[keep]), np.flatnonzero(keep))

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
        items = self._fitted()
        old = items.vectors
        new = check_matrix(item_vectors, "item_vectors", old.shape[1])
        changed = as_ordered_ids(ids)
        _check_length(changed, len(new))
        positions_by_id(changed)
        vectors = np.array(old)
        positions = items.positions_of(changed)
        vectors[positions] = new
        source = np.arange(len(old))
        source[positions] = -1
        return self._set(vectors, items.ids, source)

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

    def _set(self, vectors: Float32, ids: npt.NDArray[Any], source: npt.NDArray[np.int64] | None) -> Self:
        """Replace the content, after the checks that need both arguments.

        `source` tells which of the items before each item is, unchanged; -1 for the others, None if nothing is left.
        """
        self._items = self._made_items(vectors, ids)
        return self

    @staticmethod
    def _made_items(vectors: Float32, ids: npt.NDArray[Any]) -> Items:
        _check_length(ids, len(vectors))
        position = positions_by_id(ids)
        ids.flags.writeable = False
        return Items(vectors, ids, position)

    def _fitted(self) -> Items:
        items = self._items
        if items is None:
            raise NotFittedError("This ItemIndex has no items yet: call fit first.")
        return items


def _check_length(ids: npt.NDArray[Any], n_vectors: int) -> None:
    if len(ids) != n_vectors:
        raise ValueError(f"ids has {len(ids)} entries for {n_vectors} item_vectors.")

"""Top-N retrieval: find the items whose vectors have the largest inner product with a user's vector."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastfm_ext._exact_search import exact_top_n, norms
from fastfm_ext._item_ids import Exclusions, as_id_array, positions_by_id, shorten
from fastfm_ext._model_file import ModelFileReader
from fastfm_ext._optional import require
from fastfm_ext.model_io import save_model

__all__ = ["ItemIndex"]

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

KINDS = ("exact",)

# Norms below this keep every inner product inside float32.
_MAX_NORM = 1e18


class ItemIndex:
    """Index of item vectors, searched by inner product.

    Parameters
    ----------
    kind : {"exact"}, default="exact"
        How items are searched. ``"exact"`` compares with every item.

    Raises
    ------
    ValueError
        If `kind` is unknown.

    Notes
    -----
    The vectors are kept once, as a float32 array of shape (n_items, d); an index can be pickled and copied.
    `add` and `remove` copy this array, so change many items in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext.retrieval import ItemIndex
    >>> films = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    >>> index = ItemIndex().fit(films, ids=["Alien", "Brazil", "Casablanca"])
    >>> ids, scores = index.search([3.0, 1.0], n=2)
    >>> ids.tolist(), scores.tolist()
    (['Casablanca', 'Alien'], [8.0, 3.0])
    >>> index.search([3.0, 1.0], n=2, exclude=["Casablanca"])[0].tolist()
    ['Alien', 'Brazil']
    """

    def __init__(self, kind: str = "exact") -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        self.kind = kind
        self._vectors: Float32 | None = None
        self._ids: npt.NDArray[Any] = np.empty(0, dtype=np.int64)
        self._position: dict[Hashable, int] = {}
        self._largest_norm = 0.0

    def __repr__(self) -> str:
        shape = "" if self._vectors is None else f", n_items={len(self)}, n_dims={self._vectors.shape[1]}"
        return f"{type(self).__name__}(kind={self.kind!r}{shape})"

    def __len__(self) -> int:
        return len(self._position)

    def __contains__(self, item_id: Hashable) -> bool:
        return item_id in self._position

    @property
    def ids(self) -> npt.NDArray[Any]:
        """Ids in index order, shape (n_items,), int64 when all are integers and object otherwise; read-only."""
        self._fitted_vectors()
        return self._ids

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
            If faiss is not installed.
        TypeError
            If an id is not hashable.
        ValueError
            If `item_vectors` is not a non-empty, finite matrix, or `ids` has another length, a missing value
            (None, NaN) or a duplicate.
        """
        require("faiss", extra="retrieval")
        vectors = _check_matrix(item_vectors, "item_vectors")
        if vectors.shape[0] == 0:
            raise ValueError("item_vectors is empty: an index needs at least one item.")
        return self._set(
            np.array(vectors), np.arange(len(vectors), dtype=np.int64) if ids is None else as_id_array(ids)
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
        old = self._fitted_vectors()
        new = _check_matrix(item_vectors, "item_vectors", old.shape[1])
        new_ids = as_id_array(ids)
        _check_length(new_ids, len(new))
        known = [item_id for item_id in new_ids.tolist() if item_id in self._position]
        if known:
            raise ValueError(f"ids already in the index: {shorten(known)}. Remove them before adding them again.")
        all_ids = as_id_array([*self._ids.tolist(), *new_ids.tolist()])
        return self._set(np.concatenate([old, new]), all_ids)

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
        vectors = self._fitted_vectors()
        gone = as_id_array(ids).tolist()
        unknown = [item_id for item_id in gone if item_id not in self._position]
        if unknown:
            raise ValueError(f"ids not in the index: {shorten(unknown)}.")
        keep = np.ones(len(self), dtype=bool)
        keep[[self._position[item_id] for item_id in gone]] = False
        return self._set(vectors[keep], as_id_array(self._ids[keep]))

    def search(
        self,
        user_vectors: npt.ArrayLike,
        n: int = 10,
        exclude: Collection[Any] | sparse.sparray | sparse.spmatrix | None = None,
    ) -> tuple[npt.NDArray[Any], Float32]:
        """Find the `n` best items of each user.

        Parameters
        ----------
        user_vectors : array-like of shape (n_users, d) or (d,)
            For example ``model.user_vector(X_users)``. One vector of shape (d,) gives one-dimensional results.
        n : int, default=10
            Items a user, at least 1.
        exclude : collection or sparse matrix, optional
            Items not to return. Either n_users collections of ids (ids that are not in the index are ignored, None
            excludes nothing), or a SciPy sparse matrix of shape (n_users, n_items) with a nonzero for each excluded
            item, columns in the order of `ids`. With one vector of shape (d,): one collection of ids.

        Returns
        -------
        ids : ndarray of shape (n_users, n)
            Best first, of the dtype of `ids`. Equal scores are in index order.
        scores : ndarray of shape (n_users, n), float32
            Inner products, computed in float64 and rounded.

            When fewer than `n` items remain for a user, the rest of the row has score ``-inf`` and id -1 (integer ids)
            or None (other ids). ``scores > -np.inf`` marks the real results, whatever the ids are.

        Raises
        ------
        ImportError
            If faiss is not installed.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the index is empty, `user_vectors` has another width or is not finite, `n` < 1, or `exclude` does not
            have one entry a user.

        Notes
        -----
        The result is the exact ranking, ties included, and does not depend on which users are searched together.
        Time is O(n_users n_items d). Memory beyond arguments and results does not grow with n_users.
        """
        vectors = self._fitted_vectors()
        if len(self) == 0:
            raise ValueError("The index is empty: add items before searching.")
        n = _check_n(n)
        users = _to_float32(user_vectors, "user_vectors")
        single = users.ndim == 1
        users = _check_matrix(users[None, :] if single else users, "user_vectors", vectors.shape[1])
        seen = Exclusions.from_argument(exclude, len(users), self._position, single=single)

        positions, scores = exact_top_n(users, vectors, self._largest_norm, n, seen)
        ids = self._take_ids(positions)
        return (ids[0], scores[0]) if single else (ids, scores)

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

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = False) -> ItemIndex:
        """Read an index from any model file that holds one.

        Parameters
        ----------
        path : path-like
            The file.
        mmap : bool, default=False
            Map the vectors from the file in place of reading them into memory.

        Returns
        -------
        ItemIndex

        Raises
        ------
        fastfm_ext.model_io.ModelFileError
            If the file is damaged, of another kind, or holds no index.
        OSError
            If the file cannot be opened.
        """
        with ModelFileReader(path) as reader:
            index: ItemIndex = reader.build("index", ItemIndex, mmap=mmap)
            return index

    def _to_state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        arrays: dict[str, npt.NDArray[Any]] = {"vectors": self._fitted_vectors()}
        meta: dict[str, Any] = {"kind": self.kind}
        if self._ids.dtype == object:
            meta["ids"] = self._ids.tolist()
        else:
            arrays["ids"] = self._ids
        return meta, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        ids = arrays["ids"] if "ids" in arrays else meta["ids"]
        return cls(meta["kind"])._set(_check_matrix(arrays["vectors"], "vectors"), as_id_array(ids))

    def _set(self, vectors: Float32, ids: npt.NDArray[Any]) -> Self:
        """Replace the content, after the checks that need both arguments."""
        _check_length(ids, len(vectors))
        position = positions_by_id(ids)
        ids.flags.writeable = False
        self._vectors, self._ids, self._position = vectors, ids, position
        self._largest_norm = float(norms(vectors).max(initial=0.0))
        return self

    def _fitted_vectors(self) -> Float32:
        if self._vectors is None:
            raise NotFittedError("This ItemIndex has no items yet: call fit first.")
        return self._vectors

    def _take_ids(self, positions: Int64) -> npt.NDArray[Any]:
        ids = self._ids[positions]
        ids[positions < 0] = None if ids.dtype == object else -1
        return ids


def _to_float32(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be a dense array of numbers, got dtype {array.dtype}.")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _check_matrix(values: npt.ArrayLike, name: str, n_dims: int | None = None) -> Float32:
    """Return a finite, C-contiguous float32 matrix, without a copy where possible."""
    matrix = _to_float32(values, name)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"{name} must have shape (n, d) with d >= 1, got {matrix.shape}.")
    if n_dims is not None and matrix.shape[1] != n_dims:
        raise ValueError(f"{name} has {matrix.shape[1]} columns, but the vectors in the index have {n_dims}.")
    with np.errstate(over="ignore", invalid="ignore"):
        bad = np.flatnonzero(~(norms(matrix) < _MAX_NORM))
    if len(bad):
        finite = bool(np.isfinite(matrix[bad[0]]).all())
        problem = f"is longer than {_MAX_NORM:g}" if finite else "has a value that is NaN or infinite in float32"
        raise ValueError(f"{name}[{bad[0]}] {problem}: did the model diverge?")
    return matrix


def _check_length(ids: npt.NDArray[Any], n_vectors: int) -> None:
    if len(ids) != n_vectors:
        raise ValueError(f"ids has {len(ids)} entries for {n_vectors} item_vectors.")


def _check_n(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise ValueError(f"n must be an integer of at least 1, got {n!r}.")
    return int(n)

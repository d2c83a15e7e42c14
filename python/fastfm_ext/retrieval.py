"""Top-N retrieval: find the items whose vectors have the largest inner product with a user's vector."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Iterable
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from scipy import sparse

from fastfm_ext._exact_search import ExactSearch
from fastfm_ext._item_ids import as_id_array
from fastfm_ext._item_sets import UserItems, mask_of
from fastfm_ext._item_store import ItemStore
from fastfm_ext._model_file import ModelFileReader
from fastfm_ext._top_n import ItemLists, norms
from fastfm_ext._vector_checks import Float32, check_count, check_matrix, to_float32

__all__ = ["ItemIndex"]

Int64 = npt.NDArray[np.int64]
ItemsOfUsers: TypeAlias = Collection[Any] | sparse.sparray | sparse.spmatrix

KINDS = ("exact",)
METRICS = ("cosine", "inner")


class ItemIndex(ItemStore):
    """Index of item vectors, searched by inner product.

    Parameters
    ----------
    kind : {"exact"}, default="exact"
        How items are searched. ``"exact"`` compares with every item.
    n_jobs : int, optional
        Threads of a search; -1 for all cores. None is one, unless joblib says otherwise. Results are the same with any
        number.

    Raises
    ------
    ValueError
        If `kind` is unknown.

    Notes
    -----
    The vectors are kept as a float32 array of shape (n_items, d), and from the first search on once more in the order
    in which the search reads them; an index can be pickled and copied. `add`, `update` and `remove` copy the array, so
    change many items in one call.

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

    def __init__(self, kind: str = "exact", *, n_jobs: int | None = None) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        self.kind = kind
        self.n_jobs = n_jobs
        self._exact: ExactSearch | None = None
        self._similar: dict[tuple[str, bool], ExactSearch] = {}

    def __repr__(self) -> str:
        shape = "" if self._vectors is None else f", n_items={len(self)}, n_dims={self._vectors.shape[1]}"
        return f"{type(self).__name__}(kind={self.kind!r}{shape})"

    def __getstate__(self) -> dict[str, Any]:
        # What searches derive from the vectors is quickly made again.
        return self.__dict__ | {"_exact": None, "_similar": {}}

    def search(
        self,
        user_vectors: npt.ArrayLike,
        n: int = 10,
        exclude: ItemsOfUsers | None = None,
        *,
        only: Collection[Any] | None = None,
        only_by_user: ItemsOfUsers | None = None,
    ) -> tuple[npt.NDArray[Any], Float32]:
        """Find the `n` best items of each user.

        Parameters
        ----------
        user_vectors : array-like of shape (n_users, d) or (d,)
            For example ``model.user_vector(X_users)``. One vector of shape (d,) gives one-dimensional results.
        n : int, default=10
            Items a user, at least 1.
        exclude : collection or sparse matrix, optional
            Items not to return, such as those that the user has seen. Either n_users collections of ids (ids that are
            not in the index are ignored, None is an empty collection), or a SciPy sparse matrix of shape
            (n_users, n_items) with a nonzero for each item, columns in the order of `ids`. With one vector of shape
            (d,): one collection of ids.
        only : collection of ids or boolean array of shape (n_items,), optional
            The items to choose from for every user, such as those in stock; a mask is in the order of `ids`.
        only_by_user : collection or sparse matrix, optional
            The items to choose from for each user, such as those of the user's country, in the forms of `exclude`.

        Returns
        -------
        ids : ndarray of shape (n_users, n)
            Best first, of the dtype of `ids`. Equal scores are in index order.
        scores : ndarray of shape (n_users, n), float32
            Inner products, computed in float64 and rounded after ranking.

            When fewer than `n` items remain for a user, the rest of the row has score ``-inf`` and id -1 (integer ids)
            or None (other ids). ``scores > -np.inf`` marks the real results, whatever the ids are.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError
            If a set of items is not in one of these forms.
        ValueError
            If the index is empty, `user_vectors` has another width or is not finite, `n` < 1, or a set of items is not
            for so many users or items.

        Notes
        -----
        The result is the exact ranking by float64 inner product, ties included, and does not depend on which users are
        searched together. Time is O(n_users n_items d). Memory beyond arguments and results does not grow with n_users.

        Examples
        --------
        >>> from fastfm_ext.retrieval import ItemIndex
        >>> index = ItemIndex().fit([[3.0], [2.0], [1.0]], ids=["Alien", "Brazil", "Casablanca"])
        >>> index.search([[1.0], [1.0]], n=1, exclude=[["Alien"], []], only=["Alien", "Casablanca"])[0].tolist()
        [['Casablanca'], ['Alien']]
        """
        vectors = self._fitted_vectors()
        if len(self) == 0:
            raise ValueError("The index is empty: add items before searching.")
        n = check_count(n, "n")
        users = to_float32(user_vectors, "user_vectors")
        single = users.ndim == 1
        users = check_matrix(users[None, :] if single else users, "user_vectors", vectors.shape[1])
        excluded = self._user_items(exclude, "exclude", len(users), single=single)
        chosen = self._user_items(only_by_user, "only_by_user", len(users), single=single)
        allowed = None if only is None else mask_of(only, "only", self._position)
        if self._exact is None:
            self._exact = ExactSearch(vectors)
        lists = _item_lists(excluded, chosen, len(self))
        positions, scores = self._exact.top_n(users, n, lists, allowed, effective_n_jobs(self.n_jobs))
        ids = self._take_ids(positions)
        return (ids[0], scores[0]) if single else (ids, scores)

    def similar_items(
        self, ids: Iterable[Hashable], n: int = 10, *, metric: str = "cosine", skip_bias: bool = True
    ) -> tuple[npt.NDArray[Any], Float32]:
        """Find the items most similar to items of the index.

        Parameters
        ----------
        ids : iterable of hashables
            Items of the index, m of them.
        n : int, default=10
            Neighbours of each, at least 1; an item is none of its own.
        metric : {"cosine", "inner"}, default="cosine"
            Cosine of the angle between the vectors, or their inner product.
        skip_bias : bool, default=True
            Leave the first coordinate out. In a vector of a factorization machine it is the item's own worth
            (``item_vector``) or the constant 1 (``user_vector``) and says nothing about what the item is like.

        Returns
        -------
        ids : ndarray of shape (m, n)
            Most similar first; equal ones in index order.
        similarities : ndarray of shape (m, n), float32
            Where the index has too few items, the rest of a row is as in `search`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If an id is not in the index, `n` < 1, `metric` is unknown, or `skip_bias` leaves no coordinate.

        Notes
        -----
        Similar users are found in the same way, in an index over their vectors:
        ``ItemIndex().fit(model.user_vector(X_users), ids=users).similar_items(["ann"])``.

        The first call of a kind keeps one more copy of the vectors, until the items change. A vector of length 0 has
        similarity 0 to all.

        Examples
        --------
        >>> from fastfm_ext.retrieval import ItemIndex
        >>> index = ItemIndex().fit([[0.5, 1.0, 0.0], [0.1, 3.0, 0.3], [0.9, 0.0, 2.0]], ids=["a", "b", "c"])
        >>> index.similar_items(["a", "c"], n=1)[0].tolist()
        [['b'], ['b']]
        """
        vectors = self._fitted_vectors()
        n = check_count(n, "n")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
        if skip_bias and vectors.shape[1] == 1:
            raise ValueError("skip_bias leaves no coordinate of vectors of width 1: pass skip_bias=False.")
        own = self._positions_of(as_id_array(ids))
        key = (metric, bool(skip_bias))
        if key not in self._similar:
            self._similar[key] = ExactSearch(_comparable(vectors[:, 1:] if skip_bias else vectors, metric))
        search = self._similar[key]
        themselves = ItemLists(np.arange(len(own) + 1, dtype=np.int64), own.astype(np.int32), may_get=False)
        queries = search.items.vectors[own]
        positions, similarities = search.top_n(queries, n, themselves, None, effective_n_jobs(self.n_jobs))
        return self._take_ids(positions), similarities

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
        return cls(meta["kind"])._set(check_matrix(arrays["vectors"], "vectors"), as_id_array(ids))

    def _set(self, vectors: Float32, ids: npt.NDArray[Any]) -> Self:
        super()._set(vectors, ids)
        self._exact, self._similar = None, {}
        return self

    def _user_items(self, given: Any, name: str, n_users: int, *, single: bool) -> UserItems | None:
        return None if given is None else UserItems.from_argument(given, name, n_users, self._position, single=single)

    def _take_ids(self, positions: Int64) -> npt.NDArray[Any]:
        ids = self._ids[positions]
        ids[positions < 0] = None if ids.dtype == object else -1
        return ids


def _item_lists(excluded: UserItems | None, only: UserItems | None, n_items: int) -> ItemLists | None:
    """Put what a user must not get and what a user may get into one list."""
    if only is not None:
        chosen = only if excluded is None else only.without(excluded, n_items)
        return ItemLists(chosen.indptr, chosen.positions, may_get=True)
    return None if excluded is None else ItemLists(excluded.indptr, excluded.positions, may_get=False)


def _comparable(vectors: Float32, metric: str) -> Float32:
    """Return vectors whose inner products are the wanted similarities."""
    if metric == "inner":
        return np.ascontiguousarray(vectors)
    lengths = norms(vectors)[:, None]
    units: Float32 = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0).astype(np.float32)
    return units

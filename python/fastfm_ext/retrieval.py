"""Top-N retrieval: find the items whose vectors have the largest inner product with a user's vector."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from scipy import sparse

from fastfm_ext._exact_search import ExactSearch, comparable
from fastfm_ext._item_ids import as_id_array
from fastfm_ext._item_sets import UserItems, item_lists, mask_of
from fastfm_ext._item_store import Items, ItemStore
from fastfm_ext._ivf import IvfSearch
from fastfm_ext._model_file import ModelFileReader
from fastfm_ext._top_n import ItemLists
from fastfm_ext._validation import is_nonzero_integer, is_real, optional
from fastfm_ext._vector_checks import Float32, check_count, check_matrix, to_float32

__all__ = ["ItemIndex"]

Int64 = npt.NDArray[np.int64]
ItemsOfUsers: TypeAlias = Collection[Any] | sparse.sparray | sparse.spmatrix

KINDS = ("exact", "ivf")
MAX_JOBS = 2**31 - 1
METRICS = ("cosine", "inner")


class ItemIndex(ItemStore):
    """Index of item vectors, searched by inner product.

    Parameters
    ----------
    kind : {"exact", "ivf"}, default="exact"
        How items are searched. ``"exact"`` compares with every item. ``"ivf"`` divides the items into lists and visits
        the likeliest, which pays from about a million items on; faiss finds the lists in `fit`.
    target_recall : float, default=0.95
        For ``"ivf"``: the share of the true best 100 items that a search shall find, above 0 and at most 1. See `tune`.
    n_lists : int, optional
        For ``"ivf"``: into how many lists items are divided; 4 times the root of their number by default.
    n_jobs : int, optional
        Threads of a search; -1 for all cores. None is one, unless joblib says otherwise. Results are the same with any
        number.

    Raises
    ------
    ValueError
        If `kind` is unknown, or another parameter out of its range.

    Attributes
    ----------
    n_lists_, n_probes_, recall_ : int, int, float
        For ``"ivf"``: the lists there are, how many of them a search visits, and the recall that `tune` measured with
        them; the last two are None before it.

    Notes
    -----
    The lists of ``"ivf"`` are clusters of the vectors with one more coordinate, which makes them all equally long, so
    that k-means serves inner products. Only which items are looked at is approximate: their scores, and the order of
    those that are returned, are exact. `add` and `update` put items into the lists there are: fit again when most have
    changed.

    The vectors are kept as a float32 array of shape (n_items, d), and from the first search on once more in the order
    in which the search reads them; an index can be pickled and copied. `add`, `update` and `remove` copy the array, so
    change many items in one call. A search in another thread sees the index as it is before or after a change; threads
    that change it must take turns.

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

    def __init__(
        self,
        kind: str = "exact",
        *,
        target_recall: float = 0.95,
        n_lists: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        if not is_real(0.0, open_at_low=True)(target_recall) or target_recall > 1:
            raise ValueError(f"target_recall must be a number above 0 and at most 1, got {target_recall!r}.")
        if not optional(is_nonzero_integer(MAX_JOBS))(n_jobs):
            raise ValueError(f"n_jobs must be None or an integer other than 0, at most {MAX_JOBS}; got {n_jobs!r}.")
        self.kind = kind
        self.target_recall = float(target_recall)
        self.n_lists = None if n_lists is None else check_count(n_lists, "n_lists")
        self.n_jobs = n_jobs

    def __repr__(self) -> str:
        items = self._items
        shape = "" if items is None else f", n_items={len(items)}, n_dims={items.vectors.shape[1]}"
        if items is not None and "ivf" in items.searches:
            shape += f", n_lists={self.n_lists_}, n_probes={self.n_probes_}"
            shape += "" if self.recall_ is None else f", recall={self.recall_:.3f}"
        return f"{type(self).__name__}(kind={self.kind!r}{shape})"

    @property
    def n_lists_(self) -> int:
        """Into how many lists the items are divided."""
        return len(self._ivf_of(self._fitted()).centroids)

    @property
    def n_probes_(self) -> int | None:
        """How many lists a search visits; None before `tune`."""
        return self._ivf_of(self._fitted()).n_probes

    @property
    def recall_(self) -> float | None:
        """The recall that `tune` has measured; None before it."""
        return self._ivf_of(self._fitted()).recall

    def __getstate__(self) -> dict[str, Any]:
        # What searches derive from the vectors is quickly made again.
        items = self._items
        if items is None:
            return self.__dict__
        kept = {name: search for name, search in list(items.searches.items()) if name == "ivf"}
        return self.__dict__ | {"_items": replace(items, searches=kept)}

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
        The result of kind ``"exact"`` is the ranking by float64 inner product, ties included, and does not depend on
        which users are searched together. Time is O(n_users n_items d). Memory beyond arguments and results does not
        grow with n_users.

        Examples
        --------
        >>> from fastfm_ext.retrieval import ItemIndex
        >>> index = ItemIndex().fit([[3.0], [2.0], [1.0]], ids=["Alien", "Brazil", "Casablanca"])
        >>> index.search([[1.0], [1.0]], n=1, exclude=[["Alien"], []], only=["Alien", "Casablanca"])[0].tolist()
        [['Casablanca'], ['Alien']]
        """
        items = self._fitted()
        if len(items) == 0:
            raise ValueError("The index is empty: add items before searching.")
        n = check_count(n, "n")
        users = to_float32(user_vectors, "user_vectors")
        single = users.ndim == 1
        users = check_matrix(users[None, :] if single else users, "user_vectors", items.vectors.shape[1])
        excluded = _user_items(exclude, "exclude", (len(users), items), single=single)
        chosen = _user_items(only_by_user, "only_by_user", (len(users), items), single=single)
        allowed = None if only is None else mask_of(only, "only", items.position)
        lists = item_lists(excluded, chosen, len(items))
        positions, scores = self._search_for(items, users).top_n(
            users, n, lists, allowed, effective_n_jobs(self.n_jobs)
        )
        ids = items.take_ids(positions)
        return (ids[0], scores[0]) if single else (ids, scores)

    def tune(self, user_vectors: npt.ArrayLike) -> Self:
        """Choose how many lists a search of kind ``"ivf"`` visits, such that it reaches `target_recall`.

        The first search does this with its own users; call it to choose with better ones, or again when items or users
        have changed.

        Parameters
        ----------
        user_vectors : array-like of shape (n_users, d)
            As they will be searched with. Of more than 512, as many are taken, evenly spread.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the index is of another kind or empty, or `user_vectors` has no rows, another width or is not finite.

        Notes
        -----
        Recall is the share of the best 100 items, or all if there are fewer, that are in the lists visited. Exact
        search tells which they are. The number of lists is the least for which the mean over the users, less two
        standard errors, is `target_recall`.
        """
        items = self._fitted()
        ivf = self._ivf_of(items)
        users = check_matrix(user_vectors, "user_vectors", items.vectors.shape[1])
        if len(users) == 0 or len(items) == 0:
            raise ValueError("tune needs at least one row of user_vectors and one item.")
        ivf.tune(users, self.target_recall, effective_n_jobs(self.n_jobs))
        return self

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
        items = self._fitted()
        vectors = items.vectors
        n = check_count(n, "n")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
        if skip_bias and vectors.shape[1] == 1:
            raise ValueError("skip_bias leaves no coordinate of vectors of width 1: pass skip_bias=False.")
        own = items.positions_of(as_id_array(ids))
        key = (metric, bool(skip_bias))
        if key not in items.searches:
            items.searches[key] = ExactSearch(comparable(vectors[:, 1:] if skip_bias else vectors, metric))
        search: ExactSearch = items.searches[key]
        themselves = ItemLists(np.arange(len(own) + 1, dtype=np.int64), own.astype(np.int32), may_get=False)
        queries = search.items.vectors[own]
        positions, similarities = search.top_n(queries, n, themselves, None, effective_n_jobs(self.n_jobs))
        return items.take_ids(positions), similarities

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
        items = self._fitted()
        arrays: dict[str, npt.NDArray[Any]] = {"vectors": items.vectors}
        meta: dict[str, Any] = {"kind": self.kind}
        if "ivf" in items.searches:
            ivf_meta, ivf_arrays = self._ivf_of(items).to_state()
            meta |= {"target_recall": self.target_recall, "n_lists": self.n_lists, "ivf": ivf_meta}
            arrays |= ivf_arrays
        if items.ids.dtype == object:
            meta["ids"] = items.ids.tolist()
        else:
            arrays["ids"] = items.ids
        return meta, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        ids = arrays["ids"] if "ids" in arrays else meta["ids"]
        vectors = check_matrix(arrays["vectors"], "vectors")
        if meta["kind"] != "ivf":
            return cls(meta["kind"])._set(vectors, as_id_array(ids), None)
        index = cls("ivf", target_recall=meta["target_recall"], n_lists=meta["n_lists"])
        items = cls._made_items(vectors, as_id_array(ids))
        items.searches["ivf"] = IvfSearch.from_state(vectors, meta["ivf"], arrays)
        index._items = items
        return index

    def _set(self, vectors: Float32, ids: npt.NDArray[Any], source: Int64 | None) -> Self:
        items, n_threads = self._made_items(vectors, ids), effective_n_jobs(self.n_jobs)
        ivf: IvfSearch | None = None if self._items is None else self._items.searches.get("ivf")
        if self.kind == "ivf" and (source is None or ivf is None):
            items.searches["ivf"] = IvfSearch.train(vectors, self.n_lists, n_threads)
        elif ivf is not None and source is not None:
            items.searches["ivf"] = ivf.changed(vectors, source, n_threads)
        self._items = items
        return self

    def _search_for(self, items: Items, users: Float32) -> ExactSearch | IvfSearch:
        """Return what searches, made or tuned now if it is not yet."""
        if self.kind == "ivf":
            ivf = self._ivf_of(items)
            if ivf.n_probes is None and len(users):
                ivf.tune(users, self.target_recall, effective_n_jobs(self.n_jobs))
            return ivf
        if "exact" not in items.searches:
            items.searches["exact"] = ExactSearch(items.vectors)
        exact: ExactSearch = items.searches["exact"]
        return exact

    def _ivf_of(self, items: Items) -> IvfSearch:
        ivf: IvfSearch | None = items.searches.get("ivf")
        if ivf is None:
            raise ValueError(f"only an index of kind 'ivf' has lists; this one is of kind {self.kind!r}.")
        return ivf


def _user_items(given: Any, name: str, of: tuple[int, Items], *, single: bool) -> UserItems | None:
    n_users, items = of
    return None if given is None else UserItems.from_argument(given, name, n_users, items.position, single=single)

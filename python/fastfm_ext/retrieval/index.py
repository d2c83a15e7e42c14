"""Top-N retrieval: find the items whose vectors have the largest inner product with a user's vector."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy.typing as npt
from joblib import effective_n_jobs
from scipy import sparse

from fastfm_ext._common.checks import is_bool, is_nonzero_integer, is_real, optional
from fastfm_ext._validation.vectors import Float32, check_count, check_matrix, check_n, to_float32
from fastfm_ext.model_io.container import ModelFileReader
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.exact import ExactSearch
from fastfm_ext.retrieval.items import Items
from fastfm_ext.retrieval.ivf.quantizers import QUANTIZERS
from fastfm_ext.retrieval.ivf.search import IvfSearch
from fastfm_ext.retrieval.saving import items_of, state_of
from fastfm_ext.retrieval.similar import FindsSimilar
from fastfm_ext.retrieval.user_items import UserItems, item_lists, mask_of

__all__ = ["ItemIndex"]

ItemsOfUsers: TypeAlias = Collection[Any] | sparse.sparray | sparse.spmatrix

KINDS = ("exact", "ivf")
MAX_JOBS = 2**31 - 1
# What a file keeps of them.
_PARAMETERS = ("kind", "target_recall", "n_lists", "quantizer", "keep_vectors", "n_jobs")


class ItemIndex(FindsSimilar):
    """Index of item vectors, searched by inner product.

    Parameters
    ----------
    kind : {"exact", "ivf"}, default="exact"
        How items are searched. ``"exact"`` compares with every item. ``"ivf"`` divides the items into lists and visits
        the likeliest, which pays from about a million items on; faiss finds the lists in `fit`.
    target_recall : float, default=0.95
        For ``"ivf"``: the share of the true best 100 items that a search shall find, above 0 and at most 1. See `tune`.
    n_lists : int, optional
        For ``"ivf"``: into how many lists items are divided; 6 times the root of their number by default.
    quantizer : {"sq8", "pq"}, optional
        For ``"ivf"``: keep items in lists as codes, of one byte for each coordinate (``"sq8"``, filled up to whole
        eights) or for every two (``"pq"``), in place of four. Codes propose items, and the vectors decide. Searches
        need faiss then.
    keep_vectors : bool, default=True
        With a `quantizer`, whether to keep the vectors. False saves most memory: scores are those of the codes, and
        `tune` measures recall against the vectors for the last time and drops them.
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
    bytes_per_item_ : float
        Bytes of vectors, codes and lists that are kept now, divided by the number of items; without ids.

    Notes
    -----
    The lists of ``"ivf"`` are clusters of the vectors with one more coordinate, which makes them all equally long, so
    that k-means serves inner products. Only which items are looked at is approximate: their scores, and the order of
    those that are returned, are exact, unless `keep_vectors` is False. `add` and `update` put items into the lists that
    there are: fit again when most have changed. Codes say how an item differs from its list's centroid; those of
    ``"pq"`` were made for the items of `fit`. In an index that is loaded with ``mmap``, lists and codes are in memory,
    and of the vectors a search reads only those that the codes propose.

    The vectors are kept as a float32 array of shape (n_items, d), and, unless there are codes, once more in the order
    in which the search reads them; an index can be pickled and copied. `add`, `update` and `remove` copy the array, so
    change many items in one call. A search in another thread sees the index as it is before or after a change, and
    changes by several threads come one after the other.

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
        quantizer: str | None = None,
        keep_vectors: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        if not is_real(0.0, open_at_low=True)(target_recall) or target_recall > 1:
            raise ValueError(f"target_recall must be a number above 0 and at most 1, got {target_recall!r}.")
        if not optional(is_nonzero_integer(MAX_JOBS))(n_jobs):
            raise ValueError(f"n_jobs must be None or an integer other than 0, at most {MAX_JOBS}; got {n_jobs!r}.")
        if quantizer is not None and (quantizer not in QUANTIZERS or kind != "ivf"):
            raise ValueError(f'quantizer must be None, or one of {list(QUANTIZERS)} for kind "ivf", got {quantizer!r}.')
        if not is_bool(keep_vectors) or (quantizer is None and not keep_vectors):
            raise ValueError(f"keep_vectors must be True, or False with a quantizer, got {keep_vectors!r}.")
        self.kind = kind
        self.target_recall = float(target_recall)
        self.n_lists = None if n_lists is None else check_count(n_lists, "n_lists")
        self.quantizer = quantizer
        self.keep_vectors = bool(keep_vectors)
        self.n_jobs = n_jobs

    def __repr__(self) -> str:
        items = self._items
        shape = "" if items is None else f", n_items={len(items)}, n_dims={items.width}"
        if items is not None and "ivf" in items.searches:
            shape += f", n_lists={self.n_lists_}, n_probes={self.n_probes_}"
            shape += "" if self.recall_ is None else f", recall={self.recall_:.3f}"
        return f"{type(self).__name__}(kind={self.kind!r}{shape})"

    @property
    def n_lists_(self) -> int:
        """Into how many lists the items are divided."""
        return len(self._ivf_of(self._fitted()).lists)

    @property
    def n_probes_(self) -> int | None:
        """How many lists a search visits; None before `tune`."""
        tuning = self._ivf_of(self._fitted()).tuning
        return None if tuning is None else tuning.n_probes

    @property
    def recall_(self) -> float | None:
        """The recall that `tune` has measured; None before it."""
        tuning = self._ivf_of(self._fitted()).tuning
        return None if tuning is None else tuning.recall

    @property
    def bytes_per_item_(self) -> float:
        """Bytes that vectors, codes and lists take now, divided by the number of items; ids come on top."""
        items = self._fitted()
        held = 0 if items.vectors is None else items.vectors.nbytes
        held += sum(search.nbytes for search in list(items.searches.values()))
        return float(held / max(1, len(items)))

    def __getstate__(self) -> dict[str, Any]:
        # What searches derive from the vectors is quickly made again.
        items = self._items
        if items is None:
            return super().__getstate__()
        kept = {name: search for name, search in list(items.searches.items()) if name == "ivf"}
        return super().__getstate__() | {"_items": replace(items, searches=kept)}

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
            If the index is empty, `user_vectors` has another width or is not finite, `n` < 1 or far beyond the number
            of items, or a set of items is not for so many users or items.

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
        users = to_float32(user_vectors, "user_vectors")
        single = users.ndim == 1
        users = check_matrix(users[None, :] if single else users, "user_vectors", items.width)
        n = check_n(n, len(users), len(items))
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
            If the index is of another kind or empty, has dropped its vectors, or `user_vectors` has no rows, another
            width or is not finite.

        Notes
        -----
        Recall is the share of the best 100 items, or all if there are fewer, that are in the lists visited. Exact
        search tells which they are. The number of lists is the least for which the mean over the users, less two
        standard errors, is `target_recall`.
        """
        with self._changing:
            items = self._fitted()
            self._ivf_of(items)
            users = check_matrix(user_vectors, "user_vectors", items.width)
            if len(users) == 0 or len(items) == 0:
                raise ValueError("tune needs at least one row of user_vectors and one item.")
            ivf = self._tuned(items, users)
            if not self.keep_vectors:
                self._items = replace(items, vectors=None, searches={"ivf": ivf})
        return self

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
        meta, arrays = state_of(self._fitted())
        return meta | {name: getattr(self, name) for name in _PARAMETERS}, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        index = cls(**{name: meta[name] for name in _PARAMETERS if name in meta})
        index._items = items_of(meta, arrays, index.kind, index.quantizer, keeps_vectors=index.keep_vectors)
        return index

    def _searches(self, change: Change, vectors: Float32 | None, before: Items | None) -> dict[Any, Any]:
        if self.kind != "ivf":
            return {}
        n_threads = effective_n_jobs(self.n_jobs)
        if before is not None:
            return {"ivf": self._ivf_of(before).changed(change, vectors, n_threads)}
        assert vectors is not None
        ivf = IvfSearch.train(vectors, self.n_lists, self.quantizer, n_threads, reranks=self.keep_vectors)
        return {"ivf": ivf}

    def _search_for(self, items: Items, users: Float32) -> ExactSearch | IvfSearch:
        """Return what searches, made or tuned now if it is not yet."""
        if self.kind == "ivf":
            ivf = self._ivf_of(items)
            return self._tuned(items, users) if ivf.tuning is None and len(users) else ivf
        if "exact" not in items.searches:
            assert items.vectors is not None
            items.searches["exact"] = ExactSearch(items.vectors)
        exact: ExactSearch = items.searches["exact"]
        return exact

    def _tuned(self, items: Items, users: Float32) -> IvfSearch:
        """Tune the search over these items."""
        if items.vectors is None:
            raise ValueError(
                "recall is measured against the vectors, and the index dropped them when it was first tuned: fit again."
            )
        ivf = self._ivf_of(items).tuned(users, items.vectors, self.target_recall, effective_n_jobs(self.n_jobs))
        items.searches["ivf"] = ivf
        return ivf

    def _ivf_of(self, items: Items) -> IvfSearch:
        ivf: IvfSearch | None = items.searches.get("ivf")
        if ivf is None:
            raise ValueError(f"only an index of kind 'ivf' has lists; this one is of kind {self.kind!r}.")
        return ivf


def _user_items(given: Any, name: str, of: tuple[int, Items], *, single: bool) -> UserItems | None:
    n_users, items = of
    return None if given is None else UserItems.from_argument(given, name, n_users, items.position, single=single)

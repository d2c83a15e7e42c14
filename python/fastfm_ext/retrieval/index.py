"""Index of item vectors: top-N search by inner product with users' vectors."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy.typing as npt
from joblib import effective_n_jobs
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float32, FloatVectors
from fastfm_ext._common.checks import is_bool, is_nonzero_integer, is_real, optional
from fastfm_ext._validation.vectors import DTYPES, check_count, check_matrix, check_n, to_floats
from fastfm_ext.model_io.container import ModelFileReader
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.exact import ExactSearch
from fastfm_ext.retrieval.items import Items
from fastfm_ext.retrieval.ivf.quantizers import QUANTIZERS
from fastfm_ext.retrieval.ivf.search import IvfSearch
from fastfm_ext.retrieval.saving import items_of, state_of
from fastfm_ext.retrieval.similar import FindsSimilar
from fastfm_ext.retrieval.user_items import AllowedItems, mask_of, read_user_items

ItemsOfUsers: TypeAlias = Collection[Any] | sparse.sparray | sparse.spmatrix

KINDS = ("exact", "ivf")
MAX_JOBS = 2**31 - 1
# Constructor parameters, as a file keeps them.
_PARAMETERS = ("kind", "target_recall", "n_lists", "quantizer", "keep_vectors", "dtype", "n_jobs")


class ItemIndex(FindsSimilar):
    """Index of item vectors, searched by inner product.

    Parameters
    ----------
    kind : {"exact", "ivf"}, default="exact"
        How items are searched. ``"exact"`` compares with every item. ``"ivf"`` divides the items into lists and visits
        the nearest lists, which pays from about a million items on; faiss finds the lists in `fit`.
    target_recall : float, default=0.95
        For ``"ivf"``: the share of the true best 100 items that a search shall find, above 0 and at most 1. See `tune`.
    n_lists : int, optional
        For ``"ivf"``: number of lists; by default 6 times the root of the number of items.
    quantizer : {"sq8", "pq"}, optional
        For ``"ivf"``: keep the items in the lists as codes, with one byte for each coordinate (``"sq8"``, in whole
        eights) or for every two (``"pq"``), in place of four bytes for each. Codes propose items, and the vectors rank
        them. Searches then need faiss.
    keep_vectors : bool, default=True
        With a `quantizer`, whether to keep the vectors. False saves the most memory: codes give the scores, and `tune`
        measures recall against the vectors one last time and drops them.
    dtype : {"float32", "float16"}, default="float32"
        Type of the vectors in memory and in files, whatever that of the model's factors is. "float16" takes half the
        memory: each number is rounded to 11 bits, and has to be below 65,520. See Notes.
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
        For ``"ivf"``: the number of lists, the number that a search visits, and the recall that `tune` measured. The
        last two are None before `tune`.
    bytes_per_item_ : float
        Bytes of vectors, codes and lists, without ids, divided by the number of items.

    Notes
    -----
    The lists of ``"ivf"`` are k-means clusters of the vectors with one more coordinate, which makes all vectors equally
    long, as inner products need. Only the choice of items is approximate: scores and order of the returned items are
    exact, unless `keep_vectors` is False. `add` and `update` put items into the existing lists: fit again when most
    items have changed. Codes store how an item differs from its list's centroid; those of ``"pq"`` fit the items of
    `fit` best. An index loaded with ``mmap`` has lists and codes in memory, and a search reads only the vectors of
    items that the codes propose.

    The vectors are kept as an array of shape (n_items, d) and, without codes, once more in the layout of the search. Of
    vectors in float16, scores and order are those of the rounded vectors, exactly: all is computed in float32 and
    float64. Rounding changes a score by at most 5e-4 of the sum of its terms' sizes.

    An index can be pickled and copied. `add`, `update` and `remove` copy the array, so change many items in one call. A
    search in another thread sees the index as it is before or after a change, and changes by several threads come one
    after the other.

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
        dtype: str = "float32",
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
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}.")
        self.kind = kind
        self.target_recall = float(target_recall)
        self.n_lists = None if n_lists is None else check_count(n_lists, "n_lists")
        self.quantizer = quantizer
        self.keep_vectors = bool(keep_vectors)
        self.dtype = dtype
        self.n_jobs = n_jobs

    def __repr__(self) -> str:
        items = self._items
        shape = "" if items is None else f", n_items={len(items)}, n_dims={items.width}"
        if items is not None and "ivf" in items.searches:
            shape += f", n_lists={self.n_lists_}, n_probes={self.n_probes_}"
            shape += "" if self.recall_ is None else f", recall={self.recall_:.3f}"
        return f"{type(self).__name__}(kind={self.kind!r}{shape})"

    def __sklearn_clone__(self) -> ItemIndex:
        return type(self)(**{name: getattr(self, name) for name in _PARAMETERS})

    @property
    def n_lists_(self) -> int:
        """Number of lists."""
        return len(self._ivf_of(self._fitted()).lists)

    @property
    def n_probes_(self) -> int | None:
        """Number of lists that a search visits; None before `tune`."""
        tuning = self._ivf_of(self._fitted()).tuning
        return None if tuning is None else tuning.n_probes

    @property
    def recall_(self) -> float | None:
        """The recall that `tune` measured; None before `tune`."""
        tuning = self._ivf_of(self._fitted()).tuning
        return None if tuning is None else tuning.recall

    @property
    def bytes_per_item_(self) -> float:
        """Bytes of vectors, codes and lists, without ids, divided by the number of items."""
        items = self._fitted()
        held = 0 if items.vectors is None else items.vectors.nbytes
        held += sum(search.nbytes for search in list(items.searches.values()))
        return float(held / max(1, len(items)))

    def __getstate__(self) -> dict[str, Any]:
        # Other searches than IVF are quickly made again.
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
    ) -> tuple[AnyArray, Float32]:
        """Find the `n` best items of each user.

        Parameters
        ----------
        user_vectors : array-like of shape (n_users, d) or (d,)
            For example ``model.user_vector(X_users)``. One vector of shape (d,) gives one-dimensional results.
        n : int, default=10
            Items a user, at least 1.
        exclude : collection or sparse matrix, optional
            Items not to return, such as those that the user has seen. Either n_users collections of ids (unknown ids
            are ignored, None is an empty collection), or a SciPy sparse matrix of shape (n_users, n_items) with a
            nonzero for each item, columns in the order of `ids`. With one vector of shape (d,): one collection of ids.
        only : collection of ids or boolean array of shape (n_items,), optional
            The items to choose from for every user, such as those in stock; a mask is in the order of `ids`.
        only_by_user : collection or sparse matrix, optional
            The items to choose from for each user, such as those of the user's country, in the forms of `exclude`.

        Returns
        -------
        ids : ndarray of shape (n_users, n)
            Best first, equal scores in index order; of the dtype of `ids`.
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
            of items, or a set of items is for another number of users or items.

        Notes
        -----
        The result of kind ``"exact"`` is the ranking by float64 inner product, ties included, and does not depend on
        which users are searched together. Time is O(n_users n_items d). Memory beyond arguments and results does not
        grow with n_users.

        Examples
        --------
        >>> from fastfm_ext.retrieval import ItemIndex
        >>> index = ItemIndex().fit([[3.0], [2.0], [1.0]], ids=["Alien", "Brazil", "Casablanca"])
        >>> index.search([[1.0], [1.0]], n=1, exclude=[["Alien"], []], only=["Alien", "Casablanca"])[
        ...     0
        ... ].tolist()
        [['Casablanca'], ['Alien']]
        """
        items = self._items_to_search()
        users = to_floats(user_vectors, "user_vectors")
        single = users.ndim == 1
        users = check_matrix(users[None, :] if single else users, "user_vectors", items.width)
        n = check_n(n, len(users), len(items))
        excluded = read_user_items(exclude, "exclude", len(users), items.position, single=single)
        chosen = read_user_items(only_by_user, "only_by_user", len(users), items.position, single=single)
        mask = None if only is None else mask_of(only, "only", items.position)
        allowed = AllowedItems.of(excluded, chosen, mask, len(items))
        ids, scores = self._search_checked(items, users, n, allowed)
        return (ids[0], scores[0]) if single else (ids, scores)

    def _items_to_search(self) -> Items:
        items = self._fitted()
        if len(items) == 0:
            raise ValueError("The index is empty: add items before searching.")
        return items

    def _search_checked(self, items: Items, users: Float32, n: int, allowed: AllowedItems) -> tuple[AnyArray, Float32]:
        """Return ids and scores, (n_users, n), for users, (n_users, d), whose vectors and sets have been checked."""
        positions, scores = self._search_for(items, users).top_n(users, n, allowed, effective_n_jobs(self.n_jobs))
        return items.take_ids(positions), scores

    def tune(self, user_vectors: npt.ArrayLike) -> Self:
        """Choose how many lists a search of kind ``"ivf"`` visits to reach `target_recall`.

        The first search tunes with its own users. Call `tune` to choose with more typical users, or again when items or
        users have changed.

        Parameters
        ----------
        user_vectors : array-like of shape (n_users, d)
            Like those of later searches. Of more than 512, tuning takes 512, evenly spread.

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
        Recall is the share of the best 100 items, or all if there are fewer, that are in the visited lists. Exact
        search finds the best items. The number of lists is the least for which the mean recall of the users, less two
        standard errors, is `target_recall`.
        """
        with self._changing.writing():
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
            Map the vectors from the file instead of reading them into memory.

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

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        meta, arrays = state_of(self._fitted())
        return meta | {name: getattr(self, name) for name in _PARAMETERS}, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self:
        index = cls(**{name: meta[name] for name in _PARAMETERS if name in meta})
        vectors = None
        if index.keep_vectors or "vectors" in arrays:
            vectors = check_matrix(arrays["vectors"], "vectors", dtype=index.dtype)
        index._items = items_of(meta, arrays, vectors, index.kind, index.quantizer, reranks=index.keep_vectors)
        return index

    def _searches(self, change: Change, vectors: FloatVectors | None, before: Items | None) -> dict[Any, Any]:
        if self.kind != "ivf":
            return {}
        n_threads = effective_n_jobs(self.n_jobs)
        if before is not None:
            return {"ivf": self._ivf_of(before).changed(change, vectors, n_threads)}
        assert vectors is not None
        ivf = IvfSearch.train(vectors, self.n_lists, self.quantizer, n_threads, reranks=self.keep_vectors)
        return {"ivf": ivf}

    def _search_for(self, items: Items, users: Float32) -> ExactSearch | IvfSearch:
        """Return the search over these items, made or tuned with these users, (n_users, d), if that is still to do."""
        if self.kind == "ivf":
            ivf = self._ivf_of(items)
            return self._tuned(items, users) if ivf.tuning is None and len(users) else ivf
        if "exact" not in items.searches:
            assert items.vectors is not None
            items.searches["exact"] = ExactSearch(items.vectors)
        exact: ExactSearch = items.searches["exact"]
        return exact

    def _tuned(self, items: Items, users: Float32) -> IvfSearch:
        """Tune the IVF search over these items with these users, (n_users, d)."""
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

"""Approximate search in an inverted file (IVF): items in lists around centroids, of which a search visits the nearest.

Nearness by inner product is no distance, and clusters of it are poor. So items get one coordinate more that makes all
equally long, ``t' = [t; sqrt(M^2 - |t|^2)]`` with M the largest length, and users a 0: then the item with the largest
inner product is the nearest one, and k-means in that space serves (Bachrach et al. 2014, "Speeding up the Xbox
recommender system using a Euclidean transformation for inner-product spaces"). faiss finds the centroids; all else is
the exact kernel: over the centroids to choose lists, ``|q - c|^2 = |q|^2 - 2 <q, c> + |c|^2``, and over the items of
these lists.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastfm_ext._exact_search import ExactSearch
from fastfm_ext._optional import require
from fastfm_ext._top_n import ItemLists, PackedItems, norms, top_n

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Recall is measured for this many results.
RECALL_AT = 100
_TUNING_USERS = 512
_TRAINING_ITEMS_PER_LIST = 64
_ITERATIONS = 8


class IvfSearch:
    """Items in lists.

    Attributes
    ----------
    centroids : ndarray of shape (n_lists, d + 1), float32
    lists : ndarray of shape (n_items,), int32
        The list of each item.
    n_probes : int or None
        Lists that a search visits; None before `tune`.
    recall : float or None
        Of the true best `RECALL_AT` items, the share that the sample of `tune` found.
    """

    def __init__(self, vectors: Float32, centroids: Float32, lists: Int32) -> None:
        self.centroids = centroids
        self.lists = lists
        self.n_probes: int | None = None
        self.recall: float | None = None
        self._items = PackedItems.in_lists(vectors, lists, len(centroids))
        # The means of points on a sphere lie inside it; the longest is near enough to where the new items belong.
        self._radius = float(norms(centroids).max())
        self._centroids = PackedItems.of(_rank_as_distances(centroids))

    @classmethod
    def train(cls, vectors: Float32, n_lists: int | None, n_threads: int) -> Self:
        """Cluster the items into `n_lists` lists (default: 4 times the root of their number)."""
        faiss = require("faiss", extra="retrieval")
        largest = float(norms(vectors).max())
        wanted = round(4 * len(vectors) ** 0.5) if n_lists is None else n_lists
        kmeans = faiss.Kmeans(
            vectors.shape[1] + 1,
            min(wanted, len(vectors)),
            niter=_ITERATIONS,
            seed=0,
            min_points_per_centroid=1,
            max_points_per_centroid=_TRAINING_ITEMS_PER_LIST,
        )
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(n_threads)
        try:
            kmeans.train(_augmented(vectors, largest))
        finally:
            faiss.omp_set_num_threads(before)
        centroids: Float32 = np.ascontiguousarray(kmeans.centroids, dtype=np.float32)
        return cls(vectors, centroids, _nearest(vectors, centroids, largest, n_threads))

    @classmethod
    def from_state(cls, vectors: Float32, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """Build the search from what `to_state` gives, after checking it.

        Raises
        ------
        ValueError
            If the parts do not fit each other.
        """
        centroids, lists = arrays["centroids"], arrays["lists"]
        n_probes, recall = meta["n_probes"], meta["recall"]
        if centroids.ndim != 2 or centroids.dtype != np.float32 or not np.isfinite(centroids).all():
            raise ValueError("centroids that are no finite float32 matrix")
        if len(centroids) == 0 or centroids.shape[1] != vectors.shape[1] + 1 or not (np.abs(centroids) < 1e18).all():
            raise ValueError(f"centroids of shape {centroids.shape} for vectors of width {vectors.shape[1]}")
        if lists.dtype != np.int32 or lists.shape != (len(vectors),):
            raise ValueError(f"lists of shape {lists.shape} and type {lists.dtype} for {len(vectors)} items")
        if len(lists) and not (lists.min() >= 0 and lists.max() < len(centroids)):
            raise ValueError("a list without a centroid")
        if (n_probes is None) != (recall is None):
            raise ValueError("n_probes and recall go together")
        if n_probes is not None and (type(n_probes) is not int or not 1 <= n_probes <= len(centroids)):
            raise ValueError(f"n_probes of {n_probes!r} for {len(centroids)} lists")
        if recall is not None and (type(recall) is not float or not 0 <= recall <= 1):
            raise ValueError(f"a recall of {recall!r}")
        search = cls(vectors, np.ascontiguousarray(centroids), np.ascontiguousarray(lists))
        search.n_probes, search.recall = n_probes, recall
        return search

    def to_state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return what a file keeps: plain values and arrays."""
        meta = {"n_probes": self.n_probes, "recall": self.recall}
        return meta, {"centroids": self.centroids, "lists": self.lists}

    def changed(self, vectors: Float32, source: Int64, n_threads: int) -> IvfSearch:
        """Return the search over other items around the same centroids.

        `source` tells which of the items before each of `vectors` is, with the same vector, and has -1 for the others.
        """
        lists = np.where(source < 0, np.int32(0), self.lists[source] if len(self.lists) else np.int32(0))
        new = np.flatnonzero(source < 0)
        if len(new):
            lists[new] = _nearest(np.ascontiguousarray(vectors[new]), self.centroids, self._radius, n_threads)
        result = IvfSearch(vectors, self.centroids, lists.astype(np.int32))
        result.n_probes, result.recall = self.n_probes, self.recall
        return result

    def tune(self, users: Float32, target_recall: float, n_threads: int) -> None:
        """Choose as many lists to visit as reach the recall for these users, with two standard errors to spare."""
        sample = users[np.linspace(0, len(users) - 1, min(len(users), _TUNING_USERS)).astype(np.int64)]
        n = min(RECALL_AT, len(self.lists))
        best, _ = ExactSearch(self._items.vectors).top_n(np.ascontiguousarray(sample), n, None, None, n_threads)
        order = self._nearest_lists(sample, len(self.centroids), n_threads)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(order.shape[1], dtype=np.int32)[None, :], axis=1)
        ranks = np.sort(np.take_along_axis(rank, self.lists[best], axis=1), axis=1)

        def found(n_probes: int) -> npt.NDArray[np.float64]:
            share: npt.NDArray[np.float64] = (ranks < n_probes).mean(axis=1)
            return share

        def is_enough(n_probes: int) -> bool:
            share = found(n_probes)
            return bool(share.mean() - 2 * share.std() / len(share) ** 0.5 >= target_recall)

        low, high = 0, len(self.centroids)  # the latter always is enough, since it visits every list
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle, high)
        self.n_probes, self.recall = high, float(found(high).mean())

    def top_n(
        self,
        users: Float32,
        n: int,
        lists: ItemLists | None,
        allowed: npt.NDArray[np.bool_] | None,
        n_threads: int,
    ) -> tuple[Int64, Float32]:
        """Find about the `n` best items of each user: the best of those in the lists that are visited.

        A user for whom these lists hold fewer than `n` items has more of them visited, up to all.
        """
        n_probes = self.n_probes or len(self.centroids)
        positions, scores = self._visit(users, n_probes, n, lists, allowed, n_threads)
        while n_probes < len(self.centroids):
            few = np.flatnonzero(np.isneginf(scores[:, -1]))
            if not len(few):
                break
            n_probes = min(4 * n_probes, len(self.centroids))
            few_lists = None if lists is None else _of_users(lists, few)
            found = self._visit(np.ascontiguousarray(users[few]), n_probes, n, few_lists, allowed, n_threads)
            positions[few], scores[few] = found
        return positions, scores

    def _visit(
        self,
        users: Float32,
        n_probes: int,
        n: int,
        lists: ItemLists | None,
        allowed: npt.NDArray[np.bool_] | None,
        n_threads: int,
    ) -> tuple[Int64, Float32]:
        probes = self._nearest_lists(users, n_probes, n_threads)
        return top_n(users, self._items, n, lists, allowed, n_threads, probes)

    def _nearest_lists(self, users: Float32, n_probes: int, n_threads: int) -> Int32:
        nearest, _ = top_n(_then(users, 0.0, 1.0), self._centroids, n_probes, n_threads=n_threads)
        return nearest.astype(np.int32)


def _augmented(vectors: Float32, largest: float) -> Float32:
    rest = np.sqrt(np.maximum(largest**2 - norms(vectors) ** 2, 0.0))
    augmented: Float32 = np.concatenate([vectors, rest[:, None].astype(np.float32)], axis=1)
    return augmented


def _rank_as_distances(centroids: Float32) -> Float32:
    """Return vectors whose inner product with ``[x; 1]`` ranks the centroids by their distance to x."""
    half_squares = -0.5 * norms(centroids) ** 2
    columns: Float32 = np.concatenate([centroids, half_squares[:, None].astype(np.float32)], axis=1)
    return columns


def _then(vectors: Float32, *last: float) -> Float32:
    """Return the vectors with these coordinates behind their own."""
    columns = np.tile(np.array(last, dtype=np.float32), (len(vectors), 1))
    return np.concatenate([vectors, columns], axis=1)


def _nearest(vectors: Float32, centroids: Float32, largest: float, n_threads: int) -> Int32:
    """Return the list of the nearest centroid of each item."""
    packed = PackedItems.of(_rank_as_distances(centroids))
    nearest, _ = top_n(_then(_augmented(vectors, largest), 1.0), packed, 1, n_threads=n_threads)
    return nearest[:, 0].astype(np.int32)


def _of_users(lists: ItemLists, users: Int64) -> ItemLists:
    counts = np.diff(lists.indptr)[users]
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    entries = np.repeat(lists.indptr[users] - indptr[:-1], counts) + np.arange(indptr[-1])
    return ItemLists(indptr, lists.listed[entries], lists.may_get)

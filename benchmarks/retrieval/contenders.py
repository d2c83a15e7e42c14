"""The ways to find the best items of all users, each as a function that takes nothing and returns their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import ItemIndex

from .vectors import Float32, Vectors

Ids = NDArray[np.integer[Any]]
Search = Callable[[], Ids]

BATCH = 256  # users whose scores NumPy holds at once
PROBES = [round(1.25**power) for power in range(3, 60)]  # numbers of lists that are tried


def ours(index: ItemIndex, users: Float32, n: int, seen: Any = None) -> Search:
    """Return a search of an index that has been fitted, and laid out by a first search."""
    index.search(users[:1], n)
    return lambda: index.search(users, n, exclude=seen)[0]


def faiss_index(index: Any, users: Float32, n: int) -> Search:
    """Return a search of a faiss index."""
    return lambda: index.search(users, n)[1]


def faiss_flat(users: Float32, items: Float32, n: int) -> Search:
    """Return faiss' exact search by inner product."""
    faiss = _faiss()
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)
    return faiss_index(index, users, n)


def faiss_ivf(users: Float32, items: Float32, n: int, n_lists: int, recall_wanted: float, best: Ids) -> Search:
    """Return faiss' search by inner product in `n_lists` lists, as few of them as find this share of the best."""
    faiss = _faiss()
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(items.shape[1]), items.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid = 8, 64  # as ItemIndex trains
    index.train(items)
    index.add(items)
    for index.nprobe in PROBES:
        if index.nprobe >= n_lists or recall(index.search(users, n)[1], best) >= recall_wanted:
            break
    return faiss_index(index, users, n)


def faiss_hnsw(users: Float32, items: Float32, n: int, efs: Sequence[int]) -> dict[int, Search]:
    """Return faiss' searches of one HNSW graph by inner product, with 32 links an item, for each `ef`."""
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(items.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 80
    index.add(items)

    def search(ef: int) -> Ids:
        index.hnsw.efSearch = ef
        return index.search(users, n)[1]

    return {ef: partial(search, ef) for ef in efs}


def product(users: Float32, items: Float32) -> Callable[[], None]:
    """Return NumPy's matrix product alone, some users at a time."""

    def multiply() -> None:
        for first in range(0, len(users), BATCH):
            users[first : first + BATCH] @ items.T

    return multiply


def sgemm(users: Float32, items: Float32, n: int) -> Search:
    """Return NumPy's matrix product, argpartition, and a sort of what is left."""

    def search() -> Ids:
        found = []
        for first in range(0, len(users), BATCH):
            scores = users[first : first + BATCH] @ items.T
            best = np.argpartition(-scores, n, axis=1)[:, :n]
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
            found.append(np.take_along_axis(best, order, axis=1))
        return np.concatenate(found)

    return search


def implicit_recommend(vectors: Vectors, n: int, n_threads: int) -> Search:
    """Return implicit's recommend on these vectors, seen items left out.

    Raises
    ------
    ModuleNotFoundError
        If implicit is not installed.
    """
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    model = AlternatingLeastSquares(factors=vectors.items.shape[1], num_threads=n_threads)
    model.user_factors, model.item_factors = vectors.users, vectors.items
    users, seen = np.arange(len(vectors.users)), csr_matrix(vectors.seen)
    return lambda: model.recommend(users, seen, N=n, filter_already_liked_items=True)[0]


def recall(found: Ids, best: Ids) -> float:
    """Return the mean share of each row of `best` that is in the same row of `found`."""
    return float(np.mean([np.isin(b, f).mean() for b, f in zip(best, found, strict=True)]))


def _faiss() -> Any:
    import faiss

    return faiss

"""Lists of items around centroids: how they are found, and which of them a search visits.

Nearness by inner product is no distance, and clusters of it are poor. So items get one coordinate more that makes all
equally long, ``t' = [t; sqrt(M^2 - |t|^2)]`` with M the largest length, and users a 0: then the item with the largest
inner product is the nearest one, and k-means in that space serves (Bachrach et al. 2014, "Speeding up the Xbox
recommender system using a Euclidean transformation for inner-product spaces"). faiss finds the centroids; lists are
chosen by the exact kernel over them, ``|q - c|^2 = |q|^2 - 2 <q, c> + |c|^2``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastfm_ext._common.extras import require
from fastfm_ext._engine.search import PackedItems, norms, top_n

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

# Recall is measured for this many results.
RECALL_AT = 100
_TRAINING_ITEMS_PER_LIST = 64
_ITERATIONS = 8


class Lists:
    """Centroids, each of which stands for a list of the items that are nearest to it.

    Attributes
    ----------
    centroids : ndarray of shape (n_lists, d + 1), float32
    radius : float
        About how long an item is with its coordinate more.
    """

    def __init__(self, centroids: Float32) -> None:
        self.centroids = centroids
        # The means of points on a sphere lie inside it; the longest is near enough to where new items belong.
        self.radius = float(norms(centroids).max())
        self._packed = PackedItems.of(_rank_as_distances(centroids))

    def __len__(self) -> int:
        return len(self.centroids)

    @property
    def width(self) -> int:
        """The width d of the items' vectors."""
        return int(self.centroids.shape[1]) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the centroids and of what is kept beside them."""
        return self.centroids.nbytes + self._packed.nbytes

    @classmethod
    def train(cls, vectors: Float32, n_lists: int | None, n_threads: int) -> Self:
        """Cluster the items into `n_lists` lists (default: 4 times the root of their number)."""
        faiss = require("faiss", extra="retrieval")
        wanted = round(6 * len(vectors) ** 0.5) if n_lists is None else n_lists
        kmeans = faiss.Kmeans(
            vectors.shape[1] + 1,
            min(wanted, len(vectors)),
            niter=_ITERATIONS,
            seed=0,
            min_points_per_centroid=1,
            max_points_per_centroid=_TRAINING_ITEMS_PER_LIST,
        )
        with faiss_threads(n_threads):
            kmeans.train(_augmented(vectors, longest(vectors)))
        return cls(np.ascontiguousarray(kmeans.centroids, dtype=np.float32))

    @classmethod
    def from_state(cls, centroids: npt.NDArray[Any]) -> Self:
        """Take centroids from a file.

        Raises
        ------
        ValueError
            If they are none.
        """
        if centroids.ndim != 2 or centroids.dtype != np.float32 or not np.isfinite(centroids).all():
            raise ValueError("centroids that are no finite float32 matrix")
        if len(centroids) == 0 or centroids.shape[1] < 2 or not (np.abs(centroids) < 1e18).all():
            raise ValueError(f"centroids of shape {centroids.shape}")
        return cls(np.ascontiguousarray(centroids))

    def of_items(self, vectors: Float32, largest: float, n_threads: int) -> Int32:
        """Return the list of each item, when `largest` is the length of the longest."""
        nearest, _ = top_n(_then(_augmented(vectors, largest), 1.0), self._packed, 1, n_threads=n_threads)
        return nearest[:, 0].astype(np.int32)

    def near(self, users: Float32, n_probes: int, n_threads: int) -> Int32:
        """Return the lists to visit for each user, the likeliest first, shape (n_users, n_probes)."""
        nearest, _ = top_n(_then(users, 0.0, 1.0), self._packed, n_probes, n_threads=n_threads)
        return nearest.astype(np.int32)


def longest(vectors: Float32) -> float:
    """Return the length of the longest vector."""
    return float(norms(vectors).max())


@contextmanager
def faiss_threads(n_threads: int) -> Iterator[None]:
    """Let faiss use so many threads inside."""
    faiss = require("faiss", extra="retrieval")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n_threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


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

"""Inverted lists of items around k-means centroids: training, and the choice of lists to visit.

The inner product is not a distance, so k-means on the vectors gives poor lists. Items therefore get one more
coordinate, ``t' = [t; sqrt(M^2 - |t|^2)]`` with M the largest length, and users get a 0. All items are then equally
long, the item with the largest inner product is the nearest item, and k-means serves (Bachrach et al. 2014, "Speeding
up the Xbox recommender system using a Euclidean transformation for inner-product spaces"). faiss finds the centroids.
The exact kernel chooses among them by ``|q - c|^2 = |q|^2 - 2 <q, c> + |c|^2``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, FloatVectors, Int32
from fastfm_ext._common.extras import require
from fastfm_ext._engine.search import MAX_NORM, PackedItems, norms, top_n

# Recall is measured for this many results.
RECALL_AT = 100
# Lists by default, times the root of the number of items.
_LISTS_PER_ROOT = 6
_TRAINING_ITEMS_PER_LIST = 64
_ITERATIONS = 8


class Lists:
    """Inverted lists, given by their centroids: a list has the items that are nearest to its centroid.

    Attributes
    ----------
    centroids : ndarray of shape (n_lists, d + 1), float32
        Of the items with their additional coordinate.
    radius : float
        Approximate length of an item with its additional coordinate.
    """

    def __init__(self, centroids: Float32) -> None:
        self.centroids = centroids
        # Means of points on a sphere lie inside it. The longest centroid is close enough to the sphere for new items.
        self.radius = float(norms(centroids).max())
        self._packed = PackedItems.of(_rank_as_distances(centroids))

    def __len__(self) -> int:
        return len(self.centroids)

    @property
    def width(self) -> int:
        """Width d of the items' vectors."""
        return int(self.centroids.shape[1]) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the centroids and of their packed form."""
        return self.centroids.nbytes + self._packed.nbytes

    @classmethod
    def train(cls, vectors: FloatVectors, n_lists: int | None, n_threads: int) -> Self:
        """Cluster items, (n_items, d), into `n_lists` lists, by default 6 times the root of their number."""
        faiss = require("faiss", extra="retrieval")
        wanted = round(_LISTS_PER_ROOT * len(vectors) ** 0.5) if n_lists is None else n_lists
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
    def from_state(cls, centroids: AnyArray) -> Self:
        """Take centroids from a file.

        Raises
        ------
        ValueError
            If `centroids` is not a finite float32 matrix.
        """
        if centroids.ndim != 2 or centroids.dtype != np.float32 or not np.isfinite(centroids).all():
            raise ValueError("centroids that are no finite float32 matrix")
        if len(centroids) == 0 or centroids.shape[1] < 2 or not (np.abs(centroids) < MAX_NORM).all():
            raise ValueError(f"centroids of shape {centroids.shape}")
        return cls(np.ascontiguousarray(centroids))

    def of_items(self, vectors: FloatVectors, largest: float, n_threads: int) -> Int32:
        """Return the list of each item, (n_items,), from vectors of shape (n_items, d) no longer than `largest`."""
        nearest, _ = top_n(_with_columns(_augmented(vectors, largest), 1.0), self._packed, 1, n_threads=n_threads)
        return nearest[:, 0].astype(np.int32)

    def near(self, users: Float32, n_probes: int, n_threads: int) -> Int32:
        """Return the `n_probes` nearest lists of each user, (n_users, d), nearest first: (n_users, n_probes)."""
        nearest, _ = top_n(_with_columns(users, 0.0, 1.0), self._packed, n_probes, n_threads=n_threads)
        return nearest.astype(np.int32)


def longest(vectors: FloatVectors) -> float:
    """Return the length of the longest row."""
    return float(norms(vectors).max())


@contextmanager
def faiss_threads(n_threads: int) -> Iterator[None]:
    """Set the number of threads that faiss uses inside the block."""
    faiss = require("faiss", extra="retrieval")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n_threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _augmented(vectors: FloatVectors, largest: float) -> Float32:
    """Return items with the coordinate that makes each `largest` long, (n_items, d + 1)."""
    rest = np.sqrt(np.maximum(largest**2 - norms(vectors) ** 2, 0.0))
    augmented: Float32 = np.concatenate([vectors, rest[:, None].astype(np.float32)], axis=1)
    return augmented


def _rank_as_distances(centroids: Float32) -> Float32:
    """Return vectors, (n_lists, d + 2), whose inner product with ``[x; 1]`` ranks the centroids by distance to x."""
    half_squares = -0.5 * norms(centroids) ** 2
    columns: Float32 = np.concatenate([centroids, half_squares[:, None].astype(np.float32)], axis=1)
    return columns


def _with_columns(vectors: Float32, *last: float) -> Float32:
    """Return the vectors with these values as additional last coordinates."""
    columns = np.tile(np.array(last, dtype=np.float32), (len(vectors), 1))
    return np.concatenate([vectors, columns], axis=1)

"""Quantizers of vectors: faiss' scalar and product quantizers, kept as plain arrays that a file can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastfm_ext._common.arrays import Bools, Float32, UInt8
from fastfm_ext._common.extras import require
from fastfm_ext._engine.search import MAX_NORM

QUANTIZERS = ("sq8", "pq")
# faiss is fast for multiples of this many coordinates only.
_SQ8_COORDINATES = 8
# Coordinates in one byte.
_PQ_COORDINATES = 2
_PQ_CENTROIDS = 256
_PQ_TRAINING_VECTORS = 1 << 16
# Vectors that are encoded at a time.
_STEP = 1 << 16


@dataclass(frozen=True)
class Quantizer:
    """A trained quantizer of vectors.

    Attributes
    ----------
    kind : {"sq8", "pq"}
        "sq8": one byte for each coordinate. "pq": one byte for every two coordinates, which is the nearest of 256
        centroids (Jegou, Douze, Schmid 2011, "Product quantization for nearest neighbor search").
    width : int
        Coordinates of a vector. Codes are of `padded` coordinates: `width`, rounded up to whole groups.
    table : ndarray of shape (2 * padded,) or (256 * padded,), float32
        "sq8": the least value of each coordinate, then the ranges. "pq": the centroids.
    """

    kind: str
    width: int
    table: Float32

    @classmethod
    def train(cls, kind: str, vectors: Float32) -> Self:
        """Learn to encode vectors like these, (n, width) with n >= 1."""
        faiss = require("faiss", extra="retrieval")
        width = vectors.shape[1]
        coder = _coder(kind, width)
        if kind == "sq8":
            coder.train(_padded(vectors, kind))
            return cls(kind, width, faiss.vector_to_array(coder.trained))
        # A product quantizer needs at least as many vectors as centroids, so a small sample has some of them twice.
        sample = np.linspace(0, len(vectors) - 1, max(_PQ_CENTROIDS, min(len(vectors), _PQ_TRAINING_VECTORS)))
        coder.cp.min_points_per_centroid = 1
        coder.train(_padded(vectors[sample.astype(np.int64)], kind))
        return cls(kind, width, faiss.vector_to_array(coder.centroids))

    def __post_init__(self) -> None:
        """Check the attributes, which may come from a damaged file."""
        if self.kind not in QUANTIZERS:
            raise ValueError(f"a quantizer {self.kind!r}")
        n = {"sq8": 2, "pq": _PQ_CENTROIDS}[self.kind] * _padded_width(self.kind, self.width)
        if self.table.dtype != np.float32 or self.table.shape != (n,):
            raise ValueError(f"a table of shape {self.table.shape} and type {self.table.dtype} for {n} values")
        if not (np.abs(self.table) < MAX_NORM).all():
            raise ValueError("a table with values that are not finite or too large")

    @property
    def code_size(self) -> int:
        """Bytes of a vector's code."""
        return _code_size(self.kind, self.width)

    def holds(self, vectors: Float32, slack: float) -> Bools:
        """Return which vectors, (n, width), are outside the range of the codes by at most this part of it: (n,)."""
        if self.kind == "pq":
            return np.ones(len(vectors), dtype=bool)
        least, extent = self.table.reshape(2, -1)[:, : self.width]
        beyond = slack * extent
        outside = (vectors < least - beyond) | (vectors > least + extent + beyond)
        return np.asarray(~outside.any(axis=1))

    def encode(self, vectors: Float32) -> UInt8:
        """Return the codes, (n, code_size), of vectors, (n, width)."""
        coder, codes = self._coder(), np.empty((len(vectors), self.code_size), dtype=np.uint8)
        for first in range(0, len(vectors), _STEP):
            codes[first : first + _STEP] = coder.compute_codes(_padded(vectors[first : first + _STEP], self.kind))
        return codes

    def decode(self, codes: UInt8) -> Float32:
        """Return approximate vectors, (n, width), of codes, (n, code_size)."""
        if not len(codes):
            return np.empty((0, self.width), dtype=np.float32)
        vectors: Float32 = self._coder().decode(np.ascontiguousarray(codes))
        return vectors[:, : self.width]

    def faiss_index(self, centroids: Float32) -> Any:
        """Return an empty faiss index of lists around these centroids, (n_lists, width)."""
        faiss = require("faiss", extra="retrieval")
        width, metric, n_lists = _padded_width(self.kind, self.width), faiss.METRIC_INNER_PRODUCT, len(centroids)
        choice = faiss.IndexFlatIP(width)
        choice.add(_padded(centroids, self.kind))
        if self.kind == "sq8":
            kind = faiss.ScalarQuantizer.QT_8bit
            index = faiss.IndexIVFScalarQuantizer(choice, width, n_lists, kind, metric, True)
            faiss.copy_array_to_vector(self.table, index.sq.trained)
        else:
            index = faiss.IndexIVFPQ(choice, width, n_lists, self.code_size, 8, metric)
            index.by_residual = True
            faiss.copy_array_to_vector(self.table, index.pq.centroids)
        index.is_trained = True
        return index

    def _coder(self) -> Any:
        """Return faiss' quantizer with this table."""
        faiss = require("faiss", extra="retrieval")
        coder = _coder(self.kind, self.width)
        faiss.copy_array_to_vector(self.table, coder.trained if self.kind == "sq8" else coder.centroids)
        return coder


def _coder(kind: str, width: int) -> Any:
    """Return an untrained quantizer of faiss."""
    faiss = require("faiss", extra="retrieval")
    padded = _padded_width(kind, width)
    if kind == "sq8":
        return faiss.ScalarQuantizer(padded, faiss.ScalarQuantizer.QT_8bit)
    return faiss.ProductQuantizer(padded, _code_size(kind, width), 8)


def _padded_width(kind: str, width: int) -> int:
    """Return the number of encoded coordinates, which are filled up with zeros to whole groups."""
    group = _SQ8_COORDINATES if kind == "sq8" else _PQ_COORDINATES
    return -(-width // group) * group


def _code_size(kind: str, width: int) -> int:
    padded = _padded_width(kind, width)
    return padded if kind == "sq8" else padded // _PQ_COORDINATES


def _padded(vectors: Float32, kind: str) -> Float32:
    """Return vectors, (n, width), filled up with zeros to (n, padded)."""
    padded = np.zeros((len(vectors), _padded_width(kind, vectors.shape[1])), dtype=np.float32)
    padded[:, : vectors.shape[1]] = vectors
    return padded

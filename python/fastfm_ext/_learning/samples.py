"""Samples: rows of features with targets and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Int64
from fastfm_ext._engine import csr
from fastfm_ext._engine.csr import Csr, largest_value


@dataclass(frozen=True)
class Samples:
    """Rows to learn from, with a target for each scorer: one for regression and two classes, else one a class.

    Attributes
    ----------
    X : Csr of shape (n_rows, n_features)
    targets : ndarray of shape (n_scorers, n_rows)
    sample_weight : ndarray of shape (n_rows,), or None for ones
    numbers : ndarray of shape (n_rows,), or None
        The rows' numbers in the user's data, where these are only some of them.
    """

    X: Csr
    targets: Float32
    sample_weight: Float32 | None
    numbers: Int64 | None = None

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value, and the largest weight."""
        return largest_value(self.X), 1.0 if self.sample_weight is None else float(self.sample_weight.max())

    def take(self, rows: Int64) -> Samples:
        """Return a copy of these rows, (n_taken,), in this order."""
        # To clip costs nothing, and to check each number takes five times as long as taking the values.
        targets = np.take(self.targets, rows, axis=1, mode="clip")
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        numbers = rows if self.numbers is None else self.numbers[rows]
        return Samples(csr.take_rows(self.X, rows), targets, weight, numbers)

    def total_weight(self, rows: Int64 | None = None) -> float:
        """Return the sum of the weights of these rows, (n_taken,), or of all rows."""
        if self.sample_weight is None:
            return float(self.X.n_rows if rows is None else len(rows))
        weight = self.sample_weight if rows is None else self.sample_weight[rows]
        return float(weight.sum(dtype=np.float64))


def slice_samples(samples: Samples, first: int, last: int) -> Samples:
    """Return rows ``first <= r < last``, over the same memory."""
    X = samples.X
    begin, end = int(X.indptr[first]), int(X.indptr[last])
    csr = Csr(
        X.indptr[first : last + 1] - begin,
        X.indices[begin:end],
        None if X.data is None else X.data[begin:end],
        X.n_features,
    )
    weight = None if samples.sample_weight is None else samples.sample_weight[first:last]
    numbers = None if samples.numbers is None else samples.numbers[first:last]
    return Samples(csr, np.ascontiguousarray(samples.targets[:, first:last]), weight, numbers)


def concat_csr(parts: Sequence[Csr]) -> Csr:
    """Return the rows of all parts, one below the other; as wide as the widest."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.nnz for part in parts)])
    indptr = np.concatenate(
        [
            np.zeros(1, dtype=np.int64),
            *(p.indptr[1:].astype(np.int64) + start for p, start in zip(parts, starts, strict=False)),
        ]
    )
    data = None
    if any(part.data is not None for part in parts):
        data = np.concatenate([np.ones(p.nnz, dtype=np.float32) if p.data is None else p.data for p in parts])
    return Csr(indptr, np.concatenate([p.indices for p in parts]), data, max(p.n_features for p in parts))


def concat_samples(parts: Sequence[Samples]) -> Samples:
    """Return the rows of all parts, one below the other; all have numbers, or none has."""
    if len(parts) == 1:
        return parts[0]
    weight = None
    if any(part.sample_weight is not None for part in parts):
        weight = concat_weights([part.sample_weight for part in parts], [part.X.n_rows for part in parts])
    numbers = [part.numbers for part in parts if part.numbers is not None]
    return Samples(
        concat_csr([part.X for part in parts]),
        np.concatenate([part.targets for part in parts], axis=1),
        weight,
        np.concatenate(numbers) if numbers else None,
    )


def concat_weights(weights: Sequence[AnyArray | None], n_rows: Sequence[int]) -> AnyArray:
    """Return the weights of all parts; 1 for rows of a part without."""
    return np.concatenate(
        [np.ones(n, dtype=np.float32) if w is None else w for w, n in zip(weights, n_rows, strict=True)]
    )

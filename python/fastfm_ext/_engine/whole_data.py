"""Least squares over all pairs of users and items by the kernels: the rows of one side, the other side as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import aligned_empty
from fastfm_ext._native import core

LANES = 16  # the kernels take so many factors at a time


@dataclass(frozen=True)
class Vectors:
    """A vector and an own score for each row, or each feature: ``Vectors`` of ``types/whole_data.hpp``.

    Attributes
    ----------
    factors : ndarray of shape (n, k), float32
        With the kernels' padding, which is 0.
    own : ndarray of shape (n,), float32
    """

    factors: Float32
    own: Float32

    @classmethod
    def empty(cls, n: int, k: int) -> Self:
        """Return n vectors without values."""
        return cls(aligned_empty((n, k)), np.empty(n, dtype=np.float32))

    @classmethod
    def of(cls, factors: Float32, own: Float32) -> Self:
        """Return a padded copy of factors (n, n_factors) and own scores (n,)."""
        n, n_factors = factors.shape
        result = cls.empty(n, max(LANES, -(-n_factors // LANES) * LANES))
        result.factors[:, :n_factors] = factors
        result.factors[:, n_factors:] = 0.0
        result.own[...] = own
        return result

    @property
    def n(self) -> int:
        return len(self.own)

    @property
    def k(self) -> int:
        return int(self.factors.shape[1])

    def rotated(self, rotation: Float32, n_threads: int) -> Self:
        """Return the vectors whose factors are turned by a rotation, (k, k)."""
        factors = aligned_empty(self.factors.shape)
        if self.n:
            core.rotate(self.factors, rotation, n_threads, factors)
        return replace(self, factors=factors)

    def dot(self, other: Vectors) -> float:
        """Return the sum of all products, in float64."""
        factors = np.multiply(self.factors, other.factors).sum(dtype=np.float64)
        return float(factors + np.multiply(self.own, other.own).sum(dtype=np.float64))

    def add(self, scale: float, other: Vectors) -> None:
        """Add a multiple of other vectors, in place."""
        for mine, others in ((self.factors, other.factors), (self.own, other.own)):
            mine += np.float32(scale) * others


def combine(A: Csr, vectors: Vectors, n_threads: int) -> Vectors:
    """Return the vectors A times `vectors`, for A of shape (n_rows, n)."""
    result = Vectors.empty(A.n_rows, vectors.k)
    if A.n_rows:
        core.combine(A, vectors, n_threads, result)
    return result


class Moments(NamedTuple):
    """Sums over the rows of one side, in float64.

    Attributes
    ----------
    n : int
    gram : ndarray of shape (k, k)
        sum S S^T.
    sum : ndarray of shape (k,)
        sum S.
    sum_with_own : ndarray of shape (k,)
        sum own S.
    own : float
        sum own.
    own_squared : float
        sum own^2.
    """

    n: int
    gram: Float64
    sum: Float64
    sum_with_own: Float64
    own: float
    own_squared: float

    @classmethod
    def of(cls, rows: Vectors, n_threads: int) -> Moments:
        """Sum over all rows."""
        sums = np.zeros((rows.k + 2, rows.k))
        if rows.n:
            core.moments(rows, n_threads, sums)
        own = rows.own.astype(np.float64)
        gram = np.triu(sums[:-2]) + np.triu(sums[:-2], 1).T
        return cls(rows.n, gram, sums[-2], sums[-1], float(own.sum()), float((own**2).sum()))

    def rotated(self, rotation: Float64) -> Moments:
        """Return the sums of rows whose factors are turned by a rotation, (k, k)."""
        return self._replace(
            gram=rotation.T @ self.gram @ rotation,
            sum=self.sum @ rotation,
            sum_with_own=self.sum_with_own @ rotation,
        )

    def all_squares(self, other: Moments) -> float:
        """Return the sum of ``(own(u) + own(t) + <S_u, S_t>)**2`` over all pairs of a row here and one of `other`."""
        squares = np.sum(self.gram * other.gram) + other.n * self.own_squared + self.n * other.own_squared
        crossed = self.sum_with_own @ other.sum + other.sum_with_own @ self.sum + self.own * other.own
        return float(squares + 2 * crossed)


@dataclass(frozen=True)
class OtherSide:
    """The other side of rows whose vectors are sought: ``OtherSide`` of ``types/whole_data.hpp``.

    ``chosen`` (n_rows, n_others) holds weights; the moments of ``others`` have a diagonal Gram matrix.
    """

    chosen: Csr
    others: Vectors
    squares: Float32
    sums: Float32
    owns: Float32
    count: float
    own: float
    fit_own: bool

    @classmethod
    def of(cls, chosen: Csr, others: Vectors, moments: Moments, unobserved_weight: float, *, fit_own: bool) -> Self:
        """Weigh the sums over all others by that of a pair that was not chosen."""
        sums = (np.diag(moments.gram), moments.sum, moments.sum_with_own)
        squares, totals, owns = (np.ascontiguousarray(unobserved_weight * each, dtype=np.float32) for each in sums)
        count, own = unobserved_weight * moments.n, unobserved_weight * moments.own
        return cls(chosen, others, squares, totals, owns, count, own, fit_own)

    def gradient(self, rows: Vectors, n_threads: int) -> tuple[Vectors, Vectors, float]:
        """Return half the gradient in the rows, half the second derivatives' diagonal, and the chosen pairs' loss."""
        gradient, diagonal = Vectors.empty(rows.n, rows.k), Vectors.empty(rows.n, rows.k)
        losses = np.empty(rows.n)
        core.whole_gradient(self, rows, n_threads, gradient, diagonal, losses)
        return gradient, diagonal, float(losses.sum())

    def product(self, direction: Vectors, n_threads: int) -> Vectors:
        """Return half the second derivatives in the rows times a direction."""
        result = Vectors.empty(direction.n, direction.k)
        core.whole_product(self, direction, n_threads, result)
        return result

    def solve(self, rows: Vectors, l2: tuple[Float32, Float32], n_steps: int, n_threads: int) -> float:
        """Move each row to the minimum of its own quadratic, in place; return the chosen pairs' loss of before.

        ``l2`` has those of the factors and of the own score, (n_rows,) each.
        """
        losses = np.empty(rows.n)
        core.whole_solve(self, *l2, n_steps, n_threads, rows, losses)
        return float(losses.sum())

"""Centers of numeric columns: they are taken off the values before a model sees them, which changes its w0 and w.

A factorization machine learns a year of 1990 to 2020 as slowly as a constant. So a model of centered columns holds
parameters for z = x - c. They are those of a model of x itself, but for w0 and w: put z into

    p = w0 + sum_i w_i z_i + 1/2 sum_f [ (sum_i v_if z_i)^2 - sum_i v_if^2 z_i^2 ]        (Rendle 2010, lemma 3.1),

and compare the powers of x. With C_f = sum_j v_jf c_j, V stays as it is, and

    w_i of x  =  w_i - <v_i, C> + |v_i|^2 c_i,
    w0 of x   =  w0 - sum_i w_i c_i + 1/2 [ |C|^2 - sum_i |v_i|^2 c_i^2 ],

which is the score of z = -c. Field-aware models have other pairs <v_i, v_j>, and their own take the place. Both are
sums of large numbers that nearly cancel in p. So rows are scored as x - c, which is taken in double precision, and w0
and w of x are worked out, in double precision as well, for those who ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.interactions import interactions
from fastfm_ext._engine.parameters import Parameters

# A column is centered whose mean is more standard deviations than this from zero: from there on it learns less.
FAR_FROM_ZERO = 1.5
# Of fewer rows nobody can tell whether a column is numeric, or happens to be nonzero in all of them.
FEWEST_ROWS = 10
# Float32 values that are meant to be equal differ by less than this part of their mean.
ROUNDING = 1e-9
# Correlation of values and row numbers from which on a column is a clock.
CLOCK = 0.9
ROWS_AT_ONCE = 1 << 16

# Takes columns, (n_columns,), and returns their values in double precision, (n_rows, n_columns).
ColumnsInDouble: TypeAlias = Callable[[NDArray[np.intp]], Float64]


@dataclass(frozen=True, eq=False)
class Centers:
    """The centered columns, and the center of each.

    Attributes
    ----------
    columns : ndarray of shape (n_centered,)
        Ascending.
    values : ndarray of shape (n_centered,), float64
        The c of each column, in the user's units.
    """

    columns: NDArray[np.intp]
    values: Float64

    @classmethod
    def of(cls, X: Csr, *, is_beginning: bool = False) -> Self:
        """Return the means of the numeric columns of X, (n_rows, n_features), that are far from zero.

        A numeric column is nonzero in most rows, and its nonzeros differ: a column of 0 and 1, as an id has, is none.
        One that holds the same number other than 1 in every row is centered, and so is zero.

        Where the rows are the beginning of many, a column that rises or falls with the row number is left out. It is a
        clock: values to come will lie far from these, and would be large once centered.
        """
        if X.data is None or X.n_rows < FEWEST_ROWS:
            return cls(*_NOTHING)
        counts = np.bincount(X.indices, minlength=X.n_features)
        is_numeric = counts > 0.5 * X.n_rows
        if not is_numeric.any():
            return cls(*_NOTHING)
        chosen = is_numeric[X.indices]
        column, value = X.indices[chosen], X.data[chosen].astype(np.float64)
        columns = np.flatnonzero(is_numeric)
        n = counts[columns]
        mean_of_nonzeros = np.bincount(column, value, X.n_features) / np.maximum(counts, 1)
        # From the mean, not from zero: squares of large numbers that differ little would cancel.
        squares = np.bincount(column, (value - mean_of_nonzeros[column]) ** 2, X.n_features)[columns]
        center = mean_of_nonzeros[columns]
        differs = np.sqrt(squares / n) > ROUNDING * np.abs(center)
        share = n / X.n_rows
        mean, variance = share * center, squares / X.n_rows + share * (1 - share) * center**2
        is_far = differs & (np.abs(mean) > FAR_FROM_ZERO * np.sqrt(variance))
        is_constant = ~differs & (n == X.n_rows) & (center != 1)
        wanted = is_far | is_constant
        if is_beginning and wanted.any():
            row = np.repeat(np.arange(X.n_rows) - 0.5 * (X.n_rows - 1), np.diff(X.indptr))[chosen]
            products = np.bincount(column, row * (value - mean_of_nonzeros[column]), X.n_features)[columns]
            wanted &= np.abs(products) <= CLOCK * np.sqrt(squares * np.bincount(column, row**2, X.n_features)[columns])
        return cls(columns[wanted], mean[wanted])

    @classmethod
    def learned(cls, X: Csr, in_double: ColumnsInDouble, *, is_beginning: bool) -> tuple[Csr, Self]:
        """Return X, (n_rows, n_features), less the centers of its columns (see `of`), and these centers."""
        centers = cls.of(X, is_beginning=is_beginning)
        if not len(centers):
            return X, centers
        values = in_double(centers.columns)
        centers = centers.refined(values)
        return centers.apply(X, values), centers

    def refined(self, values: Float64) -> Self:
        """Return the means of the same columns in double precision, of `values` (n_rows, n_centered)."""
        is_constant = np.ptp(values, axis=0) == 0  # whose mean may differ by a rounding
        return type(self)(self.columns, np.where(is_constant, values[0], values.mean(axis=0)))

    def __len__(self) -> int:
        return len(self.columns)

    def check(self, n_features: int) -> None:
        """Raise ValueError unless every column exists and has a center."""
        columns, values = self.columns, self.values
        if columns.ndim != 1 or columns.dtype.kind not in "iu" or values.shape != columns.shape:
            raise ValueError(f"centered columns of shape {columns.shape} with centers of shape {values.shape}")
        if values.dtype != np.float64 or not np.isfinite(values).all():
            raise ValueError("a center that is no finite float64")
        if len(columns) and not (columns[0] >= 0 and columns[-1] < n_features and (np.diff(columns) > 0).all()):
            raise ValueError(f"centered columns that do not ascend within the {n_features} features")

    def apply(self, X: Csr, values: Float64) -> Csr:
        """Return X with `values`, (n_rows, n_centered), less the centers in the centered columns."""
        with np.errstate(over="ignore"):
            z = (values - self.values).astype(np.float32)
        place = np.full(X.n_features, -1, dtype=np.intp)
        place[self.columns] = np.arange(len(self))
        place_of = place.take(X.indices)
        kept = place_of < 0
        at = np.flatnonzero(~kept)
        if len(at) == z.size and z.all():  # the same entries have other values
            in_order = np.take_along_axis(z, place_of[at].reshape(z.shape), axis=1).ravel()
            if len(at) == X.nnz:
                return Csr(X.indptr, X.indices, in_order, X.n_features)
            data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data.copy()
            data[at] = in_order
            return Csr(X.indptr, X.indices, data, X.n_features)
        starts = np.concatenate(([0], np.cumsum(kept)))[X.indptr]
        others = np.ones(int(starts[-1]), np.float32) if X.data is None else X.data[kept]
        shape = (X.n_rows, X.n_features)
        rest = sp.csr_array((others, X.indices[kept], starts), shape=shape)
        every = np.tile(self.columns, X.n_rows)
        numeric = sp.csr_array((z.ravel(), every, np.arange(X.n_rows + 1) * len(self)), shape=shape)
        whole = rest + numeric  # leaves out what is 0
        indptr = whole.indptr.astype(np.int32 if whole.nnz < 2**31 else np.int64, copy=False)
        return Csr(indptr, whole.indices.astype(np.int32, copy=False), whole.data, X.n_features)

    # --- what a model of z says of x ---------------------------------------------------------------------------------

    def _pool_of_zeros(self, params: Parameters, is_zero: Float64) -> tuple[Float64, Float64]:
        """Return own terms without w0, (n_rows,), and sums S_f, (n_rows, n_factors), of rows of nothing but zeros.

        Their z is -c where `is_zero`, (n_rows, n_centered), is 1, and 0 where it is 0.
        """
        V = params.V_of(self.columns).astype(np.float64) * self.values[:, None]
        linear = params.w[self.columns] * self.values + 0.5 * (V**2).sum(axis=1)
        S = -(is_zero @ V)
        return 0.5 * (S**2).sum(axis=1) - is_zero @ linear, S

    def uncentered(
        self, own: Float32, sum_vx: Float32, is_zero: Float64, params: Parameters
    ) -> tuple[Float32, Float32, Float32]:
        """Return terms of rows of x by what the kernels have pooled of z, in double precision.

        Parameters
        ----------
        own : ndarray of shape (n_rows,)
        sum_vx : ndarray of shape (n_rows, n_factors)
            Of rows that lack the centered columns where x is 0.
        is_zero : ndarray of shape (n_rows, n_centered)
            1 there, else 0.
        params : Parameters

        Returns
        -------
        own : ndarray of shape (n_rows,)
        sum_vx : ndarray of shape (n_rows, n_factors)
            Of x.
        score : ndarray of shape (n_rows,)
            Without w0 of z.
        """
        own_of_zeros, sums_of_zeros = self._pool_of_zeros(params, is_zero)
        score = own + own_of_zeros + (sum_vx * sums_of_zeros).sum(axis=1)
        own_of_all, sums_of_all = self._pool_of_zeros(params, np.ones((1, len(self))))
        own_of_x, sums_of_x = score - own_of_all, sum_vx + sums_of_zeros - sums_of_all
        with np.errstate(over="ignore"):
            return own_of_x.astype(np.float32), sums_of_x.astype(np.float32), score.astype(np.float32)

    def w0(self, params: Parameters) -> float:
        """Return the w0 of x."""
        if params.model.has_fields:
            c, P = self.values, interactions(params, self.columns, self.columns)
            return params.w0 - float(params.w[self.columns] @ c) + 0.5 * float(c @ P @ c)
        return params.w0 + float(self._pool_of_zeros(params, np.ones((1, len(self))))[0][0])

    def w(self, params: Parameters) -> Float32:
        """Return the w of x, (n_features,)."""
        if not len(self):
            return params.w
        if params.model.has_fields:
            every = np.arange(params.n_features)
            return (params.w - interactions(params, every, self.columns) @ self.values).astype(np.float32)
        S = self._pool_of_zeros(params, np.ones((1, len(self))))[1][0]
        w = np.empty(params.n_features, dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(w), ROWS_AT_ONCE):
                rows = slice(first, first + ROWS_AT_ONCE)
                w[rows] = params.w[rows] + params.V_of(rows).astype(np.float64) @ S
            V = params.V_of(self.columns).astype(np.float64)
            w[self.columns] = params.w[self.columns] + V @ S + (V**2).sum(axis=1) * self.values
        return w


_NOTHING = np.zeros(0, dtype=np.intp), np.zeros(0)
NO_CENTERS = Centers(*_NOTHING)

"""Sides of a ranking, users and items: rows of features, their parameters, and what a change of these does to the rows.

A row's vector is ``S = sum_i v_i x_i`` and its own score ``sum_i w_i x_i``, with the pair terms of its features where
it is an item's; see `_reference/implicit_als.py`. Half the second derivatives of the loss in the parameters are
J^T H J, where H is that in the rows, and J (`spread`) the derivative of the rows in the parameters, at the present
ones: the matrix of Gauss and Newton, which is exact unless a row has pair terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Bools, Float32, Float64
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.whole_data import Moments, Vectors, combine


@dataclass
class RankingSide:
    """Users or items.

    Attributes
    ----------
    features : ndarray of shape (n_features,)
        The columns that these rows have, ascending. What follows numbers features by their place here.
    X : Csr of shape (n_rows, n_features)
    transposed : Csr of shape (n_features, n_rows)
    chosen : Csr of shape (n_rows, n_others)
        Weights of what each row chose, or was chosen by.
    squares : csr_array of shape (n_rows, n_features), or None
        Squared values, where rows have pair terms.
    shared : ndarray of shape (n_features,), bool
        Features that the other side has, too.
    l2_w, l2_V : ndarray of shape (n_features,)
    fit_linear : bool
    n_threads : int
    parameters : Vectors
        V and w of the features.
    rows : Vectors
        S and own scores of the rows.
    moments : Moments
        Of the rows.
    """

    features: AnyArray
    X: Csr
    transposed: Csr
    chosen: Csr
    squares: sp.csr_array | None
    shared: Bools
    l2_w: Float32
    l2_V: Float32
    fit_linear: bool
    n_threads: int
    parameters: Vectors
    rows: Vectors
    moments: Moments

    # --- shape -------------------------------------------------------------------------------------------------------

    @property
    def rows_are_apart(self) -> bool:
        """Whether no two rows share a feature, and each row has one: then each can be solved by itself."""
        if self.X.n_rows != self.X.n_features or self.X.nnz != self.X.n_rows or self.shared.any():
            return False
        return bool((np.diff(self.X.indptr) == 1).all())

    @property
    def is_quadratic(self) -> bool:
        """Whether the loss is a quadratic function of these parameters while the other side's rows stay."""
        return self.squares is None and not self.shared.any()

    # --- rows of parameters, and back --------------------------------------------------------------------------------

    def measure(self) -> None:
        """Work out the rows and their moments from the parameters."""
        self.rows = self.rows_of(self.parameters)
        self.moments = Moments.of(self.rows, self.n_threads)

    def rows_of(self, parameters: Vectors) -> Vectors:
        """Return the rows' vectors and own scores."""
        rows = combine(self.X, parameters, self.n_threads)
        if self.squares is not None:
            squared = np.einsum("if,if->i", parameters.factors, parameters.factors)
            pairs = np.einsum("rf,rf->r", rows.factors, rows.factors) - self.squares @ squared
            rows = replace(rows, own=(rows.own + 0.5 * pairs).astype(np.float32))
        return rows

    def spread(self, change: Vectors) -> Vectors:
        """Return the change of the rows, to first order, by a change of the parameters."""
        rows = combine(self.X, change, self.n_threads)
        if self.squares is not None:
            of_features = np.einsum("if,if->i", self.parameters.factors, change.factors)
            pairs = np.einsum("rf,rf->r", self.rows.factors, rows.factors) - self.squares @ of_features
            rows = replace(rows, own=(rows.own + pairs).astype(np.float32))
        return rows

    def collect(self, of_rows: Vectors) -> Vectors:
        """Return the derivative in the parameters, from that in the rows: `spread` transposed."""
        if self.squares is not None:
            with_pairs = of_rows.factors + of_rows.own[:, None] * self.rows.factors
            result = combine(self.transposed, replace(of_rows, factors=with_pairs), self.n_threads)
            twice = (self.squares.T @ of_rows.own).astype(np.float32)
            np.subtract(result.factors, twice[:, None] * self.parameters.factors, out=result.factors)
        else:
            result = combine(self.transposed, of_rows, self.n_threads)
        if not self.fit_linear:
            result.own[:] = 0.0
        return result

    def collect_diagonal(self, of_rows: Vectors) -> Vectors:
        """Return about the diagonal of the second derivatives in the parameters, L2 included."""
        if self.squares is not None:
            of_rows = replace(of_rows, factors=of_rows.factors + of_rows.own[:, None] * self.rows.factors**2)
        result = combine(_squared(self.transposed), of_rows, self.n_threads)
        self.add_l2(result, Vectors(np.ones((1, 1), dtype=np.float32), np.ones(1, dtype=np.float32)))
        return result

    def add_l2(self, to: Vectors, of: Vectors) -> None:
        """Add half the derivative of L2, which is linear in the parameters `of`, in place."""
        to.factors[...] += self.l2_V[:, None] * of.factors
        to.own[...] += self.l2_w * of.own

    def penalty(self, counted: Bools | None = None) -> float:
        """Return the L2 of the parameters, or of those of some features, (n_features,)."""
        each = self.l2_V * np.einsum("if,if->i", self.parameters.factors, self.parameters.factors)
        each = each + self.l2_w * self.parameters.own**2
        return float(each.sum(dtype=np.float64, where=True if counted is None else counted))

    # --- rows apart --------------------------------------------------------------------------------------------------

    @property
    def l2_of_rows(self) -> tuple[Float32, Float32]:
        """L2 of the vector and of the own score of each row, where rows are apart."""
        squares = np.float32(1.0) if self.X.data is None else self.X.data**2
        return self.l2_V[self.X.indices] / squares, self.l2_w[self.X.indices] / squares

    def take_parameters_of_rows(self) -> None:
        """Work out the parameters and the moments from the rows, where rows are apart."""
        values = self.X.data
        self.parameters.factors[self.X.indices] = (
            self.rows.factors if values is None else self.rows.factors / values[:, None]
        )
        self.parameters.own[self.X.indices] = self.rows.own if values is None else self.rows.own / values
        self.moments = Moments.of(self.rows, self.n_threads)

    # --- turning -----------------------------------------------------------------------------------------------------

    def rotate(self, rotation: Float64) -> None:
        """Turn the factors, which changes no score."""
        self.parameters = self.parameters.rotated(rotation.astype(np.float32), self.n_threads)
        factors = combine(self.X, self.parameters, self.n_threads).factors
        self.rows = replace(self.rows, factors=factors)
        self.moments = self.moments.rotated(rotation)


def _squared(X: Csr) -> Csr:
    return X if X.data is None else replace(X, data=X.data**2)

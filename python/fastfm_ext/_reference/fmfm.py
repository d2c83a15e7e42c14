"""The field-matrixed factorization machine in NumPy, float64: what its kernels are checked against.

Sun, Pan, Zhang, Flores, "FM^2: Field-matrixed Factorization Machines for Recommender Systems" (2021), eq. 6:

    p(x) = w0 + sum_i w_i x_i + sum_{i<j} v_i M_F(i)F(j) v_j^T x_i x_j          F(i): the field of feature i

and FvFM, with M_FG = diag(m_FG). M_GF = M_FG^T; the matrix of two features of the same field counts by its symmetric
part. Shapes: as of the field-weighted machine, but ``R`` is (n_fields, n_fields, k, k), or (n_fields, n_fields, k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._reference.ffm import pairs
from fastfm_ext._reference.fm import Array
from fastfm_ext._reference.fwfm import Fwfm


def matrix(R: Array, F: int, G: int) -> Array:
    """Return M_FG for F <= G: (k, k)."""
    M: Array = np.diag(R[F, G]) if R.ndim == 3 else R[F, G]
    return 0.5 * (M + M.T) if F == G else M


def score(x: Array, w0: float, w: Array, V: Array, R: Array, fields: NDArray[np.integer]) -> float:
    """Score one row by the definition: every pair of features."""
    of_pairs = 0.0
    for i, j in pairs(x):
        first, second = sorted((i, j), key=lambda of: fields[of])
        of_pairs += V[first] @ matrix(R, fields[first], fields[second]) @ V[second] * x[i] * x[j]
    return float(w0 + w @ x + of_pairs)


def score_gradients(x: Array, V: Array, R: Array, fields: NDArray[np.integer]) -> tuple[Array, Array]:
    """Return dp/dV (n_features, k), and dp/dR in the upper triangle, of the shape of R."""
    dV, dR = np.zeros_like(V), np.zeros_like(R)
    for i, j in pairs(x):
        first, second = sorted((i, j), key=lambda of: fields[of])
        F, G = fields[first], fields[second]
        M, product = matrix(R, F, G), np.outer(V[first], V[second]) * x[i] * x[j]
        dV[first] += M @ V[second] * x[i] * x[j]
        dV[second] += V[first] @ M * x[i] * x[j]
        if F == G:
            product = 0.5 * (product + product.T)
        dR[F, G] += np.diag(product) if R.ndim == 3 else product
    return dV, dR


@dataclass
class Fmfm(Fwfm):
    """A field-matrixed factorization machine, or one with vectors, and its training; see `Fwfm`."""

    def score(self, x: Array) -> float:
        """Score one row."""
        return score(x, self.w0, self.w, self.V, self.R, self.fields)

    def score_gradients(self, x: Array) -> tuple[Array, Array]:
        """Return dp/dV, and dp/dR in the upper triangle."""
        return score_gradients(x, self.V, self.R, self.fields)

    def turned(self, of_pairs: Array) -> Array:
        """Return what pairs (G, F) have, from what pairs (F, G) have."""
        return of_pairs.swapaxes(-1, -2) if self.R.ndim == 4 else of_pairs

"""The field-weighted factorization machine in NumPy, float64: what its kernel is checked against.

Pan, Xu, Ruiz, Zhao, Pan, Sun, Lu, "Field-weighted Factorization Machines for Click-Through Rate Prediction in Display
Advertising" (2018), eq. 6:

    p(x) = w0 + sum_i w_i x_i + sum_{i<j} r_F(i)F(j) <v_i, v_j> x_i x_j          F(i): the field of feature i

Shapes: ``w0`` scalar, ``w`` (n_features,), ``V`` (n_features, k), ``R`` (n_fields, n_fields), symmetric, ``fields`` and
``x`` (n_features,). With all r = 1 it is the factorization machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._reference.ffm import pairs
from fastfm_ext._reference.fm import LOSSES, RULES, Array, ReferenceSizes


def score(x: Array, w0: float, w: Array, V: Array, R: Array, fields: NDArray[np.integer]) -> float:
    """Score one row by the definition: every pair of features."""
    of_pairs = sum(R[fields[i], fields[j]] * V[i] @ V[j] * x[i] * x[j] for i, j in pairs(x))
    return float(w0 + w @ x + of_pairs)


def score_gradients(x: Array, V: Array, R: Array, fields: NDArray[np.integer]) -> tuple[Array, Array]:
    """Return dp/dV (n_features, k), and dp/dR in the upper triangle (n_fields, n_fields), each r_FG one parameter."""
    dV, dR = np.zeros_like(V), np.zeros_like(R)
    for i, j in pairs(x):
        F, G = sorted((fields[i], fields[j]))
        dV[i] += R[F, G] * V[j] * x[i] * x[j]
        dV[j] += R[F, G] * V[i] * x[i] * x[j]
        dR[F, G] += V[i] @ V[j] * x[i] * x[j]
    return dV, dR


@dataclass
class Fwfm:
    """A field-weighted factorization machine and its training, one row a step.

    Every parameter moves from what all were before the step: those of the row's features as a factorization machine's,
    and r_FG of the row's fields F <= G, with its L2 once. Without factors, R stays what it is.
    """

    w0: float
    w: Array
    V: Array
    R: Array
    fields: NDArray[np.integer]
    loss: str = "squared"
    solver: str = "sgd"
    sizes_w: ReferenceSizes = field(default_factory=ReferenceSizes)
    sizes_V: ReferenceSizes = field(default_factory=ReferenceSizes)
    sizes_R: ReferenceSizes = field(default_factory=ReferenceSizes)
    clip_gradient: float = np.inf
    delta: float = 1.0

    def __post_init__(self) -> None:
        begin = RULES[self.solver].begin
        self.sizes_w0 = self.sizes_w._replace(l1=0.0, l2=0.0)
        self.state_w0 = begin(np.array(self.w0), self.sizes_w0)
        self.state_w = begin(self.w, self.sizes_w)
        self.state_V = begin(self.V, self.sizes_V)
        self.state_R = begin(self.R, self.sizes_R)

    def score(self, x: Array) -> float:
        """Score one row."""
        return score(x, self.w0, self.w, self.V, self.R, self.fields)

    def score_gradients(self, x: Array) -> tuple[Array, Array]:
        """Return dp/dV, and dp/dR in the upper triangle."""
        return score_gradients(x, self.V, self.R, self.fields)

    def turned(self, of_pairs: Array) -> Array:
        """Return what pairs (G, F) have, from what pairs (F, G) have."""
        return of_pairs

    def epoch(self, X: Array, y: Array, sample_weight: Array | None = None) -> float:
        """Visit the rows, one step each; return the weighted sum of the losses seen on the way."""
        total = 0.0
        for r in range(len(y)):
            s = 1.0 if sample_weight is None else float(sample_weight[r])
            if s > 0:
                value, g = LOSSES[self.loss](y[r], self.score(X[r]), self.delta)
                self.step(X[r], g, s)
                total += s * value
        return total

    def step(self, x: Array, g: float, s: float) -> None:
        """Step on a row of weight s whose loss has the derivative g in the score."""
        g = s * float(np.clip(g, -self.clip_gradient, self.clip_gradient))
        dV, dR = self.score_gradients(x)
        step = RULES[self.solver].step
        w0, self.state_w0 = step(np.array(self.w0), np.array(g), self.state_w0, self.sizes_w0, s)
        i = np.flatnonzero(x)
        w, V, R = self.w.copy(), self.V.copy(), self.R.copy()
        w[i], self.state_w[:, i] = step(w[i], g * x[i], self.state_w[:, i], self.sizes_w, s)
        V[i], self.state_V[:, i] = step(V[i], g * dV[i], self.state_V[:, i], self.sizes_V, s)
        if V.shape[1]:
            present = np.unique(self.fields[i])
            F, G = (present[place] for place in np.triu_indices(len(present)))
            R[F, G], self.state_R[:, F, G] = step(R[F, G], g * dR[F, G], self.state_R[:, F, G], self.sizes_R, s)
            R[G, F], self.state_R[:, G, F] = self.turned(R[F, G]), self.turned(self.state_R[:, F, G])
        self.w0, self.w, self.V, self.R = float(w0), w, V, R

"""The field-aware factorization machine in NumPy, float64: what its kernel is checked against.

Juan, Zhuang, Chin, Lin, "Field-aware Factorization Machines for CTR Prediction" (2016), eq. 4, with linear terms:

    p(x)        = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j          F(i): the field of feature i
    dp/dv_i,F   = x_i sum_{j != i, F(j) = F} v_j,F(i) x_j

Shapes: ``w0`` scalar, ``w`` (n_features,), ``V`` (n_features, n_fields, k), ``fields`` and ``x`` (n_features,).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._reference.fm import RULES, Array, Fm


def pairs(x: Array) -> Iterator[tuple[int, int]]:
    """Give the pairs i < j of a row's nonzeros."""
    present = np.flatnonzero(x)
    for at, i in enumerate(present):
        for j in present[at + 1 :]:
            yield int(i), int(j)


def score(x: Array, w0: float, w: Array, V: Array, fields: NDArray[np.integer]) -> float:
    """Score one row by the definition."""
    of_pairs = sum(V[i, fields[j]] @ V[j, fields[i]] * x[i] * x[j] for i, j in pairs(x))
    return float(w0 + w @ x + of_pairs)


def factor_gradients(x: Array, V: Array, fields: NDArray[np.integer]) -> tuple[Array, NDArray[np.bool_]]:
    """Return dp/dV (n_features, n_fields, k), and which vectors a pair has (n_features, n_fields)."""
    dV, is_visited = np.zeros_like(V), np.zeros(V.shape[:2], dtype=bool)
    for i, j in pairs(x):
        for one, other in ((i, j), (j, i)):
            dV[one, fields[other]] += V[other, fields[one]] * x[i] * x[j]
            is_visited[one, fields[other]] = True
    return dV, is_visited


@dataclass
class Ffm(Fm):
    """A field-aware factorization machine and its training, one row a step.

    A step visits those vectors of the row's features that a pair has, each once, and only these pay L2.
    """

    fields: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    def score(self, x: Array) -> float:
        """Score one row."""
        return score(x, self.w0, self.w, self.V, self.fields)

    def step(self, x: Array, g: float, s: float) -> None:
        """Step on a row of weight s whose loss has the derivative g in the score."""
        V, state_V = self.V.copy(), self.state_V
        # The linear terms are those of a machine without factors.
        self.V, self.state_V = V[:, 0, :0], state_V[:, :, 0, :0]
        super().step(x, g, s)
        dV, at = factor_gradients(x, V, self.fields)
        g_V = s * float(np.clip(g, -self.clip_gradient, self.clip_gradient)) * dV
        scale = np.ones(len(x)) if self.l2_scale is None else self.l2_scale
        sizes = self.sizes_V._replace(l2=self.sizes_V.l2 * scale[np.nonzero(at)[0], None])
        V[at], state_V[:, at] = RULES[self.solver].step(V[at], g_V[at], state_V[:, at], sizes, s)
        self.V, self.state_V = V, state_V

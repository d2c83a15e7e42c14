"""Alternating least squares for the factorization machine in NumPy, float64, written to be read.

Rendle, Gantner, Freudenthaler, Schmidt-Thieme, "Fast context-aware recommendations with factorization machines" (SIGIR
2011). The score is linear in the parameters of one feature j, and so in beta = (w_j, v_j):

    p_r = <z_rj, beta> + rest,   z_rj = x_rj (1, h_rj),   h_rj = sum_{i != j} v_i x_ri

They go to where the objective is least, given all others: jointly, or each parameter in turn.

    sum_r s_r / 2 (y_r - p_r)^2 + l2_w / 2 |w|^2 + l2_V / 2 |V|^2

Shapes: ``X`` (n_samples, n_features), ``w`` (n_features,), ``V`` (n_features, k). Everything here is dense and slow on
purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fastfm_ext._reference.fm import Array, predict


@dataclass
class Als:
    """A factorization machine and its training, one feature a step."""

    w0: float
    w: Array
    V: Array
    l2_w: float
    l2_V: float
    by_coordinate: bool = False
    fit_intercept: bool = True
    fit_linear: bool = True

    def sweep(
        self, X: Array, y: Array, sample_weight: Array | None = None, order: Iterable[int] | None = None
    ) -> float:
        """Change the features in ``order``, then w0; return the weighted sum of the losses behind it."""
        s = np.ones(len(y)) if sample_weight is None else sample_weight
        for j in range(len(self.w)) if order is None else order:
            self._change(j, X, y, s)
        errors = y - predict(X, self.w0, self.w, self.V)
        if self.fit_intercept:
            change = np.average(errors, weights=s)
            self.w0, errors = self.w0 + float(change), errors - change
        return float(s @ errors**2 / 2)

    def _change(self, j: int, X: Array, y: Array, s: Array) -> None:
        x = X[:, j]
        h = X @ self.V - np.outer(x, self.V[j])
        Z = x[:, None] * np.column_stack([np.ones(len(x)), h])
        beta = np.concatenate([[self.w[j]], self.V[j]])
        l2 = np.concatenate([[self.l2_w], np.full(len(beta) - 1, self.l2_V)])
        t = y - predict(X, self.w0, self.w, self.V) + Z @ beta
        free = np.arange(0 if self.fit_linear else 1, len(beta))
        for part in free[:, None] if self.by_coordinate else [free]:
            rest = t - Z @ beta + Z[:, part] @ beta[part]
            A = Z[:, part].T @ (s[:, None] * Z[:, part]) + np.diag(l2[part])
            beta[part] = np.linalg.solve(A, Z[:, part].T @ (s * rest))
        self.w[j], self.V[j] = beta[0], beta[1:]

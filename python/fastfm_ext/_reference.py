"""The factorization machine in NumPy, float64, written to be read: what the kernels are checked against.

Notation of Rendle, "Factorization Machines" (2010):

    p(x) = w0 + sum_i w_i x_i + sum_i sum_{j>i} <v_i, v_j> x_i x_j                                       (eq. 1)
         = w0 + sum_i w_i x_i + 1/2 sum_f [ (sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2 ]                    (lemma 3.1)

Shapes: ``w0`` scalar, ``w`` (n_features,), ``V`` (n_features, k), ``x`` (n_features,), ``X`` (n_samples, n_features).
Everything here is dense and slow on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]


# --- prediction ------------------------------------------------------------------------------------------------------


def score_naive(x: Array, w0: float, w: Array, V: Array) -> float:
    """Score one row by the definition, eq. 1: every pair of features, O(k n^2)."""
    n = len(x)
    pairs = sum(V[i] @ V[j] * x[i] * x[j] for i in range(n) for j in range(i + 1, n))
    return float(w0 + w @ x + pairs)


def score(x: Array, w0: float, w: Array, V: Array) -> float:
    """Score one row by lemma 3.1: O(k nnz)."""
    S = V.T @ x
    return float(w0 + w @ x + 0.5 * (S @ S - np.sum(V**2 * x[:, None] ** 2)))


def predict(X: Array, w0: float, w: Array, V: Array) -> Array:
    """Score every row by lemma 3.1, the form that vectorises: (n_samples,)."""
    S = X @ V
    p: Array = w0 + X @ w + 0.5 * (S**2 - X**2 @ V**2).sum(axis=1)
    return p


# --- losses: functions of the target y and the score p ---------------------------------------------------------------


def squared(y: float, p: float) -> tuple[float, float]:
    """Return (p - y)^2 / 2 and its derivative in p."""
    return 0.5 * (p - y) ** 2, p - y


def logistic(y: float, p: float) -> tuple[float, float]:
    """Return log(1 + e^p) - y p, for y in {0, 1}, and its derivative in p."""
    return float(np.logaddexp(0.0, p) - y * p), float(expit(p) - y)


LOSSES = {"squared": squared, "logistic": logistic}


# --- gradients -------------------------------------------------------------------------------------------------------


def score_gradients(x: Array, V: Array) -> tuple[float, Array, Array]:
    """Return dp/dw0, dp/dw (n_features,) and dp/dV (n_features, k) (Rendle 2010, eq. 4)."""
    S = V.T @ x
    return 1.0, x, x[:, None] * (S - V * x[:, None])


# --- one row at a time -----------------------------------------------------------------------------------------------


@dataclass
class Fm:
    """Parameters, hyperparameters and optimizer's state of one factorization machine.

    The objective of row r is ``s_r [ L(y_r, p_r) + l2_w/2 sum w_i^2 + l2_V/2 sum |v_i|^2 ]`` with the sums over the
    row's own features, and s_r its weight.
    """

    w0: float
    w: Array
    V: Array
    loss: str = "squared"
    solver: str = "sgd"
    learning_rate_w: float = 0.1
    learning_rate_V: float = 0.1
    l2_w: float = 0.0
    l2_V: float = 0.0
    fit_intercept: bool = True
    fit_linear: bool = True
    acc_w0: float = 1.0
    acc_w: Array = field(default_factory=lambda: np.zeros(0))
    acc_V: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def epoch(
        self, X: Array, y: Array, sample_weight: Array | None = None, order: Iterable[int] | None = None
    ) -> float:
        """Visit the rows in ``order``, one step each; return the weighted sum of the losses seen on the way."""
        total = 0.0
        for r in range(len(y)) if order is None else order:
            s = 1.0 if sample_weight is None else sample_weight[r]
            if s > 0:
                total += s * self._step(X[r], y[r], s)
        return total

    def _step(self, x: Array, y: float, s: float) -> float:
        value, g = LOSSES[self.loss](y, score(x, self.w0, self.w, self.V))
        dw0, dw, dV = score_gradients(x, self.V)
        present = x != 0
        G_w0 = s * g * dw0
        G_w = s * np.where(present, g * dw + self.l2_w * self.w, 0.0)
        G_V = s * np.where(present[:, None], g * dV + self.l2_V * self.V, 0.0)
        if self.solver == "adagrad":
            self.acc_w0, G_w0 = adagrad(self.acc_w0, G_w0)
            self.acc_w, G_w = adagrad(self.acc_w, G_w)
            self.acc_V, G_V = adagrad(self.acc_V, G_V)
        if self.fit_intercept:
            self.w0 -= self.learning_rate_w * G_w0
        if self.fit_linear:
            self.w = self.w - self.learning_rate_w * G_w
        self.V = self.V - self.learning_rate_V * G_V
        return value


def adagrad(acc: Any, G: Any) -> tuple[Any, Any]:
    """Return the new sum of squared gradients and the scaled gradient (Duchi, Hazan, Singer 2011, diagonal form)."""
    acc = acc + G**2
    return acc, G / np.sqrt(acc)

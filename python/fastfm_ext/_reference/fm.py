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
from typing import NamedTuple, Protocol

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


# --- losses: functions of the target y, the score p, and a threshold delta, where they have one ----------------------


def squared(y: float, p: float, delta: float = 1.0) -> tuple[float, float]:
    """Return (p - y)^2 / 2 and its derivative in p."""
    return 0.5 * (p - y) ** 2, p - y


def logistic(y: float, p: float, delta: float = 1.0) -> tuple[float, float]:
    """Return log(1 + e^p) - y p, for y in {0, 1}, and its derivative in p."""
    return float(np.logaddexp(0.0, p) - y * p), float(expit(p) - y)


def huber(y: float, p: float, delta: float = 1.0) -> tuple[float, float]:
    """Return Huber's (1964) loss of the residual r = p - y, and its derivative in p.

    r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2).
    """
    r = p - y
    if abs(r) <= delta:
        return 0.5 * r**2, r
    return delta * (abs(r) - 0.5 * delta), float(delta * np.sign(r))


LOSSES = {"squared": squared, "logistic": logistic, "huber": huber}


# --- gradients -------------------------------------------------------------------------------------------------------


def score_gradients(x: Array, V: Array) -> tuple[float, Array, Array]:
    """Return dp/dw0, dp/dw (n_features,) and dp/dV (n_features, k) (Rendle 2010, eq. 4)."""
    S = V.T @ x
    return 1.0, x, x[:, None] * (S - V * x[:, None])


# --- update rules: the state before the first step on parameters `theta`, and a step with the gradient `g` of the loss


class ReferenceSizes(NamedTuple):
    """Hyperparameters of one kind of parameter; ``beta`` and ``l1`` are FTRL's, ``initial_acc`` is AdaGrad's."""

    learning_rate: float = 0.1
    l2: float | Array = 0.0
    l1: float = 0.0
    beta: float = 1.0
    initial_acc: float = 1.0


class Sgd:
    """Gradient descent; s is the row's weight, which its L2 shares."""

    @staticmethod
    def begin(theta: Array, sizes: ReferenceSizes) -> Array:
        """Return no state, of shape (0, ...)."""
        return np.zeros((0, *theta.shape))

    @staticmethod
    def step(theta: Array, g: Array, state: Array, sizes: ReferenceSizes, s: float) -> tuple[Array, Array]:
        """Return theta - eta (g + s l2 theta), and the state."""
        return theta - sizes.learning_rate * (g + s * sizes.l2 * theta), state


class AdaGrad:
    """AdaGrad: steps divided by the root of the sum of squared gradients (Duchi, Hazan, Singer 2011, diagonal form)."""

    @staticmethod
    def begin(theta: Array, sizes: ReferenceSizes) -> Array:
        """Return the sums' first values, and paths of no length, of shape (2, ...)."""
        return np.stack([np.full(theta.shape, sizes.initial_acc), np.zeros(theta.shape)])

    @staticmethod
    def step(theta: Array, g: Array, state: Array, sizes: ReferenceSizes, s: float) -> tuple[Array, Array]:
        """Return theta - eta G / sqrt(acc), and acc and path, for G = g + s l2 theta.

        The path is the sum of all steps' lengths: how far an inexact root may lead is a share of it.
        """
        acc, path = state
        G = g + s * sizes.l2 * theta
        acc = acc + G**2
        change = sizes.learning_rate * G / np.sqrt(acc)
        return theta - change, np.stack([acc, path + np.abs(change)])


class Ftrl:
    """FTRL-Proximal (McMahan et al. 2013, algorithm 1); its L2 belongs to the sum of all losses, so s plays no part."""

    @staticmethod
    def begin(theta: Array, sizes: ReferenceSizes) -> Array:
        """Return the z and n, of shape (2, ...), whose formula gives theta."""
        z = -theta * (sizes.beta / sizes.learning_rate + sizes.l2) - np.sign(theta) * sizes.l1
        return np.stack([z, np.zeros_like(theta)])

    @staticmethod
    def step(theta: Array, g: Array, state: Array, sizes: ReferenceSizes, s: float) -> tuple[Array, Array]:
        """Return the theta of the paper's closed form, and z and n."""
        z, n = state
        sigma = (np.sqrt(n + g**2) - np.sqrt(n)) / sizes.learning_rate
        z = z + g - sigma * theta
        n = n + g**2
        shrunk = np.sign(z) * np.maximum(np.abs(z) - sizes.l1, 0.0)
        return -shrunk / ((sizes.beta + np.sqrt(n)) / sizes.learning_rate + sizes.l2), np.stack([z, n])


class Adam:
    """Adam (Kingma, Ba 2015, algorithm 1), lazy: a parameter's averages move when its feature is visited.

    m and v are averages of G and G^2 in which a visit weighs (1 - beta), and n_m and n_v the sums of these weights, by
    which the paper's bias correction divides. Where the paper adds an epsilon to the root, nothing is added but the
    least number that keeps 0 / 0 away: steps are then the same in any unit of the target.
    """

    BETA_1, BETA_2 = 0.9, 0.999
    TINY = 1e-37

    @staticmethod
    def begin(theta: Array, sizes: ReferenceSizes) -> Array:
        """Return m, v, n_m and n_v before the first visit: zeros of shape (4, ...)."""
        return np.zeros((4, *theta.shape))

    @classmethod
    def step(cls, theta: Array, g: Array, state: Array, sizes: ReferenceSizes, s: float) -> tuple[Array, Array]:
        """Return theta - eta (m / n_m) / sqrt(v / n_v), and the averages, for G = g + s l2 theta."""
        G = g + s * sizes.l2 * theta
        m, v, n_m, n_v = state
        m, n_m = cls.BETA_1 * m + (1 - cls.BETA_1) * G, cls.BETA_1 * n_m + (1 - cls.BETA_1)
        v, n_v = cls.BETA_2 * v + (1 - cls.BETA_2) * G**2, cls.BETA_2 * n_v + (1 - cls.BETA_2)
        return theta - sizes.learning_rate * (m / n_m) / np.sqrt(v / n_v + cls.TINY), np.stack([m, v, n_m, n_v])


class Rule(Protocol):
    """An update rule."""

    def begin(self, theta: Array, sizes: ReferenceSizes) -> Array:
        """Return the state before the first step: (n_slots, ...) for theta of shape (...)."""

    def step(self, theta: Array, g: Array, state: Array, sizes: ReferenceSizes, s: float) -> tuple[Array, Array]:
        """Return theta and the state after a step on a row of weight s."""


RULES: dict[str, Rule] = {"sgd": Sgd(), "adagrad": AdaGrad(), "ftrl": Ftrl(), "adam": Adam()}


# --- one row at a time -----------------------------------------------------------------------------------------------


@dataclass
class Fm:
    """A factorization machine and its training, one row a step.

    For all but FTRL the objective of row r is ``s_r [ L(y_r, p_r) + l2_w/2 sum c_i w_i^2 + l2_V/2 sum c_i |v_i|^2 ]``
    with the sums over the row's own features, s_r its weight and c_i ``l2_scale``, or 1. w0 has neither L1 nor L2.
    """

    w0: float
    w: Array
    V: Array
    loss: str = "squared"
    solver: str = "sgd"
    sizes_w: ReferenceSizes = field(default_factory=ReferenceSizes)
    sizes_V: ReferenceSizes = field(default_factory=ReferenceSizes)
    clip_gradient: float = np.inf
    delta: float = 1.0
    fit_intercept: bool = True
    fit_linear: bool = True
    l2_scale: Array | None = None

    def __post_init__(self) -> None:
        self.sizes_w0 = self.sizes_w._replace(l1=0.0, l2=0.0)
        begin = RULES[self.solver].begin
        self.state_w0 = begin(np.array(self.w0), self.sizes_w0)
        self.state_w = begin(self.w, self.sizes_w)
        self.state_V = begin(self.V, self.sizes_V)

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

    def score(self, x: Array) -> float:
        """Score one row."""
        return score(x, self.w0, self.w, self.V)

    def _step(self, x: Array, y: float, s: float) -> float:
        value, g = LOSSES[self.loss](y, self.score(x), self.delta)
        self.step(x, g, s)
        return value

    def step(self, x: Array, g: float, s: float) -> None:
        """Step on a row of weight s whose loss has the derivative g in the score."""
        g = np.clip(g, -self.clip_gradient, self.clip_gradient)
        dw0, dw, dV = score_gradients(x, self.V)
        step = RULES[self.solver].step
        if self.fit_intercept:
            w0, self.state_w0 = step(np.array(self.w0), np.array(s * g * dw0), self.state_w0, self.sizes_w0, s)
            self.w0 = float(w0)
        i = np.flatnonzero(x)  # the row's own features: no other is touched
        scale = np.ones(len(i)) if self.l2_scale is None else self.l2_scale[i]
        if self.fit_linear:
            sizes_w = self.sizes_w._replace(l2=self.sizes_w.l2 * scale)
            self.w = self.w.copy()
            self.w[i], self.state_w[:, i] = step(self.w[i], s * g * dw[i], self.state_w[:, i], sizes_w, s)
        sizes_V = self.sizes_V._replace(l2=self.sizes_V.l2 * scale[:, None])
        self.V = self.V.copy()
        self.V[i], self.state_V[:, i] = step(self.V[i], s * g * dV[i], self.state_V[:, i], sizes_V, s)

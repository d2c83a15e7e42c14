"""Least squares over all pairs of users and items in NumPy, float64: what alternating least squares is checked against.

    L = sum_{(u,t) chosen} c_ut (p_ut - 1)^2 + a0 sum_{u,t} p_ut^2 + sum_i [ l2w_i w_i^2 + l2V_i |v_i|^2 ]
    p_ut  = own(u) + own(t) + <S_u, S_t>,      S_u = sum_{i in u} v_i x_i,    S_t = sum_{i in t} v_i x_i
    own(u) = sum_{i in u} w_i x_i,  own(t) = sum_{i in t} w_i x_i + 1/2 sum_f [ S_tf^2 - sum_{i in t} v_if^2 x_i^2 ]

(Hu, Koren, Volinsky 2008, for a factorization machine; the pair terms of a user rank nothing and are left out.) The L2
of feature i grows with the weight of the pairs that it has a part in (nu = 1 of Rendle, Krichene, Zhang, Koren 2022):

    l2V_i = l2_V m_i,     m_i = sum_{rows r with i} x_ri^2 ( sum_{chosen by r} c + a0 n_others )

Everything here is dense and slow on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastfm_ext._reference.fm import Array


@dataclass(frozen=True)
class ImplicitLeastSquares:
    """The problem: features of users (n_users, d) and of items (n_items, d), and weights c, 0 for not chosen."""

    X_user: Array
    X_item: Array
    chosen: Array
    unobserved_weight: float
    l2_w: float
    l2_V: float

    @property
    def masses(self) -> Array:
        """Return m, (d,)."""
        n_users, n_items = self.chosen.shape
        of_users = self.chosen.sum(axis=1) + self.unobserved_weight * n_items
        of_items = self.chosen.sum(axis=0) + self.unobserved_weight * n_users
        masses: Array = of_users @ self.X_user**2 + of_items @ self.X_item**2
        return masses

    def scores(self, w: Array, V: Array) -> Array:
        """Return p, (n_users, n_items)."""
        S_u, S_t = self.X_user @ V, self.X_item @ V
        own_t = self.X_item @ w + 0.5 * (S_t**2 - self.X_item**2 @ V**2).sum(axis=1)
        scores: Array = (self.X_user @ w)[:, None] + own_t + S_u @ S_t.T
        return scores

    def loss(self, w: Array, V: Array) -> float:
        """Return L."""
        p = self.scores(w, V)
        penalty = self.masses @ (self.l2_w * w**2 + self.l2_V * (V**2).sum(axis=1))
        return float(np.sum(self.chosen * (p - 1) ** 2) + self.unobserved_weight * np.sum(p**2) + penalty)

    def gradient(self, w: Array, V: Array) -> tuple[Array, Array]:
        """Return dL/dw and dL/dV."""
        g_w, g_V = np.zeros_like(w), np.zeros_like(V)
        p = self.scores(w, V)
        dL_dp = 2 * (self.chosen * (p - 1) + self.unobserved_weight * p)
        for (u, t), g in np.ndenumerate(dL_dp):
            dp_dw, dp_dV = self.score_derivative(self.X_user[u], self.X_item[t], V)
            g_w += g * dp_dw
            g_V += g * dp_dV
        g_w += 2 * self.l2_w * self.masses * w
        g_V += 2 * self.l2_V * self.masses[:, None] * V
        return g_w, g_V

    @staticmethod
    def score_derivative(x_u: Array, x_t: Array, V: Array) -> tuple[Array, Array]:
        """Return dp/dw, (d,), and dp/dV, (d, k), of one pair."""
        S_u, S_t = V.T @ x_u, V.T @ x_t
        of_item = x_t[:, None] * (S_u + S_t - V * x_t[:, None])
        return x_u + x_t, of_item + x_u[:, None] * S_t

    def normal_equations(self, w: Array, V: Array, features: Array) -> tuple[Array, Array]:
        """Return the matrix and minus the gradient, both halved, of Gauss and Newton's step in some features.

        In the order w, then V row by row, of these ``features``, (n,). Where p is linear in them, the solution of these
        equations added to the parameters is the minimum.
        """
        d = len(features) * (1 + V.shape[1])
        matrix, right = np.zeros((d, d)), np.zeros(d)
        p = self.scores(w, V)
        for u, t in np.ndindex(*p.shape):
            dp_dw, dp_dV = self.score_derivative(self.X_user[u], self.X_item[t], V)
            j = np.concatenate([dp_dw[features], dp_dV[features].ravel()])
            c = self.chosen[u, t]
            matrix += (c + self.unobserved_weight) * np.outer(j, j)
            right -= (c * (p[u, t] - 1) + self.unobserved_weight * p[u, t]) * j
        masses = self.masses[features]
        l2 = np.concatenate([self.l2_w * masses, np.repeat(self.l2_V * masses, V.shape[1])])
        theta = np.concatenate([w[features], V[features].ravel()])
        return matrix + np.diag(l2), right - l2 * theta

    def solve(self, w: Array, V: Array, features: Array) -> tuple[Array, Array]:
        """Return the parameters after Gauss and Newton's step in some features, (n,)."""
        step = np.linalg.solve(*self.normal_equations(w, V, features))
        w, V, n = w.copy(), V.copy(), len(features)
        w[features] += step[:n]
        V[features] += step[n:].reshape(n, -1)
        return w, V

"""The Bayesian factorization machine in NumPy, float64, written to be read: what its Gibbs sampler is checked against.

Model of Freudenthaler, Schmidt-Thieme, Rendle, "Bayesian factorization machines" (2011):

    y_r ~ N(p_r, 1 / alpha),   p_r = w0 + sum_j w_j x_rj + sum_j sum_{i>j} <v_j, v_i> x_rj x_ri,   alpha ~ Gamma

with priors of w_j and v_j by groups of features (``hierarchy.py``); a row of weight s_r counts as s_r rows. Given all
others, p_r is linear in (w_j, v_j): <z_rj, (w_j, v_j)> plus the rest, with z_rj = x_rj (1, h_rj) and
h_rj = sum_{i != j} v_i x_ri.

In the centered form the features j are the block rows of Rendle, "Scaling factorization machines to relational data"
(2013), and a ``SideFeatures`` says what they are made of, which moves the means of their priors: features inside one
block row don't interact.

Shapes: ``X`` (n_samples, n_features), ``w`` (n_features,), ``V`` (n_features, k). Everything here is dense and slow on
purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr, ndtri

from fastfm_ext._reference.fm import Array, predict
from fastfm_ext._reference.hierarchy import DEFAULT_PRIORS, GibbsPriors, Hierarchy, Ints, SideFeatures, draw_normal


def draw_between(p: Array, low: Array, high: Array, rng: np.random.Generator) -> Array:
    """Draw from N(p_r, 1) between low_r and high_r (Albert, Chib 1993)."""
    a, b = ndtr(low - p), ndtr(high - p)
    z: Array = p + ndtri(a + (b - a) * rng.random(len(p)))
    return z


# --- the linear regression that is left when all others are given ----------------------------------------------------


def regression(Z: Array, t: Array, s: Array, alpha: float, m: Array, P: Array) -> tuple[Array, Array]:
    """Return mean and precision of beta given t_r ~ N(<z_r, beta>, 1 / (alpha s_r)), where beta ~ N(m, P^-1)."""
    A = alpha * Z.T @ (s[:, None] * Z) + P
    mean = np.linalg.solve(A, alpha * Z.T @ (s * t) + P @ m)
    return mean.astype(float), A


# --- the sampler -----------------------------------------------------------------------------------------------------


@dataclass
class GibbsFm:
    """A Bayesian factorization machine and its Gibbs sampler, one feature at a time, its w_j and v_j together.

    ``y`` holds targets, or classes 0, 1, ... where ``n_classes`` is above 0: class m is seen where a latent target
    N(p, 1) lies between the cut points c_m and c_{m+1} (Albert, Chib 1993). Two classes have the cut point 0, more
    have n_classes - 1 cut points, which are drawn.
    """

    X: Array
    y: Array
    groups: Ints
    k: int
    rng: np.random.Generator
    priors: GibbsPriors = DEFAULT_PRIORS
    sample_weight: Array | None = None
    side: SideFeatures | None = None
    n_classes: int = 0
    fit_intercept: bool = True
    fit_linear: bool = True
    w0: float = 0.0
    alpha: float = 1.0
    w: Array = field(init=False)
    V: Array = field(init=False)

    def __post_init__(self) -> None:
        n, d = self.X.shape
        self.s = np.ones(n) if self.sample_weight is None else self.sample_weight
        side = self.side or SideFeatures(np.zeros((d, 0)), np.zeros(0, dtype=int))
        self.hyper_w = Hierarchy(self.groups, side, 1, self.priors._replace(kind="normal-gamma"), self.rng)
        self.hyper_V = Hierarchy(self.groups, side, self.k, self.priors, self.rng)
        self.w, self.V = np.zeros(d), 0.1 * self.rng.standard_normal((d, self.k))
        self.cuts = np.arange(self.n_classes - 1, dtype=float)
        self.t = self.y if self.n_classes == 0 else np.zeros(n)

    def scores(self) -> Array:
        """Return p: (n_samples,)."""
        return predict(self.X, self.w0, self.w, self.V)

    def conditional(self, j: int) -> tuple[Array, Array]:
        """Return mean and precision of (w_j, v_j) given all others: (k + 1,) and (k + 1, k + 1); w_j first."""
        x = self.X[:, j]
        h = self.X @ self.V - np.outer(x, self.V[j])
        Z = x[:, None] * np.column_stack([np.ones(len(x)), h])
        own = np.concatenate([[self.w[j]], self.V[j]])
        m = np.concatenate([self.hyper_w.means()[j], self.hyper_V.means()[j]])
        P = np.zeros((self.k + 1, self.k + 1))
        P[0, 0], P[1:, 1:] = self.hyper_w.Lambda[self.groups[j], 0, 0], self.hyper_V.Lambda[self.groups[j]]
        used = slice(0 if self.fit_linear else 1, None)
        return regression(Z[:, used], self.t - self.scores() + Z @ own, self.s, self.alpha, m[used], P[used, used])

    def conditional_w0(self) -> tuple[Array, Array]:
        """Return mean and precision of w0 given all others: (1,) and (1, 1)."""
        ones, P = np.ones((len(self.t), 1)), np.array([[self.priors.w0_precision]])
        return regression(ones, self.t - self.scores() + self.w0, self.s, self.alpha, np.zeros(1), P)

    def sweep(self) -> None:
        """Draw everything once: latent targets, features, groups, w0, then the noise or the cut points."""
        self._draw_latents()
        for j in range(len(self.w)):
            self._set(j, draw_normal(*self.conditional(j), self.rng))
        if self.fit_linear:
            self.hyper_w.draw(self.w[:, None])
        self.hyper_V.draw(self.V)
        if self.fit_intercept:
            self.w0 = float(draw_normal(*self.conditional_w0(), self.rng)[0])
        if self.n_classes == 0:
            rate = self.priors.noise_rate + np.sum(self.s * (self.y - self.scores()) ** 2) / 2
            self.alpha = self.rng.gamma(self.priors.noise_shape + self.s.sum() / 2, 1 / rate)
        elif self.n_classes > 2:
            self._draw_cuts()

    def als_sweep(self) -> None:
        """Set every feature, then w0, to its conditional mean: alternating least squares (Rendle et al. 2011)."""
        for j in range(len(self.w)):
            self._set(j, self.conditional(j)[0])
        if self.fit_intercept:
            self.w0 = float(self.conditional_w0()[0][0])

    def _set(self, j: int, parameters: Array) -> None:
        if self.fit_linear:
            self.w[j] = parameters[0]
        self.V[j] = parameters[len(parameters) - self.k :]

    def _draw_latents(self) -> None:
        if self.n_classes == 0:
            self.t = self.y
        else:
            low, high = self._bounds(self.cuts)
            self.t = draw_between(self.scores(), low, high, self.rng)

    def _bounds(self, cuts: Array) -> tuple[Array, Array]:
        """Return the cut points around each row's class: (n_samples,) and (n_samples,)."""
        c, classes = np.concatenate([[-np.inf], cuts, [np.inf]]), self.y.astype(int)
        return c[classes], c[classes + 1]

    def _log_density_of_cuts(self, cuts: Array) -> float:
        """Return the log density of the classes and of their cut points given the scores, up to a constant."""
        low, high = self._bounds(cuts)
        with np.errstate(divide="ignore"):  # -inf where a class has no room
            likelihood = np.log(ndtr(high - self.scores()) - ndtr(low - self.scores())).sum()
        return float(likelihood - self.priors.cut_precision * np.sum(cuts**2) / 2)

    def _draw_cuts(self) -> None:
        """Step by Metropolis' rule with the latent targets integrated out, which must be drawn next (Cowles 1996)."""
        proposed = self.cuts + 0.5 * self.rng.standard_normal(len(self.cuts))
        if (np.diff(proposed) > 0).all():
            gain = self._log_density_of_cuts(proposed) - self._log_density_of_cuts(self.cuts)
            if np.log(self.rng.random()) < gain:
                self.cuts = proposed

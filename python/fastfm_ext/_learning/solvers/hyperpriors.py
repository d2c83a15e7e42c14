"""Hyperpriors of a Gibbs sampler: Normal-Gamma and Normal-Wishart draws of the priors' means and precisions.

Rows u_1 .. u_n of parameters come from N(mu, Lambda^-1). A column has ``lambda ~ Gamma(shape, rate)`` and
``mu ~ N(0, 1 / (beta0 lambda))``; all columns of V together have ``Lambda ~ Wishart(I / scatter, k)`` and
``mu ~ N(0, (beta0 Lambda)^-1)`` (Salakhutdinov, Mnih 2008, "Bayesian probabilistic matrix factorization", eq. 14).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular

from fastfm_ext._common.arrays import Float32, Float64, Int32
from fastfm_ext._engine.sweep import Coefficients, NormalPrior, zeros

PRIORS = ("normal-wishart", "normal-gamma")


@dataclass(frozen=True)
class Priors:
    """Priors of all parameters, for targets of mean 0 and spread 1.

    Attributes
    ----------
    kind : {"normal-wishart", "normal-gamma"}
        Of the factors of a group; weights always have the latter.
    w0_precision : float
        ``w0 ~ N(0, 1 / w0_precision)``.
    noise_shape, noise_rate : float
        Of the Gamma prior of the noise precision.
    mean_precision : float
        beta0.
    shape, rate : float
        Of the Gamma priors of other precisions.
    scatter : float
        Of the Wishart prior ``Lambda ~ Wishart(I / scatter, n_factors)`` of the factors of a group; of their Gamma
        priors, what the rate is multiplied by.
    """

    kind: str = "normal-wishart"
    w0_precision: float = 0.01
    noise_shape: float = 1.0
    noise_rate: float = 1.0
    mean_precision: float = 1.0
    shape: float = 1.0
    rate: float = 1.0
    scatter: float = 1.0

    @classmethod
    def of_fields(cls, kind: str, n_fields: int, noise_rate: float) -> Self:
        """Return priors by which a score, of n weights and n (n - 1) / 2 pairs, has one spread for any n fields.

        A field of a few features, as tables have, tells so little of their spread that rates decide on it: with the
        same ones for any n, the scores of small tables would be far too wide.
        """
        rate, scatter = 1.0 / max(1, n_fields), max(1, n_fields * (n_fields - 1) // 2) ** -0.5
        if kind == "normal-gamma":
            scatter /= rate
        return cls(kind, noise_rate=noise_rate, rate=rate, scatter=scatter)


@dataclass
class GroupPrior:
    """Prior of the parameters of a group's features, as drawn.

    Attributes
    ----------
    mu_w, lambda_w : float
        Mean and precision of weights.
    mu_V : ndarray of shape (n_factors,)
    lambda_V : ndarray of shape (n_factors, n_factors)
        Precision of factors; diagonal for Normal-Gamma.
    tau_w, tau_V : ndarray of shape (n_groups,)
        For block rows that are centered on features: precisions of these, in units of the block rows', by group.
    """

    mu_w: float
    lambda_w: float
    mu_V: Float64
    lambda_V: Float64
    tau_w: Float64
    tau_V: Float64

    @classmethod
    def start(cls, n_factors: int, n_groups: int = 0) -> GroupPrior:
        """Return means of 0 and precisions of 1."""
        ones = np.ones(n_groups)
        return cls(0.0, 1.0, np.zeros(n_factors), np.eye(n_factors), ones, ones)

    def as_kernels_read(self, k: int, means: Coefficients | None = None) -> NormalPrior:
        """Return the prior with padding to k factors; ``means`` are those of each block row."""
        n_factors = len(self.mu_V)
        precision = zeros(k, k)
        np.fill_diagonal(precision, 1.0)
        precision[:n_factors, :n_factors] = self.lambda_V
        if means is not None:
            return NormalPrior(precision, means.V, means.w, self.lambda_w)
        mean_V = zeros(1, k)
        mean_V[0, :n_factors] = self.mu_V
        return NormalPrior(precision, mean_V, np.array([self.mu_w], dtype=np.float32), self.lambda_w)


@dataclass(frozen=True)
class Drawn:
    """Parameters that have been drawn from a prior, (n, n_factors) and (n,).

    Attributes
    ----------
    around_mean : Coefficients
    around_zero : Coefficients or None
        Those whose prior has the same precision and no mean.
    """

    around_mean: Coefficients
    around_zero: Coefficients | None = None


def draw_prior(priors: Priors, before: GroupPrior, drawn: Drawn, rng: np.random.Generator) -> GroupPrior:
    """Draw means and precisions given the parameters that have them."""
    V, w = drawn.around_mean
    V_0, w_0 = drawn.around_zero or Coefficients(V[:0], w[:0])
    mu_w, lambda_w = _normal_gamma(priors, w[:, None], w_0[:, None], rng)
    if priors.kind == "normal-gamma":
        mu_V, diagonal = _normal_gamma(replace(priors, rate=priors.rate * priors.scatter), V, V_0, rng)
        lambda_V = np.diag(diagonal)
    else:
        mu_V, lambda_V = _normal_wishart(priors, V, V_0, rng)
    return replace(before, mu_w=float(mu_w[0]), lambda_w=float(lambda_w[0]), mu_V=mu_V, lambda_V=lambda_V)


def draw_relative_precisions(
    priors: Priors, prior: GroupPrior, features: Coefficients, group_of: Int32, rng: np.random.Generator
) -> GroupPrior:
    """Draw the precisions of features around 0, by group, in units of the block rows' precision."""
    n_groups = len(prior.tau_w)
    counts = np.bincount(group_of, minlength=n_groups)
    V = features.V.astype(np.float64)
    squares_V = np.bincount(group_of, np.einsum("jf,fg,jg->j", V, prior.lambda_V, V, optimize=True), n_groups)
    squares_w = np.bincount(group_of, prior.lambda_w * features.w.astype(np.float64) ** 2, n_groups)
    tau_w = rng.gamma(priors.shape + 0.5 * counts) / (priors.rate + 0.5 * squares_w)
    tau_V = rng.gamma(priors.shape + 0.5 * counts * V.shape[1]) / (priors.rate + 0.5 * squares_V)
    return replace(prior, tau_w=tau_w, tau_V=tau_V)


def _normal_gamma(priors: Priors, rows: Float32, extra: Float32, rng: np.random.Generator) -> tuple[Float64, Float64]:
    """Draw mean and precision of each column of rows, (n, n_columns); the prior of ``extra`` ones has no mean."""
    n, beta = len(rows), priors.mean_precision
    mean = rows.mean(axis=0, dtype=np.float64) if n else np.zeros(rows.shape[1])
    squares = np.square(rows - mean, dtype=np.float64).sum(axis=0) + beta * n / (beta + n) * mean**2
    squares += np.square(extra, dtype=np.float64).sum(axis=0)
    precision = rng.gamma(priors.shape + 0.5 * (n + len(extra)), size=len(mean)) / (priors.rate + 0.5 * squares)
    center = n / (beta + n) * mean
    return center + rng.standard_normal(len(mean)) / np.sqrt((beta + n) * precision), precision


def _normal_wishart(priors: Priors, rows: Float32, extra: Float32, rng: np.random.Generator) -> tuple[Float64, Float64]:
    """Draw mean and precision of rows, (n, k); the prior of ``extra`` ones has no mean."""
    n, k = rows.shape
    if not k:
        return np.zeros(0), np.zeros((0, 0))
    beta, degrees = priors.mean_precision, float(k + n + len(extra))
    mean = rows.mean(axis=0, dtype=np.float64) if n else np.zeros(k)
    centered, around_zero = rows - mean, extra.astype(np.float64)
    scatter = priors.scatter * np.eye(k) + centered.T @ centered + beta * n / (beta + n) * np.outer(mean, mean)
    scatter += around_zero.T @ around_zero
    # Bartlett (1933): with C C' = scatter, Lambda = L L' for L = C^-T A, A lower triangular.
    A = np.tril(rng.standard_normal((k, k)), -1)
    np.fill_diagonal(A, np.sqrt(rng.chisquare(degrees - np.arange(k))))
    L = solve_triangular(np.linalg.cholesky(scatter), A, lower=True, trans="T")
    precision = L @ L.T
    noise = np.linalg.solve(L.T, rng.standard_normal(k))
    return n / (beta + n) * mean + noise / np.sqrt(beta + n), precision

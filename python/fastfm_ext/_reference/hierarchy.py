"""Priors of groups of a Bayesian factorization machine's parameters in NumPy, float64, written to be read.

The rows theta_j of w (k = 1) or of V, (n_features, k), have a mean and a precision for each group of features:

    theta_j ~ N(mu, Lambda^-1),    mu | Lambda ~ N(0, (beta0 Lambda)^-1),    Lambda ~ Wishart, or diagonal and Gamma

(Salakhutdinov, Mnih, "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo", 2008; with Gamma:
Freudenthaler, Schmidt-Thieme, Rendle, "Bayesian factorization machines", 2011). In the centered form the features are
block rows, and the values F (n_features, n_side) of what they are made of move their means, as in Simm et al., "Macau:
scalable Bayesian factorization with high-dimensional side information using MCMC" (2017):

    theta_j ~ N(mu + sum_i F_ji b_i, Lambda^-1),    b_i ~ N(0, (tau Lambda)^-1),    tau ~ Gamma, for each group of sides
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._reference.fm import Array

Ints = NDArray[np.int64]


class GibbsPriors(NamedTuple):
    """Priors; a Gamma has a shape and a rate, the Wishart the mean degrees * scale * identity."""

    kind: str = "normal-wishart"  # of v; or normal-gamma
    w0_precision: float = 0.01  # w0 ~ N(0, 1 / w0_precision)
    noise_shape: float = 1.0  # alpha ~ Gamma
    noise_rate: float = 1.0
    mean_precision: float = 1.0  # mu | Lambda ~ N(0, (mean_precision Lambda)^-1)
    shape: float = 1.0  # lambda ~ Gamma: of each group, and of its factors in normal-gamma
    rate: float = 1.0
    degrees: float | None = None  # Lambda ~ Wishart; None: as many as factors
    scale: float = 1.0
    tau_shape: float = 1.0  # tau ~ Gamma
    tau_rate: float = 1.0
    cut_precision: float = 0.01  # cut points ~ N(0, 1 / cut_precision), in rising order


DEFAULT_PRIORS = GibbsPriors()


# --- draws -----------------------------------------------------------------------------------------------------------


def draw_normal(mean: Array, precision: Array, rng: np.random.Generator) -> Array:
    """Draw from N(mean, precision^-1): mean (k,), precision (k, k)."""
    U = np.linalg.cholesky(precision).T
    x: Array = mean + np.linalg.solve(U, rng.standard_normal(len(mean)))
    return x


def draw_wishart(degrees: float, scale: Array, rng: np.random.Generator) -> Array:
    """Draw from the Wishart distribution of mean degrees * scale by Bartlett's decomposition (1933)."""
    k = len(scale)
    A = np.tril(rng.standard_normal((k, k)), -1) + np.diag(np.sqrt(rng.chisquare(degrees - np.arange(k))))
    root = np.linalg.cholesky(scale) @ A
    drawn: Array = root @ root.T
    return drawn


# --- priors of groups ------------------------------------------------------------------------------------------------


class SideFeatures(NamedTuple):
    """What features are made of in the centered form: values (n_features, n_side), the side group of each column."""

    F: Array
    groups: Ints


@dataclass
class Hierarchy:
    """Prior means and precisions of the rows of theta (n_features, k): of the vectors V, or of w with k = 1.

    ``mu`` (n_groups, k), ``Lambda`` (n_groups, k, k), ``b`` (n_side, k) and ``tau`` (n_side_groups,).
    """

    groups: Ints
    side: SideFeatures
    k: int
    priors: GibbsPriors
    rng: np.random.Generator

    def __post_init__(self) -> None:
        n_groups = int(self.groups.max()) + 1
        n_side_groups = int(self.side.groups.max(initial=-1)) + 1
        # The group of side feature i is that of the features that it is part of.
        self.owner = np.array([self.groups[np.flatnonzero(f)[0]] for f in self.side.F.T], dtype=int)
        self.mu, self.Lambda = np.zeros((n_groups, self.k)), np.stack([np.eye(self.k)] * n_groups)
        self.b, self.tau = np.zeros((len(self.owner), self.k)), np.ones(n_side_groups)

    def means(self) -> Array:
        """Return the prior mean of each row of theta: (n_features, k)."""
        return self.mu[self.groups] + self.side.F @ self.b

    def conditional_b(self, i: int, theta: Array) -> tuple[Array, Array]:
        """Return mean and precision of b_i given theta and all others: (k,) and (k, k)."""
        f = self.side.F[:, i]
        rest = theta - self.means() + np.outer(f, self.b[i])
        precision = f @ f + self.tau[self.side.groups[i]]
        return f @ rest / precision, precision * self.Lambda[self.owner[i]]

    def draw(self, theta: Array) -> None:
        """Draw mu and Lambda given theta and b, then each b_i, then tau."""
        for g in range(len(self.mu)):
            self._draw_group(g, (theta - self.side.F @ self.b)[self.groups == g])
        for i in range(len(self.b)):
            self.b[i] = draw_normal(*self.conditional_b(i, theta), self.rng)
        for g in range(len(self.tau)):
            members = np.flatnonzero(self.side.groups == g)
            squares = sum(self.b[i] @ self.Lambda[self.owner[i]] @ self.b[i] for i in members)
            shape, rate = self.priors.tau_shape + self.k * len(members) / 2, self.priors.tau_rate + squares / 2
            self.tau[g] = self.rng.gamma(shape, 1 / rate)

    def _draw_group(self, g: int, theta: Array) -> None:
        """Draw Lambda_g given rows theta (n, k) less their sides, then mu_g (Salakhutdinov, Mnih 2008, eq. 14)."""
        n, beta0 = len(theta), self.priors.mean_precision
        mean = theta.sum(axis=0) / max(n, 1)
        scatter = (theta - mean).T @ (theta - mean) + beta0 * n / (beta0 + n) * np.outer(mean, mean)
        own = np.flatnonzero(self.owner == g)  # each b_i is one more row of precision Lambda, times tau
        scatter = scatter + (self.tau[self.side.groups[own]][:, None] * self.b[own]).T @ self.b[own]
        self.Lambda[g] = self._draw_precision(scatter, n + len(own))
        self.mu[g] = draw_normal(n * mean / (beta0 + n), (beta0 + n) * self.Lambda[g], self.rng)

    def _draw_precision(self, scatter: Array, n: int) -> Array:
        """Draw a Lambda given n rows of this scatter (k, k)."""
        prior = self.priors
        if prior.kind == "normal-gamma":
            return np.diag(self.rng.gamma(prior.shape + n / 2, 1 / (prior.rate + np.diag(scatter) / 2)))
        degrees = self.k if prior.degrees is None else prior.degrees
        W = np.linalg.inv(np.eye(self.k) / prior.scale + scatter)
        return draw_wishart(degrees + n, W.astype(float), self.rng)

"""Likelihoods of a Gibbs sampler: of numbers with normal noise, of two classes, and of ordered classes.

Given scores p_r, each draws targets that are normal around p_r, so that the parameters of the model have normal
conditionals whatever is learned. Numbers are such targets themselves. Classes have latent ones (Albert, Chib 1993),

    z_r ~ N(p_r, 1),   y_r = c  where  g_c < z_r <= g_(c+1),

with cut points g, of which two classes have one, at 0. Weights count rows: one of weight 2 is that row twice.

References
----------
Albert, Chib, "Bayesian Analysis of Binary and Polychotomous Response Data" (JASA 1993). Cowles, "Accelerating Monte
Carlo Markov chain convergence for cumulative-link generalized linear models" (Statistics and Computing 1996).
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from fastfm_ext._common.arrays import AnyArray, Float32, Float64, Int64

LOG_2PI = float(np.log(2 * np.pi))
# A row that counts more often has the mean of so many latents drawn as a normal number.
MOST_LATENTS = 16
# So many latents have a mean that does not vary any more, and int64 holds their number.
MOST_COUNTS = 2.0**62
# Of each cut point, around 0.
CUT_PRECISION = 0.01


class Likelihood(Protocol):
    """What a chain asks of the distribution of its targets.

    Attributes
    ----------
    y : ndarray of shape (n_rows,)
        The targets as they are observed; they may be replaced between two sweeps.
    needs_scores : bool
        Whether `targets` and `update` read the scores.
    """

    y: AnyArray
    needs_scores: ClassVar[bool]

    def targets(self, scores: Float64 | None, rng: np.random.Generator) -> Float64:
        """Return targets that are normal around the scores, both of shape (n_rows,)."""

    def update(self, scores: Float64 | None, sse: float, weight_sum: float, rng: np.random.Generator) -> float:
        """Draw what belongs to the likelihood; return the noise precision.

        Parameters
        ----------
        scores : ndarray of shape (n_rows,) or None
        sse : float
            Weighted sum of the squared differences of targets and scores.
        weight_sum : float
        rng : numpy.random.Generator
        """

    def expectation(self, scores: Float64, noise: float) -> tuple[Float64, Float64]:
        """Return mean and variance of an observation of each score, (n_rows,), at this noise precision."""

    def to_arrays(self) -> dict[str, Float64]:
        """Return what has been drawn besides the noise precision, by name."""


class Gaussian:
    """Likelihood of numbers: ``y_r ~ N(p_r, 1 / (alpha s_r))`` with ``alpha ~ Gamma(shape, rate)``."""

    needs_scores: ClassVar[bool] = False

    def __init__(self, y: Float64, shape: float = 1.0, rate: float = 1.0) -> None:
        self.y: AnyArray = y
        self._shape = shape
        self._rate = rate

    def targets(self, scores: Float64 | None, rng: np.random.Generator) -> Float64:
        """Return the targets as they are observed."""
        return self.y

    def update(self, scores: Float64 | None, sse: float, weight_sum: float, rng: np.random.Generator) -> float:
        """Draw the noise precision."""
        return float(rng.gamma(self._shape + 0.5 * weight_sum) / (self._rate + 0.5 * sse))

    def expectation(self, scores: Float64, noise: float) -> tuple[Float64, Float64]:
        """Return the scores, and the variance of the noise for each."""
        return scores, np.full(scores.shape, 1.0 / noise)

    def to_arrays(self) -> dict[str, Float64]:
        """Return nothing."""
        return {}


class Probit:
    """Likelihood of two classes: ``P(y_r = 1) = Phi(p_r)``.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    sample_weight : ndarray of shape (n_rows,), optional
    """

    needs_scores: ClassVar[bool] = True

    def __init__(self, y: AnyArray, sample_weight: Float32 | None = None) -> None:
        self.y: AnyArray = y
        self._counts = _counts(sample_weight)

    def targets(self, scores: Float64 | None, rng: np.random.Generator) -> Float64:
        """Draw the latents: normal around the scores, above 0 for class 1, and below for class 0."""
        assert scores is not None
        side = np.where(self.y > 0, 1.0, -1.0)
        below = side * scores
        infinite = np.broadcast_to(-np.inf, below.shape)
        drawn: Float64 = scores - side * _means_of_truncated(infinite, below, self._counts, rng)
        return drawn

    def update(self, scores: Float64 | None, sse: float, weight_sum: float, rng: np.random.Generator) -> float:
        """Return the noise precision, which is 1."""
        return 1.0

    def expectation(self, scores: Float64, noise: float) -> tuple[Float64, Float64]:
        """Return the probability of class 1, and the variance of a number that is 1 as often."""
        p = ndtr(scores)
        return p, p * ndtr(-scores)

    def to_arrays(self) -> dict[str, Float64]:
        """Return nothing."""
        return {}


class OrderedProbit:
    """Likelihood of ordered classes: ``P(y_r <= c) = Phi(g_(c+1) - p_r)``.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Numbers of classes, 0 to ``n_classes - 1``; each occurs.
    n_classes : int
        Two or more.
    sample_weight : ndarray of shape (n_rows,), optional

    Attributes
    ----------
    cuts : ndarray of shape (n_classes - 1,)
        The cut points between classes, which rise.
    """

    needs_scores: ClassVar[bool] = True

    def __init__(self, y: AnyArray, n_classes: int, sample_weight: Float32 | None = None) -> None:
        self.y: AnyArray = y
        self._weight = sample_weight
        self._counts = _counts(sample_weight)
        share = np.bincount(y, sample_weight, n_classes).astype(np.float64)
        self.cuts: Float64 = ndtri(np.cumsum(share)[:-1] / share.sum())

    def targets(self, scores: Float64 | None, rng: np.random.Generator) -> Float64:
        """Draw the latents: normal around the scores, between the cut points of the row's class."""
        assert scores is not None
        low, high = self._bounds(scores, self.cuts)
        # The tail on the left keeps its digits: what lies to the right of 0 is mirrored.
        is_right = low > -high
        low, high = np.where(is_right, -high, low), np.where(is_right, -low, high)
        e = _means_of_truncated(low, high, self._counts, rng)
        drawn: Float64 = scores + np.where(is_right, -e, e)
        return drawn

    def update(self, scores: Float64 | None, sse: float, weight_sum: float, rng: np.random.Generator) -> float:
        """Draw the cut points given the scores alone, not the latents, which would hold them fast; return 1.

        A Metropolis step, whose proposal is the normal distribution that a Newton step from the cut points names.
        """
        assert scores is not None
        value, mean, root = self._newton(scores, self.cuts)
        proposed = mean + _solve_upper(root, rng.standard_normal(len(mean)))
        if (np.diff(proposed) > 0).all():
            other, mean_back, root_back = self._newton(scores, proposed)
            forth = _log_normal(proposed - mean, root)
            back = _log_normal(self.cuts - mean_back, root_back)
            if np.log(rng.random()) < other - value + back - forth:
                self.cuts = proposed
        return 1.0

    def expectation(self, scores: Float64, noise: float) -> tuple[Float64, Float64]:
        """Return mean and variance of the number of the class."""
        above = ndtr(scores[:, None] - self.cuts)
        mean = above.sum(axis=1)
        odd = 2 * np.arange(above.shape[1]) + 1  # c^2 is the sum of the first c odd numbers
        return mean, np.maximum(above @ odd - mean**2, 0.0)

    def to_arrays(self) -> dict[str, Float64]:
        """Return the cut points."""
        return {"cuts": self.cuts.copy()}

    def _bounds(self, scores: Float64, cuts: Float64) -> tuple[Float64, Float64]:
        """Return the cut points around each row's class, less its score."""
        edges = np.concatenate(([-np.inf], cuts, [np.inf]))
        return edges[self.y] - scores, edges[self.y + 1] - scores

    def _newton(self, scores: Float64, cuts: Float64) -> tuple[float, Float64, Float64]:
        """Return the log posterior of cut points, the end of a Newton step from there, and its precision.

        The precision is tridiagonal, and is given by its banded upper Cholesky root, (2, n_cuts). It is positive, since
        the logarithm of a normal probability is concave in the ends of the interval.
        """
        low, high = self._bounds(scores, cuts)
        log_p = _log_between(low, high)
        weight = np.ones(len(scores)) if self._weight is None else self._weight.astype(np.float64)
        at_low, at_high = (np.exp(_log_density(ends) - log_p) for ends in (low, high))
        low, high = (np.where(np.isinf(ends), 0.0, ends) for ends in (low, high))
        n, y = len(cuts), self.y

        def of_cuts(values_at_low: Float64, values_at_high: Float64) -> Float64:
            """Sum what the rows of the class above and of the class below say of each cut point."""
            above = np.bincount(y, weight * values_at_low, n + 1)[1:]
            below = np.bincount(y, weight * values_at_high, n + 1)[:-1]
            return np.add(above, below, dtype=np.float64)

        slope = of_cuts(-at_low, at_high) - CUT_PRECISION * cuts
        banded = np.zeros((2, n))
        banded[1] = of_cuts(at_low * (at_low - low), at_high * (at_high + high)) + CUT_PRECISION
        banded[0, 1:] = -np.bincount(y, weight * at_low * at_high, n + 1)[1:-1]
        root = cholesky_banded(banded)
        value = float(weight @ log_p) - 0.5 * CUT_PRECISION * float(cuts @ cuts)
        return value, cuts + cho_solve_banded((root, False), slope), root


def _counts(sample_weight: Float32 | None) -> Int64 | None:
    """Return how many latents a row has: one for each time that it counts, and one at least."""
    if sample_weight is None or (sample_weight <= 1).all():
        return None
    return np.clip(np.rint(sample_weight), 1, MOST_COUNTS).astype(np.int64)


def _means_of_truncated(low: Float64, high: Float64, counts: Int64 | None, rng: np.random.Generator) -> Float64:
    """Draw of each row the mean of `counts` standard normal numbers between its bounds, (n_rows,); None for one.

    ``low + high`` must not be above 0, so that the logarithms of both tails are exact.
    """
    if counts is None:
        return _truncated(low, high, rng)
    means = np.zeros(len(low))
    few = np.minimum(counts, MOST_LATENTS)
    for number in range(int(few.max())):
        more = np.flatnonzero(few > number)
        means[more] += _truncated(low[more], high[more], rng)
    means /= few
    many = np.flatnonzero(counts > MOST_LATENTS)
    if len(many):
        mean, variance = _moments(low[many], high[many])
        means[many] = mean + np.sqrt(variance / counts[many]) * rng.standard_normal(len(many))
    return means


def _truncated(low: Float64, high: Float64, rng: np.random.Generator) -> Float64:
    """Draw standard normal numbers between bounds, (n_rows,).

    A number without bounds will do where it lies between them, which is most rows once a model has learned.
    """
    drawn = rng.standard_normal(len(low))
    outside = np.flatnonzero((drawn <= low) | (drawn >= high))
    drawn[outside] = _truncated_by_inverse(low[outside], high[outside], rng)
    return drawn


def _truncated_by_inverse(low: Float64, high: Float64, rng: np.random.Generator) -> Float64:
    """Draw standard normal numbers between bounds, (n_rows,), by the inverse of their distribution function."""
    u = rng.random(len(low))
    log_high = log_ndtr(high) + np.log1p(-u)  # log(1 - u), since u may be 0 and is never 1
    is_open = np.isinf(low)
    if is_open.all():
        return _inverse(log_high, high)
    with np.errstate(divide="ignore"):
        log_low = log_ndtr(low) + np.log(u)
    return np.maximum(_inverse(np.logaddexp(log_low, log_high), high), low)


def _inverse(log_p: Float64, high: Float64) -> Float64:
    """Return the numbers whose distribution function is exp(log_p), not above `high`, where rounding may put them."""
    drawn: Float64 = np.minimum(ndtri_exp(np.minimum(log_p, 0.0)), high)
    return drawn


def _moments(low: Float64, high: Float64) -> tuple[Float64, Float64]:
    """Return mean and variance of a standard normal number between bounds, (n_rows,)."""
    log_p = _log_between(low, high)
    at_low, at_high = (np.exp(_log_density(ends) - log_p) for ends in (low, high))
    low, high = (np.where(np.isinf(ends), 0.0, ends) for ends in (low, high))
    mean = at_low - at_high
    # Far in a tail the terms cancel, and what is left lies near the bound: 1 / bound^2 (Mills' ratio).
    variance = 1.0 + low * at_low - high * at_high - mean**2
    return mean, np.where(high < -100.0, 1.0 / np.maximum(high**2, 1.0), np.maximum(variance, 0.0))


def _log_between(low: Float64, high: Float64) -> Float64:
    """Return the logarithm of the probability that a standard normal number lies between bounds, (n_rows,)."""
    is_right = low > -high
    low, high = np.where(is_right, -high, low), np.where(is_right, -low, high)
    log_low, log_high = log_ndtr(low), log_ndtr(high)
    log_p: Float64 = log_high + np.log(-np.expm1(np.minimum(log_low - log_high, -1e-300)))
    return log_p


def _log_density(x: Float64) -> Float64:
    """Return the logarithm of the standard normal density."""
    return -0.5 * (x**2 + LOG_2PI)


def _solve_upper(root: Any, z: Float64) -> Float64:
    """Return ``U^-1 z`` of a bidiagonal upper root U in banded form, (2, n): normal numbers of precision U'U."""
    solved = np.empty(len(z))
    solved[-1] = z[-1] / root[1, -1]
    for i in range(len(z) - 2, -1, -1):
        solved[i] = (z[i] - root[0, i + 1] * solved[i + 1]) / root[1, i]
    return solved


def _log_normal(x: Float64, root: Any) -> float:
    """Return the log density, up to a constant, of a normal deviation x of precision U'U, U in banded form."""
    Ux = root[1] * x
    Ux[:-1] += root[0, 1:] * x[1:]
    return float(np.log(root[1]).sum() - 0.5 * (Ux @ Ux))

"""Likelihoods: moments of the latents, far tails, weights as counts, and cut points that come back."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm, truncnorm

from fastfm_ext._learning.solvers.likelihoods import Gaussian, OrderedProbit, Probit

N = 40_000


def latents(likelihood, score, rng=None):
    n = len(likelihood.y)
    return likelihood.targets(np.full(n, float(score)), rng or np.random.default_rng(0))


@pytest.mark.parametrize("score", [-3.0, -0.5, 0.0, 2.0])
@pytest.mark.parametrize("y", [0, 1])
def test_latents_of_two_classes_have_the_moments_of_a_truncated_normal(score, y):
    z = latents(Probit(np.full(N, y)), score)
    expected = truncnorm(-score, np.inf, loc=score) if y else truncnorm(-np.inf, -score, loc=score)
    assert z.min() >= 0 if y else z.max() <= 0
    assert abs(z.mean() - expected.mean()) < 5 * expected.std() / np.sqrt(N)
    assert z.std() == pytest.approx(expected.std(), rel=0.03)


@pytest.mark.parametrize("score", [-30.0, -1e3, -1e6])
def test_latents_far_in_a_tail_lie_just_beyond_the_cut(score):
    z = latents(Probit(np.ones(N)), score)
    assert np.isfinite(z).all()
    assert z.min() >= 0
    # Mills: the excess over a far bound is exponential of rate |score|.
    assert z.mean() == pytest.approx(1 / abs(score), rel=0.05)


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.7), (2.0, 2.5), (-9.0, -8.0), (12.0, 12.1)])
def test_latents_between_two_cuts_have_the_moments_of_a_truncated_normal(low, high):
    likelihood = OrderedProbit(np.repeat([0, 1, 2], [1, N, 1]), 3)
    likelihood.cuts = np.array([low, high])
    z = latents(likelihood, 0.0)[1:-1]
    assert low <= z.min()
    assert z.max() <= high
    expected = truncnorm(low, high)
    assert abs(z.mean() - expected.mean()) < 5 * expected.std() / np.sqrt(N)


def test_a_row_that_counts_several_times_has_the_mean_of_as_many_latents():
    for weight in (3, 100):
        z = latents(Probit(np.ones(N), np.full(N, weight, dtype=np.float32)), 0.3)
        expected = truncnorm(-0.3, np.inf, loc=0.3)
        assert abs(z.mean() - expected.mean()) < 5 * expected.std() / np.sqrt(N * weight)
        assert z.std() == pytest.approx(expected.std() / np.sqrt(weight), rel=0.03)


def test_noise_precision_is_drawn_from_its_gamma_posterior():
    rng, likelihood = np.random.default_rng(0), Gaussian(np.zeros(1), shape=2.0, rate=3.0)
    drawn = [likelihood.update(None, 10.0, 6.0, rng) for _ in range(N)]
    assert np.mean(drawn) == pytest.approx(5 / 8, rel=0.01)
    assert np.var(drawn) == pytest.approx(5 / 64, rel=0.05)


def simulated(n, cuts, rng):
    scores = rng.normal(size=n)
    return scores, np.searchsorted(cuts, scores + rng.standard_normal(n))


def test_cut_points_come_back_with_the_spread_of_their_posterior():
    rng, cuts = np.random.default_rng(0), np.array([-1.5, -0.2, 0.3, 2.0])
    scores, y = simulated(20_000, cuts, rng)
    likelihood = OrderedProbit(y, 5)
    drawn = []
    for _ in range(300):
        assert likelihood.update(scores, np.nan, np.nan, rng) == 1.0
        drawn.append(likelihood.cuts)
    after = np.array(drawn[20:])
    assert (np.abs(after.mean(axis=0) - cuts) < 5 * after.std(axis=0)).all()
    assert (after.std(axis=0) < 0.05).all()
    assert len(np.unique(after[:, 0])) > 0.7 * len(after)  # most proposals are taken


def test_cut_points_follow_the_exact_posterior_of_few_rows():
    rng = np.random.default_rng(1)
    scores, y = np.array([0.5, -0.4, 0.1, 1.0, -1.0, 0.3]), np.array([0, 1, 2, 1, 0, 2])
    likelihood, drawn = OrderedProbit(y, 3), []
    for _ in range(20_000):
        likelihood.update(scores, np.nan, np.nan, rng)
        drawn.append(likelihood.cuts)
    first, second = np.meshgrid(np.linspace(-6, 6, 241), np.linspace(-6, 6, 241), indexing="ij")
    log_p = norm.logpdf(first, scale=10) + norm.logpdf(second, scale=10)
    with np.errstate(divide="ignore", invalid="ignore"):
        for score, c in zip(scores, y, strict=True):
            p = [ndtr(first - score), ndtr(second - score) - ndtr(first - score), ndtr(score - second)][c]
            log_p = log_p + np.where(second > first, np.log(p), -np.inf)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    for cut, grid in enumerate((first, second)):
        mean = (p * grid).sum()
        assert np.mean(drawn, axis=0)[cut] == pytest.approx(mean, abs=0.05)
        assert np.std(drawn, axis=0)[cut] == pytest.approx(np.sqrt((p * (grid - mean) ** 2).sum()), rel=0.05)


def test_weights_of_cut_points_count_rows():
    rng, cuts = np.random.default_rng(0), np.array([-0.5, 1.0])
    scores, y = simulated(200, cuts, rng)
    twice = OrderedProbit(np.repeat(y, 2), 3)
    weighted = OrderedProbit(y, 3, np.full(200, 2.0, dtype=np.float32))
    np.testing.assert_allclose(weighted.cuts, twice.cuts)
    for likelihood, given in ((twice, np.repeat(scores, 2)), (weighted, scores)):
        likelihood.update(given, np.nan, np.nan, np.random.default_rng(5))
    np.testing.assert_allclose(weighted.cuts, twice.cuts, rtol=1e-9)


def test_expectations_are_those_of_the_classes():
    scores = np.array([-1.0, 0.2, 3.0])
    p, variance = Probit(np.zeros(3)).expectation(scores, 1.0)
    np.testing.assert_allclose(p, norm.cdf(scores))
    np.testing.assert_allclose(variance, p * (1 - p))
    likelihood = OrderedProbit(np.array([0, 1, 2, 3]), 4)
    edges = np.concatenate(([-np.inf], likelihood.cuts, [np.inf]))
    of_classes = np.diff(ndtr(edges - scores[:, None]), axis=1)
    mean, variance = likelihood.expectation(scores, 1.0)
    np.testing.assert_allclose(mean, of_classes @ np.arange(4))
    np.testing.assert_allclose(variance, of_classes @ np.arange(4) ** 2 - mean**2)
    mean, variance = Gaussian(np.zeros(3)).expectation(scores, 4.0)
    np.testing.assert_array_equal(variance, 0.25)

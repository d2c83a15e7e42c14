"""The chain of the Gibbs sampler: conditionals against its reference, joint distributions, known posteriors."""

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.linear_model import BayesianRidge

from chain_cases import RELATIONS, ROWS, case_of, chain_of, one_hot, reference_at, set_state_of_chain, state_of_chain
from fastfm_ext._engine import sweep
from fastfm_ext._learning import block_model
from fastfm_ext._learning.solvers import likelihoods
from fastfm_ext._learning.solvers.gibbs import WIDEST_JOINT_OF_MANY, is_by_coordinate
from gibbs_cases import (
    LARGEST_Z,
    LITERAL,
    POSTERIORS,
    PRIORS,
    WEIGHTS,
    GibbsCase,
    coordinates,
    one_of,
    posterior_draws,
    prior_draws,
    set_state,
    stacked,
    targets,
    z_scores,
)

# So many factors are drawn by coordinates, whatever the number of blocks.
BY_COORDINATE = WIDEST_JOINT_OF_MANY + 1
CHI_SQUARED = PRIORS._replace(kind="normal-wishart", degrees=None, scale=1)
WEIGHTED = {"weighted": True, "unweighted": False}


def assert_conditional_means_follow(chain, case, y):
    """Compare the conditional means of a chain after a few sweeps with the reference's."""
    for _ in range(3):
        chain.sweep()
    model, means = reference_at(chain, case, y), chain.conditional_means()
    for j in range(len(case.groups)):
        expected, precision = model.conditional(j)
        # Errors of float32 sums of some size 1, which the solution magnifies by the condition of the matrix.
        tolerance = 1e-6 * (10 + np.linalg.cond(precision))
        np.testing.assert_allclose([means.w[j], *means.V[j]], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("is_weighted", WEIGHTED.values(), ids=WEIGHTED)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("k", [0, 1, 3, 8, 16, 17, 32, 40, 64])
def test_conditional_means_follow_the_reference(isa, k, rows, is_weighted):
    case, y = case_of(rows, k, priors=CHI_SQUARED if is_weighted else PRIORS)
    if is_weighted:
        case = case.having(sample_weight=np.random.default_rng(0).integers(1, 9, len(y)) / 4)
    chain = chain_of(case, y, seed=k)
    assert_conditional_means_follow(chain, case, y)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("k", [3, 17])
def test_without_room_for_copies_and_sums_the_conditional_means_are_the_same(isa, k, rows, monkeypatch):
    case, y = case_of(rows, k, priors=PRIORS)
    case = case.having(sample_weight=np.random.default_rng(0).integers(1, 9, len(y)) / 4)
    monkeypatch.setattr(block_model, "MOST_BYTES_OF_COPIES", 0)
    monkeypatch.setattr(sweep, "MOST_BYTES_OF_SUMS", 0)
    chain = chain_of(case, y, seed=k)
    assert_conditional_means_follow(chain, case, y)


@pytest.mark.parametrize("n_rows", [300, 5_000], ids=["short", "long"])
def test_a_heavy_row_leaves_conditional_means_what_the_other_rows_say(isa, n_rows):
    """Two values of 30 make a term of 900, beside which sums of float32 would lose the others."""
    rng = np.random.default_rng(5)
    ids, groups = one_hot(rng, [6], n_rows)
    X = np.concatenate([ids, rng.normal(size=(n_rows, 3))], axis=1)
    X[7, 6:8] = 30.0
    case, k = GibbsCase(X.astype(np.float32).astype(float), np.r_[groups, 1, 2, 3], 4), 4
    pairs = X[:, 6] * X[:, 8] + 0.3 * X[:, 7] * (1 + X[:, 0])
    y = pairs / pairs[8:].std() + 0.3 * rng.normal(size=n_rows)
    chain = swept(case, y, 20)
    model, means = reference_at(chain, case, y), chain.conditional_means()
    for j in range(6, 9):
        expected, precision = model.conditional(j)
        found = np.array([means.w[j], *means.V[j, :k]])
        assert np.abs(np.linalg.cholesky(precision).T @ (found - expected)).max() < 0.02


# --- draws -----------------------------------------------------------------------------------------------------------


def noise_of_coordinates(mean, precision, before, after):
    """Return the standard normal numbers behind draws of one coordinate after the other.

    With the lower triangle M of the precision A, a sweep goes to M^-1 (A mean - (A - M) before + D^1/2 noise), D the
    diagonal (Fox, Parker, "Accelerated Gibbs sampling of normal distributions", 2014).
    """
    M, D = np.tril(precision), np.diag(precision)
    return (M @ after - precision @ mean + (precision - M) @ before) / np.sqrt(D)


def noise_behind(chain, case, y):
    """Sweep once; return the standard normal numbers that the reference finds behind the draw of each feature."""
    model, noise = reference_at(chain, case, y), {}
    chain.sweep()
    drawn = chain.parameters()
    for part in chain.model.parts:
        for j in part.block.features:
            mean, precision = model.conditional(j)
            before, after = (np.array([w[j], *V[j]]) for w, V in [(model.w, model.V), (drawn.w, drawn.V)])
            if is_by_coordinate(chain.model.rows.k, len(chain.model.parts)) and part.relation is None:
                noise[j] = noise_of_coordinates(mean, precision, before, after)
            else:
                noise[j] = np.linalg.cholesky(precision).T @ (after - mean)
            model.w[j], model.V[j] = after[0], after[1:]
    return np.concatenate([noise[j] for j in sorted(noise)])


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("k", [0, 2, BY_COORDINATE])
def test_draws_have_the_conditional_distribution_of_the_reference(k, rows):
    assert_draws_have_independent_noise(*case_of(rows, k), 250 if k < 9 else 60)


def test_draws_by_coordinates_follow_a_prior_whose_factors_depend_on_each_other():
    assert_draws_have_independent_noise(*case_of("fields", BY_COORDINATE, priors=CHI_SQUARED), 60)


def assert_draws_have_independent_noise(case, y, n_sweeps):
    """Behind correct draws are independent standard normal numbers: of factors, features, and sweeps."""
    chain = chain_of(case, y, seed=3)
    noise = np.array([noise_behind(chain, case, y) for _ in range(n_sweeps)])
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    n, columns = noise.shape
    assert np.abs(noise.mean(axis=0)).max() * np.sqrt(n) < 4.5
    within = (noise.T @ noise / n)[np.triu_indices(columns, 1)]
    lagged = noise[1:].T @ noise[:-1] / (n - 1)
    assert np.abs(within).max(initial=0) * np.sqrt(n) < 5.5
    assert np.abs(lagged).max() * np.sqrt(n) < 5.5


@pytest.mark.parametrize("n_classes", [0, 2], ids=["numbers", "classes"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("k", [0, 3, BY_COORDINATE])
def test_likelihood_gets_the_errors_of_the_drawn_parameters(isa, k, rows, n_classes, monkeypatch):
    case, y = case_of(rows, k, n_classes=n_classes, sample_weight=np.random.default_rng(0).integers(1, 9, 300) / 4)
    case = case.having(sample_weight=case.sample_weight[: len(y)])
    chain, seen = chain_of(case, y > 0 if n_classes else y), {}
    update = chain.likelihood.update

    def record(scores, sse, weight_sum, rng):
        seen.update(scores=scores, sse=sse, weight_sum=weight_sum)
        return update(scores, sse, weight_sum, rng)

    monkeypatch.setattr(chain.likelihood, "update", record)
    for _ in range(3):
        chain.sweep()
        scores = reference_at(chain, case, y).scores()
        if n_classes:
            np.testing.assert_allclose(seen["scores"], scores, rtol=0, atol=1e-4)
        else:
            assert seen["sse"] == pytest.approx(np.sum(case.sample_weight * (y - scores) ** 2), rel=1e-4)
        assert seen["weight_sum"] == pytest.approx(case.sample_weight.sum(), rel=1e-6)


# --- joint distribution ----------------------------------------------------------------------------------------------

# Precisions of some 2.5, and relative ones of as much: where they are 1, a missing factor would not be seen.
FAR_FROM_ONE = PRIORS._replace(rate=2, tau_rate=2)
MODELS = {
    "regression": LITERAL.having(sample_weight=WEIGHTS),
    "regression-wishart": LITERAL.having(priors=CHI_SQUARED),
    "regression-pairs-only": LITERAL.having(fit_linear=False, fit_intercept=False),
    "regression-centered": RELATIONS.having(priors=FAR_FROM_ONE),
    "regression-centered-wishart": RELATIONS.having(priors=CHI_SQUARED),
    "probit": LITERAL.having(n_classes=2),
    "probit-centered": RELATIONS.having(n_classes=2),
    "ordered-probit": LITERAL.having(n_classes=4),
}
N_CHAINS, N_SWEEPS = 60, 25


@pytest.mark.parametrize("name", MODELS)
def test_chain_and_nature_draw_the_same_joint_distribution(name, monkeypatch):
    """Geweke, "Getting it right: joint distribution tests of posterior simulators" (2004)."""
    case, rng = MODELS[name], np.random.default_rng(5)
    monkeypatch.setattr(likelihoods, "CUT_PRECISION", case.priors.cut_precision)
    draws = prior_draws(case, 20_000, rng)
    y, chains = targets(case, draws, rng), []
    for number in range(N_CHAINS):
        chain, states = chain_of(case, np.arange(5) % max(case.n_classes, 1), seed=number), []
        set_state_of_chain(chain, case, one_of(draws, number))
        chain.y = y[number].astype(chain.y.dtype)
        for _ in range(N_SWEEPS):
            chain.sweep()
            states.append(state_of_chain(chain, case) | {"y": np.array(chain.y, dtype=float)})
            chain.y = targets(case, stacked(states[-1:]), rng)[0].astype(chain.y.dtype)
        chains.append(stacked(states))
    unknown = {"y"} if case.fit_linear else {"y", "mu_w", "Lambda_w"}
    names = set(chains[0]) - unknown
    known = [coordinates({name: found[name] for name in names}, found["y"]) for found in [draws | {"y": y}, *chains]]
    z = z_scores(known[0], np.array(known[1:]))
    assert np.abs(z).max() < LARGEST_Z


@pytest.mark.parametrize("name", POSTERIORS)
def test_chain_finds_the_posterior(name, monkeypatch):
    case, y = POSTERIORS[name]
    if case.priors.kind == "normal-wishart":
        case = case.having(priors=CHI_SQUARED)
    monkeypatch.setattr(likelihoods, "CUT_PRECISION", case.priors.cut_precision)
    exact = posterior_draws(case, y, 300_000, np.random.default_rng(4))
    chain, states = chain_of(case, y, seed=2), []
    for _ in range(3_200):
        chain.sweep()
        states.append(state_of_chain(chain, case))
    found = stacked(states[200:])
    exact, found = (
        coordinates({name: draws[name] for name in found}, np.zeros((len(draws["w0"]), 0))) for draws in (exact, found)
    )
    assert len(exact) > 500
    assert np.abs(z_scores(exact, found.reshape(60, 50, -1))).max() < LARGEST_Z


# --- known posteriors ------------------------------------------------------------------------------------------------

FIXED = PRIORS._replace(shape=1e9, rate=1e9, noise_shape=1e9, noise_rate=1e9, mean_precision=1e9)


def linear_problem(rng, n, d):
    X = rng.normal(size=(n, d)).astype(np.float32).astype(float)
    return X, X @ rng.normal(size=d) + rng.normal(size=n)


def weights_of(chain, n_sweeps):
    """Return the weights and noise precisions of sweeps behind the first hundred."""
    drawn = []
    for _ in range(n_sweeps + 100):
        chain.sweep()
        drawn.append([*chain.parameters().w, chain.noise])
    return np.array(drawn[100:], dtype=float)


def test_without_factors_and_with_fixed_precisions_the_posterior_is_that_of_ridge_regression():
    rng = np.random.default_rng(0)
    X, y = linear_problem(rng, 12, 3)
    covariance = np.linalg.inv(X.T @ X + np.eye(3))
    chain = chain_of(GibbsCase(X, np.zeros(3, dtype=int), 0, FIXED, fit_intercept=False), y)
    w = weights_of(chain, 3_000)[:, :3]
    exact = rng.multivariate_normal(covariance @ X.T @ y, covariance, size=50_000)
    assert np.abs(z_scores(exact, w.reshape(60, 50, 3))).max() < LARGEST_Z


def test_without_factors_the_posterior_is_that_of_bayesian_ridge():
    """That of scikit-learn maximizes where the chain draws: with many rows and weights both come to the same."""
    X, y = linear_problem(np.random.default_rng(1), 600, 30)
    priors = PRIORS._replace(shape=1, rate=1, noise_shape=1, noise_rate=1, mean_precision=1e9)
    drawn = weights_of(chain_of(GibbsCase(X, np.zeros(30, dtype=int), 0, priors, fit_intercept=False), y), 1_000)
    ridge = BayesianRidge(alpha_1=1, alpha_2=1, lambda_1=1, lambda_2=1, fit_intercept=False, tol=1e-9).fit(X, y)
    spread = np.sqrt(np.diag(ridge.sigma_))
    errors = np.abs(drawn[:, :30].mean(axis=0) - ridge.coef_) / spread
    assert errors.max() < 4.5 / np.sqrt(1_000)
    np.testing.assert_allclose(drawn[:, :30].std(axis=0), spread, rtol=0.1)
    assert drawn[:, 30].mean() == pytest.approx(ridge.alpha_, rel=0.02)


# --- orders ----------------------------------------------------------------------------------------------------------


def swept(case, y, n_sweeps, **options):
    chain = chain_of(case, y, **options)
    for _ in range(n_sweeps):
        chain.sweep()
    return chain


def long_columns():
    """Two fields, one of two features with thousands of rows, which threads share."""
    rng = np.random.default_rng(4)
    X, groups = one_hot(rng, [2, 30], 20_000)
    return GibbsCase(X, groups, 3), rng.normal(size=20_000).astype(np.float32).astype(float)


@pytest.mark.parametrize("k", [3, BY_COORDINATE])
@pytest.mark.parametrize("rows", [*ROWS, "long_columns", "relations"])
def test_threads_change_no_bit(isa, rows, k):
    special = {"long_columns": long_columns(), "relations": (RELATIONS, np.arange(5.0))}
    case, y = special[rows] if rows in special else case_of(rows, k)
    case = case.having(k=k)
    one, several = (swept(case, y, 4, n_threads=n) for n in [1, 3])
    for found in [lambda chain: chain.parameters(), lambda chain: chain.conditional_means()]:
        np.testing.assert_array_equal(found(one).V, found(several).V)
        np.testing.assert_array_equal(found(one).w, found(several).w)
    assert (one.w0, one.noise) == (several.w0, several.noise)


@pytest.mark.parametrize("k", [3, BY_COORDINATE])
def test_long_columns_follow_the_reference(isa, k):
    case, y = long_columns()
    case = case.having(k=k)
    chain = swept(case, y, 2, n_threads=2)
    model, means = reference_at(chain, case, y), chain.conditional_means()
    for j in [0, 1, 2, 31]:
        expected, precision = model.conditional(j)
        tolerance = 4e-6 * (10 + np.linalg.cond(precision))
        np.testing.assert_allclose([means.w[j], *means.V[j]], expected, rtol=0, atol=tolerance)


def test_conditional_means_of_centered_block_rows_follow_the_reference():
    case, y = RELATIONS, np.arange(5.0)
    chain, n_side = swept(case, y, 3), len(RELATIONS.side.groups)
    model, means = case.sampler(y, np.random.default_rng(0)), chain.conditional_means()
    set_state(model, state_of_chain(chain, case) | {"cuts": np.zeros(0)})
    of_rows = [part[n_side:] + case.side.F @ part[:n_side] for part in (means.w[:, None], means.V)]
    for j in range(len(case.groups)):
        np.testing.assert_allclose(np.hstack(of_rows)[j], model.conditional(j)[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("k", [3, BY_COORDINATE])
@pytest.mark.parametrize("rows", ROWS)
def test_the_order_of_rows_changes_roundings_only(rows, k):
    case, y = case_of(rows, k)
    order = np.random.default_rng(0).permutation(len(y))
    one, other = swept(case, y, 2), swept(case.having(X=case.X[order]), y[order], 2)
    np.testing.assert_allclose(one.parameters().V, other.parameters().V, rtol=0, atol=5e-3)
    np.testing.assert_allclose(one.parameters().w, other.parameters().w, rtol=0, atol=5e-3)
    assert one.noise == pytest.approx(other.noise, rel=1e-3)


def test_the_order_of_features_changes_the_random_numbers_only():
    case, y = case_of("sets", 2)
    order = np.random.default_rng(0).permutation(len(case.groups))
    scores = []
    for case_of_order in [case, case.having(X=case.X[:, order], groups=case.groups[order])]:
        chain = swept(case_of_order, y, 50)
        scores.append([(chain.sweep(), chain.scores())[1] for _ in range(1_000)])
    means, errors = [], []
    for drawn in np.array(scores):
        stretches = drawn.reshape(40, 25, -1).mean(axis=1)
        means.append(stretches.mean(axis=0))
        errors.append(stretches.var(axis=0, ddof=1) / 40)
    assert (np.abs(means[0] - means[1]) / np.sqrt(np.sum(errors, axis=0))).max() < 4.5

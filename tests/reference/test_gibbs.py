"""The reference of the Gibbs sampler, tested in its turn: conditionals, posteriors and joint draws by brute force."""

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, truncnorm

from fastfm_ext._reference.gibbs import draw_between
from fastfm_ext._reference.hierarchy import Hierarchy, SideFeatures
from gibbs_cases import (
    CENTERED,
    LARGEST_Z,
    LITERAL,
    POSTERIORS,
    PRIORS,
    WEIGHTS,
    WISHART,
    GibbsCase,
    accepted,
    coordinates,
    one_of,
    posterior_draws,
    prior_draws,
    prior_of_hierarchy,
    scores,
    set_state,
    stacked,
    state_of,
    targets,
    z_scores,
)

FORMS = {"literal": LITERAL.having(sample_weight=WEIGHTS), "centered": CENTERED.having(priors=WISHART)}
MODELS = {
    "regression": LITERAL.having(sample_weight=WEIGHTS),
    "regression-wishart": LITERAL.having(priors=WISHART),
    "regression-centered": CENTERED.having(priors=WISHART),
    "regression-pairs-only": LITERAL.having(fit_linear=False, fit_intercept=False),
    "probit": LITERAL.having(n_classes=2, priors=WISHART),
    "probit-centered": CENTERED.having(n_classes=2),
    "ordered-probit": LITERAL.having(n_classes=4),
}


def sampler_at(case, state, y, rng):
    model = case.sampler(y, rng)
    set_state(model, state)
    return model


def log_normal(theta, mean, precision):
    return multivariate_normal(mean, np.linalg.inv(precision)).logpdf(theta)


def log_joint(case, y, state):
    """Return the log density of targets and parameters given alpha, mu, Lambda and tau, up to a constant."""
    s = np.ones(len(y)) if case.sample_weight is None else case.sample_weight
    p = scores(case, {name: np.array(values)[None] for name, values in state.items()})[0]
    total = -0.5 * state["alpha"] * np.sum(s * (y - p) ** 2) - 0.5 * case.priors.w0_precision * state["w0"] ** 2
    F, side_groups = case.side or SideFeatures(np.zeros((len(case.groups), 0)), [])
    for kind, theta in [("w", state["w"][:, None]), ("V", state["V"])]:
        mu, precision, b, tau = (state[f"{name}_{kind}"] for name in ["mu", "Lambda", "b", "tau"])
        for j, g in enumerate(case.groups):
            total += log_normal(theta[j], mu[g] + F[j] @ b, precision[g])
        for i, side_group in enumerate(side_groups):
            g = case.groups[np.flatnonzero(F[:, i])[0]]
            total += log_normal(b[i], np.zeros(len(b[i])), tau[side_group] * precision[g])
    return total


def assert_is_conditional(mean, precision, log_joint_at, rng):
    """Check that the log joint falls from this mean as the normal density of this precision does, everywhere."""
    for d in rng.normal(size=(6, len(mean))):
        assert log_joint_at(mean + d) - log_joint_at(mean) == pytest.approx(-0.5 * d @ precision @ d, rel=1e-7)


@pytest.fixture(params=FORMS)
def placed(request):
    """A case, targets, a state, a sampler there, and random numbers."""
    case, rng = FORMS[request.param], np.random.default_rng(1)
    draws = prior_draws(case, 1, rng)
    y, state = targets(case, draws, rng)[0], one_of(draws, 0)
    return case, y, state, sampler_at(case, state, y, rng), rng


def test_conditional_of_a_feature_is_that_of_the_joint_density(placed):
    case, y, state, model, rng = placed
    for j in range(len(case.groups)):

        def log_joint_at(parameters, j=j):
            w, V = state["w"].copy(), state["V"].copy()
            w[j], V[j] = parameters[0], parameters[1:]
            return log_joint(case, y, state | {"w": w, "V": V})

        assert_is_conditional(*model.conditional(j), log_joint_at, rng)


def test_conditional_of_w0_is_that_of_the_joint_density(placed):
    case, y, state, model, rng = placed
    assert_is_conditional(*model.conditional_w0(), lambda w0: log_joint(case, y, state | {"w0": w0[0]}), rng)


@pytest.mark.parametrize("kind", ["w", "V"])
def test_conditional_of_a_side_feature_is_that_of_the_joint_density(kind):
    case, rng = FORMS["centered"], np.random.default_rng(1)
    state = one_of(prior_draws(case, 1, rng), 0)
    y = np.zeros(len(case.X))
    model = sampler_at(case, state, y, rng)
    hierarchy, theta = (model.hyper_w, model.w[:, None]) if kind == "w" else (model.hyper_V, model.V)
    for i in range(case.side.F.shape[1]):

        def log_joint_at(parameters, i=i):
            b = state[f"b_{kind}"].copy()
            b[i] = parameters
            return log_joint(case, y, state | {f"b_{kind}": b})

        assert_is_conditional(*hierarchy.conditional_b(i, theta), log_joint_at, rng)


def test_block_rows_of_the_centered_form_interact_with_other_blocks_only():
    rng = np.random.default_rng(2)
    state = one_of(prior_draws(CENTERED, 1, rng), 0)
    L, Q = state["w"], state["V"]
    expected = [
        state["w0"] + x_a * L[a] + x_b * L[b] + x_a * x_b * Q[a] @ Q[b]
        for a, x_a, b, x_b in [(0, 1, 3, 1), (1, 1, 4, 1), (2, 1, 3, 1), (0, 1, 4, 2), (1, -0.5, 3, 1)]
    ]
    np.testing.assert_allclose(sampler_at(CENTERED, state, np.zeros(5), rng).scores(), expected, rtol=1e-12)


@pytest.mark.parametrize("priors", [PRIORS, WISHART], ids=lambda priors: priors.kind)
@pytest.mark.parametrize("has_side", [False, True], ids=["plain", "side"])
def test_groups_follow_their_posterior(has_side, priors):
    rng = np.random.default_rng(3)
    F = np.array([[1.0, 0], [1, 1], [0, -1]]) if has_side else np.zeros((3, 0))
    side = SideFeatures(F, np.zeros(F.shape[1], dtype=int))
    case = GibbsCase(np.zeros((1, 3)), np.zeros(3, dtype=int), 2, priors, side=side)
    theta = np.array([[1.0, 0.2], [0.4, -0.5], [1.2, 0.7]])

    def flat(draws):
        upper = draws["Lambda"][..., *np.triu_indices(2)]
        return np.concatenate(
            [draws[name].reshape(len(upper), -1) for name in ["mu", "b", "tau"]] + [upper[:, 0]], axis=1
        )

    prior = prior_of_hierarchy(case, 2, priors.kind, 150_000, rng)
    rest = theta - prior["mu"] - F @ prior["b"]
    squares = np.einsum("nja,nab,njb->n", rest, prior["Lambda"][:, 0], rest)
    exact = accepted(flat(prior), 1.5 * np.linalg.slogdet(prior["Lambda"][:, 0])[1] - 0.5 * squares, rng)
    hierarchy, drawn = Hierarchy(case.groups, side, 2, priors, rng), []
    for _ in range(2_500):
        hierarchy.draw(theta)
        drawn.append({name: getattr(hierarchy, name).copy() for name in ["mu", "b", "tau", "Lambda"]})
    chains = flat(stacked(drawn[500:])).reshape(40, 50, -1)
    assert len(exact) > 500
    assert np.abs(z_scores(exact, chains)).max() < LARGEST_Z


@pytest.mark.parametrize(("low", "high"), [(0.0, np.inf), (-np.inf, 0.0), (-0.4, 1.1)])
def test_latents_are_normal_between_their_bounds(low, high):
    p = np.full(4_000, 0.7)
    z = draw_between(p, np.full(4_000, low), np.full(4_000, high), np.random.default_rng(3))
    assert kstest(z - 0.7, truncnorm(low - 0.7, high - 0.7).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", POSTERIORS)
def test_sampler_finds_the_posterior(name):
    case, y = POSTERIORS[name]
    rng = np.random.default_rng(4)
    exact = posterior_draws(case, y, 200_000, rng)
    model, states = case.sampler(y, rng), []
    for _ in range(1_600):
        model.sweep()
        states.append(state_of(model))
    found, exact = (coordinates(draws, np.zeros((len(draws["w0"]), 0))) for draws in (stacked(states[100:]), exact))
    assert len(exact) > 500
    assert np.abs(z_scores(exact, found.reshape(30, 50, -1))).max() < LARGEST_Z


@pytest.mark.parametrize("name", MODELS)
def test_sampler_and_nature_draw_the_same_joint_distribution(name):
    """Geweke, "Getting it right: joint distribution tests of posterior simulators" (2004)."""
    case, rng = MODELS[name], np.random.default_rng(5)
    draws = prior_draws(case, 20_000, rng)
    y = targets(case, draws, rng)
    chains = []
    for chain in range(40):
        model, states = sampler_at(case, one_of(draws, chain), y[chain], rng), []
        for _ in range(30):
            model.sweep()
            states.append(state_of(model) | {"y": model.y})
            model.y = targets(case, stacked(states[-1:]), rng)[0]
        chains.append(stacked(states))
    assert np.abs(z_scores(coordinates(draws, y), np.array([coordinates(c, c["y"]) for c in chains]))).max() < LARGEST_Z


def test_als_ends_where_the_posterior_is_highest():
    case, rng = LITERAL.having(sample_weight=WEIGHTS), np.random.default_rng(6)
    draws = prior_draws(case, 1, rng)
    y = targets(case, draws, rng)[0]
    model = sampler_at(case, one_of(draws, 0), y, rng)
    values = [log_joint(case, y, state_of(model))]
    for _ in range(300):
        model.als_sweep()
        values.append(log_joint(case, y, state_of(model)))
    assert np.diff(values).min() > -1e-12
    for j in range(4):
        np.testing.assert_allclose(model.conditional(j)[0], [model.w[j], *model.V[j]], atol=1e-6)


def test_als_without_factors_is_ridge_regression():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(20, 4)), rng.normal(size=20)
    model = GibbsCase(X, np.zeros(4, dtype=int), 0, fit_intercept=False).sampler(y, rng)
    model.hyper_w.Lambda[...] = 3
    for _ in range(200):
        model.als_sweep()
    np.testing.assert_allclose(model.w, np.linalg.solve(X.T @ X + 3 * np.eye(4), X.T @ y), rtol=1e-9)


def test_parts_that_are_switched_off_stay_zero():
    rng = np.random.default_rng(8)
    model = LITERAL.having(fit_intercept=False, fit_linear=False).sampler(np.arange(5.0), rng)
    model.sweep()
    model.als_sweep()
    assert model.w0 == 0
    assert not model.w.any()
    assert model.V.all()
